/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "db/db.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "db/db-private.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovsdb-error.h"
#include "ovsdb/jsonrpc-server.h"
#include "ovsdb/monitor.h"
#include "ovsdb/ovsdb.h"
#include "ovsdb/relay.h"
#include "ovsdb/server.h"
#include "ovsdb/transaction.h"
#include "simap.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(db_server);

struct db_server *
db_server_create(void)
{
    struct db_server *server = xzalloc(sizeof *server);

    server->jsonrpc = ovsdb_jsonrpc_server_create(false);
    shash_init(&server->dbs);
    server->trim_memory = true;
    sset_init(&server->remotes);
    server->next_status = LLONG_MIN;
    server->backup = db_backup_create();
    db_catalog_create(server);
    return server;
}

void
db_server_destroy(struct db_server *server)
{
    if (!server) {
        return;
    }
    db_writer_destroy(server->writer);
    db_feed_destroy(server->feed);
    db_policy_destroy(server->policy);

    struct shash_node *node;
    SHASH_FOR_EACH_SAFE (node, &server->dbs) {
        db_close(server, node->data, NULL);
    }
    shash_destroy(&server->dbs);
    ovsdb_jsonrpc_server_destroy(server->jsonrpc);
    sset_destroy(&server->remotes);
    free(server->remotes_error);
    db_tls_uninit(server);
    db_backup_destroy(server->backup);
    free(server);
}

void
db_server_run(struct db_server *server)
{
    ovsdb_jsonrpc_server_set_read_only(server->jsonrpc,
                                       db_backup_is_backup(server));
    db_log_if_changed(db_remotes_apply(server), &server->remotes_error);
    db_tls_run(server);
    ovsdb_jsonrpc_server_run(server->jsonrpc);
    db_backup_run(server);
    ovsdb_relay_run();

    struct shash_node *node;
    SHASH_FOR_EACH_SAFE (node, &server->dbs) {
        db_run(server, node->data);
    }
    db_remotes_run(server);
    db_catalog_run(server);
}

void
db_server_wait(struct db_server *server)
{
    ovsdb_jsonrpc_server_wait(server->jsonrpc);
    db_backup_wait(server);
    ovsdb_relay_wait();

    struct shash_node *node;
    SHASH_FOR_EACH (node, &server->dbs) {
        db_wait(node->data);
    }
    db_remotes_wait(server);
}

void
db_server_get_memory_usage(const struct db_server *server,
                           struct simap *usage)
{
    ovsdb_jsonrpc_server_get_memory_usage(server->jsonrpc, usage);
    ovsdb_monitor_get_memory_usage(usage);

    struct shash_node *node;
    SHASH_FOR_EACH (node, &server->dbs) {
        const struct db *db = node->data;

        ovsdb_get_memory_usage(db->ovsdb, usage);
    }
}

/* Returns true if 'results', the reply to a "transact" request, holds no
 * error. */
static bool
results_are_good(const struct json *results)
{
    if (results->type != JSON_ARRAY) {
        return false;
    }
    for (size_t i = 0; i < results->array.n; i++) {
        const struct json *result = results->array.elems[i];

        if (result->type == JSON_OBJECT
            && shash_find(json_object(result), "error")) {
            return false;
        }
    }
    return true;
}

/* Runs 'params' in a session of its own, which holds no locks. */
static struct json *
execute(struct ovsdb *ovsdb, const struct json *params)
{
    struct ovsdb_server lock_space;
    struct ovsdb_session session;

    ovsdb_server_init(&lock_space);
    ovsdb_session_init(&session, &lock_space);
    struct json *results = ovsdb_execute(ovsdb, &session, params, false,
                                         NULL, NULL, 0, NULL);
    ovsdb_session_destroy(&session);
    ovsdb_server_destroy(&lock_space);
    return results;
}

bool
db_server_transact(struct db_server *server, const char *params_text,
                   char **ret_result)
{
    struct json *params = json_from_string(params_text);
    const char *error = NULL;
    struct db *db = NULL;

    if (params->type == JSON_STRING) {
        error = json_string(params);
    } else if (params->type != JSON_ARRAY || !params->array.n
               || params->array.elems[0]->type != JSON_STRING) {
        error = "not an array that starts with the name of a database";
    } else {
        db = db_server_find(server, json_string(params->array.elems[0]));
        if (!db || !db->ovsdb->schema) {
            error = "no such database";
        }
    }

    struct json *results;
    if (error) {
        results = json_object_create();
        json_object_put_string(results, "error", error);
    } else {
        results = execute(db->ovsdb, params);
    }

    bool ok = results_are_good(results);
    *ret_result = json_to_string(results, JSSF_SORT);
    json_destroy(results);
    json_destroy(params);
    return ok;
}

void
db_server_config_changed(struct db_server *server)
{
    if (server->config_changed) {
        server->config_changed(server->config_aux);
    }
}

struct db *
db_server_find(const struct db_server *server, const char *name)
{
    return shash_find_data(&server->dbs, name);
}

void
db_server_reconnect(struct db_server *server, bool force, char *comment)
{
    ovsdb_jsonrpc_server_reconnect(server->jsonrpc, force, comment);
}

void
db_log_if_changed(char *error, char **last)
{
    if (error && (!*last || strcmp(error, *last))) {
        VLOG_WARN("%s", error);
    }
    free(*last);
    *last = error;
}

bool
db_txn_commit(struct ovsdb_txn *txn, const char *what)
{
    struct ovsdb_error *error = ovsdb_txn_propose_commit_block(txn, false);

    if (error) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
        char *text = ovsdb_error_to_string_free(error);

        VLOG_ERR_RL(&rl, "could not write %s: %s", what, text);
        free(text);
        return false;
    }
    return true;
}
