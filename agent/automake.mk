# SPDX-License-Identifier: Apache-2.0

# Everything but main() is a library, so that tests and tools are built from
# the same objects as the agent.
noinst_LTLIBRARIES += agent/libhnv.la
agent_libhnv_la_SOURCES = \
	agent/agent.c \
	agent/agent.h \
	agent/drop-counters.c \
	agent/drop-counters.h \
	agent/firewall-counters.c \
	agent/firewall-counters.h \
	agent/firewall-log.c \
	agent/firewall-log.h \
	agent/firewall-log-line.c \
	agent/firewall-log-line.h \
	agent/flow-question.c \
	agent/flow-question.h \
	agent/learning.c \
	agent/learning.h \
	agent/log-file.c \
	agent/log-file.h \
	agent/loop.c \
	agent/loop.h \
	agent/make-dirs.c \
	agent/make-dirs.h \
	agent/options.c \
	agent/options.h \
	agent/port-status.c \
	agent/port-status.h \
	agent/router-adverts.c \
	agent/router-adverts.h \
	agent/router-errors.c \
	agent/router-errors.h \
	agent/to-guest.c \
	agent/to-guest.h

include agent/util/automake.mk
include agent/db/automake.mk
include agent/model/automake.mk
include agent/plan/automake.mk
include agent/compile/automake.mk
include agent/answer/automake.mk
include agent/host/automake.mk
include agent/learn/automake.mk
include agent/switch/automake.mk

HNV_LIBS = \
	agent/libhnv.la \
	datapath-ext/libhnvdp.la \
	$(OVS_LIBS) \
	$(LIBEVENT_LIBS) \
	$(OPENSSL_LIBS)

sbin_PROGRAMS += agent/hnv-agent
agent_hnv_agent_SOURCES = agent/main.c
agent_hnv_agent_LDADD = $(HNV_LIBS)
