/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "db/db-private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "ovsdb-error.h"
#include "ovsdb/file.h"
#include "ovsdb/jsonrpc-server.h"
#include "ovsdb/ovsdb.h"
#include "ovsdb/relay.h"
#include "ovsdb/storage.h"
#include "ovsdb/transaction.h"
#include "ovsdb/trigger.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(db_storage);

#define RELAY_PREFIX "relay:"

static void read_updates(struct db_server *, struct db *);
static struct ovsdb_error *apply_update(struct db_server *, struct db *,
                                        const struct ovsdb_schema *,
                                        const struct json *txn,
                                        const struct uuid *txnid)
    OVS_WARN_UNUSED_RESULT;
static void adopt_schema(struct ovsdb *, const struct ovsdb_schema *,
                         void *server);
static void compact_when_due(struct db_server *, struct db *);

static void
log_error(struct ovsdb_error *error, enum vlog_level level)
{
    if (error) {
        char *text = ovsdb_error_to_string_free(error);

        VLOG(level, "%s", text);
        free(text);
    }
}

/* Opening and closing. */

/* Tells whether 'filename' is a file that 'server' holds open.  Without this
 * check, opening it a second time fails too, but with words about locks. */
static bool
is_open_already(const struct db_server *server, const char *filename)
{
    struct stat new;

    if (stat(filename, &new)) {
        return false;
    }

    const struct shash_node *node;
    SHASH_FOR_EACH (node, &server->dbs) {
        const struct db *db = node->data;
        struct stat s;

        if (!stat(db->spec, &s)
            && s.st_dev == new.st_dev && s.st_ino == new.st_ino) {
            return true;
        }
    }
    return false;
}

/* Opens a standalone or clustered file.  A standalone file starts with its
 * schema; a cluster brings it when it is joined. */
static struct ovsdb_error * OVS_WARN_UNUSED_RESULT
open_file(const struct db_server *server, const char *filename,
          struct ovsdb **ret_ovsdb)
{
    if (is_open_already(server, filename)) {
        return ovsdb_error(NULL, "%s: already open", filename);
    }

    struct ovsdb_storage *storage;
    struct ovsdb_error *error = ovsdb_storage_open(filename, true, &storage);
    if (error) {
        return error;
    }

    struct ovsdb_schema *schema = NULL;
    if (!ovsdb_storage_is_clustered(storage)) {
        struct json *txn;

        error = ovsdb_storage_read(storage, &schema, &txn, NULL);
        if (error) {
            ovsdb_storage_close(storage);
            return error;
        }
        ovs_assert(schema && !txn);
    }
    *ret_ovsdb = ovsdb_create(schema, storage);
    return NULL;
}

/* Splits "relay:NAME:REMOTES" and makes an empty database NAME. */
static struct ovsdb_error * OVS_WARN_UNUSED_RESULT
open_relay(const char *spec, struct ovsdb **ret_ovsdb,
           const char **ret_remotes)
{
    const char *name = spec + strlen(RELAY_PREFIX);
    const char *colon = strchr(name, ':');

    if (!colon) {
        return ovsdb_error(NULL, "%s: invalid syntax", spec);
    }

    char *name_only = xmemdup0(name, colon - name);
    *ret_ovsdb = ovsdb_create(NULL, ovsdb_storage_create_unbacked(name_only));
    *ret_remotes = colon + 1;
    free(name_only);
    return NULL;
}

static struct ovsdb_error * OVS_WARN_UNUSED_RESULT
check_name(const struct db_server *server, const char *name)
{
    if (name[0] == '_') {
        return ovsdb_error(NULL, "%s: names beginning with \"_\" are reserved",
                           name);
    } else if (db_server_find(server, name)) {
        return ovsdb_error(NULL, "%s: duplicate database name", name);
    }
    return NULL;
}

/* Opens the database that 'spec' describes and serves it. */
struct ovsdb_error *
db_open(struct db_server *server, const char *spec)
{
    const char *relay_remotes = NULL;
    struct ovsdb *ovsdb = NULL;
    struct ovsdb_error *error
        = (!strncmp(spec, RELAY_PREFIX, strlen(RELAY_PREFIX))
           ? open_relay(spec, &ovsdb, &relay_remotes)
           : open_file(server, spec, &ovsdb));
    if (error) {
        return error;
    }

    /* Transactions have ids, and so a history of them is of use, only where
     * several servers hold the same database. */
    ovsdb_txn_history_init(ovsdb, relay_remotes
                           || ovsdb_storage_is_clustered(ovsdb->storage));

    error = check_name(server, ovsdb->name);
    if (error) {
        ovsdb_destroy(ovsdb);
        return error;
    }
    struct db *db = db_add(server, spec, ovsdb);
    read_updates(server, db);
    if (relay_remotes) {
        ovsdb_relay_add_db(ovsdb, relay_remotes, adopt_schema, server);
    }
    return NULL;
}

/* Serves 'ovsdb', of which 'server' becomes the owner. */
struct db *
db_add(struct db_server *server, const char *spec, struct ovsdb *ovsdb)
{
    struct db *db = xzalloc(sizeof *db);

    db->spec = xstrdup(spec);
    db->ovsdb = ovsdb;
    shash_add_assert(&server->dbs, ovsdb->name, db);
    ovs_assert(ovsdb_jsonrpc_server_add_db(server->jsonrpc, ovsdb));
    return db;
}

/* Stops serving 'db' and frees it.  'comment' says why, for the log; it may
 * be NULL, and is freed. */
void
db_close(struct db_server *server, struct db *db, char *comment)
{
    shash_find_and_delete_assert(&server->dbs, db->ovsdb->name);
    ovsdb_jsonrpc_server_remove_db(server->jsonrpc, db->ovsdb, comment);
    if (db->ovsdb->is_relay) {
        ovsdb_relay_del_db(db->ovsdb);
    }
    ovsdb_destroy(db->ovsdb);
    free(db->spec);
    free(db);
}

/* Like db_close(), of a database that the configuration names. */
void
db_remove(struct db_server *server, struct db *db, char *comment)
{
    db_close(server, db, comment);
    db_server_config_changed(server);
    db_backup_restart(server);
}

/* Running. */

void
db_run(struct db_server *server, struct db *db)
{
    struct ovsdb *ovsdb = db->ovsdb;

    ovsdb_txn_history_run(ovsdb);
    ovsdb_storage_run(ovsdb->storage);
    read_updates(server, db);

    /* After what other members of a cluster wrote was read, so that waiting
     * transactions see it. */
    if (ovsdb_trigger_run(ovsdb, time_msec())) {
        db->schema_listed = false;
        db_server_reconnect(server, false,
                            xasprintf("%s has a new schema", ovsdb->name));
    }

    if (ovsdb_storage_is_dead(ovsdb->storage)) {
        VLOG_INFO("%s: this server left the cluster, closing the database",
                  ovsdb->name);
        db_remove(server, db, xasprintf("%s left its cluster", ovsdb->name));
        return;
    }
    compact_when_due(server, db);
}

void
db_wait(struct db *db)
{
    ovsdb_trigger_wait(db->ovsdb, time_msec());
    ovsdb_storage_wait(db->ovsdb->storage);
    ovsdb_storage_read_wait(db->ovsdb->storage);
    ovsdb_snapshot_wait(db->ovsdb);
}

static void
compact_when_due(struct db_server *server, struct db *db)
{
    struct ovsdb *ovsdb = db->ovsdb;

    if (!ovsdb_snapshot_in_progress(ovsdb)
        && (ovsdb_snapshot_ready(ovsdb)
            || ovsdb_storage_should_snapshot(ovsdb->storage))) {
        log_error(ovsdb_snapshot(ovsdb, server->trim_memory), VLL_INFO);
    }
}

/* Applies what storage has that memory has not: at start the whole file,
 * later what other members of a cluster wrote.
 *
 * An unreadable record ends it.  That is what a power failure leaves at the
 * end of a file, and no reason not to serve what comes before. */
static void
read_updates(struct db_server *server, struct db *db)
{
    struct ovsdb_error *error;

    do {
        struct ovsdb_schema *schema;
        struct json *txn;
        struct uuid txnid;

        error = ovsdb_storage_read(db->ovsdb->storage, &schema, &txn, &txnid);
        if (!error) {
            if (!schema && !txn) {
                return;
            }
            error = apply_update(server, db, schema, txn, &txnid);
        }
        json_destroy(txn);
        ovsdb_schema_destroy(schema);
    } while (!error);
    log_error(error, VLL_ERR);
}

static struct ovsdb_error *
apply_update(struct db_server *server, struct db *db,
             const struct ovsdb_schema *schema, const struct json *txn_json,
             const struct uuid *txnid)
{
    struct ovsdb *ovsdb = db->ovsdb;

    if (schema) {
        /* A cluster's schema change or snapshot: the data comes with it. */
        ovs_assert(txn_json && ovsdb_storage_is_clustered(ovsdb->storage));
        struct ovsdb_error *error
            = ovsdb_schema_check_for_ephemeral_columns(schema);
        if (error) {
            return error;
        }
        adopt_schema(ovsdb, schema, server);
    }
    if (!txn_json) {
        return NULL;
    }
    if (!ovsdb->schema) {
        return ovsdb_error(NULL, "%s: data without schema", db->spec);
    }

    struct ovsdb_txn *txn;
    struct ovsdb_error *error = ovsdb_file_txn_from_json(ovsdb, txn_json,
                                                         false, &txn);
    if (error) {
        ovsdb_storage_unread(ovsdb->storage);
        return error;
    }
    ovsdb_txn_set_txnid(txnid, txn);
    log_error(ovsdb_txn_replay_commit(txn), VLL_INFO);
    if (!uuid_is_zero(txnid)) {
        ovsdb->prereq = *txnid;
    }
    return NULL;
}

/* Empties 'ovsdb' and gives it 'schema', which comes from another server:
 * from a cluster or from the source of a relay.  Contents follow. */
static void
adopt_schema(struct ovsdb *ovsdb, const struct ovsdb_schema *schema,
             void *server_)
{
    struct db_server *server = server_;

    if (!ovsdb->schema) {
        db_server_reconnect(server, false,
                            xasprintf("database %s connected to storage",
                                      ovsdb->name));
    } else if (strcmp(schema->version, ovsdb->schema->version)) {
        db_server_reconnect(server, false,
                            xasprintf("database %s schema changed",
                                      ovsdb->name));
    }
    ovsdb_replace(ovsdb, ovsdb_create(ovsdb_schema_clone(schema), NULL));

    struct db *db = db_server_find(server, ovsdb->name);
    if (db) {
        db->schema_listed = false;
    }
}
