/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "db/db-private.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/json.h"
#include "ovsdb-error.h"
#include "ovsdb/ovsdb.h"
#include "ovsdb/ovsdb-util.h"
#include "ovsdb/relay.h"
#include "ovsdb/row.h"
#include "ovsdb/storage.h"
#include "ovsdb/table.h"
#include "ovsdb/transaction.h"
#include "util.h"

/* The _Server database tells clients which databases there are, with one row
 * in its only table, Database, for each.  It is brought up to date once per
 * turn of the main loop, and that must cost next to nothing when there is no
 * news, hence the copies in "struct db". */

static const char server_schema[] =
#include "schema/_server.ovsschema.inc"
;

#define CATALOG "_Server"

/* What the catalog says of a database, as of now. */
struct facts {
    bool connected;
    bool leader;
    uint64_t index;
    struct uuid cid;
    struct uuid sid;
};

void
db_catalog_create(struct db_server *server)
{
    struct json *json = json_from_string(server_schema);
    struct ovsdb_schema *schema;

    ovsdb_error_assert(ovsdb_schema_from_json(json, &schema));
    json_destroy(json);
    db_add(server, "<internal>",
           ovsdb_create(schema, ovsdb_storage_create_unbacked(NULL)));
}

static struct facts
gather_facts(const struct ovsdb *ovsdb)
{
    const struct ovsdb_storage *storage = ovsdb->storage;
    const struct uuid *cid = ovsdb_storage_get_cid(storage);
    const struct uuid *sid = ovsdb_storage_get_sid(storage);

    return (struct facts) {
        .connected = (ovsdb->is_relay
                      ? ovsdb_relay_is_connected(
                            CONST_CAST(struct ovsdb *, ovsdb))
                      : ovsdb_storage_is_connected(storage)),
        .leader = !ovsdb->is_relay && ovsdb_storage_is_leader(storage),
        .index = ovsdb_storage_get_applied_index(storage),
        .cid = cid ? *cid : UUID_ZERO,
        .sid = sid ? *sid : UUID_ZERO,
    };
}

static bool
is_listed(const struct db *db, const struct facts *f)
{
    return (db->schema_listed
            && db->listed_connected == f->connected
            && db->listed_leader == f->leader
            && db->listed_index == f->index
            && uuid_equals(&db->listed_cid, &f->cid)
            && uuid_equals(&db->listed_sid, &f->sid));
}

static void
set_listed(struct db *db, const struct facts *f)
{
    db->schema_listed = true;
    db->listed_connected = f->connected;
    db->listed_leader = f->leader;
    db->listed_index = f->index;
    db->listed_cid = f->cid;
    db->listed_sid = f->sid;
}

static void
write_schema(struct ovsdb_row *row, const struct ovsdb_schema *schema)
{
    char *text = NULL;

    if (schema) {
        struct json *json = ovsdb_schema_to_json(schema);

        text = json_to_string(json, JSSF_SORT);
        json_destroy(json);
    }
    ovsdb_util_write_string_column(row, "schema", text);
    free(text);
}

static void
write_facts(struct ovsdb_row *row, const struct db *db,
            const struct facts *f)
{
    const struct ovsdb *ovsdb = db->ovsdb;

    ovsdb_util_write_string_column(row, "name", ovsdb->name);
    ovsdb_util_write_string_column(row, "model", ovsdb->is_relay ? "relay"
                                   : ovsdb_storage_get_model(ovsdb->storage));
    ovsdb_util_write_bool_column(row, "connected", f->connected);
    ovsdb_util_write_bool_column(row, "leader", f->leader);
    ovsdb_util_write_uuid_column(row, "cid",
                                 uuid_is_zero(&f->cid) ? NULL : &f->cid);
    ovsdb_util_write_uuid_column(row, "sid",
                                 uuid_is_zero(&f->sid) ? NULL : &f->sid);
    if (f->index) {
        ovsdb_util_write_integer_column(row, "index", f->index);
    } else {
        ovsdb_util_clear_column(row, "index");
    }
    if (!db->schema_listed) {
        write_schema(row, ovsdb->schema);
    }
}

static const struct ovsdb_row *
find_row(const struct ovsdb_table *table, const char *db_name)
{
    const struct ovsdb_row *row;

    HMAP_FOR_EACH (row, hmap_node, &table->rows) {
        const char *name;

        if (ovsdb_util_read_string_column(row, "name", &name)
            && !strcmp(name, db_name)) {
            return row;
        }
    }
    return NULL;
}

static void
list_database(struct ovsdb_txn *txn, struct ovsdb_table *table,
              struct db *db, const struct facts *f)
{
    const struct ovsdb_row *row = find_row(table, db->ovsdb->name);

    if (row) {
        write_facts(ovsdb_txn_row_modify(txn, row), db, f);
    } else {
        struct ovsdb_row *new = ovsdb_row_create(table);

        uuid_generate(ovsdb_row_get_uuid_rw(new));
        db->schema_listed = false;
        write_facts(new, db, f);
        ovsdb_txn_row_insert(txn, new);
    }
    set_listed(db, f);
}

/* Deletes the rows of databases that are gone. */
static void
unlist_databases(struct db_server *server, struct ovsdb_txn *txn,
                 struct ovsdb_table *table)
{
    const struct ovsdb_row *row;

    HMAP_FOR_EACH_SAFE (row, hmap_node, &table->rows) {
        const char *name;

        if (!ovsdb_util_read_string_column(row, "name", &name)
            || !db_server_find(server, name)) {
            ovsdb_txn_row_delete(txn, row);
        }
    }
}

void
db_catalog_run(struct db_server *server)
{
    struct ovsdb *catalog = db_server_find(server, CATALOG)->ovsdb;
    struct ovsdb_table *table = ovsdb_get_table(catalog, "Database");
    struct ovsdb_txn *txn = NULL;

    size_t n_listed = hmap_count(&table->rows);
    struct shash_node *node;
    SHASH_FOR_EACH (node, &server->dbs) {
        struct db *db = node->data;
        struct facts facts = gather_facts(db->ovsdb);

        if (!is_listed(db, &facts)) {
            txn = txn ? txn : ovsdb_txn_create(catalog);
            list_database(txn, table, db, &facts);
        }
    }

    /* A database that was closed leaves more rows than databases, or a row
     * by a name that nothing has while another was added. */
    if (txn || n_listed != shash_count(&server->dbs)) {
        txn = txn ? txn : ovsdb_txn_create(catalog);
        unlist_databases(server, txn, table);
        db_txn_commit(txn, CATALOG " database");
    }
}
