# SPDX-License-Identifier: Apache-2.0

agent_libhnv_la_SOURCES += \
	agent/answer/icmp-error.c \
	agent/answer/icmp-error.h \
	agent/answer/router-answer.c \
	agent/answer/router-answer.h
