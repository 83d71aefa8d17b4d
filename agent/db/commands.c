/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "db/db-private.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovsdb-error.h"
#include "ovsdb/jsonrpc-server.h"
#include "ovsdb/ovsdb.h"
#include "ovsdb/replication.h"
#include "ovsdb/storage.h"
#include "ovsdb/table.h"
#include "perf-counter.h"
#include "unixctl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(db_commands);

/* Names, arguments and replies are those of ovsdb-server: scripts use them. */

static bool
is_builtin(const char *db_name)
{
    return db_name[0] == '_';
}

static void
reply_and_free(struct unixctl_conn *conn, char *error)
{
    if (error) {
        unixctl_command_reply_error(conn, error);
        free(error);
    } else {
        unixctl_command_reply(conn, NULL);
    }
}

/* Remotes. */

static void
cmd_add_remote(struct unixctl_conn *conn, int argc OVS_UNUSED,
               const char *argv[], void *server_)
{
    struct db_server *server = server_;
    char *error = NULL;

    if (db_column_ref_is(argv[1])) {
        struct db_column_ref ref;

        error = db_column_ref_parse(server, argv[1], &ref);
    }
    if (!error) {
        db_server_add_remote(server, argv[1]);
    }
    reply_and_free(conn, error);
}

static void
cmd_remove_remote(struct unixctl_conn *conn, int argc OVS_UNUSED,
                  const char *argv[], void *server_)
{
    struct db_server *server = server_;

    if (sset_find_and_delete(&server->remotes, argv[1])) {
        db_server_config_changed(server);
        unixctl_command_reply(conn, NULL);
    } else {
        unixctl_command_reply_error(conn, "no such remote");
    }
}

static void
cmd_list_remotes(struct unixctl_conn *conn, int argc OVS_UNUSED,
                 const char *argv[] OVS_UNUSED, void *server_)
{
    const struct db_server *server = server_;
    const char **names = sset_sort(&server->remotes);
    struct ds reply = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < sset_count(&server->remotes); i++) {
        ds_put_format(&reply, "%s\n", names[i]);
    }
    free(names);
    unixctl_command_reply(conn, ds_cstr(&reply));
    ds_destroy(&reply);
}

static void
cmd_reconnect(struct unixctl_conn *conn, int argc OVS_UNUSED,
              const char *argv[] OVS_UNUSED, void *server)
{
    db_server_reconnect(server, true,
                        xstrdup("user ran ovsdb-server/reconnect"));
    unixctl_command_reply(conn, NULL);
}

static void
cmd_disable_monitor_cond(struct unixctl_conn *conn, int argc OVS_UNUSED,
                         const char *argv[] OVS_UNUSED, void *server)
{
    ovsdb_jsonrpc_disable_monitor_cond();
    db_server_reconnect(
        server, true, xstrdup("user ran ovsdb-server/disable-monitor-cond"));
    unixctl_command_reply(conn, NULL);
}

/* Databases. */

static void
cmd_add_db(struct unixctl_conn *conn, int argc OVS_UNUSED,
           const char *argv[], void *server_)
{
    struct db_server *server = server_;
    struct ovsdb_error *error = db_open(server, argv[1]);

    if (error) {
        reply_and_free(conn, ovsdb_error_to_string_free(error));
        return;
    }
    db_server_config_changed(server);
    db_backup_restart(server);
    unixctl_command_reply(conn, NULL);
}

static void
cmd_remove_db(struct unixctl_conn *conn, int argc OVS_UNUSED,
              const char *argv[], void *server_)
{
    struct db_server *server = server_;
    struct db *db = db_server_find(server, argv[1]);

    if (!db) {
        unixctl_command_reply_error(conn, "Failed to find the database.");
    } else if (is_builtin(argv[1])) {
        unixctl_command_reply_error(conn, "Cannot remove reserved database.");
    } else {
        db_remove(server, db, xasprintf("user removed database %s", argv[1]));
        unixctl_command_reply(conn, NULL);
    }
}

static void
cmd_list_dbs(struct unixctl_conn *conn, int argc OVS_UNUSED,
             const char *argv[] OVS_UNUSED, void *server_)
{
    const struct db_server *server = server_;
    const struct shash_node **nodes = shash_sort(&server->dbs);
    struct ds reply = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < shash_count(&server->dbs); i++) {
        ds_put_format(&reply, "%s\n", nodes[i]->name);
    }
    free(nodes);
    unixctl_command_reply(conn, ds_cstr(&reply));
    ds_destroy(&reply);
}

static void
cmd_get_db_storage_status(struct unixctl_conn *conn, int argc OVS_UNUSED,
                          const char *argv[], void *server)
{
    const struct db *db = db_server_find(server, argv[1]);

    if (!db) {
        unixctl_command_reply_error(conn, "Failed to find the database.");
        return;
    }

    char *error = ovsdb_storage_get_error(db->ovsdb->storage);
    char *reply = xasprintf("status: %s", error ? error : "ok");

    unixctl_command_reply(conn, reply);
    free(reply);
    free(error);
}

/* Compacts 'db' and waits until that is done: a cluster's database is
 * compacted by a thread. */
static void
compact(struct db_server *server, struct db *db, struct ds *errors)
{
    struct ovsdb *ovsdb = db->ovsdb;

    VLOG_INFO("%s: compacting, as the user asked", ovsdb->name);
    struct ovsdb_error *error = ovsdb_snapshot(ovsdb, server->trim_memory);
    if (!error && ovsdb_snapshot_in_progress(ovsdb)) {
        do {
            ovsdb_snapshot_wait(ovsdb);
            poll_block();
        } while (ovsdb_snapshot_in_progress(ovsdb));
        error = ovsdb_snapshot(ovsdb, server->trim_memory);
    }

    if (error) {
        char *text = ovsdb_error_to_string_free(error);

        ds_put_format(errors, "%s\n", text);
        free(text);
    }
}

static void
cmd_compact(struct unixctl_conn *conn, int argc, const char *argv[],
            void *server_)
{
    struct db_server *server = server_;
    const char *only = argc > 1 ? argv[1] : NULL;
    struct ds errors = DS_EMPTY_INITIALIZER;
    int n = 0;

    if (only && is_builtin(only)) {
        unixctl_command_reply_error(conn, "cannot compact built-in databases");
        return;
    }

    struct shash_node *node;
    SHASH_FOR_EACH (node, &server->dbs) {
        if (only ? !strcmp(node->name, only) : !is_builtin(node->name)) {
            compact(server, node->data, &errors);
            n++;
        }
    }

    if (!n) {
        reply_and_free(conn, xstrdup("no database by that name"));
        ds_destroy(&errors);
    } else {
        reply_and_free(conn, errors.string);
    }
}

static void
cmd_memory_trim(struct unixctl_conn *conn, int argc OVS_UNUSED,
                const char *argv[], void *server_)
{
    struct db_server *server = server_;
    bool on = !strcmp(argv[1], "on");

    if (!HAVE_DECL_MALLOC_TRIM) {
        unixctl_command_reply_error(conn, "memory trimming is not supported");
    } else if (!on && strcmp(argv[1], "off")) {
        unixctl_command_reply_error(conn, "invalid argument");
    } else {
        server->trim_memory = on;
        VLOG_INFO("memory trimming after compaction %s.",
                  on ? "enabled" : "disabled");
        unixctl_command_reply(conn, NULL);
    }
}

/* Transaction logging. */

/* Finds table "DB:TABLE".  Returns NULL and an error message if there is none
 * by that name. */
static struct ovsdb_table *
parse_table(const struct db_server *server, const char *s,
            const char **ret_error)
{
    const char *colon = strchr(s, ':');

    if (!colon || colon == s || !colon[1] || strchr(colon + 1, ':')) {
        *ret_error = "invalid DB:TABLE argument";
        return NULL;
    }

    char *name = xmemdup0(s, colon - s);
    const struct db *db = db_server_find(server, name);
    free(name);
    if (!db) {
        *ret_error = "no such database";
        return NULL;
    }

    struct ovsdb_table *table = ovsdb_get_table(db->ovsdb, colon + 1);
    if (!table) {
        *ret_error = "no such table";
    }
    return table;
}

static void
cmd_tlog_set(struct unixctl_conn *conn, int argc OVS_UNUSED,
             const char *argv[], void *server)
{
    bool on = !strcasecmp(argv[2], "on");
    const char *error;

    if (!on && strcasecmp(argv[2], "off")) {
        unixctl_command_reply_error(conn, "invalid command argument");
        return;
    }

    struct ovsdb_table *table = parse_table(server, argv[1], &error);
    if (table) {
        ovsdb_table_logging_enable(table, on);
        unixctl_command_reply(conn, NULL);
    } else {
        unixctl_command_reply_error(conn, error);
    }
}

static void
format_tables(const struct ovsdb *ovsdb, struct ds *s)
{
    const struct shash_node **nodes = shash_sort(&ovsdb->tables);

    for (size_t i = 0; i < shash_count(&ovsdb->tables); i++) {
        bool on = ovsdb_table_is_logging_enabled(nodes[i]->data);

        ds_put_format(s, "                %-27s %s\n", nodes[i]->name,
                      on ? "ON" : "OFF");
    }
    free(nodes);
}

static void
cmd_tlog_list(struct unixctl_conn *conn, int argc OVS_UNUSED,
              const char *argv[] OVS_UNUSED, void *server_)
{
    const struct db_server *server = server_;
    const struct shash_node **nodes = shash_sort(&server->dbs);
    struct ds s = DS_EMPTY_INITIALIZER;

    ds_put_format(&s, "%-16s%-28s%s\n", "database", "table", "logging");
    ds_put_format(&s, "%-16s%-28s%s\n", "--------", "-----", "-------");
    for (size_t i = 0; i < shash_count(&server->dbs); i++) {
        const struct db *db = nodes[i]->data;

        ds_put_format(&s, "%-16s \n", nodes[i]->name);
        format_tables(db->ovsdb, &s);
    }
    free(nodes);
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
}

/* Performance counters. */

static void
cmd_perf_counters_show(struct unixctl_conn *conn, int argc OVS_UNUSED,
                       const char *argv[] OVS_UNUSED, void *aux OVS_UNUSED)
{
    char *s = perf_counters_to_string();

    unixctl_command_reply(conn, s);
    free(s);
}

static void
cmd_perf_counters_clear(struct unixctl_conn *conn, int argc OVS_UNUSED,
                        const char *argv[] OVS_UNUSED, void *aux OVS_UNUSED)
{
    perf_counters_clear();
    unixctl_command_reply(conn, NULL);
}

/* Replication. */

static void
cmd_set_active(struct unixctl_conn *conn, int argc OVS_UNUSED,
               const char *argv[], void *server)
{
    db_backup_set_active(server, argv[1]);
    unixctl_command_reply(conn, NULL);
}

static void
cmd_get_active(struct unixctl_conn *conn, int argc OVS_UNUSED,
               const char *argv[] OVS_UNUSED, void *server)
{
    unixctl_command_reply(conn, db_backup_get_active(server));
}

static void
cmd_connect_active(struct unixctl_conn *conn, int argc OVS_UNUSED,
                   const char *argv[] OVS_UNUSED, void *server)
{
    const char *problem = NULL;

    if (db_backup_get_active(server)) {
        db_backup_start(server);
    } else {
        problem = "Unable to connect: active server is not specified.\n";
    }
    unixctl_command_reply(conn, problem);
}

static void
cmd_disconnect_active(struct unixctl_conn *conn, int argc OVS_UNUSED,
                      const char *argv[] OVS_UNUSED, void *server)
{
    db_backup_stop(server);
    unixctl_command_reply(conn, NULL);
}

static void
cmd_set_active_probe_interval(struct unixctl_conn *conn, int argc OVS_UNUSED,
                              const char *argv[], void *server)
{
    int ms;

    if (str_to_int(argv[1], 10, &ms)) {
        db_backup_set_probe_interval(server, ms);
        unixctl_command_reply(conn, NULL);
    } else {
        unixctl_command_reply(
            conn, "Invalid probe interval, integer value expected");
    }
}

static void
cmd_set_sync_exclude(struct unixctl_conn *conn, int argc,
                     const char *argv[], void *server)
{
    char *error = db_backup_set_exclude(server, argc > 1 ? argv[1] : NULL);

    unixctl_command_reply(conn, error);
    free(error);
}

static void
cmd_get_sync_exclude(struct unixctl_conn *conn, int argc OVS_UNUSED,
                     const char *argv[] OVS_UNUSED, void *aux OVS_UNUSED)
{
    char *s = get_excluded_tables();

    unixctl_command_reply(conn, s);
    free(s);
}

static void
cmd_sync_status(struct unixctl_conn *conn, int argc OVS_UNUSED,
                const char *argv[] OVS_UNUSED, void *server)
{
    bool is_backup = db_backup_is_backup(server);
    struct ds s = DS_EMPTY_INITIALIZER;

    ds_put_format(&s, "state: %s\n", is_backup ? "backup" : "active");
    if (is_backup) {
        ds_put_and_free_cstr(&s, replication_status());
    }
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
}

/* Registration. */

struct command {
    const char *name;
    const char *usage;
    int min_args, max_args;
    unixctl_cb_func *cb;
};

static const struct command common_commands[] = {
    { "add-remote", "REMOTE", 1, 1, cmd_add_remote },
    { "remove-remote", "REMOTE", 1, 1, cmd_remove_remote },
    { "list-remotes", "", 0, 0, cmd_list_remotes },
    { "reconnect", "", 0, 0, cmd_reconnect },
    { "disable-monitor-cond", "", 0, 0, cmd_disable_monitor_cond },
    { "list-dbs", "", 0, 0, cmd_list_dbs },
    { "get-db-storage-status", "DB", 1, 1, cmd_get_db_storage_status },
    { "compact", "", 0, 1, cmd_compact },
    { "memory-trim-on-compaction", "on|off", 1, 1, cmd_memory_trim },
    { "tlog-set", "DB:TABLE on|off", 2, 2, cmd_tlog_set },
    { "tlog-list", "", 0, 0, cmd_tlog_list },
    { "perf-counters-show", "", 0, 0, cmd_perf_counters_show },
    { "perf-counters-clear", "", 0, 0, cmd_perf_counters_clear },
};

/* Not for a server of policy databases: the set of those is fixed, and
 * replication would empty them. */
static const struct command general_commands[] = {
    { "add-db", "DB", 1, 1, cmd_add_db },
    { "remove-db", "DB", 1, 1, cmd_remove_db },
    { "set-active-ovsdb-server", "", 1, 1, cmd_set_active },
    { "get-active-ovsdb-server", "", 0, 0, cmd_get_active },
    { "connect-active-ovsdb-server", "", 0, 0, cmd_connect_active },
    { "disconnect-active-ovsdb-server", "", 0, 0, cmd_disconnect_active },
    { "set-active-ovsdb-server-probe-interval", "", 1, 1,
      cmd_set_active_probe_interval },
    { "set-sync-exclude-tables", "", 0, 1, cmd_set_sync_exclude },
    { "get-sync-exclude-tables", "", 0, 0, cmd_get_sync_exclude },
    { "sync-status", "", 0, 0, cmd_sync_status },
};

static void
register_commands(struct db_server *server, const struct command *commands,
                  size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct command *c = &commands[i];
        char *name = xasprintf("ovsdb-server/%s", c->name);

        unixctl_command_register(name, c->usage, c->min_args, c->max_args,
                                 c->cb, server);
        free(name);
    }
}

void
db_server_register_commands(struct db_server *server)
{
    register_commands(server, common_commands, ARRAY_SIZE(common_commands));
    if (!server->policy) {
        register_commands(server, general_commands,
                          ARRAY_SIZE(general_commands));
    }
}
