/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "db/db-private.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "openvswitch/hmap.h"
#include "openvswitch/packets.h"
#include "openvswitch/types.h"
#include "ovsdb-data.h"
#include "ovsdb-error.h"
#include "ovsdb/column.h"
#include "ovsdb/ovsdb.h"
#include "ovsdb/ovsdb-util.h"
#include "ovsdb/row.h"
#include "ovsdb/table.h"
#include "ovsdb/transaction.h"
#include "packets.h"
#include "smap.h"
#include "util.h"
#include "util/addr.h"

/* A Physical_Port.status that waits to be written. */
struct port_status {
    struct hmap_node node;      /* In struct db_writer's 'ports'. */
    struct uuid port;
    struct smap status;
};

/* What waits to be written. */
struct db_writer {
    struct db_server *server;
    bool writing;               /* Is a transaction of ours being committed? */

    bool ensure_host;
    char *host_name;            /* NULL for what the host calls itself. */
    bool cur_cfg_set[N_DBS];
    int64_t cur_cfg[N_DBS];
    struct hmap ports;          /* Contains "struct port_status"es. */
    struct diag_rows *diags;
    struct local_rows *locals;
};

static void write_db(struct db_writer *, enum db_id);

struct db_writer *
db_writer_create(struct db_server *server)
{
    struct db_writer *w = xzalloc(sizeof *w);

    w->server = server;
    hmap_init(&w->ports);
    w->diags = diag_rows_create(db_policy_get(server, DB_MS_VTEP));
    w->locals = local_rows_create(db_policy_get(server, DB_MS_VTEP));
    return w;
}

static void
clear_ports(struct db_writer *w)
{
    struct port_status *p;

    HMAP_FOR_EACH_POP (p, node, &w->ports) {
        smap_destroy(&p->status);
        free(p);
    }
}

void
db_writer_destroy(struct db_writer *w)
{
    if (w) {
        free(w->host_name);
        clear_ports(w);
        hmap_destroy(&w->ports);
        diag_rows_destroy(w->diags);
        local_rows_destroy(w->locals);
        free(w);
    }
}

bool
db_writer_is_writing(const struct db_writer *w)
{
    return w->writing;
}

void
db_writer_diags_touched(struct db_writer *w)
{
    diag_rows_touched(w->diags);
}

void
db_writer_locals_touched(struct db_writer *w)
{
    local_rows_touched(w->locals);
}

/* Queueing. */

void
db_server_ensure_host(struct db_server *server, const char *name)
{
    struct db_writer *w = server->writer;

    free(w->host_name);
    w->host_name = nullable_xstrdup(name);
    w->ensure_host = true;
}

void
db_server_set_cur_cfg(struct db_server *server, enum db_id id,
                      int64_t cur_cfg)
{
    server->writer->cur_cfg_set[id] = true;
    server->writer->cur_cfg[id] = cur_cfg;
}

void
db_server_set_port_status(struct db_server *server, const struct uuid *port,
                          const struct smap *status)
{
    struct db_writer *w = server->writer;
    uint32_t hash = uuid_hash(port);
    struct port_status *p;

    HMAP_FOR_EACH_WITH_HASH (p, node, hash, &w->ports) {
        if (uuid_equals(&p->port, port)) {
            smap_destroy(&p->status);
            smap_clone(&p->status, status);
            return;
        }
    }
    p = xmalloc(sizeof *p);
    p->port = *port;
    smap_clone(&p->status, status);
    hmap_insert(&w->ports, &p->node, hash);
}

void
db_server_put_diag(struct db_server *server, const struct diag *diag)
{
    diag_rows_put(server->writer->diags, diag);
}

void
db_server_remove_diag(struct db_server *server, const struct diag *diag)
{
    diag_rows_remove(server->writer->diags, diag);
}

void
db_server_prune_diags(struct db_server *server)
{
    diag_rows_prune(server->writer->diags);
}

void
db_server_set_local_pa(struct db_server *server, const struct in6_addr *pa)
{
    local_rows_set_pa(server->writer->locals, pa);
}

void
db_server_put_local_mac(struct db_server *server,
                        const struct db_local_mac *mac)
{
    local_rows_put(server->writer->locals, mac);
}

void
db_server_remove_local_mac(struct db_server *server,
                           const struct db_local_mac *mac)
{
    local_rows_remove(server->writer->locals, mac);
}

void
db_server_for_each_local_mac(struct db_server *server,
                             void (*cb)(const struct db_local_mac *, void *),
                             void *aux)
{
    local_rows_for_each(server->writer->locals, cb, aux);
}

void
db_server_prune_local_macs(struct db_server *server)
{
    local_rows_prune(server->writer->locals);
}

/* Writing. */

static struct ovsdb_table *
get_table(const struct db_writer *w, enum db_id id, const char *name)
{
    return ovsdb_get_table(db_policy_get(w->server, id), name);
}

static struct ovsdb_table *
global_table(const struct db_writer *w, enum db_id id)
{
    static const char *const names[N_DBS] = {
        [DB_MS_VTEP] = "Global",
        [DB_MS_FIREWALL] = "FW_Global",
        [DB_MS_SERVICE_INSERTION] = "SI_Global",
        [DB_MS_DARV] = "Global",
    };

    return get_table(w, id, names[id]);
}

static struct ovsdb_table *
physical_switch_table(const struct db_writer *w)
{
    return get_table(w, DB_MS_VTEP, "Physical_Switch");
}

static const struct ovsdb_row *
first_row(const struct ovsdb_table *table)
{
    const struct ovsdb_row *row;

    HMAP_FOR_EACH (row, hmap_node, &table->rows) {
        return row;
    }
    return NULL;
}

static bool
host_rows_missing(const struct db_writer *w, enum db_id id)
{
    return (w->ensure_host
            && (!first_row(global_table(w, id))
                || (id == DB_MS_VTEP
                    && !first_row(physical_switch_table(w)))));
}

static bool
cur_cfg_differs(const struct db_writer *w, enum db_id id)
{
    const struct ovsdb_row *row = first_row(global_table(w, id));
    long long int cur_cfg;

    return (w->cur_cfg_set[id] && row
            && (!ovsdb_util_read_integer_column(row, "cur_cfg", &cur_cfg)
                || cur_cfg != w->cur_cfg[id]));
}

/* Tells whether there is anything to write to database 'id'.  Callers flush
 * often, and usually there is not. */
static bool
has_news(const struct db_writer *w, enum db_id id)
{
    return (host_rows_missing(w, id)
            || cur_cfg_differs(w, id)
            || (id == DB_MS_VTEP && (!hmap_is_empty(&w->ports)
                                     || diag_rows_is_dirty(w->diags)
                                     || local_rows_is_dirty(w->locals))));
}

void
db_server_flush(struct db_server *server)
{
    struct db_writer *w = server->writer;

    for (enum db_id id = 0; id < N_DBS; id++) {
        if (has_news(w, id)) {
            write_db(w, id);
        }
        w->cur_cfg_set[id] = false;
    }
    w->ensure_host = false;
    clear_ports(w);
}

static struct ovsdb_row *
insert_row(struct ovsdb_txn *txn, struct ovsdb_table *table)
{
    struct ovsdb_row *row = ovsdb_row_create(table);

    uuid_generate(ovsdb_row_get_uuid_rw(row));
    ovsdb_txn_row_insert(txn, row);
    return row;
}

/* Adds 'uuid' to the set of references in column 'name' of 'row'. */
static void
add_reference(struct ovsdb_row *row, const char *name,
              const struct uuid *uuid)
{
    const struct ovsdb_column *column
        = ovsdb_table_schema_get_column(row->table->schema, name);
    union ovsdb_atom atom = { .uuid = *uuid };
    struct ovsdb_datum one = { .n = 1, .keys = &atom };

    ovsdb_datum_union(&row->fields[column->index], &one, &column->type);
}

static const char *
get_host_name(char *buf, size_t size)
{
    ovs_strlcpy(buf, "localhost", size);
    gethostname(buf, size - 1);
    return buf;
}

static void
write_physical_switch(struct db_writer *w, struct ovsdb_txn *txn,
                      struct ovsdb_row *global)
{
    struct ovsdb_table *table = physical_switch_table(w);
    if (first_row(table)) {
        return;
    }

    char buf[HOST_NAME_MAX + 1];
    const char *name = (w->host_name ? w->host_name
                        : get_host_name(buf, sizeof buf));
    struct eth_addr mac = addr_mac_from_name(name);
    char *mac_string = xasprintf(ETH_ADDR_FMT, ETH_ADDR_ARGS(mac));
    struct ovsdb_row *row = insert_row(txn, table);

    ovsdb_util_write_string_column(row, "name", name);
    ovsdb_util_write_string_column(row, "distributed_router_mac",
                                   mac_string);
    add_reference(global, "switches", ovsdb_row_get_uuid(row));
    free(mac_string);
}

/* Gets the Global row for writing.  Returns NULL if there is none and none is
 * to be created. */
static struct ovsdb_row *
write_global(struct db_writer *w, enum db_id id, struct ovsdb_txn *txn)
{
    struct ovsdb_table *table = global_table(w, id);
    const struct ovsdb_row *row = first_row(table);

    return (row ? ovsdb_txn_row_modify(txn, row)
            : w->ensure_host ? insert_row(txn, table)
            : NULL);
}

static void
write_port_status(const struct db_writer *w, struct ovsdb_txn *txn,
                  const struct port_status *p)
{
    const struct ovsdb_table *table = get_table(w, DB_MS_VTEP,
                                                "Physical_Port");
    const struct ovsdb_row *row = ovsdb_table_get_row(table, &p->port);
    if (!row) {
        return;
    }

    const struct ovsdb_column *column
        = ovsdb_table_schema_get_column(table->schema, "status");
    struct ovsdb_datum datum;

    ovsdb_datum_from_smap(&datum, &p->status);
    if (!ovsdb_datum_equals(&datum, &row->fields[column->index],
                            &column->type)) {
        struct ovsdb_row *rw = ovsdb_txn_row_modify(txn, row);

        ovsdb_datum_swap(&datum, &rw->fields[column->index]);
    }
    ovsdb_datum_destroy(&datum, &column->type);
}

/* Writes what waits for database 'id'.  The engine finds out what is really
 * different; where nothing is, nothing goes to the file. */
static void
write_db(struct db_writer *w, enum db_id id)
{
    struct ovsdb *ovsdb = db_policy_get(w->server, id);
    struct ovsdb_txn *txn = ovsdb_txn_create(ovsdb);
    bool vtep = id == DB_MS_VTEP;

    if (w->ensure_host || w->cur_cfg_set[id]) {
        struct ovsdb_row *global = write_global(w, id, txn);

        if (global && w->cur_cfg_set[id]) {
            ovsdb_util_write_integer_column(global, "cur_cfg",
                                            w->cur_cfg[id]);
        }
        if (w->ensure_host && vtep) {
            write_physical_switch(w, txn, global);
        }
    }
    if (vtep) {
        const struct port_status *p;

        HMAP_FOR_EACH (p, node, &w->ports) {
            write_port_status(w, txn, p);
        }
        diag_rows_write(w->diags, ovsdb, txn);
        local_rows_write(w->locals, ovsdb, txn);
    }

    w->writing = true;
    bool ok = db_txn_commit(txn, db_id_to_name(id));
    w->writing = false;
    if (vtep) {
        diag_rows_written(w->diags, ok);
        local_rows_written(w->locals, ok);
    }
}
