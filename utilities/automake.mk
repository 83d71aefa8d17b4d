# SPDX-License-Identifier: Apache-2.0

noinst_PROGRAMS += utilities/hnv-compile
utilities_hnv_compile_SOURCES = utilities/hnv-compile.c
utilities_hnv_compile_LDADD = $(HNV_LIBS)

EXTRA_DIST += \
	utilities/hnv-check \
	utilities/hnv-demo \
	utilities/hnv-lab \
	utilities/hnv-setup
