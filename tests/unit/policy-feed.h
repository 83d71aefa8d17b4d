/* SPDX-License-Identifier: Apache-2.0 */

#ifndef POLICY_FEED_H
#define POLICY_FEED_H 1

/* A policy model with someone to feed it and someone who listens.
 *
 * Rows are named by their table and a number.  The listener keeps tables of
 * its own from what the sink is told, and fails the test if it is told what
 * makes no difference. */

#include <string.h>
#include "db/rows.h"
#include "hash.h"
#include "model/policy.h"
#include "openvswitch/hmap.h"
#include "unit.h"
#include "util.h"
#include "util/addr.h"
#include "util/diag.h"
#include "uuid.h"

struct feed {
    struct policy *policy;
    struct hmap entries;        /* "struct feed_entry"s, but for peers. */
    struct hmap peers;          /* "struct feed_entry"s. */
    struct diag_set diags;
    size_t n_told;              /* Calls of the sink so far, but for peers. */
};

struct feed_entry {
    struct hmap_node node;
    struct space_entry entry;
};

/* Random as UUIDs are where they are hashed, legible in the rest. */
static inline struct uuid
row_id(enum row_table table, int n)
{
    return (struct uuid) { .parts = { hash_int(n, table), n, table, 1 } };
}

/* The listener. */

static inline struct hmap *
feed_map(const struct feed *f, const struct space_key *key)
{
    return CONST_CAST(struct hmap *,
                      key->kind == SPACE_PEER ? &f->peers : &f->entries);
}

static inline struct feed_entry *
feed_find(const struct feed *f, const struct space_key *key)
{
    struct feed_entry *e;

    HMAP_FOR_EACH_WITH_HASH (e, node, space_key_hash(key),
                             feed_map(f, key)) {
        if (space_key_equal(&e->entry.key, key)) {
            return e;
        }
    }
    return NULL;
}

static inline void
feed_space_put(const struct space_entry *entry, void *f_)
{
    struct feed *f = f_;
    struct feed_entry *e = feed_find(f, &entry->key);

    f->n_told += entry->key.kind != SPACE_PEER;
    if (!e) {
        e = xzalloc(sizeof *e);
        hmap_insert(feed_map(f, &entry->key), &e->node,
                    space_key_hash(&entry->key));
    } else {
        ck_assert(!space_entry_equal(&e->entry, entry));
    }
    e->entry = *entry;
}

static inline void
feed_space_remove(const struct space_key *key, void *f_)
{
    struct feed *f = f_;
    struct feed_entry *e = feed_find(f, key);

    f->n_told += key->kind != SPACE_PEER;
    ck_assert_ptr_nonnull(e);
    hmap_remove(feed_map(f, key), &e->node);
    free(e);
}

static inline void
feed_diag_put(const struct diag *diag, void *f_)
{
    struct feed *f = f_;
    const struct diag *old = diag_set_find(&f->diags, &diag->row,
                                           diag->column, diag->code);

    f->n_told++;
    ck_assert(!old || strcmp(old->text, diag->text));
    diag_set_add_copy(&f->diags, diag);
}

static inline void
feed_diag_remove(const struct diag *diag, void *f_)
{
    struct feed *f = f_;

    f->n_told++;
    ck_assert_ptr_nonnull(diag_set_find(&f->diags, &diag->row, diag->column,
                                        diag->code));
    diag_set_remove(&f->diags, diag);
}

static inline void
feed_init(struct feed *f)
{
    f->policy = policy_create();
    hmap_init(&f->entries);
    hmap_init(&f->peers);
    diag_set_init(&f->diags);
    f->n_told = 0;
}

static inline void
feed_uninit(struct feed *f)
{
    struct feed_entry *e;

    policy_destroy(f->policy);
    HMAP_FOR_EACH_POP (e, node, &f->entries) {
        free(e);
    }
    hmap_destroy(&f->entries);
    HMAP_FOR_EACH_POP (e, node, &f->peers) {
        free(e);
    }
    hmap_destroy(&f->peers);
    diag_set_uninit(&f->diags);
}

static inline void
feed_compare_entry(const struct space_entry *entry, void *f_)
{
    const struct feed *f = f_;
    const struct feed_entry *e = feed_find(f, &entry->key);
    struct space_entry found;

    ck_assert_ptr_nonnull(e);
    ck_assert(space_entry_equal(&e->entry, entry));
    ck_assert(policy_find_space(f->policy, &entry->key, &found));
    ck_assert(space_entry_equal(&found, entry));
}

/* Settles, and checks that what the listener knows is what the policy says. */
static inline bool
feed_settle(struct feed *f)
{
    const struct policy_sink sink = {
        feed_space_put, feed_space_remove, feed_diag_put, feed_diag_remove, f,
    };
    bool changed = policy_settle(f->policy, &sink);

    ck_assert(!policy_is_unsettled(f->policy));
    ck_assert_uint_eq(policy_count_space(f->policy),
                      hmap_count(&f->entries));
    ck_assert_uint_eq(policy_count_peers(f->policy), hmap_count(&f->peers));
    policy_for_each_space(f->policy, feed_compare_entry, f);
    return changed;
}

/* Rows. */

static inline void
feed_delete(struct feed *f, enum row_table table, int n)
{
    struct row_change change = {
        .deleted = true,
        .row = { .table = table, .uuid = row_id(table, n) },
    };

    policy_apply(f->policy, &change);
}

static inline void
feed_row(struct feed *f, enum row_table table, int n, struct row row)
{
    struct row_change change = { .row = row };

    change.row.table = table;
    change.row.uuid = row_id(table, n);
    policy_apply(f->policy, &change);
}

static inline void
feed_locator(struct feed *f, int n, const char *dst_ip, const char *encap)
{
    feed_row(f, ROW_LOCATOR, n, (struct row) {
        .locator = { .dst_ip = dst_ip, .encapsulation_type = encap },
    });
}

/* 'tunnel_key' 0 is none; 'key' NULL is no other_config. */
static inline void
feed_switch_config(struct feed *f, int n, const char *name,
                   int64_t tunnel_key, const char *key, const char *value)
{
    const struct row_pair pair = { key, value };

    feed_row(f, ROW_LOGICAL_SWITCH, n, (struct row) {
        .logical_switch = {
            .name = name, .description = "",
            .has_tunnel_key = tunnel_key != 0, .tunnel_key = tunnel_key,
            .other_config = { &pair, key != NULL },
        },
    });
}

static inline void
feed_switch(struct feed *f, int n, const char *name, int64_t tunnel_key)
{
    feed_switch_config(f, n, name, tunnel_key, NULL, NULL);
}

/* 'encapsulation' is a value of other_config, NULL for none. */
static inline void
feed_switch_encap(struct feed *f, int n, const char *name, int64_t tunnel_key,
                  const char *encapsulation)
{
    feed_switch_config(f, n, name, tunnel_key,
                       encapsulation ? "encapsulation" : NULL, encapsulation);
}

static inline struct row_binding
bind_prefix(const char *prefix, int n_switch)
{
    return (struct row_binding) {
        .key = prefix, .target = row_id(ROW_LOGICAL_SWITCH, n_switch),
    };
}

static inline void
feed_router(struct feed *f, int n, const char *name,
            const struct row_binding *bindings, size_t n_bindings)
{
    feed_row(f, ROW_LOGICAL_ROUTER, n, (struct row) {
        .logical_router = {
            .name = name, .enable_logical_router = true,
            .switch_binding = bindings, .n_switch_binding = n_bindings,
        },
    });
}

/* 'n_switch' -1 leaves the port unbound. */
static inline void
feed_port(struct feed *f, int n, const char *name, int n_switch)
{
    struct row_binding binding = {
        .target = row_id(ROW_LOGICAL_SWITCH, n_switch),
    };

    feed_row(f, ROW_PHYSICAL_PORT, n, (struct row) {
        .physical_port = {
            .name = name, .vlan_bindings = &binding,
            .n_vlan_bindings = n_switch >= 0,
        },
    });
}

static inline void
feed_darv_port(struct feed *f, int n, const char *name, bool forwards)
{
    feed_row(f, ROW_DARV_PORT, n, (struct row) {
        .darv_port = { .name = name, .enable_ip_forwarding = forwards },
    });
}

static inline void
feed_host(struct feed *f, int n, const char *const *ips, size_t n_ips,
          const char *mac)
{
    char name[16];

    snprintf(name, sizeof name, "host%d", n);
    feed_row(f, ROW_PHYSICAL_SWITCH, n, (struct row) {
        .physical_switch = {
            .name = name, .tunnel_ips = ips, .n_tunnel_ips = n_ips,
            .distributed_router_mac = mac,
        },
    });
}

static inline void
feed_mcast(struct feed *f, int n, const char *mac, int n_switch, int n_set)
{
    feed_row(f, ROW_MCAST_REMOTE, n, (struct row) {
        .mcast = {
            .mac = mac, .ipaddr = "",
            .logical_switch = row_id(ROW_LOGICAL_SWITCH, n_switch),
            .locator_set = row_id(ROW_LOCATOR_SET, n_set),
        },
    });
}

static inline void
feed_locator_set(struct feed *f, int n, const struct uuid *locators,
                 size_t n_locators)
{
    feed_row(f, ROW_LOCATOR_SET, n, (struct row) {
        .locator_set = { .locators = locators, .n_locators = n_locators },
    });
}

static inline void
feed_mapping_type(struct feed *f, int n, const char *mac, const char *ca,
                  int n_switch, int n_locator, const char *type)
{
    feed_row(f, ROW_UCAST_REMOTE, n, (struct row) {
        .ucast = {
            .mac = mac, .ipaddr = ca, .mapping_type = type,
            .logical_switch = row_id(ROW_LOGICAL_SWITCH, n_switch),
            .locator = row_id(ROW_LOCATOR, n_locator),
        },
    });
}

static inline void
feed_mapping(struct feed *f, int n, const char *mac, const char *ca,
             int n_switch, int n_locator)
{
    feed_mapping_type(f, n, mac, ca, n_switch, n_locator, "default");
}

#endif /* policy-feed.h */
