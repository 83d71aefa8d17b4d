/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DB_OPTIONS_H
#define DB_OPTIONS_H 1

/* The command line of --db-only. */

#include <stdbool.h>
#include "db/db.h"
#include "sset.h"

struct db_options {
    struct sset specs;          /* Databases, see db_open(). */
    struct sset remotes;
    const char *unixctl;        /* NULL for the default. */
    const char *run;            /* Command to run, or NULL. */
    const char *active_server;  /* What to be a backup of, or NULL. */
    const char *sync_exclude;   /* What not to copy from it, or NULL. */
    bool start_active;          /* Be no backup yet. */
    struct db_tls tls;
};

/* Exits after printing help or a complaint. */
void db_options_parse(struct db_options *, int argc, char *argv[]);
void db_options_uninit(struct db_options *);

#endif /* db/db-options.h */
