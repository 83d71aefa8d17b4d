/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "switch/readback.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "hash.h"
#include "hmapx.h"
#include "openvswitch/hmap.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofpbuf.h"
#include "plan/plan.h"
#include "switch/changes.h"
#include "switch/encode.h"
#include "switch/space-stock.h"
#include "switch/switch.h"
#include "util.h"

/* A flow on the switch that is not a space entry's. */
struct found_flow {
    struct hmap_node hmap_node;
    uint8_t table;
    uint16_t priority;
    struct minimatch match;
    bool plain;                 /* No timeouts, flags, importance. */
    ovs_be64 cookie;
    struct ofpbuf *actions;     /* As encode_actions() makes them. */
};

/* A set of keys: open addressing, since a node per key would double what it
 * takes.  A free slot has a VSID that none can have. */
struct key_set {
    struct space_key *slots;
    size_t n, mask;
};

#define FREE_VSID UINT32_MAX

struct key_array {
    struct space_key *keys;
    size_t n, allocated;
    size_t next;                /* First that was not handed out. */
};

struct readback {
    const struct space_source *source;
    enum ofp_version version;
    struct hmap flows;          /* Contains "struct found_flow"s. */
    struct key_set right;       /* As wanted. */
    struct key_array missing, gone;
    size_t n_flows;
};

static void readback_take_space__(struct readback *,
                                  const struct ofputil_flow_stats *);
static void readback_keep__(struct readback *,
                            const struct ofputil_flow_stats *);
static void readback_finish__(struct readback *);
static struct found_flow *readback_find__(const struct readback *,
                                          uint8_t table, uint16_t priority,
                                          const struct minimatch *);
static void key_set_add(struct key_set *, const struct space_key *);
static bool key_set_contains(const struct key_set *, const struct space_key *);
static void key_array_add(struct key_array *, const struct space_key *);
static bool key_array_next(struct key_array *, struct space_key *);

struct readback *
readback_create(const struct space_source *source, enum ofp_version version)
{
    struct readback *rb = xzalloc(sizeof *rb);

    rb->source = source;
    rb->version = version;
    hmap_init(&rb->flows);
    return rb;
}

void
readback_destroy(struct readback *rb)
{
    struct found_flow *f;

    if (!rb) {
        return;
    }
    HMAP_FOR_EACH_POP (f, hmap_node, &rb->flows) {
        minimatch_destroy(&f->match);
        ofpbuf_delete(f->actions);
        free(f);
    }
    hmap_destroy(&rb->flows);
    free(rb->right.slots);
    free(rb->missing.keys);
    free(rb->gone.keys);
    free(rb);
}

bool
readback_take(struct readback *rb, struct ofpbuf *msg, bool *ret_done)
{
    bool more = ofpmp_more(msg->data);
    uint64_t stub[1024 / 8];
    struct ofpbuf ofpacts = OFPBUF_STUB_INITIALIZER(stub);
    struct ofputil_flow_stats fs;
    int error;

    while (!(error = ofputil_decode_flow_stats_reply(&fs, msg, false,
                                                     &ofpacts))) {
        rb->n_flows++;
        if (space_stock_owns_table(fs.table_id)) {
            readback_take_space__(rb, &fs);
        } else {
            readback_keep__(rb, &fs);
        }
    }
    ofpbuf_uninit(&ofpacts);
    if (error != EOF) {
        return false;
    }
    if (!more) {
        readback_finish__(rb);
    }
    *ret_done = !more;
    return true;
}

bool
readback_next_missing(struct readback *rb, struct space_key *key)
{
    return key_array_next(&rb->missing, key);
}

bool
readback_next_gone(struct readback *rb, struct space_key *key)
{
    return key_array_next(&rb->gone, key);
}

size_t
readback_n_flows(const struct readback *rb)
{
    return rb->n_flows;
}

size_t
readback_n_missing(const struct readback *rb)
{
    return rb->missing.n;
}

/* Flows of space entries. */

static void
readback_take_space__(struct readback *rb,
                      const struct ofputil_flow_stats *fs)
{
    struct space_entry e;
    struct space_key key;

    if (!space_stock_decode_key(fs, &key)) {
        /* Not made by this agent, or not by this version of it. */
        readback_keep__(rb, fs);
        return;
    }

    if (!rb->source->find(&key, &e, rb->source->aux)) {
        key_array_add(&rb->gone, &key);
    } else if (space_stock_is_same(fs, &e)) {
        key_set_add(&rb->right, &key);
    }
}

static void
readback_check_entry__(const struct space_entry *e, void *rb_)
{
    struct readback *rb = rb_;

    if (!key_set_contains(&rb->right, &e->key)) {
        key_array_add(&rb->missing, &e->key);
    }
}

static void
readback_finish__(struct readback *rb)
{
    rb->source->for_each(readback_check_entry__, rb, rb->source->aux);
    free(rb->right.slots);
    rb->right = (struct key_set) { .slots = NULL };
}

/* Flows of rules. */

static uint32_t
found_hash__(uint8_t table, uint16_t priority, const struct minimatch *match)
{
    return minimatch_hash(match, hash_2words(table, priority));
}

static void
readback_keep__(struct readback *rb, const struct ofputil_flow_stats *fs)
{
    struct found_flow *f = xmalloc(sizeof *f);

    f->table = fs->table_id;
    f->priority = fs->priority;
    f->cookie = fs->cookie;
    f->plain = (!fs->idle_timeout && !fs->hard_timeout && !fs->flags
                && !fs->importance);
    minimatch_init(&f->match, &fs->match);
    f->actions = encode_actions(fs->ofpacts, fs->ofpacts_len, rb->version);
    hmap_insert(&rb->flows, &f->hmap_node,
                found_hash__(f->table, f->priority, &f->match));
}

static struct found_flow *
readback_find__(const struct readback *rb, uint8_t table, uint16_t priority,
                const struct minimatch *match)
{
    struct found_flow *f;

    HMAP_FOR_EACH_WITH_HASH (f, hmap_node,
                             found_hash__(table, priority, match),
                             &rb->flows) {
        if (f->table == table && f->priority == priority
            && minimatch_equal(&f->match, match)) {
            return f;
        }
    }
    return NULL;
}

static bool
found_is_same__(const struct found_flow *f, const struct ofputil_flow_mod *fm,
                enum ofp_version version)
{
    struct ofpbuf *actions = encode_actions(fm->ofpacts, fm->ofpacts_len,
                                            version);
    bool same = (f->plain && f->cookie == fm->new_cookie
                 && ofpbuf_equal(f->actions, actions));

    ofpbuf_delete(actions);
    return same;
}

/* 'msg' would put the flow.  Returns the flow in its place on the switch, or
 * NULL, and whether it makes 'msg' unnecessary. */
static struct found_flow *
readback_match__(const struct readback *rb, const struct ofpbuf *msg,
                 bool *ret_same)
{
    struct encode_decoded d;

    *ret_same = false;
    if (!encode_decode(msg, &d)) {
        return NULL;
    }

    struct found_flow *f = readback_find__(rb, d.fm.table_id, d.fm.priority,
                                           &d.fm.match);

    *ret_same = f && found_is_same__(f, &d.fm, rb->version);
    encode_decoded_uninit(&d);
    return f;
}

void
readback_compare(const struct readback *rb, const struct plan *plan,
                 struct changes *changes)
{
    struct hmapx wanted = HMAPX_INITIALIZER(&wanted);
    struct plan_cursor cursor = { .part = 0 };
    const struct plan_flow *flow;
    struct found_flow *f;

    while ((flow = plan_next(plan, &cursor)) != NULL) {
        struct ofpbuf *msg = changes_encode(changes, flow, true);
        bool same;

        if (!msg) {
            continue;
        }
        f = readback_match__(rb, msg, &same);
        if (f) {
            hmapx_add(&wanted, f);
        }
        if (same) {
            ofpbuf_delete(msg);
        } else {
            changes_put_msg(changes, flow, msg);
        }
    }

    HMAP_FOR_EACH (f, hmap_node, &rb->flows) {
        if (!hmapx_contains(&wanted, f)) {
            changes_remove_msg(changes,
                               encode_remove(f->table, f->priority, &f->match,
                                             changes->version));
        }
    }
    hmapx_destroy(&wanted);
}

/* Keys. */

static size_t
key_set_slot__(const struct key_set *set, const struct space_key *key)
{
    size_t i = space_key_hash(key) & set->mask;

    while (set->slots[i].vsid != FREE_VSID
           && !space_key_equal(&set->slots[i], key)) {
        i = (i + 1) & set->mask;
    }
    return i;
}

static void
key_set_grow__(struct key_set *set)
{
    struct key_set old = *set;
    size_t n_slots = old.slots ? 2 * (old.mask + 1) : 1024;

    set->mask = n_slots - 1;
    set->slots = xmalloc(n_slots * sizeof *set->slots);
    for (size_t i = 0; i < n_slots; i++) {
        set->slots[i].vsid = FREE_VSID;
    }
    for (size_t i = 0; old.slots && i <= old.mask; i++) {
        if (old.slots[i].vsid != FREE_VSID) {
            set->slots[key_set_slot__(set, &old.slots[i])] = old.slots[i];
        }
    }
    free(old.slots);
}

static void
key_set_add(struct key_set *set, const struct space_key *key)
{
    if (!set->slots || set->n >= set->mask / 4 * 3) {
        key_set_grow__(set);
    }

    size_t i = key_set_slot__(set, key);

    if (set->slots[i].vsid == FREE_VSID) {
        set->slots[i] = *key;
        set->n++;
    }
}

static bool
key_set_contains(const struct key_set *set, const struct space_key *key)
{
    return set->slots
           && set->slots[key_set_slot__(set, key)].vsid != FREE_VSID;
}

static void
key_array_add(struct key_array *array, const struct space_key *key)
{
    if (array->n >= array->allocated) {
        array->keys = x2nrealloc(array->keys, &array->allocated,
                                 sizeof *array->keys);
    }
    array->keys[array->n++] = *key;
}

static bool
key_array_next(struct key_array *array, struct space_key *key)
{
    if (array->next >= array->n) {
        return false;
    }
    *key = array->keys[array->next++];
    return true;
}
