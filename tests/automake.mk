# SPDX-License-Identifier: Apache-2.0

# Unit tests: each test-*.c is a program of its own, of the check library.
UNIT_TESTS = \
	tests/unit/test-addr \
	tests/unit/test-answer \
	tests/unit/test-choose-pa \
	tests/unit/test-compile \
	tests/unit/test-db \
	tests/unit/test-firewall \
	tests/unit/test-firewall-log \
	tests/unit/test-firewall-set \
	tests/unit/test-found \
	tests/unit/test-fw-rule \
	tests/unit/test-groups \
	tests/unit/test-hnv-codec \
	tests/unit/test-host-view \
	tests/unit/test-learn \
	tests/unit/test-learn-table \
	tests/unit/test-log-file \
	tests/unit/test-plan \
	tests/unit/test-policy \
	tests/unit/test-policy-cost \
	tests/unit/test-policy-random \
	tests/unit/test-ranges \
	tests/unit/test-routes \
	tests/unit/test-router-advert \
	tests/unit/test-space \
	tests/unit/test-space-readers \
	tests/unit/test-space-stock \
	tests/unit/test-space-table \
	tests/unit/test-switch \
	tests/unit/test-switch-hnv

# They are linked with LDADD, the default for programs that do not say.
LDADD = $(HNV_LIBS) $(CHECK_LIBS)
tests_unit_test_space_readers_LDADD = datapath-ext/libhnvdp.la $(LDADD)
tests_unit_test_space_readers_LDFLAGS = $(AM_LDFLAGS) $(RCU_WRAP_LDFLAGS)
tests_unit_test_space_table_LDADD = datapath-ext/libhnvdp.la $(LDADD)
tests_unit_test_space_table_LDFLAGS = $(AM_LDFLAGS) $(RCU_WRAP_LDFLAGS)

# The link to a switch has one to talk to.
SWITCH_FIXTURE = \
	tests/unit/entry-store.c \
	tests/unit/entry-store.h \
	tests/unit/fake-switch.c \
	tests/unit/fake-switch.h \
	tests/unit/switch-fixture.c \
	tests/unit/switch-fixture.h
tests_unit_test_switch_SOURCES = tests/unit/test-switch.c $(SWITCH_FIXTURE)
tests_unit_test_switch_hnv_SOURCES = \
	tests/unit/test-switch-hnv.c \
	$(SWITCH_FIXTURE)

# The datapath's actions, told by a script what to do.
check_PROGRAMS += tests/unit/act-on-packets
tests_unit_act_on_packets_LDADD = datapath-ext/libhnvdp.la $(LDADD)
TESTS += tests/check-actions
EXTRA_DIST += tests/check-actions

# Those with several threads, for ThreadSanitizer (--enable-sanitizers=thread).
THREADED_TESTS = tests/unit/test-space-readers
check-threads: all $(THREADED_TESTS)
	@for test in $(THREADED_TESTS); do \
	    CK_FORK=no \
	    TSAN_OPTIONS='suppressions=$(abs_top_srcdir)/tests/tsan.supp' \
	    $$test || exit 1; \
	done
EXTRA_DIST += tests/tsan.supp

if HAVE_CHECK
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
endif
EXTRA_DIST += \
	tests/unit/firewall-feed.h \
	tests/unit/numbered-entries.h \
	tests/unit/policy-feed.h \
	tests/unit/random-entry.h \
	tests/unit/tsan-rcu.h \
	tests/unit/unit.h

# Scenarios: a folder each, with about.txt to say what must hold.
SCENARIOS = \
	tests/scenarios/firewall/result.want \
	tests/scenarios/ip-rewrite/hnv.want \
	tests/scenarios/ip-rewrite/result.want \
	tests/scenarios/ipv6/hnv.want \
	tests/scenarios/ipv6/result.want \
	tests/scenarios/migrating/hnv.want \
	tests/scenarios/migrating/result.want \
	tests/scenarios/learning/hnv.want \
	tests/scenarios/learning/result.want \
	tests/scenarios/moved/result.want \
	tests/scenarios/one-host/result.want \
	tests/scenarios/overlap/result.want \
	tests/scenarios/per-vm/result.want \
	tests/scenarios/routed/result.want \
	tests/scenarios/router-off/result.want \
	tests/scenarios/same-addresses/result.want \
	tests/scenarios/set-aside/result.want \
	tests/scenarios/set-right/result.want \
	tests/scenarios/several-cas/result.want \
	tests/scenarios/static-routes/hnv.want \
	tests/scenarios/static-routes/result.want \
	tests/scenarios/trunk/hnv.want \
	tests/scenarios/trunk/result.want \
	tests/scenarios/two-hosts/result.want
TESTS += $(SCENARIOS)
EXTRA_DIST += \
	$(SCENARIOS) \
	tests/scenarios/firewall/about.txt \
	tests/scenarios/firewall/host.txt \
	tests/scenarios/firewall/policy.json \
	tests/scenarios/ip-rewrite/about.txt \
	tests/scenarios/ip-rewrite/host.txt \
	tests/scenarios/ip-rewrite/policy.json \
	tests/scenarios/ipv6/about.txt \
	tests/scenarios/ipv6/host.txt \
	tests/scenarios/ipv6/policy.json \
	tests/scenarios/migrating/about.txt \
	tests/scenarios/migrating/host.txt \
	tests/scenarios/migrating/policy.json \
	tests/scenarios/learning/about.txt \
	tests/scenarios/learning/host.txt \
	tests/scenarios/learning/policy.json \
	tests/scenarios/moved/about.txt \
	tests/scenarios/moved/host.txt \
	tests/scenarios/moved/policy-1.json \
	tests/scenarios/moved/policy-2.json \
	tests/scenarios/one-host/about.txt \
	tests/scenarios/one-host/host.txt \
	tests/scenarios/one-host/policy.json \
	tests/scenarios/overlap/about.txt \
	tests/scenarios/overlap/host.txt \
	tests/scenarios/overlap/order-matters \
	tests/scenarios/overlap/policy-1.json \
	tests/scenarios/overlap/policy-2.json \
	tests/scenarios/per-vm/about.txt \
	tests/scenarios/per-vm/host.txt \
	tests/scenarios/per-vm/policy.json \
	tests/scenarios/routed/about.txt \
	tests/scenarios/routed/host.txt \
	tests/scenarios/routed/policy.json \
	tests/scenarios/router-off/about.txt \
	tests/scenarios/router-off/host.txt \
	tests/scenarios/router-off/policy.json \
	tests/scenarios/same-addresses/about.txt \
	tests/scenarios/same-addresses/host.txt \
	tests/scenarios/same-addresses/policy.json \
	tests/scenarios/set-aside/about.txt \
	tests/scenarios/set-aside/host.txt \
	tests/scenarios/set-aside/order-matters \
	tests/scenarios/set-aside/policy-1.json \
	tests/scenarios/set-aside/policy-2.json \
	tests/scenarios/set-right/about.txt \
	tests/scenarios/set-right/host.txt \
	tests/scenarios/set-right/policy-1.json \
	tests/scenarios/set-right/policy-2.json \
	tests/scenarios/set-right/policy-3.json \
	tests/scenarios/several-cas/about.txt \
	tests/scenarios/several-cas/host.txt \
	tests/scenarios/several-cas/policy.json \
	tests/scenarios/static-routes/about.txt \
	tests/scenarios/static-routes/host.txt \
	tests/scenarios/static-routes/policy.json \
	tests/scenarios/trunk/about.txt \
	tests/scenarios/trunk/host.txt \
	tests/scenarios/trunk/policy.json \
	tests/scenarios/two-hosts/about.txt \
	tests/scenarios/two-hosts/host.txt \
	tests/scenarios/two-hosts/policy.json
TEST_EXTENSIONS = .want
WANT_LOG_COMPILER = $(SHELL) $(top_srcdir)/tests/scenarios/run

# Checks of the source.
TESTS += tests/check-source tests/check-headers
AM_TESTS_ENVIRONMENT = \
	HNV_COMPILE_HEADER='$(CC) $(DEFS) -I. $(AM_CPPFLAGS) $(AM_CFLAGS)'; \
	export HNV_COMPILE_HEADER; \
	HNV_COMPILE='$(abs_top_builddir)/utilities/hnv-compile'; \
	export HNV_COMPILE; \
	HNV_ACT_ON='$(abs_top_builddir)/tests/unit/act-on-packets'; \
	export HNV_ACT_ON; \
	CK_FORK=no; export CK_FORK;
EXTRA_DIST += \
	tests/check-headers \
	tests/check-source \
	tests/scenarios/run

# System tests: hosts in network namespaces, real packets; root.  HNV_BACKEND
# chooses the backend that agents use, where a test does not.
PYTEST = /usr/bin/python3 -B -m pytest -p no:cacheprovider
PYTEST_FLAGS = -q -n 2 --dist loadfile
check-system: all
	HNV_AGENT='$(abs_top_builddir)/agent/hnv-agent' \
	HNV_OVS_TREE='$(OVS_BUILD)' \
	$(PYTEST) $(PYTEST_FLAGS) '$(abs_top_srcdir)/tests/system'
EXTRA_DIST += \
	tests/system/alike.py \
	tests/system/alike_outside.py \
	tests/system/alike_packets.py \
	tests/system/alike_policy.py \
	tests/system/alike_rewrite.py \
	tests/system/alike_ways.py \
	tests/system/bypass_frames.py \
	tests/system/conftest.py \
	tests/system/extension.py \
	tests/system/firewall_random.py \
	tests/system/firewall_reference.py \
	tests/system/firewall_rules.py \
	tests/system/guest_sockets.py \
	tests/system/hnv_bridge.py \
	tests/system/hnv_switch.py \
	tests/system/ovsdb_peer.py \
	tests/system/test_backend.py \
	tests/system/test_backends_alike.py \
	tests/system/test_bad_input.py \
	tests/system/test_changes.py \
	tests/system/test_datapath_admit.py \
	tests/system/test_datapath_ext.py \
	tests/system/test_datapath_find.py \
	tests/system/test_datapath_session.py \
	tests/system/test_datapath_shortcuts.py \
	tests/system/test_firewall.py \
	tests/system/test_firewall_bypass.py \
	tests/system/test_firewall_log.py \
	tests/system/test_firewall_ports.py \
	tests/system/test_firewall_random.py \
	tests/system/test_firewall_trunk.py \
	tests/system/test_forwarding.py \
	tests/system/test_guards.py \
	tests/system/test_host.py \
	tests/system/test_icmp_errors.py \
	tests/system/test_ip_rewrite.py \
	tests/system/test_ip_rewrite_changes.py \
	tests/system/test_ip_rewrite_ipv6.py \
	tests/system/test_ip_rewrite_rest.py \
	tests/system/test_ipv6_guests.py \
	tests/system/test_ipv6_underlay.py \
	tests/system/learning.py \
	tests/system/test_lab.py \
	tests/system/test_learning.py \
	tests/system/test_learning_ipv6.py \
	tests/system/test_learning_limits.py \
	tests/system/test_learning_underlay.py \
	tests/system/test_nd.py \
	tests/system/test_load_balancing.py \
	tests/system/test_megaflows.py \
	tests/system/test_mtu.py \
	tests/system/test_mobility.py \
	tests/system/test_packet_walks.py \
	tests/system/test_ovsdb_clients.py \
	tests/system/test_ovsdb_kill.py \
	tests/system/test_punt.py \
	tests/system/test_provider_addresses.py \
	tests/system/test_provider_network.py \
	tests/system/test_replication.py \
	tests/system/test_restart.py \
	tests/system/test_routing.py \
	tests/system/test_router_advert.py \
	tests/system/test_slow_path.py \
	tests/system/test_trains.py \
	tests/system/test_trunk.py \
	tests/system/test_trunk_learning.py \
	tests/system/trunk.py \
	tests/system/waiting.py \
	tests/system/wire.py \
	tests/system/world.py \
	tests/system/world_ipv6.py

# Open vSwitch's own tests of a database server, against "--db-only".
check-ovsdb-wire: all
	$(SHELL) '$(top_srcdir)/tests/ovsdb-wire' \
	    --agent=agent/hnv-agent --ovs='$(OVS_BUILD)'
EXTRA_DIST += tests/ovsdb-wire

# Open vSwitch's own tests of a switch, with the extension and without.
check-ovs: all
	$(SHELL) '$(top_srcdir)/tests/check-ovs' '$(OVS_BUILD)' '$(OVS_SOURCE)'
EXTRA_DIST += tests/check-ovs

# Figures; root.  HNV_BENCH_SIZES chooses how many mappings.
EXTRA_PROGRAMS = tests/bench/space-table
tests_bench_space_table_LDADD = datapath-ext/libhnvdp.la $(HNV_LIBS)
CLEANFILES += $(EXTRA_PROGRAMS)
bench: all tests/bench/space-table
	tests/bench/space-table
	HNV_AGENT='$(abs_top_builddir)/agent/hnv-agent' \
	HNV_VSWITCHD='$(OVS_BUILD)/vswitchd/ovs-vswitchd' \
	/usr/bin/python3 -B '$(abs_top_srcdir)/tests/bench/mappings.py'
	HNV_AGENT='$(abs_top_builddir)/agent/hnv-agent' \
	/usr/bin/python3 -B '$(abs_top_srcdir)/tests/bench/move.py'
	HNV_AGENT='$(abs_top_builddir)/agent/hnv-agent' \
	/usr/bin/python3 -B '$(abs_top_srcdir)/tests/bench/firewall.py'
	HNV_OVS_TREE='$(OVS_BUILD)' \
	/usr/bin/python3 -B '$(abs_top_srcdir)/tests/bench/datapath.py'
	HNV_OVS_TREE='$(OVS_BUILD)' \
	/usr/bin/python3 -B '$(abs_top_srcdir)/tests/bench/datapath_more.py'
EXTRA_DIST += \
	tests/bench/datapath.py \
	tests/bench/datapath_more.py \
	tests/bench/dpdk_switch.py \
	tests/bench/firewall.py \
	tests/bench/mappings.py \
	tests/bench/move.py

.PHONY: bench check-ovs check-ovsdb-wire check-system check-threads
