# SPDX-License-Identifier: Apache-2.0

agent_libhnv_la_SOURCES += \
	agent/learn/check.c \
	agent/learn/check.h \
	agent/learn/frames.c \
	agent/learn/frames.h \
	agent/learn/learner.c \
	agent/learn/learner.h \
	agent/learn/sighting.c \
	agent/learn/sighting.h \
	agent/learn/table-entries.c \
	agent/learn/table-private.h \
	agent/learn/table.c \
	agent/learn/table.h
