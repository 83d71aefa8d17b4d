# SPDX-License-Identifier: Apache-2.0

agent_libhnv_la_SOURCES += \
	agent/compile/compile-flood.c \
	agent/compile/compile-nd.c \
	agent/compile/compile-ports.c \
	agent/compile/compile-private.h \
	agent/compile/compile-punt.c \
	agent/compile/compile-resolve.c \
	agent/compile/compile-rewrite.c \
	agent/compile/compile-routes.c \
	agent/compile/compile-tunnels.c \
	agent/compile/compile.c \
	agent/compile/compile.h \
	agent/compile/pipeline.c \
	agent/compile/pipeline.h \
	agent/compile/punt.c \
	agent/compile/punt.h \
	agent/compile/router-advert.c \
	agent/compile/router-advert.h
