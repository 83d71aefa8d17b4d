/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DB_PRIVATE_H
#define DB_PRIVATE_H 1

/* What the files of agent/db share, and nobody else sees.
 *
 *   commands.c   unixctl                options.c, db-only.c, saved-config.c
 *        \                                 /      the --db-only program
 *         +---------- server.c -----------+
 *        /      |         |        \       \
 *  storage.c  catalog.c  remotes.c  tls.c  backup.c    a general OVSDB server
 *                           \        /
 *                          column-ref.c
 *
 *  policy.c     the agent's four databases: files, and what clients may not do
 *  feed.c       committed changes, decoded
 *  writer.c     columns of the agent;  diag-rows.c  the Diagnostic table */

#include <stdbool.h>
#include <stdint.h>
#include "db/db.h"
#include "openvswitch/compiler.h"
#include "openvswitch/list.h"
#include "openvswitch/shash.h"
#include "openvswitch/uuid.h"
#include "sset.h"
#include "uuid.h"

struct ovsdb;
struct ovsdb_column;
struct ovsdb_error;
struct ovsdb_jsonrpc_server;
struct ovsdb_row;
struct ovsdb_table;
struct ovsdb_txn;

/* One database of a server. */
struct db {
    char *spec;                 /* What it was opened by: see db_open(). */
    struct ovsdb *ovsdb;

    /* What the _Server database says of it (catalog.c). */
    bool schema_listed;         /* False: its schema is new, list it again. */
    bool listed_connected;
    bool listed_leader;
    uint64_t listed_index;
    struct uuid listed_cid;
    struct uuid listed_sid;
};

struct db_server {
    struct ovsdb_jsonrpc_server *jsonrpc;
    struct shash dbs;           /* "struct db"s by name, with "_Server". */
    bool trim_memory;           /* Return memory to the system when compact. */

    struct sset remotes;        /* As configured, "db:" remotes included. */
    char *remotes_error;        /* Last error logged, or NULL. */
    long long int next_status;  /* When to write Manager status again. */

    struct db_tls tls;          /* Copies of what was set. */
    bool tls_set;
    char *tls_error;            /* Last error logged, or NULL. */

    struct db_backup *backup;
    void (*config_changed)(void *aux); /* Set of databases, remotes, ... */
    void *config_aux;

    struct db_policy *policy;   /* NULL without policy databases. */
    struct db_feed *feed;       /* NULL until db_server_feed(). */
    struct db_writer *writer;   /* NULL without policy databases. */
};

/* server.c. */
void db_server_config_changed(struct db_server *);
struct db *db_server_find(const struct db_server *, const char *name);
void db_server_reconnect(struct db_server *, bool force, char *comment);

/* Logs and frees 'error' if it is not NULL and not the same as '*last'. */
void db_log_if_changed(char *error, char **last);

/* Commits a transaction of our own, not flushed to disk.  Logs an error,
 * naming 'what', and returns false if there is one. */
bool db_txn_commit(struct ovsdb_txn *, const char *what);

/* storage.c: databases of any kind.
 *
 * A database is opened by a "spec": the name of a standalone or clustered
 * file, or "relay:NAME:REMOTES". */
struct ovsdb_error *db_open(struct db_server *, const char *spec)
    OVS_WARN_UNUSED_RESULT;
struct db *db_add(struct db_server *, const char *spec, struct ovsdb *);
void db_close(struct db_server *, struct db *, char *comment);
void db_remove(struct db_server *, struct db *, char *comment);
void db_run(struct db_server *, struct db *);
void db_wait(struct db *);

/* catalog.c: the _Server database. */
void db_catalog_create(struct db_server *);
void db_catalog_run(struct db_server *);

/* column-ref.c: "db:DATABASE,TABLE,COLUMN". */
struct db_column_ref {
    const struct db *db;
    const struct ovsdb_table *table;
    const struct ovsdb_column *column;
};
bool db_column_ref_is(const char *);
char *db_column_ref_parse(const struct db_server *, const char *,
                          struct db_column_ref *)
    OVS_WARN_UNUSED_RESULT;
char *db_column_ref_resolve(const struct db_server *, const char *,
                            struct db_column_ref *)
    OVS_WARN_UNUSED_RESULT;
bool db_column_ref_is_strings(const struct db_column_ref *);
const struct ovsdb_table *db_column_ref_target(const struct db_column_ref *);

/* remotes.c. */
char *db_remotes_apply(struct db_server *) OVS_WARN_UNUSED_RESULT;
void db_remotes_run(struct db_server *);
void db_remotes_wait(struct db_server *);

/* tls.c. */
char *db_tls_apply(struct db_server *) OVS_WARN_UNUSED_RESULT;
void db_tls_run(struct db_server *);
void db_tls_uninit(struct db_server *);

/* backup.c: active-backup replication. */
struct db_backup *db_backup_create(void);
void db_backup_destroy(struct db_backup *);
void db_backup_configure(struct db_server *, const char *active,
                         const char *exclude, bool is_backup);
void db_backup_start(struct db_server *);
void db_backup_stop(struct db_server *);
void db_backup_set_active(struct db_server *, const char *active);
char *db_backup_set_exclude(struct db_server *, const char *exclude)
    OVS_WARN_UNUSED_RESULT;
void db_backup_set_probe_interval(struct db_server *, int probe_interval_ms);
void db_backup_restart(struct db_server *);
bool db_backup_is_backup(const struct db_server *);
const char *db_backup_get_active(const struct db_server *);
const char *db_backup_get_exclude(const struct db_server *);
void db_backup_run(struct db_server *);
void db_backup_wait(struct db_server *);

/* policy.c. */
struct db_policy {
    struct ovs_list node;       /* In policy.c's list of all. */
    struct db_server *server;
    struct db *dbs[N_DBS];
    bool durable;               /* Flush each client transaction to disk. */
};
const char *db_id_to_name(enum db_id);
struct db_policy *db_policy_find(const struct ovsdb *, enum db_id *);
struct ovsdb *db_policy_get(const struct db_server *, enum db_id);
void db_policy_destroy(struct db_policy *);

/* feed.c. */
void db_feed_destroy(struct db_feed *);
void db_feed_schema_changed(struct db_feed *, enum db_id);

/* writer.c. */
struct db_writer *db_writer_create(struct db_server *);
void db_writer_destroy(struct db_writer *);
bool db_writer_is_writing(const struct db_writer *);
void db_writer_diags_touched(struct db_writer *);
void db_writer_locals_touched(struct db_writer *);

/* diag-rows.c: the rows of the Diagnostic table. */
struct diag_rows;
struct diag_rows *diag_rows_create(const struct ovsdb *);
void diag_rows_destroy(struct diag_rows *);
void diag_rows_put(struct diag_rows *, const struct diag *);
void diag_rows_remove(struct diag_rows *, const struct diag *);
void diag_rows_prune(struct diag_rows *);
void diag_rows_touched(struct diag_rows *);
void diag_rows_write(struct diag_rows *, const struct ovsdb *,
                     struct ovsdb_txn *);
bool diag_rows_is_dirty(const struct diag_rows *);
void diag_rows_written(struct diag_rows *, bool ok);

/* local-rows.c: the rows of the Ucast_Macs_Local table. */
struct local_rows;
struct local_rows *local_rows_create(const struct ovsdb *);
void local_rows_destroy(struct local_rows *);
void local_rows_set_pa(struct local_rows *, const struct in6_addr *);
void local_rows_put(struct local_rows *, const struct db_local_mac *);
void local_rows_remove(struct local_rows *, const struct db_local_mac *);
void local_rows_for_each(struct local_rows *,
                         void (*cb)(const struct db_local_mac *, void *aux),
                         void *aux);
void local_rows_prune(struct local_rows *);
void local_rows_touched(struct local_rows *);
bool local_rows_is_dirty(const struct local_rows *);
void local_rows_write(struct local_rows *, const struct ovsdb *,
                      struct ovsdb_txn *);
void local_rows_written(struct local_rows *, bool ok);

/* Deletes, within a client's transaction, rows that refer to what the client
 * deletes. */
void local_rows_give_way(const struct ovsdb *, struct ovsdb_txn *);

#endif /* db/db-private.h */
