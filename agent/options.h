/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OPTIONS_H
#define OPTIONS_H 1

/* hnv-agent's command line. */

#include "db/db.h"
#include "sset.h"

/* Strings are the command line's own or constant. */
struct options {
    const char *db_dir;         /* --db-dir, or NULL. */
    const char *run_dir;        /* --run-dir; never NULL. */
    const char *ovsdb;          /* --ovsdb; never NULL. */
    const char *bridge;         /* --bridge, or NULL. */
    struct sset remotes;        /* --remote. */
    bool durable;               /* Unless --no-durable. */
    const char *unixctl_path;   /* --unixctl, or NULL. */
    struct db_tls tls;
    char *default_ovsdb;        /* What 'ovsdb' is if it was not given. */
};

/* Parses the command line.  Prints help or version and exits if asked to, or
 * says what is wrong with it and exits with status 1. */
void options_parse(struct options *, int argc, char *argv[]);
void options_uninit(struct options *);

#endif /* options.h */
