/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "db/db-private.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "ovs-replay.h"
#include "ovsdb-data.h"
#include "ovsdb/column.h"
#include "ovsdb/jsonrpc-server.h"
#include "ovsdb/ovsdb.h"
#include "ovsdb/ovsdb-util.h"
#include "ovsdb/row.h"
#include "ovsdb/storage.h"
#include "ovsdb/table.h"
#include "ovsdb/transaction.h"
#include "smap.h"
#include "socket-util.h"
#include "stream.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(db_remotes);

/* How often Manager rows get their status, in ms.  Controllers know this
 * figure from Open vSwitch. */
#define STATUS_INTERVAL_MS 2500

#define DSCP_MAX 63

static void add_db_remotes(const struct db_server *, const char *name,
                           struct shash *remotes, struct ds *errors);

void
db_server_add_remote(struct db_server *server, const char *remote)
{
    if (sset_add(&server->remotes, remote)) {
        db_server_config_changed(server);
    }
}

void
db_server_set_remotes(struct db_server *server, const struct sset *remotes)
{
    if (!sset_equals(&server->remotes, remotes)) {
        sset_destroy(&server->remotes);
        sset_clone(&server->remotes, remotes);
        db_server_config_changed(server);
    }
}

static char *
check_db_remote(const struct db_server *server, const char *remote)
{
    struct db_column_ref ref;
    char *error = db_column_ref_resolve(server, remote, &ref);

    if (error) {
        char *sentence = xasprintf("remote %s; a column is named as "
                                   "db:DATABASE,TABLE,COLUMN", error);
        free(error);
        return sentence;
    }
    if (ref.column && !db_column_ref_target(&ref)
        && !db_column_ref_is_strings(&ref)) {
        return xasprintf("remote \"%s\": this column holds neither remotes "
                         "nor references to rows that do", remote);
    }
    return NULL;
}

char *
db_server_check_remote(const struct db_server *server, const char *remote)
{
    if (db_column_ref_is(remote)) {
        return check_db_remote(server, remote);
    }
    if (stream_verify_name(remote) && pstream_verify_name(remote)) {
        return xasprintf("remote \"%s\" is of no known kind; there are ptcp:, "
                         "pssl:, punix:, tcp:, ssl:, unix: and "
                         "db:DATABASE,TABLE,COLUMN", remote);
    }
    if (strchr(remote, ',')) {
        return xasprintf("remote \"%s\" has a comma in it; several remotes "
                         "are separated by spaces in external_ids:hnv-remotes"
                         ", and each has a --remote of its own on the command "
                         "line", remote);
    }
    return NULL;
}

/* Which remotes there are. */

static struct ovsdb_jsonrpc_options *
add_target(struct shash *remotes, const char *target)
{
    struct ovsdb_jsonrpc_options *options = shash_find_data(remotes, target);

    if (!options) {
        options = ovsdb_jsonrpc_default_options(target);
        shash_add(remotes, target, options);
    }
    return options;
}

static void
free_targets(struct shash *remotes)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, remotes) {
        struct ovsdb_jsonrpc_options *options = node->data;

        free(options->role);
    }
    shash_destroy_free_data(remotes);
}

/* Listens and connects where the configuration and the databases say.
 * Returns NULL or what is wrong with "db:" remotes, a line for each. */
char *
db_remotes_apply(struct db_server *server)
{
    struct shash remotes = SHASH_INITIALIZER(&remotes);
    struct ds errors = DS_EMPTY_INITIALIZER;
    const char *name;

    SSET_FOR_EACH (name, &server->remotes) {
        if (db_column_ref_is(name)) {
            add_db_remotes(server, name, &remotes, &errors);
        } else {
            add_target(&remotes, name);
        }
    }
    ovsdb_jsonrpc_server_set_remotes(server->jsonrpc, &remotes);
    free_targets(&remotes);
    return errors.string;
}

static int
read_dscp(const struct ovsdb_row *row)
{
    const char *s = ovsdb_util_read_map_string_column(row, "other_config",
                                                      "dscp");
    int dscp;

    return (s && str_to_int(s, 10, &dscp) && dscp >= 0 && dscp <= DSCP_MAX
            ? dscp : DSCP_DEFAULT);
}

/* Adds the remote that a row like those of Open vSwitch's Manager table
 * describes.  All columns but "target" may be missing from its table. */
static void
add_manager(struct shash *remotes, const struct ovsdb_row *row)
{
    const char *target;

    if (!ovsdb_util_read_string_column(row, "target", &target)) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);

        VLOG_INFO_RL(&rl, "%s row "UUID_FMT" has no target, no remote for it",
                     row->table->schema->name,
                     UUID_ARGS(ovsdb_row_get_uuid(row)));
        return;
    }

    struct ovsdb_jsonrpc_options *options = add_target(remotes, target);
    long long int integer;
    const char *string;
    bool boolean;

    if (ovsdb_util_read_integer_column(row, "max_backoff", &integer)) {
        options->max_backoff = integer;
    }
    if (ovsdb_util_read_integer_column(row, "inactivity_probe", &integer)) {
        options->probe_interval = integer;
    }
    if (ovsdb_util_read_bool_column(row, "read_only", &boolean)) {
        options->read_only = boolean;
    }
    free(options->role);
    options->role = (ovsdb_util_read_string_column(row, "role", &string)
                     ? xstrdup(string) : NULL);
    options->dscp = read_dscp(row);
}

/* Calls 'cb' for each row of 'target' that the column 'ref' refers to. */
static void
for_each_manager(const struct db_column_ref *ref,
                 const struct ovsdb_table *target,
                 void (*cb)(const struct ovsdb_row *, void *aux), void *aux)
{
    const struct ovsdb_row *row;

    HMAP_FOR_EACH (row, hmap_node, &ref->table->rows) {
        const struct ovsdb_datum *d = &row->fields[ref->column->index];

        for (size_t i = 0; i < d->n; i++) {
            const struct ovsdb_row *manager
                = ovsdb_table_get_row(target, &d->keys[i].uuid);

            if (manager) {
                cb(manager, aux);
            }
        }
    }
}

static void
add_manager_cb(const struct ovsdb_row *manager, void *remotes)
{
    add_manager(remotes, manager);
}

static void
add_db_remotes(const struct db_server *server, const char *name,
               struct shash *remotes, struct ds *errors)
{
    struct db_column_ref ref;
    char *error = db_column_ref_resolve(server, name, &ref);

    if (error) {
        ds_put_format(errors, "%s\n", error);
        free(error);
        return;
    }
    if (!ref.column) {
        return;
    }

    const struct ovsdb_table *target = db_column_ref_target(&ref);
    if (target) {
        for_each_manager(&ref, target, add_manager_cb, remotes);
    } else if (db_column_ref_is_strings(&ref)) {
        const struct ovsdb_row *row;

        HMAP_FOR_EACH (row, hmap_node, &ref.table->rows) {
            const struct ovsdb_datum *d = &row->fields[ref.column->index];

            for (size_t i = 0; i < d->n; i++) {
                add_target(remotes, json_string(d->keys[i].s));
            }
        }
    }
}

/* How they are. */

static void
add_seconds(struct smap *smap, const char *key, unsigned int seconds)
{
    if (seconds != UINT_MAX) {
        smap_add_format(smap, key, "%u", seconds);
    }
}

static void
add_nonempty(struct smap *smap, const char *key, const char *value)
{
    if (value && value[0]) {
        smap_add(smap, key, value);
    }
}

static void
status_to_smap(const struct ovsdb_jsonrpc_remote_status *status,
               struct smap *smap)
{
    add_nonempty(smap, "state", status->state);
    add_seconds(smap, "sec_since_connect", status->sec_since_connect);
    add_seconds(smap, "sec_since_disconnect", status->sec_since_disconnect);
    if (status->last_error) {
        smap_add(smap, "last_error",
                 ovs_retval_to_string(status->last_error));
    }
    add_nonempty(smap, "locks_held", status->locks_held);
    add_nonempty(smap, "locks_waiting", status->locks_waiting);
    add_nonempty(smap, "locks_lost", status->locks_lost);
    if (status->n_connections > 1) {
        smap_add_format(smap, "n_connections", "%d", status->n_connections);
    }
    if (status->bound_port) {
        smap_add_format(smap, "bound_port", "%"PRIu16,
                        ntohs(status->bound_port));
    }
}

static void
write_status_column(struct ovsdb_row *row, const struct smap *smap)
{
    size_t n = smap_count(smap);
    char **keys = xmalloc(n * sizeof *keys);
    char **values = xmalloc(n * sizeof *values);
    const struct smap_node *node;
    size_t i = 0;

    SMAP_FOR_EACH (node, smap) {
        keys[i] = xstrdup(node->key);
        values[i++] = xstrdup(node->value);
    }
    ovsdb_util_write_string_string_column(row, "status", keys, values, n);
    free(keys);
    free(values);
}

/* A transaction that writes the status of a database's Manager rows. */
struct status_update {
    const struct db_server *server;
    struct ovsdb_txn *txn;
};

static void
write_status(const struct ovsdb_row *manager, void *update_)
{
    struct status_update *update = update_;
    struct ovsdb_jsonrpc_remote_status status;
    const char *target;

    if (!ovsdb_util_read_string_column(manager, "target", &target)) {
        return;
    }
    ovsdb_jsonrpc_server_get_remote_status(update->server->jsonrpc, target,
                                           &status);

    struct ovsdb_row *row = ovsdb_txn_row_modify(update->txn, manager);
    struct smap smap = SMAP_INITIALIZER(&smap);

    status_to_smap(&status, &smap);
    ovsdb_util_write_bool_column(row, "is_connected", status.is_connected);
    write_status_column(row, &smap);
    smap_destroy(&smap);
    ovsdb_jsonrpc_server_free_remote_status(&status);
}

/* Writes the status of the remotes that database 'db' holds. */
static void
update_status(struct db_server *server, const struct db *db)
{
    struct status_update update = { .server = server };
    const char *name;

    SSET_FOR_EACH (name, &server->remotes) {
        struct db_column_ref ref;

        if (!db_column_ref_is(name)) {
            continue;
        }
        char *error = db_column_ref_resolve(server, name, &ref);
        if (error || !ref.column || ref.db != db) {
            free(error);
            continue;
        }
        const struct ovsdb_table *target = db_column_ref_target(&ref);
        if (target) {
            if (!update.txn) {
                update.txn = ovsdb_txn_create(db->ovsdb);
            }
            for_each_manager(&ref, target, write_status, &update);
        }
    }
    if (update.txn) {
        db_txn_commit(update.txn, "remote status");
    }
}

/* Does the periodic part.  In a cluster each server would write its own view
 * of what is the same row for all, so there nobody does. */
void
db_remotes_run(struct db_server *server)
{
    bool first = server->next_status == LLONG_MIN;

    if (!first
        && (ovs_replay_is_active() || time_msec() < server->next_status)) {
        return;
    }
    server->next_status = time_msec() + STATUS_INTERVAL_MS;

    struct shash_node *node;
    SHASH_FOR_EACH (node, &server->dbs) {
        const struct db *db = node->data;

        if (!ovsdb_storage_is_clustered(db->ovsdb->storage)) {
            update_status(server, db);
        }
    }
}

void
db_remotes_wait(struct db_server *server)
{
    if (!ovs_replay_is_active()) {
        poll_timer_wait_until(server->next_status);
    }
}
