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
#include "switch/space-check.h"
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

struct readback {
    const struct space_source *source;
    bool (*holds)(const struct space_entry *);
    enum ofp_version version;
    struct hmap flows;          /* Contains "struct found_flow"s. */
    struct space_check *check;
    size_t n_flows;
};

static void readback_take_space__(struct readback *,
                                  const struct ofputil_flow_stats *);
static void readback_keep__(struct readback *,
                            const struct ofputil_flow_stats *);
static struct found_flow *readback_find__(const struct readback *,
                                          uint8_t table, uint16_t priority,
                                          const struct minimatch *);

struct readback *
readback_create(const struct space_source *source,
                bool (*holds)(const struct space_entry *),
                enum ofp_version version)
{
    struct readback *rb = xzalloc(sizeof *rb);

    rb->source = source;
    rb->version = version;
    rb->holds = holds;
    rb->check = space_check_create(source, holds);
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
    space_check_destroy(rb->check);
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
        space_check_finish(rb->check);
    }
    *ret_done = !more;
    return true;
}

bool
readback_next_missing(struct readback *rb, struct space_key *key)
{
    return space_check_next_missing(rb->check, key);
}

bool
readback_next_gone(struct readback *rb, struct space_key *key)
{
    return space_check_next_gone(rb->check, key);
}

size_t
readback_n_flows(const struct readback *rb)
{
    return rb->n_flows;
}

size_t
readback_n_missing(const struct readback *rb)
{
    return space_check_n_missing(rb->check);
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

    if (!rb->source->find(&key, &e, rb->source->aux)
        || (rb->holds && !rb->holds(&e))) {
        space_check_gone(rb->check, &key);
    } else if (space_stock_is_same(fs, &e)) {
        space_check_right(rb->check, &key);
    }
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
