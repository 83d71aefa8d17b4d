# SPDX-License-Identifier: Apache-2.0

agent_libhnv_la_SOURCES += \
	agent/util/addr.c \
	agent/util/addr.h \
	agent/util/diag.c \
	agent/util/diag.h \
	agent/util/ranges.c \
	agent/util/ranges.h
