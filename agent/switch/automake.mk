# SPDX-License-Identifier: Apache-2.0

agent_libhnv_la_SOURCES += \
	agent/switch/changes.c \
	agent/switch/changes.h \
	agent/switch/channel.c \
	agent/switch/channel.h \
	agent/switch/encode.c \
	agent/switch/encode.h \
	agent/switch/key-set.c \
	agent/switch/key-set.h \
	agent/switch/link-private.h \
	agent/switch/link-receive.c \
	agent/switch/link-send.c \
	agent/switch/link-status.c \
	agent/switch/link.c \
	agent/switch/notes.c \
	agent/switch/notes.h \
	agent/switch/punt.c \
	agent/switch/punt.h \
	agent/switch/readback.c \
	agent/switch/readback.h \
	agent/switch/space-check.c \
	agent/switch/space-check.h \
	agent/switch/space-hnv.c \
	agent/switch/space-hnv.h \
	agent/switch/space-stock.c \
	agent/switch/space-stock.h \
	agent/switch/switch.h
