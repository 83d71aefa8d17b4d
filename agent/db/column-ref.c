/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "db/db-private.h"

#include <stdlib.h>
#include <string.h>

#include "ovsdb/column.h"
#include "ovsdb/ovsdb.h"
#include "ovsdb/table.h"
#include "util.h"

#define PREFIX "db:"

bool
db_column_ref_is(const char *s)
{
    return !strncmp(s, PREFIX, strlen(PREFIX));
}

/* Finds the column that 's', "db:DATABASE,TABLE,COLUMN", names.  Returns NULL
 * and fills in '*ref', or an error that the caller frees; then 'ref->db' is
 * the database nonetheless, if there is one of that name. */
char *
db_column_ref_parse(const struct db_server *server, const char *s,
                    struct db_column_ref *ref)
{
    char *copy = xstrdup(s + strlen(PREFIX));
    char *rest = NULL;
    const char *db = strtok_r(copy, ",", &rest);
    const char *table = strtok_r(NULL, ",", &rest);
    const char *column = strtok_r(NULL, ",", &rest);
    char *error = NULL;

    *ref = (struct db_column_ref) { .db = NULL };
    if (!db || !table || !column) {
        error = xasprintf("\"%s\": invalid syntax", s);
    } else if (!(ref->db = db_server_find(server, db))) {
        error = xasprintf("\"%s\": no database named %s", s, db);
    } else if (!(ref->table = ovsdb_get_table(ref->db->ovsdb, table))) {
        error = xasprintf("\"%s\": no table named %s", s, table);
    } else {
        ref->column = ovsdb_table_schema_get_column(ref->table->schema,
                                                    column);
        if (!ref->column) {
            error = xasprintf("\"%s\": table \"%s\" has no column \"%s\"",
                              s, table, column);
        }
    }
    free(copy);
    return error;
}

/* Like db_column_ref_parse(), but a cluster or relay that has not brought its
 * schema yet is no error: then returns NULL with a NULL 'ref->column'. */
char *
db_column_ref_resolve(const struct db_server *server, const char *s,
                      struct db_column_ref *ref)
{
    char *error = db_column_ref_parse(server, s, ref);

    if (error && ref->db && !ref->db->ovsdb->schema) {
        free(error);
        error = NULL;
    }
    return error;
}

/* Tells whether the column holds a string or a set of strings. */
bool
db_column_ref_is_strings(const struct db_column_ref *ref)
{
    const struct ovsdb_type *type = &ref->column->type;

    return (type->key.type == OVSDB_TYPE_STRING
            && type->value.type == OVSDB_TYPE_VOID);
}

/* Returns the table to whose rows the column refers, or NULL. */
const struct ovsdb_table *
db_column_ref_target(const struct db_column_ref *ref)
{
    const struct ovsdb_type *type = &ref->column->type;

    return (type->key.type == OVSDB_TYPE_UUID
            && type->value.type == OVSDB_TYPE_VOID
            ? type->key.uuid.refTable : NULL);
}
