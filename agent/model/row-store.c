/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/row-store.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "util.h"
#include "uuid.h"

/* What the store does with the rows of one table. */
struct row_class {
    void (*copy)(struct row *dst, const struct row *src);
    void (*uninit)(struct row *);
    bool (*equal)(const struct row *, const struct row *);

    /* True if a row that changes from the one to the other keeps its place in
     * the order of arrival. */
    bool (*keeps_place)(const struct row *, const struct row *);
};

static bool
keeps_place_always(const struct row *a OVS_UNUSED, const struct row *b
                   OVS_UNUSED)
{
    return true;
}

static bool
keeps_place_never(const struct row *a OVS_UNUSED, const struct row *b
                  OVS_UNUSED)
{
    return false;
}

/* Maps of strings: other_config, static_routes.  The database gives them in
 * order of their keys, each once. */

static struct row_map
map_copy(const struct row_map *src)
{
    struct row_pair *pairs = xcalloc(src->n, sizeof *pairs);

    for (size_t i = 0; i < src->n; i++) {
        pairs[i].key = xstrdup(src->pairs[i].key);
        pairs[i].value = xstrdup(src->pairs[i].value);
    }
    return (struct row_map) { .pairs = pairs, .n = src->n };
}

static void
map_uninit(struct row_map *map)
{
    for (size_t i = 0; i < map->n; i++) {
        free(CONST_CAST(char *, map->pairs[i].key));
        free(CONST_CAST(char *, map->pairs[i].value));
    }
    free(CONST_CAST(struct row_pair *, map->pairs));
}

static bool
map_equal(const struct row_map *a, const struct row_map *b)
{
    if (a->n != b->n) {
        return false;
    }
    for (size_t i = 0; i < a->n; i++) {
        if (strcmp(a->pairs[i].key, b->pairs[i].key)
            || strcmp(a->pairs[i].value, b->pairs[i].value)) {
            return false;
        }
    }
    return true;
}

/* Physical_Switch. */

static void
physical_switch_copy(struct row *dst, const struct row *src)
{
    const struct row_physical_switch *s = &src->physical_switch;
    struct row_physical_switch *d = &dst->physical_switch;
    char **ips = xcalloc(s->n_tunnel_ips, sizeof *ips);

    for (size_t i = 0; i < s->n_tunnel_ips; i++) {
        ips[i] = xstrdup(s->tunnel_ips[i]);
    }
    d->name = xstrdup(s->name);
    d->tunnel_ips = (const char *const *) ips;
    d->n_tunnel_ips = s->n_tunnel_ips;
    d->distributed_router_mac = xstrdup(s->distributed_router_mac);
    d->other_config = map_copy(&s->other_config);
}

static void
physical_switch_uninit(struct row *row)
{
    struct row_physical_switch *ps = &row->physical_switch;

    for (size_t i = 0; i < ps->n_tunnel_ips; i++) {
        free(CONST_CAST(char *, ps->tunnel_ips[i]));
    }
    free(CONST_CAST(char *, ps->name));
    free(CONST_CAST(const char **, ps->tunnel_ips));
    free(CONST_CAST(char *, ps->distributed_router_mac));
    map_uninit(&ps->other_config);
}

static bool
physical_switch_equal(const struct row *a, const struct row *b)
{
    const struct row_physical_switch *pa = &a->physical_switch;
    const struct row_physical_switch *pb = &b->physical_switch;

    if (strcmp(pa->name, pb->name)
        || pa->n_tunnel_ips != pb->n_tunnel_ips
        || strcmp(pa->distributed_router_mac, pb->distributed_router_mac)
        || !map_equal(&pa->other_config, &pb->other_config)) {
        return false;
    }
    for (size_t i = 0; i < pa->n_tunnel_ips; i++) {
        if (strcmp(pa->tunnel_ips[i], pb->tunnel_ips[i])) {
            return false;
        }
    }
    return true;
}

/* Physical_Locator_Set. */

static void
locator_set_copy(struct row *dst, const struct row *src)
{
    const struct row_locator_set *s = &src->locator_set;

    dst->locator_set.locators
        = s->n_locators ? xmemdup(s->locators,
                                  s->n_locators * sizeof *s->locators) : NULL;
    dst->locator_set.n_locators = s->n_locators;
}

static void
locator_set_uninit(struct row *row)
{
    free(CONST_CAST(struct uuid *, row->locator_set.locators));
}

static bool
locator_set_equal(const struct row *a, const struct row *b)
{
    const struct row_locator_set *sa = &a->locator_set;
    const struct row_locator_set *sb = &b->locator_set;

    return sa->n_locators == sb->n_locators
           && (!sa->n_locators
               || !memcmp(sa->locators, sb->locators,
                          sa->n_locators * sizeof *sa->locators));
}

/* Logical_Switch. */

static void
logical_switch_copy(struct row *dst, const struct row *src)
{
    dst->logical_switch.name = xstrdup(src->logical_switch.name);
    dst->logical_switch.has_tunnel_key = src->logical_switch.has_tunnel_key;
    dst->logical_switch.tunnel_key = src->logical_switch.tunnel_key;
    dst->logical_switch.static_routes
        = map_copy(&src->logical_switch.static_routes);
    dst->logical_switch.other_config
        = map_copy(&src->logical_switch.other_config);
}

static void
logical_switch_uninit(struct row *row)
{
    free(CONST_CAST(char *, row->logical_switch.name));
    map_uninit(&row->logical_switch.static_routes);
    map_uninit(&row->logical_switch.other_config);
}

/* A new name is no reason to lose a VSID. */
static bool
logical_switch_keeps_place(const struct row *a, const struct row *b)
{
    const struct row_logical_switch *sa = &a->logical_switch;
    const struct row_logical_switch *sb = &b->logical_switch;

    return sa->has_tunnel_key == sb->has_tunnel_key
           && (!sa->has_tunnel_key || sa->tunnel_key == sb->tunnel_key);
}

static bool
logical_switch_equal(const struct row *a, const struct row *b)
{
    return logical_switch_keeps_place(a, b)
           && !strcmp(a->logical_switch.name, b->logical_switch.name)
           && map_equal(&a->logical_switch.static_routes,
                        &b->logical_switch.static_routes)
           && map_equal(&a->logical_switch.other_config,
                        &b->logical_switch.other_config);
}

/* Bindings, of Logical_Router and Physical_Port.  'key' may be NULL. */

static int
binding_compare(const void *a_, const void *b_)
{
    const struct row_binding *a = a_;
    const struct row_binding *b = b_;

    if (a->number != b->number) {
        return a->number < b->number ? -1 : 1;
    }
    return a->key && b->key ? strcmp(a->key, b->key) : 0;
}

static bool
binding_equal(const struct row_binding *a, const struct row_binding *b)
{
    return !binding_compare(a, b) && uuid_equals(&a->target, &b->target);
}

static struct row_binding *
bindings_copy(const struct row_binding *src, size_t n)
{
    struct row_binding *dst = xcalloc(n, sizeof *dst);

    for (size_t i = 0; i < n; i++) {
        dst[i].key = nullable_xstrdup(src[i].key);
        dst[i].number = src[i].number;
        dst[i].target = src[i].target;
    }
    if (n) {
        qsort(dst, n, sizeof *dst, binding_compare);
    }
    return dst;
}

static void
bindings_destroy(const struct row_binding *bindings, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(CONST_CAST(char *, bindings[i].key));
    }
    free(CONST_CAST(struct row_binding *, bindings));
}

static bool
bindings_equal(const struct row_binding *a, size_t n_a,
               const struct row_binding *b, size_t n_b)
{
    if (n_a != n_b) {
        return false;
    }
    for (size_t i = 0; i < n_a; i++) {
        if (!binding_equal(&a[i], &b[i])) {
            return false;
        }
    }
    return true;
}

/* Logical_Router. */

static void
logical_router_copy(struct row *dst, const struct row *src)
{
    const struct row_logical_router *s = &src->logical_router;
    struct row_logical_router *d = &dst->logical_router;

    d->name = xstrdup(s->name);
    d->enable_logical_router = s->enable_logical_router;
    d->switch_binding = bindings_copy(s->switch_binding, s->n_switch_binding);
    d->n_switch_binding = s->n_switch_binding;
    d->static_routes = map_copy(&s->static_routes);
    d->other_config = map_copy(&s->other_config);
}

static void
logical_router_uninit(struct row *row)
{
    free(CONST_CAST(char *, row->logical_router.name));
    bindings_destroy(row->logical_router.switch_binding,
                     row->logical_router.n_switch_binding);
    map_uninit(&row->logical_router.static_routes);
    map_uninit(&row->logical_router.other_config);
}

static bool
logical_router_equal(const struct row *a, const struct row *b)
{
    const struct row_logical_router *ra = &a->logical_router;
    const struct row_logical_router *rb = &b->logical_router;

    return ra->enable_logical_router == rb->enable_logical_router
           && !strcmp(ra->name, rb->name)
           && bindings_equal(ra->switch_binding, ra->n_switch_binding,
                             rb->switch_binding, rb->n_switch_binding)
           && map_equal(&ra->static_routes, &rb->static_routes)
           && map_equal(&ra->other_config, &rb->other_config);
}

/* Physical_Port. */

static void
physical_port_copy(struct row *dst, const struct row *src)
{
    const struct row_physical_port *s = &src->physical_port;
    struct row_physical_port *d = &dst->physical_port;

    d->name = xstrdup(s->name);
    d->vlan_bindings = bindings_copy(s->vlan_bindings, s->n_vlan_bindings);
    d->n_vlan_bindings = s->n_vlan_bindings;
    d->other_config = map_copy(&s->other_config);
}

static void
physical_port_uninit(struct row *row)
{
    free(CONST_CAST(char *, row->physical_port.name));
    bindings_destroy(row->physical_port.vlan_bindings,
                     row->physical_port.n_vlan_bindings);
    map_uninit(&row->physical_port.other_config);
}

static bool
physical_port_keeps_place(const struct row *a, const struct row *b)
{
    return !strcmp(a->physical_port.name, b->physical_port.name);
}

static bool
physical_port_equal(const struct row *a, const struct row *b)
{
    const struct row_physical_port *pa = &a->physical_port;
    const struct row_physical_port *pb = &b->physical_port;

    return physical_port_keeps_place(a, b)
           && bindings_equal(pa->vlan_bindings, pa->n_vlan_bindings,
                             pb->vlan_bindings, pb->n_vlan_bindings)
           && map_equal(&pa->other_config, &pb->other_config);
}

/* Mcast_Macs_Remote. */

static void
mcast_copy(struct row *dst, const struct row *src)
{
    dst->mcast.mac = xstrdup(src->mcast.mac);
    dst->mcast.logical_switch = src->mcast.logical_switch;
    dst->mcast.locator_set = src->mcast.locator_set;
}

static void
mcast_uninit(struct row *row)
{
    free(CONST_CAST(char *, row->mcast.mac));
}

static bool
mcast_equal(const struct row *a, const struct row *b)
{
    return !strcmp(a->mcast.mac, b->mcast.mac)
           && uuid_equals(&a->mcast.logical_switch, &b->mcast.logical_switch)
           && uuid_equals(&a->mcast.locator_set, &b->mcast.locator_set);
}

/* Ports of ms_darv. */

static void
darv_port_copy(struct row *dst, const struct row *src)
{
    dst->darv_port.name = xstrdup(src->darv_port.name);
    dst->darv_port.enable_ip_forwarding = src->darv_port.enable_ip_forwarding;
}

static void
darv_port_uninit(struct row *row)
{
    free(CONST_CAST(char *, row->darv_port.name));
}

static bool
darv_port_keeps_place(const struct row *a, const struct row *b)
{
    return !strcmp(a->darv_port.name, b->darv_port.name);
}

static bool
darv_port_equal(const struct row *a, const struct row *b)
{
    return darv_port_keeps_place(a, b)
           && (a->darv_port.enable_ip_forwarding
               == b->darv_port.enable_ip_forwarding);
}

/* Tables without functions here are not for this store. */
static const struct row_class row_classes[N_ROW_TABLES] = {
    [ROW_PHYSICAL_SWITCH] = {
        physical_switch_copy, physical_switch_uninit,
        physical_switch_equal, keeps_place_always,
    },
    [ROW_LOCATOR_SET] = {
        locator_set_copy, locator_set_uninit,
        locator_set_equal, keeps_place_never,
    },
    [ROW_LOGICAL_SWITCH] = {
        logical_switch_copy, logical_switch_uninit,
        logical_switch_equal, logical_switch_keeps_place,
    },
    [ROW_LOGICAL_ROUTER] = {
        logical_router_copy, logical_router_uninit,
        logical_router_equal, keeps_place_always,
    },
    [ROW_PHYSICAL_PORT] = {
        physical_port_copy, physical_port_uninit,
        physical_port_equal, physical_port_keeps_place,
    },
    [ROW_MCAST_REMOTE] = {
        mcast_copy, mcast_uninit,
        mcast_equal, keeps_place_always,
    },
    [ROW_DARV_PORT] = {
        darv_port_copy, darv_port_uninit,
        darv_port_equal, darv_port_keeps_place,
    },
};

void
row_store_init(struct row_store *store)
{
    for (size_t i = 0; i < N_ROW_TABLES; i++) {
        hmap_init(&store->tables[i]);
    }
    store->clock = 0;
}

static void
stored_row_destroy(struct stored_row *stored)
{
    row_classes[stored->row.table].uninit(&stored->row);
    free(stored->binding_arrivals);
    free(stored);
}

void
row_store_uninit(struct row_store *store)
{
    for (size_t i = 0; i < N_ROW_TABLES; i++) {
        struct stored_row *stored;

        HMAP_FOR_EACH_POP (stored, node, &store->tables[i]) {
            stored_row_destroy(stored);
        }
        hmap_destroy(&store->tables[i]);
    }
}

const struct stored_row *
row_store_find(const struct row_store *store, enum row_table table,
               const struct uuid *uuid)
{
    const struct stored_row *stored;

    HMAP_FOR_EACH_WITH_HASH (stored, node, uuid_hash(uuid),
                             &store->tables[table]) {
        if (uuid_equals(&stored->row.uuid, uuid)) {
            return stored;
        }
    }
    return NULL;
}

/* Returns the arrival of the binding in 'old' that equals 'binding', or 0. */
static uint64_t
find_binding_arrival(const struct stored_row *old,
                     const struct row_binding *binding)
{
    const struct row_logical_router *lr = &old->row.logical_router;

    for (size_t i = 0; i < lr->n_switch_binding; i++) {
        if (binding_equal(&lr->switch_binding[i], binding)) {
            return old->binding_arrivals[i];
        }
    }
    return 0;
}

static void
set_binding_arrivals(struct row_store *store, struct stored_row *stored,
                     const struct stored_row *old)
{
    const struct row_logical_router *lr = &stored->row.logical_router;

    stored->binding_arrivals = xcalloc(lr->n_switch_binding,
                                       sizeof *stored->binding_arrivals);
    for (size_t i = 0; i < lr->n_switch_binding; i++) {
        uint64_t known
            = old ? find_binding_arrival(old, &lr->switch_binding[i]) : 0;

        stored->binding_arrivals[i] = known ? known : ++store->clock;
    }
}

/* Makes the row to store for 'row', which 'old', if any, is to give way to. */
static struct stored_row *
stored_row_create(struct row_store *store, const struct row *row,
                  const struct stored_row *old)
{
    const struct row_class *class = &row_classes[row->table];
    struct stored_row *stored = xzalloc(sizeof *stored);

    stored->row.table = row->table;
    stored->row.uuid = row->uuid;
    class->copy(&stored->row, row);
    stored->arrival = (old && class->keeps_place(&old->row, row)
                       ? old->arrival : ++store->clock);
    if (row->table == ROW_LOGICAL_ROUTER) {
        set_binding_arrivals(store, stored, old);
    }
    return stored;
}

bool
row_store_apply(struct row_store *store, const struct row_change *change)
{
    const struct row *row = &change->row;
    struct hmap *table = &store->tables[row->table];
    struct stored_row *old
        = CONST_CAST(struct stored_row *,
                     row_store_find(store, row->table, &row->uuid));
    struct stored_row *new = NULL;

    if (!change->deleted) {
        new = stored_row_create(store, row, old);
    }
    if (old && new && row_classes[row->table].equal(&old->row, &new->row)) {
        stored_row_destroy(new);
        return false;
    }
    if (old) {
        hmap_remove(table, &old->node);
        stored_row_destroy(old);
    }
    if (new) {
        hmap_insert(table, &new->node, uuid_hash(&row->uuid));
    }
    return old || new;
}

static int
compare_arrival(const void *a_, const void *b_)
{
    const struct stored_row *const *a = a_;
    const struct stored_row *const *b = b_;

    return (*a)->arrival < (*b)->arrival ? -1 : (*a)->arrival > (*b)->arrival;
}

const struct stored_row **
row_store_sort(const struct row_store *store, enum row_table table,
               size_t *ret_n)
{
    size_t n = hmap_count(&store->tables[table]);
    const struct stored_row **rows = xcalloc(n, sizeof *rows);
    const struct stored_row *stored;
    size_t i = 0;

    HMAP_FOR_EACH (stored, node, &store->tables[table]) {
        rows[i++] = stored;
    }
    if (n) {
        qsort(rows, n, sizeof *rows, compare_arrival);
    }
    *ret_n = n;
    return rows;
}
