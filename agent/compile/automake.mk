# SPDX-License-Identifier: Apache-2.0

agent_libhnv_la_SOURCES += \
	agent/compile/choose-pa.c \
	agent/compile/choose-pa.h \
	agent/compile/compile-balance.c \
	agent/compile/compile-copies.c \
	agent/compile/compile-drops.c \
	agent/compile/compile-flood.c \
	agent/compile/compile-groups.c \
	agent/compile/compile-learn-nd.c \
	agent/compile/compile-learn-source.c \
	agent/compile/compile-learn.c \
	agent/compile/compile-migrations.c \
	agent/compile/compile-mtu.c \
	agent/compile/compile-nd.c \
	agent/compile/compile-pas.c \
	agent/compile/compile-peers.c \
	agent/compile/compile-ports.c \
	agent/compile/compile-private.h \
	agent/compile/compile-punt.c \
	agent/compile/compile-resolve.c \
	agent/compile/compile-rewrite.c \
	agent/compile/compile-router.c \
	agent/compile/compile-routes.c \
	agent/compile/compile-source.c \
	agent/compile/compile-trunks.c \
	agent/compile/compile-tunnels.c \
	agent/compile/compile.c \
	agent/compile/compile.h \
	agent/compile/drops.h \
	agent/compile/mtu.c \
	agent/compile/mtu.h \
	agent/compile/parts.c \
	agent/compile/parts.h \
	agent/compile/pipeline.c \
	agent/compile/pipeline.h \
	agent/compile/port-vlans.c \
	agent/compile/punt.c \
	agent/compile/punt.h \
	agent/compile/router-advert.c \
	agent/compile/router-advert.h
