/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "db/db-private.h"

#include <stdlib.h>

#include "ovsdb/jsonrpc-server.h"
#include "ovsdb/ovsdb.h"
#include "ovsdb/replication.h"
#include "util.h"

/* Active-backup replication: a backup copies another server, the active one,
 * and takes no writes from its own clients.
 *
 *               db_backup_start()
 *      active ---------------------> backup
 *        ^                             |
 *        +-----------------------------+
 *          db_backup_stop(), or an error
 *
 * The engine's replication has one state for the whole process; so there must
 * not be two servers that are backups. */
struct db_backup {
    char *active;               /* Remote of the active server, or NULL. */
    char *exclude;              /* "DB:TABLE,...": not copied.  Or NULL. */
    int probe_interval_ms;      /* Of the connection to the active server. */
    bool is_backup;
};

struct db_backup *
db_backup_create(void)
{
    struct db_backup *b = xzalloc(sizeof *b);

    b->probe_interval_ms = REPLICATION_DEFAULT_PROBE_INTERVAL;
    return b;
}

void
db_backup_destroy(struct db_backup *b)
{
    if (b) {
        free(b->active);
        free(b->exclude);
        free(b);
    }
}

/* Sets what to do at start.  db_backup_restart() does it. */
void
db_backup_configure(struct db_server *server, const char *active,
                    const char *exclude, bool is_backup)
{
    struct db_backup *b = server->backup;

    free(b->active);
    free(b->exclude);
    b->active = nullable_xstrdup(active);
    b->exclude = nullable_xstrdup(exclude);
    b->is_backup = is_backup;
}

static void
replicate(struct db_server *server)
{
    const struct db_backup *b = server->backup;

    replication_init(b->active, b->exclude,
                     ovsdb_jsonrpc_server_get_uuid(server->jsonrpc),
                     b->probe_interval_ms);

    const struct shash_node *node;
    SHASH_FOR_EACH (node, &server->dbs) {
        const struct db *db = node->data;

        if (node->name[0] != '_') {
            replication_add_local_db(node->name, db->ovsdb);
        }
    }
}

/* Becomes a backup, from scratch.  The active server must be set. */
void
db_backup_start(struct db_server *server)
{
    struct db_backup *b = server->backup;

    replicate(server);
    if (!b->is_backup) {
        b->is_backup = true;
        db_server_config_changed(server);
    }
}

void
db_backup_stop(struct db_server *server)
{
    disconnect_active_server();
    server->backup->is_backup = false;
    db_server_config_changed(server);
}

/* Starts over, because what there is to copy has changed. */
void
db_backup_restart(struct db_server *server)
{
    if (server->backup->is_backup) {
        replicate(server);
    }
}

void
db_backup_set_active(struct db_server *server, const char *active)
{
    free(server->backup->active);
    server->backup->active = xstrdup(active);
    db_server_config_changed(server);
}

/* Returns NULL, or an error if 'exclude' does not parse. */
char *
db_backup_set_exclude(struct db_server *server, const char *exclude)
{
    char *error = set_excluded_tables(exclude, true);

    if (!error) {
        free(server->backup->exclude);
        server->backup->exclude = nullable_xstrdup(exclude);
        db_server_config_changed(server);
        db_backup_restart(server);
        error = set_excluded_tables(exclude, false);
    }
    return error;
}

void
db_backup_set_probe_interval(struct db_server *server, int probe_interval_ms)
{
    server->backup->probe_interval_ms = probe_interval_ms;
    if (server->backup->is_backup) {
        replication_set_probe_interval(probe_interval_ms);
    }
}

bool
db_backup_is_backup(const struct db_server *server)
{
    return server->backup->is_backup;
}

const char *
db_backup_get_active(const struct db_server *server)
{
    return server->backup->active;
}

const char *
db_backup_get_exclude(const struct db_server *server)
{
    return server->backup->exclude;
}

void
db_backup_run(struct db_server *server)
{
    if (server->backup->is_backup) {
        replication_run();
        if (!replication_is_alive()) {
            disconnect_active_server();
            server->backup->is_backup = false;
        }
    }
}

void
db_backup_wait(struct db_server *server)
{
    if (server->backup->is_backup) {
        replication_wait();
    }
}
