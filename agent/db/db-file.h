/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DB_FILE_H
#define DB_FILE_H 1

/* A database file that must have a certain schema.
 *
 *        missing --- create --------------------------+
 *        older, or the same version with other        |
 *        tables ---- convert -------------------------+--> open
 *        as wanted -----------------------------------+
 *        newer, damaged, of another name, a cluster's ---> refused, untouched
 *
 * Creating and converting write a new file beside the old one, flush it and
 * rename it, so that at any moment a complete file has the name. */

#include "openvswitch/compiler.h"

struct ovsdb;
struct ovsdb_schema;

/* Returns NULL and in '*ret_ovsdb' a database with schema 'schema' (which
 * remains the caller's), or a sentence that says why not and what to do. */
char *db_file_open(const char *file, const struct ovsdb_schema *schema,
                   struct ovsdb **ret_ovsdb)
    OVS_WARN_UNUSED_RESULT;

#endif /* db/db-file.h */
