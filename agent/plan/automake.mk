# SPDX-License-Identifier: Apache-2.0

agent_libhnv_la_SOURCES += \
	agent/plan/plan.c \
	agent/plan/plan.h
