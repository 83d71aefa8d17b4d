/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DB_DB_H
#define DB_DB_H 1

/* The agent's databases: an OVSDB server inside the process.
 *
 * Serves database files to OVSDB clients (RFC 7047) with Open vSwitch's own
 * engine, as ovsdb-server does, with two additions: a feed of committed
 * changes for the agent, and a writer for the columns that the agent owns.
 * Without those two it is a general OVSDB server ("--db-only").
 *
 * Threads: one, the one that runs the main loop. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "db/rows.h"
#include "openvswitch/types.h"
#include "openvswitch/uuid.h"

struct db_server;
struct diag;
struct simap;
struct smap;
struct sset;

/* Creates a server without databases and remotes.  */
struct db_server *db_server_create(void);
void db_server_destroy(struct db_server *);

/* Adds a remote in ovsdb-server's syntax: an active or passive OVSDB
 * connection method, or db:DATABASE,TABLE,COLUMN.  */
void db_server_add_remote(struct db_server *, const char *remote);

/* Returns NULL if 'remote' is of that syntax and the column there is, or else
 * a sentence that names it and says what is wrong; the caller frees it.
 * Whether anybody answers there is not looked at. */
char *db_server_check_remote(const struct db_server *, const char *remote);

/* Makes the set of remotes given on the command line or in Open_vSwitch
 * external_ids exactly 'remotes' (db: remotes included). */
void db_server_set_remotes(struct db_server *, const struct sset *remotes);

/* Keys and certificates for TLS.  Each string is a file's name (or a list of
 * protocols or ciphers), NULL for none, or "db:DATABASE,TABLE,COLUMN": then
 * the first nonempty string in that column counts, also when it changes. */
struct db_tls {
    const char *private_key;
    const char *certificate;
    const char *ca_cert;
    bool bootstrap_ca_cert;     /* If there is none, trust the first seen. */
    const char *protocols;
    const char *ciphers;
};

/* Uses these from now on.  A server for which this is never called leaves the
 * stream library's settings alone. */
void db_server_set_tls(struct db_server *, const struct db_tls *);

/* Registers ovsdb-server's unixctl commands, by the same names.  With policy
 * databases, call it after they are opened: what would take them away from
 * the agent (remove-db, replication) is left out then. */
void db_server_register_commands(struct db_server *);

/* Opens, in 'dir', the databases of enum db_id: creates what is missing ('dir'
 * too), converts what is older, refuses what is newer, damaged or something
 * else.  Returns NULL, or a sentence that names the file, the versions and the
 * remedy; the caller frees it.  A refused file is left as it was.  At most one
 * set of policy databases per server.
 *
 * Their schemas are part of the agent.  A client's "convert" of one of them to
 * the schema that it has already succeeds, as with ovsdb-server; to any other
 * it gets the error "not allowed", for the agent could not read the result,
 * now or when it starts again.
 *
 * A client gets the answer to a transaction on them when it is on the disk,
 * so that it outlives a loss of power, unless db_server_set_durable() says
 * otherwise; ovsdb-server does that only for a "commit" operation with
 * "durable".  It costs a fdatasync() per transaction that changes anything.
 * Without it an answered transaction still outlives the agent, not a crash of
 * the host.  What the agent itself writes is not flushed. */
char *db_server_open_policy(struct db_server *, const char *dir);
void db_server_set_durable(struct db_server *, bool durable);

/* Like db_server_open_policy() with nothing on disk: everything is lost on
 * exit.  For tools that compile a policy and exit. */
void db_server_open_policy_in_memory(struct db_server *);

/* Runs 'params', a JSON array of "transact" parameters (RFC 7047 4.1.3), on
 * its database.  Returns the result array as JSON text in '*ret_result' (which
 * the caller frees), and true if no operation failed. */
bool db_server_transact(struct db_server *, const char *params,
                        char **ret_result);

void db_server_run(struct db_server *);
void db_server_wait(struct db_server *);
void db_server_get_memory_usage(const struct db_server *, struct simap *);

/* Change feed: starts with everything the databases hold, then each committed
 * change.  One receiver. */
void db_server_feed(struct db_server *, row_change_cb *, void *aux);

/* What the agent writes.  Each call queues; db_server_flush() commits what is
 * queued in one transaction per database.  Rows that no longer exist are
 * skipped, values that are already there are not written again.  What is
 * queued may be queued in the feed's callback, but not flushed there.
 *
 * Of these writes the feed hands on new rows, but not new values of columns
 * that only the agent writes (Global.cur_cfg, Physical_Port.status). */

/* Ensures the one Global row in each database, and this host's
 * Physical_Switch row if there is none: named 'name', or as the host calls
 * itself if that is NULL, with a generated distributed_router_mac (locally
 * administered, derived from the name so that it is the same after a loss of
 * the database). */
void db_server_ensure_host(struct db_server *, const char *name);
void db_server_set_cur_cfg(struct db_server *, enum db_id, int64_t cur_cfg);
void db_server_set_port_status(struct db_server *, const struct uuid *port,
                               const struct smap *status);

/* Rows of Ucast_Macs_Local, all about guests of this host: where it can be
 * reached is the PA that was set last, none of them is written before.
 *
 * Rows found in the stored table at start stay until the first
 * db_server_prune_local_macs(), which removes those that were not put again;
 * until then db_server_for_each_local_mac() tells which they are.  When a
 * client tampers with the table, the next flush repairs it; but these rows
 * never keep a client from deleting a Logical_Switch or Physical_Locator that
 * they refer to. */
struct db_local_mac {
    struct uuid logical_switch;
    struct in6_addr ca;
    struct eth_addr mac;
};

void db_server_set_local_pa(struct db_server *, const struct in6_addr *pa);
void db_server_put_local_mac(struct db_server *, const struct db_local_mac *);
void db_server_remove_local_mac(struct db_server *,
                                const struct db_local_mac *);
void db_server_for_each_local_mac(struct db_server *,
                                  void (*cb)(const struct db_local_mac *,
                                             void *aux),
                                  void *aux);
void db_server_prune_local_macs(struct db_server *);

/* Diagnostic rows, each known by row, column and code.  Putting one that is
 * there already with the same text does nothing; a new one is logged, once.
 * Rows found in the stored table at start stay until the first
 * db_server_prune_diags(), which removes those that were not put again.  When
 * a client tampers with the table, the next flush repairs it. */
void db_server_put_diag(struct db_server *, const struct diag *);
void db_server_remove_diag(struct db_server *, const struct diag *);
void db_server_prune_diags(struct db_server *);
void db_server_flush(struct db_server *);

#endif /* db/db.h */
