# SPDX-License-Identifier: Apache-2.0

agent_libhnv_la_SOURCES += \
	agent/db/backup.c \
	agent/db/catalog.c \
	agent/db/column-ref.c \
	agent/db/commands.c \
	agent/db/db-file.c \
	agent/db/db-file.h \
	agent/db/db-only.c \
	agent/db/db-only.h \
	agent/db/db-options.c \
	agent/db/db-options.h \
	agent/db/db-private.h \
	agent/db/db.h \
	agent/db/diag-rows.c \
	agent/db/feed.c \
	agent/db/local-rows.c \
	agent/db/policy.c \
	agent/db/remotes.c \
	agent/db/request-guard.c \
	agent/db/row-decode.c \
	agent/db/row-decode.h \
	agent/db/rows.h \
	agent/db/saved-config.c \
	agent/db/saved-config.h \
	agent/db/server.c \
	agent/db/storage.c \
	agent/db/tls-options.c \
	agent/db/tls-options.h \
	agent/db/tls.c \
	agent/db/writer.c
