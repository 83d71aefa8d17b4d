# SPDX-License-Identifier: Apache-2.0

agent_libhnv_la_SOURCES += \
	agent/model/diag-report.c \
	agent/model/diag-report.h \
	agent/model/guests.c \
	agent/model/guests.h \
	agent/model/locators.c \
	agent/model/locators.h \
	agent/model/mapping-check.c \
	agent/model/mapping-check.h \
	agent/model/mapping-queue.c \
	agent/model/mapping-queue.h \
	agent/model/mapping-subnet.h \
	agent/model/mapping.h \
	agent/model/mappings.c \
	agent/model/mappings.h \
	agent/model/other-config.c \
	agent/model/other-config.h \
	agent/model/peers.c \
	agent/model/peers.h \
	agent/model/policy.c \
	agent/model/policy.h \
	agent/model/prefix.c \
	agent/model/prefix.h \
	agent/model/resolve-flood.c \
	agent/model/resolve-host.c \
	agent/model/resolve-migrations.c \
	agent/model/resolve-ports.c \
	agent/model/resolve-replication.c \
	agent/model/resolve-slaac.c \
	agent/model/resolve-subnets.c \
	agent/model/resolve-vlans.c \
	agent/model/resolve.c \
	agent/model/resolve.h \
	agent/model/row-store.c \
	agent/model/row-store.h \
	agent/model/rules.c \
	agent/model/rules.h \
	agent/model/slots.c \
	agent/model/slots.h \
	agent/model/space.c \
	agent/model/space.h
