/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "db/db-private.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "bitmap.h"
#include "db/row-decode.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "ovsdb-data.h"
#include "ovsdb/monitor.h"
#include "ovsdb/ovsdb.h"
#include "ovsdb/ovsdb-util.h"
#include "ovsdb/row.h"
#include "ovsdb/table.h"
#include "ovsdb/transaction.h"
#include "util.h"
#include "util/diag.h"

/* Above this many rows of one table in a transaction, the memory for sorting
 * is given back afterwards. */
#define MAX_KEPT_ROWS 65536

/* A row that a transaction changed. */
struct changed_row {
    const struct row_decoder *decoder;
    const struct ovsdb_row *row; /* As it is now, or as it was if deleted. */
    bool deleted;
};

/* Changed rows of one kind, in the order in which they came up. */
struct changed_rows {
    struct changed_row *rows;
    size_t n, allocated;
};

/* Decoders of one database's tables. */
struct feed_db {
    bool stale;                 /* The schema was replaced. */
    struct row_decoder decoders[N_ROW_TABLES];
    size_t n_decoders;
    const struct ovsdb_table *diagnostics; /* Or NULL. */
    const struct ovsdb_table *locals; /* Ucast_Macs_Local, or NULL. */
};

struct db_feed {
    struct db_server *server;
    row_change_cb *cb;
    void *aux;
    bool in_callback;

    struct feed_db dbs[N_DBS];
    struct row_scratch scratch;
    struct changed_rows changed[N_ROW_TABLES]; /* Of this transaction. */
};

static void feed_initial(struct db_feed *);

/* Looks up the tables and columns of database 'id', if that is still to be
 * done, and returns its decoders. */
static struct feed_db *
feed_get_db(struct db_feed *feed, enum db_id id)
{
    struct feed_db *fd = &feed->dbs[id];

    if (fd->stale) {
        const struct ovsdb *ovsdb = db_policy_get(feed->server, id);

        fd->n_decoders = row_decoders_init(fd->decoders, id, ovsdb);
        fd->diagnostics = ovsdb_get_table(ovsdb, "Diagnostic");
        fd->locals = ovsdb_get_table(ovsdb, "Ucast_Macs_Local");
        fd->stale = false;
    }
    return fd;
}

void
db_server_feed(struct db_server *server, row_change_cb *cb, void *aux)
{
    ovs_assert(server->policy && !server->feed);

    struct db_feed *feed = xzalloc(sizeof *feed);
    feed->server = server;
    feed->cb = cb;
    feed->aux = aux;
    for (enum db_id id = 0; id < N_DBS; id++) {
        feed->dbs[id].stale = true;
    }
    feed_initial(feed);
    server->feed = feed;
}

void
db_feed_destroy(struct db_feed *feed)
{
    if (feed) {
        for (size_t i = 0; i < N_ROW_TABLES; i++) {
            free(feed->changed[i].rows);
        }
        row_scratch_uninit(&feed->scratch);
        free(feed);
    }
}

void
db_feed_schema_changed(struct db_feed *feed, enum db_id id)
{
    feed->dbs[id].stale = true;
}

static void
feed_change(struct db_feed *feed, const struct row_change *change)
{
    feed->in_callback = true;
    feed->cb(change, feed->aux);
    feed->in_callback = false;
}

static void
feed_row(struct db_feed *feed, const struct row_decoder *decoder,
         const struct ovsdb_row *row, bool deleted)
{
    struct row_change change = { .deleted = deleted };

    if (deleted) {
        change.row.table = decoder->layout->table;
        change.row.uuid = *ovsdb_row_get_uuid(row);
    } else {
        row_decode(decoder, row, &feed->scratch, &change.row);
    }
    feed_change(feed, &change);
}

/* Contents at start. */

/* A row that stored diagnostics say lost a claim to another row. */
struct faulty_row {
    struct hmap_node node;
    struct uuid uuid;
    struct ds texts;            /* What they say. */
};

static struct faulty_row *
faulty_row_find(const struct hmap *faulty, const struct uuid *uuid)
{
    struct faulty_row *f;

    HMAP_FOR_EACH_WITH_HASH (f, node, uuid_hash(uuid), faulty) {
        if (uuid_equals(&f->uuid, uuid)) {
            return f;
        }
    }
    return NULL;
}

static void
faulty_rows_destroy(struct hmap *faulty)
{
    struct faulty_row *f;

    HMAP_FOR_EACH_POP (f, node, faulty) {
        ds_destroy(&f->texts);
        free(f);
    }
    hmap_destroy(faulty);
}

/* Adds to 'faulty' the rows that lost a claim to another.  What else is wrong
 * with a row decides no conflict: it may well be the one that won. */
static void
find_faulty_rows(const struct ovsdb_table *diagnostics, struct hmap *faulty)
{
    const struct ovsdb_row *row;

    HMAP_FOR_EACH (row, hmap_node, &diagnostics->rows) {
        const char *code = NULL;
        const char *text = NULL;
        struct uuid uuid;

        if (!ovsdb_util_read_string_column(row, "code", &code) || !code
            || !diag_code_is_lost_claim(code)
            || !ovsdb_util_read_uuid_column(row, "row", &uuid)) {
            continue;
        }

        struct faulty_row *f = faulty_row_find(faulty, &uuid);
        if (!f) {
            f = xzalloc(sizeof *f);
            f->uuid = uuid;
            ds_init(&f->texts);
            hmap_insert(faulty, &f->node, uuid_hash(&uuid));
        }
        if (ovsdb_util_read_string_column(row, "text", &text) && text) {
            ds_put_cstr(&f->texts, text);
        }
    }
}

/* A diagnostic about a binding quotes its key. */
static bool
is_blamed(struct faulty_row *f, const struct row_binding *binding)
{
    char *quoted = xasprintf("\"%s\"", binding->key);
    bool blamed = strstr(ds_cstr(&f->texts), quoted) != NULL;

    free(quoted);
    return blamed;
}

/* Feeds a network without those of its bindings that a diagnostic is about.
 * They come with the whole of it later, so that they are the younger ones. */
static void
feed_blameless_part(struct db_feed *feed, const struct row_decoder *decoder,
                    const struct ovsdb_row *row, struct faulty_row *f)
{
    struct row_change change = { .deleted = false };
    struct row_logical_router *lr = &change.row.logical_router;

    row_decode(decoder, row, &feed->scratch, &change.row);

    struct row_binding *kept = xmalloc(MAX(lr->n_switch_binding, 1)
                                       * sizeof *kept);
    size_t n = 0;
    for (size_t i = 0; i < lr->n_switch_binding; i++) {
        if (!is_blamed(f, &lr->switch_binding[i])) {
            kept[n++] = lr->switch_binding[i];
        }
    }
    lr->switch_binding = kept;
    lr->n_switch_binding = n;
    feed_change(feed, &change);
    free(kept);
}

static void
feed_first(struct db_feed *feed, const struct row_decoder *decoder,
           const struct ovsdb_row *row, const struct hmap *faulty)
{
    struct faulty_row *f = faulty_row_find(faulty, ovsdb_row_get_uuid(row));

    if (!f) {
        feed_row(feed, decoder, row, false);
    } else if (decoder->layout->table == ROW_LOGICAL_ROUTER) {
        feed_blameless_part(feed, decoder, row, f);
    }
}

static void
feed_last(struct db_feed *feed, const struct row_decoder *decoder,
          const struct ovsdb_row *row, const struct hmap *faulty)
{
    if (faulty_row_find(faulty, ovsdb_row_get_uuid(row))) {
        feed_row(feed, decoder, row, false);
    }
}

/* Calls 'cb' for each row of kind 'kind'. */
static void
for_each_of_kind(struct db_feed *feed, enum row_table kind,
                 void (*cb)(struct db_feed *, const struct row_decoder *,
                            const struct ovsdb_row *, const struct hmap *),
                 const struct hmap *faulty)
{
    for (enum db_id id = 0; id < N_DBS; id++) {
        const struct feed_db *fd = feed_get_db(feed, id);

        for (size_t i = 0; i < fd->n_decoders; i++) {
            const struct row_decoder *decoder = &fd->decoders[i];
            const struct ovsdb_row *row;

            if (decoder->layout->table == kind) {
                HMAP_FOR_EACH (row, hmap_node, &decoder->table->rows) {
                    cb(feed, decoder, row, faulty);
                }
            }
        }
    }
}

static void
feed_initial(struct db_feed *feed)
{
    struct hmap faulty = HMAP_INITIALIZER(&faulty);

    for (enum db_id id = 0; id < N_DBS; id++) {
        const struct feed_db *fd = feed_get_db(feed, id);

        if (fd->diagnostics) {
            find_faulty_rows(fd->diagnostics, &faulty);
        }
    }
    for (enum row_table kind = 0; kind < N_ROW_TABLES; kind++) {
        for_each_of_kind(feed, kind, feed_first, &faulty);
    }
    for (enum row_table kind = 0;
         kind < N_ROW_TABLES && !hmap_is_empty(&faulty); kind++) {
        for_each_of_kind(feed, kind, feed_last, &faulty);
    }
    faulty_rows_destroy(&faulty);
}

/* Changes. */

static void
changed_rows_add(struct changed_rows *rows, const struct row_decoder *decoder,
                 const struct ovsdb_row *row, bool deleted)
{
    if (rows->n >= rows->allocated) {
        rows->rows = x2nrealloc(rows->rows, &rows->allocated,
                                sizeof *rows->rows);
    }
    rows->rows[rows->n++] = (struct changed_row) {
        .decoder = decoder,
        .row = row,
        .deleted = deleted,
    };
}

static void
changed_rows_clear(struct changed_rows *rows)
{
    rows->n = 0;
    if (rows->allocated > MAX_KEPT_ROWS) {
        free(rows->rows);
        rows->rows = NULL;
        rows->allocated = 0;
    }
}

/* One transaction being sorted. */
struct sorting {
    struct db_feed *feed;
    const struct feed_db *db;
    bool ours;                  /* Is this the agent's own write? */
    bool diags_touched;
    bool locals_touched;

    /* Rows come table by table, so this is looked up once per table. */
    const struct ovsdb_table *table;
    const struct row_decoder *decoder; /* NULL: the agent does not read it. */
};

static void
sorting_start_table(struct sorting *s, const struct ovsdb_table *table)
{
    s->table = table;
    s->decoder = NULL;
    for (size_t i = 0; i < s->db->n_decoders; i++) {
        if (s->db->decoders[i].table == table) {
            s->decoder = &s->db->decoders[i];
        }
    }
    if (table == s->db->diagnostics && !s->ours) {
        s->diags_touched = true;
    }
    if (table == s->db->locals && !s->ours) {
        s->locals_touched = true;
    }
}

static bool
sort_row(const struct ovsdb_row *old, const struct ovsdb_row *new,
         const unsigned long int *changed, void *s_)
{
    struct sorting *s = s_;
    const struct ovsdb_row *row = new ? new : old;

    if (row->table != s->table) {
        sorting_start_table(s, row->table);
    }

    const struct row_decoder *decoder = s->decoder;
    if (!decoder) {
        return true;
    }
    if (old && new) {
        unsigned long int mask = decoder->columns_read;

        if (s->ours) {
            mask &= ~decoder->columns_owned;
        }
        if (!(changed[0] & mask)) {
            return true;
        }
    }
    changed_rows_add(&s->feed->changed[decoder->layout->table],
                     decoder, row, !new);
    return true;
}

/* Hands on those of 'rows' that were deleted, or those that were not. */
static void
feed_changed_rows(struct db_feed *feed, const struct changed_rows *rows,
                  bool deleted)
{
    for (size_t i = 0; i < rows->n; i++) {
        const struct changed_row *r = &rows->rows[i];

        if (r->deleted == deleted) {
            feed_row(feed, r->decoder, r->row, r->deleted);
        }
    }
}

static void
feed_commit(struct db_feed *feed, enum db_id id, const struct ovsdb_txn *txn)
{
    struct db_server *server = feed->server;
    struct sorting s = {
        .feed = feed,
        .db = feed_get_db(feed, id),
        .ours = db_writer_is_writing(server->writer),
    };

    ovs_assert(!feed->in_callback);
    ovsdb_txn_for_each_change(txn, sort_row, &s);
    for (enum row_table kind = 0; kind < N_ROW_TABLES; kind++) {
        feed_changed_rows(feed, &feed->changed[kind], true);
        feed_changed_rows(feed, &feed->changed[kind], false);
        changed_rows_clear(&feed->changed[kind]);
    }
    if (s.diags_touched) {
        db_writer_diags_touched(server->writer);
    }
    if (s.locals_touched) {
        db_writer_locals_touched(server->writer);
    }
}

void __real_ovsdb_monitors_commit(struct ovsdb *, const struct ovsdb_txn *);
void __wrap_ovsdb_monitors_commit(struct ovsdb *, const struct ovsdb_txn *);

/* The engine calls this, thanks to the linker's --wrap, for each transaction
 * that is certain to take effect, while old and new rows are both there. */
void
__wrap_ovsdb_monitors_commit(struct ovsdb *ovsdb, const struct ovsdb_txn *txn)
{
    __real_ovsdb_monitors_commit(ovsdb, txn);

    enum db_id id;
    struct db_policy *policy = db_policy_find(ovsdb, &id);
    if (policy && policy->server->feed) {
        feed_commit(policy->server->feed, id, txn);
    }
}
