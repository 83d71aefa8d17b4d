/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "db/db-private.h"

#include <stdlib.h>
#include <string.h>

#include "db/db.h"
#include "hash.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "ovsdb/column.h"
#include "ovsdb/ovsdb.h"
#include "ovsdb/ovsdb-util.h"
#include "ovsdb/row.h"
#include "ovsdb/table.h"
#include "ovsdb/transaction.h"
#include "packets.h"
#include "util.h"
#include "util/addr.h"

#define TABLE "Ucast_Macs_Local"

/* One row, as it is to be in the table.  As in diag-rows.c:
 *
 *     found in the table --> STORED --- prune --> GONE --- written --> (freed)
 *                              | put                ^
 *                              v                    | remove
 *            put ------------> WANTED --------------+
 */
enum local_state {
    LOCAL_STORED,               /* From an earlier run, maybe still true. */
    LOCAL_WANTED,
    LOCAL_GONE,                 /* Its row is to be deleted. */
};

struct local_row {
    struct hmap_node node;      /* In struct local_rows's 'rows'. */
    struct ovs_list dirty_node; /* In its 'dirty' if to be written. */
    enum local_state state;
    bool dirty;
    struct uuid uuid;           /* Of the row; zero: none yet. */
    struct db_local_mac mac;
};

struct local_rows {
    struct hmap rows;           /* By what they say. */
    struct ovs_list dirty;      /* What differs from the table. */
    bool touched;               /* Someone else wrote to the table. */
    bool has_pa;
    struct in6_addr pa;         /* Where this host is. */
};

static uint32_t
local_hash(const struct db_local_mac *mac)
{
    uint32_t hash = uuid_hash(&mac->logical_switch);

    hash = hash_bytes(&mac->ca, sizeof mac->ca, hash);
    return hash_bytes(&mac->mac, sizeof mac->mac, hash);
}

static struct local_row *
find(const struct local_rows *rows, const struct db_local_mac *mac)
{
    struct local_row *l;

    HMAP_FOR_EACH_WITH_HASH (l, node, local_hash(mac), &rows->rows) {
        if (uuid_equals(&l->mac.logical_switch, &mac->logical_switch)
            && addr_equal(&l->mac.ca, &mac->ca)
            && eth_addr_equals(l->mac.mac, mac->mac)) {
            return l;
        }
    }
    return NULL;
}

static struct local_row *
add(struct local_rows *rows, const struct db_local_mac *mac)
{
    struct local_row *l = xzalloc(sizeof *l);

    l->mac = *mac;
    hmap_insert(&rows->rows, &l->node, local_hash(mac));
    return l;
}

static void
mark_dirty(struct local_rows *rows, struct local_row *l)
{
    if (!l->dirty) {
        l->dirty = true;
        ovs_list_push_back(&rows->dirty, &l->dirty_node);
    }
}

static void
delete(struct local_rows *rows, struct local_row *l)
{
    if (l->dirty) {
        ovs_list_remove(&l->dirty_node);
    }
    hmap_remove(&rows->rows, &l->node);
    free(l);
}

/* The table as found at start. */

static bool
read_row(const struct ovsdb_row *r, struct db_local_mac *ret_mac)
{
    const char *mac, *ca;

    *ret_mac = (struct db_local_mac) { .ca = IN6ADDR_ANY_INIT };
    return ovsdb_util_read_string_column(r, "MAC", &mac)
           && addr_mac_parse(mac, &ret_mac->mac)
           && ovsdb_util_read_string_column(r, "ipaddr", &ca)
           && addr_parse(ca, &ret_mac->ca)
           && ovsdb_util_read_uuid_column(r, "logical_switch",
                                          &ret_mac->logical_switch);
}

static void
load(struct local_rows *rows, const struct ovsdb_row *r)
{
    struct db_local_mac mac;

    if (!read_row(r, &mac) || find(rows, &mac)) {
        /* Not one that we wrote.  The first flush deletes it. */
        rows->touched = true;
        return;
    }

    struct local_row *l = add(rows, &mac);

    l->state = LOCAL_STORED;
    l->uuid = *ovsdb_row_get_uuid(r);
}

struct local_rows *
local_rows_create(const struct ovsdb *ovsdb)
{
    struct local_rows *rows = xzalloc(sizeof *rows);
    const struct ovsdb_row *r;

    hmap_init(&rows->rows);
    ovs_list_init(&rows->dirty);
    HMAP_FOR_EACH (r, hmap_node, &ovsdb_get_table(ovsdb, TABLE)->rows) {
        load(rows, r);
    }
    return rows;
}

void
local_rows_destroy(struct local_rows *rows)
{
    if (rows) {
        struct local_row *l;

        HMAP_FOR_EACH_SAFE (l, node, &rows->rows) {
            delete(rows, l);
        }
        hmap_destroy(&rows->rows);
        free(rows);
    }
}

/* Changes. */

static void
mark_all_dirty(struct local_rows *rows)
{
    struct local_row *l;

    HMAP_FOR_EACH (l, node, &rows->rows) {
        mark_dirty(rows, l);
    }
}

void
local_rows_set_pa(struct local_rows *rows, const struct in6_addr *pa)
{
    if (rows->has_pa != (pa != NULL)
        || (pa && !addr_equal(&rows->pa, pa))) {
        rows->has_pa = pa != NULL;
        rows->pa = pa ? *pa : in6addr_any;
        mark_all_dirty(rows);
    }
}

void
local_rows_put(struct local_rows *rows, const struct db_local_mac *mac)
{
    struct local_row *l = find(rows, mac);

    if (!l) {
        l = add(rows, mac);
        mark_dirty(rows, l);
    } else if (l->state == LOCAL_GONE) {
        mark_dirty(rows, l);
    }
    l->state = LOCAL_WANTED;
}

void
local_rows_remove(struct local_rows *rows, const struct db_local_mac *mac)
{
    struct local_row *l = find(rows, mac);

    if (l && uuid_is_zero(&l->uuid)) {
        delete(rows, l);
    } else if (l) {
        l->state = LOCAL_GONE;
        mark_dirty(rows, l);
    }
}

void
local_rows_for_each(struct local_rows *rows,
                    void (*cb)(const struct db_local_mac *, void *aux),
                    void *aux)
{
    size_t n = 0;
    struct db_local_mac *macs = xmalloc((hmap_count(&rows->rows) + 1)
                                        * sizeof *macs);
    const struct local_row *l;

    /* 'cb' may put some of them. */
    HMAP_FOR_EACH (l, node, &rows->rows) {
        if (l->state == LOCAL_STORED) {
            macs[n++] = l->mac;
        }
    }
    for (size_t i = 0; i < n; i++) {
        cb(&macs[i], aux);
    }
    free(macs);
}

void
local_rows_prune(struct local_rows *rows)
{
    struct local_row *l;

    HMAP_FOR_EACH (l, node, &rows->rows) {
        if (l->state == LOCAL_STORED) {
            l->state = LOCAL_GONE;
            mark_dirty(rows, l);
        }
    }
}

void
local_rows_touched(struct local_rows *rows)
{
    rows->touched = true;
}

bool
local_rows_is_dirty(const struct local_rows *rows)
{
    return rows->touched || !ovs_list_is_empty(&rows->dirty);
}

/* Writing. */

/* Finds this host's locator.  Of two, VXLAN's: hosts have to agree on one. */
static const struct ovsdb_row *
find_locator(const struct ovsdb_table *table, const struct in6_addr *pa)
{
    const struct ovsdb_row *best = NULL;
    const struct ovsdb_row *r;

    HMAP_FOR_EACH (r, hmap_node, &table->rows) {
        struct in6_addr dst_ip;
        const char *text;

        if (ovsdb_util_read_string_column(r, "dst_ip", &text)
            && addr_parse(text, &dst_ip) && addr_equal(&dst_ip, pa)
            && ovsdb_util_read_string_column(r, "encapsulation_type", &text)
            && (!best || !strncmp(text, "vxlan", 5))) {
            best = r;
        }
    }
    return best;
}

/* Returns the UUID of this host's locator, which may be a new row. */
static struct uuid
get_locator(const struct ovsdb *ovsdb, struct ovsdb_txn *txn,
            const struct in6_addr *pa)
{
    struct ovsdb_table *table = ovsdb_get_table(ovsdb, "Physical_Locator");
    const struct ovsdb_row *found = find_locator(table, pa);
    char buf[ADDR_STRLEN];

    if (found) {
        return *ovsdb_row_get_uuid(found);
    }

    struct ovsdb_row *r = ovsdb_row_create(table);

    uuid_generate(ovsdb_row_get_uuid_rw(r));
    ovsdb_txn_row_insert(txn, r);
    ovsdb_util_write_string_column(r, "dst_ip", addr_format(pa, buf));
    ovsdb_util_write_string_column(r, "encapsulation_type",
                                   addr_is_ipv4(pa) ? "vxlan_over_ipv4"
                                   : "vxlan_over_ipv6");
    return *ovsdb_row_get_uuid(r);
}

static bool
is_writable(const struct local_rows *rows, const struct local_row *l,
            const struct ovsdb *ovsdb)
{
    const struct ovsdb_table *switches
        = ovsdb_get_table(ovsdb, "Logical_Switch");

    return rows->has_pa && l->state == LOCAL_WANTED
           && ovsdb_table_get_row(switches, &l->mac.logical_switch);
}

static void
write_row(struct local_row *l, const struct uuid *locator,
          struct ovsdb_table *table, struct ovsdb_txn *txn)
{
    const struct ovsdb_row *old = ovsdb_table_get_row(table, &l->uuid);
    struct ovsdb_row *r;
    char *mac = xasprintf(ETH_ADDR_FMT, ETH_ADDR_ARGS(l->mac.mac));
    char ca[ADDR_STRLEN];

    if (old) {
        r = ovsdb_txn_row_modify(txn, old);
    } else {
        r = ovsdb_row_create(table);
        uuid_generate(ovsdb_row_get_uuid_rw(r));
        l->uuid = *ovsdb_row_get_uuid(r);
        ovsdb_txn_row_insert(txn, r);
    }
    ovsdb_util_write_string_column(r, "MAC", mac);
    ovsdb_util_write_string_column(r, "ipaddr", addr_format(&l->mac.ca, ca));
    ovsdb_util_write_uuid_column(r, "logical_switch",
                                 &l->mac.logical_switch);
    ovsdb_util_write_uuid_column(r, "locator", locator);
    free(mac);
}

static void
delete_row(const struct local_row *l, struct ovsdb_table *table,
           struct ovsdb_txn *txn)
{
    const struct ovsdb_row *old = ovsdb_table_get_row(table, &l->uuid);

    if (old) {
        ovsdb_txn_row_delete(txn, old);
    }
}

/* Undoes what others did to the table. */
static void
repair(struct local_rows *rows, struct ovsdb_table *table,
       struct ovsdb_txn *txn)
{
    const struct ovsdb_row *r;

    HMAP_FOR_EACH_SAFE (r, hmap_node, &table->rows) {
        struct db_local_mac mac;
        const struct local_row *l = (read_row(r, &mac)
                                     ? find(rows, &mac) : NULL);

        if (!l || !uuid_equals(&l->uuid, ovsdb_row_get_uuid(r))) {
            ovsdb_txn_row_delete(txn, r);
        }
    }
    mark_all_dirty(rows);
}

void
local_rows_write(struct local_rows *rows, const struct ovsdb *ovsdb,
                 struct ovsdb_txn *txn)
{
    struct ovsdb_table *table = ovsdb_get_table(ovsdb, TABLE);
    struct uuid locator = UUID_ZERO;
    struct local_row *l;

    if (rows->touched) {
        repair(rows, table, txn);
    }
    LIST_FOR_EACH (l, dirty_node, &rows->dirty) {
        if (is_writable(rows, l, ovsdb)) {
            if (uuid_is_zero(&locator)) {
                locator = get_locator(ovsdb, txn, &rows->pa);
            }
            write_row(l, &locator, table, txn);
        } else if (l->state != LOCAL_STORED) {
            delete_row(l, table, txn);
        }
    }
}

/* Ends what local_rows_write() began.  If the transaction failed, everything
 * that was in it is tried again with the next. */
void
local_rows_written(struct local_rows *rows, bool ok)
{
    struct local_row *l;

    if (!ok) {
        return;
    }
    rows->touched = false;
    LIST_FOR_EACH_SAFE (l, dirty_node, &rows->dirty) {
        ovs_list_remove(&l->dirty_node);
        l->dirty = false;
        if (l->state == LOCAL_GONE) {
            delete(rows, l);
        }
    }
}

/* Giving way. */

struct deletions {
    const struct ovsdb_table *switches;
    const struct ovsdb_table *locators;
    bool any;
};

static bool
look_for_deletion(const struct ovsdb_row *old, const struct ovsdb_row *new,
                  const unsigned long int *changed OVS_UNUSED,
                  void *deletions_)
{
    struct deletions *deletions = deletions_;

    if (old && !new && (old->table == deletions->switches
                        || old->table == deletions->locators)) {
        deletions->any = true;
        return false;
    }
    return true;
}

static bool
refers_to_row(const struct ovsdb_row *r, const char *column,
              const struct ovsdb_table *to)
{
    struct uuid uuid;

    return ovsdb_util_read_uuid_column(r, column, &uuid)
           && ovsdb_table_get_row(to, &uuid);
}

void
local_rows_give_way(const struct ovsdb *ovsdb, struct ovsdb_txn *txn)
{
    struct ovsdb_table *table = ovsdb_get_table(ovsdb, TABLE);
    struct deletions deletions = {
        .switches = ovsdb_get_table(ovsdb, "Logical_Switch"),
        .locators = ovsdb_get_table(ovsdb, "Physical_Locator"),
    };
    const struct ovsdb_row *r;

    if (hmap_is_empty(&table->rows)) {
        return;
    }
    ovsdb_txn_for_each_change(txn, look_for_deletion, &deletions);
    if (!deletions.any) {
        return;
    }

    /* Within a transaction its deleted rows are no longer in their tables. */
    HMAP_FOR_EACH_SAFE (r, hmap_node, &table->rows) {
        if (!refers_to_row(r, "logical_switch", deletions.switches)
            || !refers_to_row(r, "locator", deletions.locators)) {
            ovsdb_txn_row_delete(txn, r);
        }
    }
}
