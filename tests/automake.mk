# SPDX-License-Identifier: Apache-2.0

# Unit tests: each file is a program of its own, of the check library.
UNIT_TESTS = \
	tests/unit/test-addr \
	tests/unit/test-db \
	tests/unit/test-plan \
	tests/unit/test-compile \
	tests/unit/test-host-view \
	tests/unit/test-switch

UNIT_LDADD = $(HNV_LIBS) $(CHECK_LIBS)
UNIT_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit $(CHECK_CFLAGS)

if HAVE_CHECK
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
endif
EXTRA_DIST += tests/unit/unit.h

tests_unit_test_addr_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_addr_LDADD = $(UNIT_LDADD)
tests_unit_test_db_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_db_LDADD = $(UNIT_LDADD)
tests_unit_test_plan_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_plan_LDADD = $(UNIT_LDADD)
tests_unit_test_compile_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_compile_LDADD = $(UNIT_LDADD)
tests_unit_test_host_view_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_host_view_LDADD = $(UNIT_LDADD)
tests_unit_test_switch_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_switch_LDADD = $(UNIT_LDADD)

# Scenarios: a folder each, with about.txt to say what must hold.
SCENARIOS =
TESTS += $(SCENARIOS)
TEST_EXTENSIONS = .want
WANT_LOG_COMPILER = $(SHELL) $(top_srcdir)/tests/scenarios/run

# Checks of the source.
TESTS += tests/check-source tests/check-headers
AM_TESTS_ENVIRONMENT = \
	HNV_COMPILE_HEADER='$(CC) $(DEFS) -I. $(AM_CPPFLAGS) $(AM_CFLAGS)'; \
	export HNV_COMPILE_HEADER; \
	HNV_COMPILE='$(abs_top_builddir)/utilities/hnv-compile'; \
	export HNV_COMPILE; \
	CK_FORK=no; export CK_FORK;
EXTRA_DIST += \
	tests/check-headers \
	tests/check-source \
	tests/scenarios/run

# System tests: hosts in network namespaces, real packets; root.
PYTEST = /usr/bin/python3 -B -m pytest -p no:cacheprovider
PYTEST_FLAGS = -q -n 2 --dist loadfile
check-system: all
	HNV_AGENT='$(abs_top_builddir)/agent/hnv-agent' \
	$(PYTEST) $(PYTEST_FLAGS) '$(abs_top_srcdir)/tests/system'
.PHONY: check-system
