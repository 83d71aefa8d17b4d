# SPDX-License-Identifier: Apache-2.0

# The datapath's part that is compiled into Open vSwitch.  Built here for the
# tests, and so that it is checked with our warnings.
noinst_LTLIBRARIES += datapath-ext/libhnvdp.la
datapath_ext_libhnvdp_la_SOURCES = \
	datapath-ext/action-admit.c \
	datapath-ext/action-arp.c \
	datapath-ext/action-find.c \
	datapath-ext/action-nd.c \
	datapath-ext/action-route.c \
	datapath-ext/actions-private.h \
	datapath-ext/actions.c \
	datapath-ext/actions.h \
	datapath-ext/dp-unixctl.c \
	datapath-ext/dp.c \
	datapath-ext/dp.h \
	datapath-ext/found.c \
	datapath-ext/found.h \
	datapath-ext/messages-print.c \
	datapath-ext/messages.c \
	datapath-ext/messages.h \
	datapath-ext/odp.c \
	datapath-ext/odp.h \
	datapath-ext/ofpact.c \
	datapath-ext/ofpact.h \
	datapath-ext/outer.c \
	datapath-ext/outer.h \
	datapath-ext/route.h \
	datapath-ext/space-code.c \
	datapath-ext/space-code.h \
	datapath-ext/space-find.c \
	datapath-ext/space-grace.c \
	datapath-ext/space-grace.h \
	datapath-ext/space-locators.c \
	datapath-ext/space-locators.h \
	datapath-ext/space-query.h \
	datapath-ext/space-set.c \
	datapath-ext/space-set.h \
	datapath-ext/space-slot.h \
	datapath-ext/space-table-private.h \
	datapath-ext/space-table.c \
	datapath-ext/space-table.h \
	datapath-ext/text.c \
	datapath-ext/text.h \
	datapath-ext/wire.h

# What only Open vSwitch's own build can compile, and what puts it there.
EXTRA_DIST += \
	datapath-ext/graft/graft \
	datapath-ext/graft/in-dpif-netdev-forward.inc \
	datapath-ext/graft/in-dpif-netdev-learn.inc \
	datapath-ext/graft/in-dpif-netdev-onward.inc \
	datapath-ext/graft/in-dpif-netdev-shortcuts.inc \
	datapath-ext/graft/in-dpif-netdev.inc \
	datapath-ext/graft/in-ofp-actions.inc \
	datapath-ext/graft/in-xlate-admit.inc \
	datapath-ext/graft/in-xlate-find.inc \
	datapath-ext/graft/in-xlate-trace.inc \
	datapath-ext/graft/in-xlate.inc \
	datapath-ext/graft/openvswitch-3.1.0 \
	datapath-ext/ofproto-spaces.c \
	datapath-ext/ofproto-spaces.h
TESTS += datapath-ext/graft/test-graft
EXTRA_DIST += datapath-ext/graft/test-graft
