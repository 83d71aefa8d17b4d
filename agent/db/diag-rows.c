/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "db/db-private.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/vlog.h"
#include "ovsdb/ovsdb.h"
#include "ovsdb/ovsdb-util.h"
#include "ovsdb/row.h"
#include "ovsdb/table.h"
#include "ovsdb/transaction.h"
#include "util.h"
#include "util/diag.h"

VLOG_DEFINE_THIS_MODULE(diagnostics);

/* One diagnostic, as it is to be in the Diagnostic table.
 *
 *     found in the table --> STORED --- prune --> GONE --- written --> (freed)
 *                              | put                ^
 *                              v                    | remove
 *            put ------------> WANTED --------------+
 */
enum diag_state {
    DIAG_STORED,                /* From an earlier run, maybe still true. */
    DIAG_WANTED,
    DIAG_GONE,                  /* Its row is to be deleted. */
};

struct diag_row {
    struct hmap_node node;      /* In struct diag_rows's 'rows'. */
    struct ovs_list dirty_node; /* In its 'dirty' if to be written. */
    enum diag_state state;
    bool dirty;

    struct uuid uuid;           /* Of the Diagnostic row; zero: none yet. */
    struct uuid row;
    char *table;
    char *column;
    char *code;
    char *text;
};

struct diag_rows {
    struct hmap rows;           /* By row, column and code. */
    struct ovs_list dirty;      /* What differs from the table. */
    bool pruned;                /* Nothing is DIAG_STORED any more. */
    bool touched;               /* Someone else wrote to the table. */
};

static uint32_t
key_hash(const struct uuid *row, const char *column, const char *code)
{
    return hash_string(code, hash_string(column, uuid_hash(row)));
}

static struct diag_row *
find(const struct diag_rows *rows, const struct uuid *row,
     const char *column, const char *code)
{
    struct diag_row *d;

    HMAP_FOR_EACH_WITH_HASH (d, node, key_hash(row, column, code),
                             &rows->rows) {
        if (uuid_equals(&d->row, row) && !strcmp(d->column, column)
            && !strcmp(d->code, code)) {
            return d;
        }
    }
    return NULL;
}

static struct diag_row *
add(struct diag_rows *rows, const struct uuid *row, const char *table,
    const char *column, const char *code, const char *text)
{
    struct diag_row *d = xzalloc(sizeof *d);

    d->row = *row;
    d->table = xstrdup(table);
    d->column = xstrdup(column);
    d->code = xstrdup(code);
    d->text = xstrdup(text);
    hmap_insert(&rows->rows, &d->node, key_hash(row, column, code));
    return d;
}

static void
mark_dirty(struct diag_rows *rows, struct diag_row *d)
{
    if (!d->dirty) {
        d->dirty = true;
        ovs_list_push_back(&rows->dirty, &d->dirty_node);
    }
}

static void
mark_clean(struct diag_row *d)
{
    if (d->dirty) {
        d->dirty = false;
        ovs_list_remove(&d->dirty_node);
    }
}

static void
delete(struct diag_rows *rows, struct diag_row *d)
{
    mark_clean(d);
    hmap_remove(&rows->rows, &d->node);
    free(d->table);
    free(d->column);
    free(d->code);
    free(d->text);
    free(d);
}

/* The table as found at start. */

static const char *
read_string(const struct ovsdb_row *row, const char *column)
{
    const char *s;

    return ovsdb_util_read_string_column(row, column, &s) ? s : "";
}

static struct ovsdb_table *
get_table(const struct ovsdb *ovsdb)
{
    return ovsdb_get_table(ovsdb, "Diagnostic");
}

/* Returns what is known of the diagnostic in row 'r', or NULL. */
static struct diag_row *
find_stored(const struct diag_rows *rows, const struct ovsdb_row *r)
{
    struct uuid row;

    ovsdb_util_read_uuid_column(r, "row", &row);
    return find(rows, &row, read_string(r, "column"), read_string(r, "code"));
}

static void
load(struct diag_rows *rows, const struct ovsdb_row *r)
{
    if (find_stored(rows, r)) {
        /* Twice the same.  The first flush deletes it. */
        rows->touched = true;
        return;
    }

    struct uuid row;
    ovsdb_util_read_uuid_column(r, "row", &row);

    struct diag_row *d = add(rows, &row, read_string(r, "table"),
                             read_string(r, "column"),
                             read_string(r, "code"), read_string(r, "text"));
    d->state = DIAG_STORED;
    d->uuid = *ovsdb_row_get_uuid(r);
}

struct diag_rows *
diag_rows_create(const struct ovsdb *ovsdb)
{
    struct diag_rows *rows = xzalloc(sizeof *rows);
    const struct ovsdb_row *r;

    hmap_init(&rows->rows);
    ovs_list_init(&rows->dirty);
    HMAP_FOR_EACH (r, hmap_node, &get_table(ovsdb)->rows) {
        load(rows, r);
    }
    return rows;
}

void
diag_rows_destroy(struct diag_rows *rows)
{
    if (rows) {
        struct diag_row *d;

        HMAP_FOR_EACH_SAFE (d, node, &rows->rows) {
            delete(rows, d);
        }
        hmap_destroy(&rows->rows);
        free(rows);
    }
}

/* Changes. */

void
diag_rows_put(struct diag_rows *rows, const struct diag *diag)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(60, 60);
    const char *code = diag_code_to_string(diag->code);
    struct diag_row *d = find(rows, &diag->row, diag->column, code);

    if (d && !strcmp(d->text, diag->text)) {
        /* One that is to be deleted, and is not yet, still says it. */
        d->state = DIAG_WANTED;
        return;
    }

    if (!d) {
        d = add(rows, &diag->row, diag->table, diag->column, code,
                diag->text);
    } else {
        free(d->text);
        d->text = xstrdup(diag->text);
    }
    d->state = DIAG_WANTED;
    mark_dirty(rows, d);
    VLOG_WARN_RL(&rl, "%s "UUID_FMT"%s%s: %s", d->table, UUID_ARGS(&d->row),
                 d->column[0] ? " " : "", d->column, d->text);
}

void
diag_rows_remove(struct diag_rows *rows, const struct diag *diag)
{
    struct diag_row *d = find(rows, &diag->row, diag->column,
                              diag_code_to_string(diag->code));
    if (!d) {
        return;
    }
    if (uuid_is_zero(&d->uuid)) {
        delete(rows, d);
    } else {
        d->state = DIAG_GONE;
        mark_dirty(rows, d);
    }
}

void
diag_rows_prune(struct diag_rows *rows)
{
    struct diag_row *d;

    if (!rows->pruned) {
        rows->pruned = true;
        HMAP_FOR_EACH (d, node, &rows->rows) {
            if (d->state == DIAG_STORED) {
                d->state = DIAG_GONE;
                mark_dirty(rows, d);
            }
        }
    }
}

void
diag_rows_touched(struct diag_rows *rows)
{
    rows->touched = true;
}

bool
diag_rows_is_dirty(const struct diag_rows *rows)
{
    return rows->touched || !ovs_list_is_empty(&rows->dirty);
}

/* Writing. */

static void
write_row(struct diag_row *d, struct ovsdb_table *table,
          struct ovsdb_txn *txn)
{
    const struct ovsdb_row *old = ovsdb_table_get_row(table, &d->uuid);

    if (d->state == DIAG_GONE) {
        if (old) {
            ovsdb_txn_row_delete(txn, old);
        }
        return;
    }

    struct ovsdb_row *r;
    if (old) {
        r = ovsdb_txn_row_modify(txn, old);
    } else {
        r = ovsdb_row_create(table);
        uuid_generate(ovsdb_row_get_uuid_rw(r));
        d->uuid = *ovsdb_row_get_uuid(r);
        ovsdb_txn_row_insert(txn, r);
    }
    ovsdb_util_write_string_column(r, "table", d->table);
    ovsdb_util_write_uuid_column(r, "row", &d->row);
    ovsdb_util_write_string_column(r, "column", d->column);
    ovsdb_util_write_string_column(r, "code", d->code);
    ovsdb_util_write_string_column(r, "text", d->text);
}

/* Undoes what others did to the table: deletes rows that are not ours, and has
 * all of ours written. */
static void
repair(struct diag_rows *rows, struct ovsdb_table *table,
       struct ovsdb_txn *txn)
{
    const struct ovsdb_row *r;
    struct diag_row *d;

    HMAP_FOR_EACH_SAFE (r, hmap_node, &table->rows) {
        d = find_stored(rows, r);
        if (!d || !uuid_equals(&d->uuid, ovsdb_row_get_uuid(r))) {
            ovsdb_txn_row_delete(txn, r);
        }
    }
    HMAP_FOR_EACH (d, node, &rows->rows) {
        mark_dirty(rows, d);
    }
}

void
diag_rows_write(struct diag_rows *rows, const struct ovsdb *ovsdb,
                struct ovsdb_txn *txn)
{
    struct ovsdb_table *table = get_table(ovsdb);
    struct diag_row *d;

    if (rows->touched) {
        repair(rows, table, txn);
    }
    LIST_FOR_EACH (d, dirty_node, &rows->dirty) {
        write_row(d, table, txn);
    }
}

/* Ends what diag_rows_write() began.  If the transaction failed, everything
 * that was in it is tried again with the next. */
void
diag_rows_written(struct diag_rows *rows, bool ok)
{
    struct diag_row *d;

    if (!ok) {
        return;
    }
    rows->touched = false;
    LIST_FOR_EACH_SAFE (d, dirty_node, &rows->dirty) {
        mark_clean(d);
        if (d->state == DIAG_GONE) {
            delete(rows, d);
        }
    }
}
