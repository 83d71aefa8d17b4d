# SPDX-License-Identifier: Apache-2.0

agent_libhnv_la_SOURCES += \
	agent/host/announce.c \
	agent/host/announce.h \
	agent/host/bridge.c \
	agent/host/bridge.h \
	agent/host/groups.c \
	agent/host/groups.h \
	agent/host/host-view.c \
	agent/host/host-view.h \
	agent/host/host.c \
	agent/host/host.h \
	agent/host/link-info.c \
	agent/host/link-info.h \
	agent/host/pa-vlan.c \
	agent/host/pa-vlan.h \
	agent/host/pa-watch.c \
	agent/host/pa-watch.h \
	agent/host/rewrite-net.c \
	agent/host/rewrite-net.h \
	agent/host/rewrite-port.c \
	agent/host/rewrite-port.h \
	agent/host/rtnl.c \
	agent/host/rtnl.h \
	agent/host/sysctls.c \
	agent/host/sysctls.h \
	agent/host/uplink.c \
	agent/host/uplink.h
