/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DB_SAVED_CONFIG_H
#define DB_SAVED_CONFIG_H 1

/* What unixctl commands can change of a server's configuration, kept in a file
 * without a name.  With --monitor, a crashed server is started anew by a
 * process that has the same file open, and goes on as it was configured last,
 * not as the command line says. */

#include <stdbool.h>
#include <stdio.h>
#include "sset.h"

struct db_server;

struct saved_config {
    struct sset specs;          /* Databases. */
    struct sset remotes;
    char *active_server;        /* Of a backup, or NULL. */
    char *sync_exclude;         /* Tables not to copy, or NULL. */
    bool is_backup;
};

void saved_config_uninit(struct saved_config *);

/* Gathers what 'server' is configured as. */
void saved_config_from_server(struct saved_config *,
                              const struct db_server *);

/* Both exit with a message on failure. */
void saved_config_write(const struct saved_config *, FILE *);
void saved_config_read(struct saved_config *, FILE *);

#endif /* db/saved-config.h */
