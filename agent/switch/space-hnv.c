/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "switch/space-hnv.h"
#include <stdlib.h>
#include <string.h>
#include "datapath-ext/messages.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "packets.h"
#include "plan/plan.h"
#include "switch/channel.h"
#include "switch/space-check.h"
#include "switch/switch.h"
#include "timeval.h"
#include "util.h"

struct space_hnv {
    struct space_source source;
    struct channel *channel;

    /* The message that is being filled, with entries of one command. */
    enum hnv_space_command command;
    struct space_entry entries[HNV_SPACE_MOD_MAX];
    size_t n;
    bool one_by_one;

    /* NULL unless a check is under way. */
    struct space_check *check;
    ovs_be32 check_xid;         /* Of the piece that is waited for. */
    bool checking_guests;       /* After the entries. */
    bool checked;
    struct plan *found;         /* Guests that were there. */

    struct space_hnv_counts counts;

    /* Entries and guests sent in messages; and the datapath's generation as
     * the last check began, when 'known_at' of them had been sent. */
    uint64_t n_told;
    uint64_t generation, known_at;
    bool known;

    /* The question for a newer generation, and 'n_told' as it was asked. */
    bool watching;
    ovs_be32 watch_xid;
    uint64_t watch_at;
    long long int next_watch;
};

/* Time between two questions. */
enum { WATCH_MS = 2000 };

/* Sends 'msg' and returns its number. */
static ovs_be32
send_numbered(struct channel *channel, struct ofpbuf *msg)
{
    ovs_be32 xid = ((const struct ofp_header *) msg->data)->xid;

    channel_send(channel, msg);
    return xid;
}

struct space_hnv *
space_hnv_create(const struct space_source *source, struct channel *channel)
{
    struct space_hnv *hnv = xzalloc(sizeof *hnv);

    hnv->source = *source;
    hnv->channel = channel;
    return hnv;
}

void
space_hnv_destroy(struct space_hnv *hnv)
{
    if (hnv) {
        space_check_destroy(hnv->check);
        plan_destroy(hnv->found);
        free(hnv);
    }
}

ovs_be32
space_hnv_ask_ability(struct channel *channel)
{
    return send_numbered(channel,
                         hnv_stats_request_encode(channel_version(channel)));
}

bool
space_hnv_take_ability(const struct ofp_header *oh,
                       struct space_hnv_ability *ability)
{
    struct hnv_stats stats;

    if (hnv_stats_reply_decode(oh, &stats)) {
        return false;
    }
    memset(ability, 0, sizeof *ability);
    ability->n_entries = stats.table.n_ports;
    ability->version = stats.version;
    ability->speaks_ours = stats.version == HNV_WIRE_VERSION;
    for (size_t i = 0; i < ARRAY_SIZE(stats.table.n_entries); i++) {
        ability->n_entries += stats.table.n_entries[i];
    }
    return true;
}

void
space_hnv_flush(struct channel *channel)
{
    channel_send(channel, hnv_space_mod_encode(channel_version(channel),
                                               HNV_SPACE_FLUSH, NULL, 0));
}

static bool
holds_key(const struct space_key *key)
{
    return key->kind != SPACE_BY_PA;
}

bool
space_hnv_holds(const struct space_entry *e)
{
    return (holds_key(&e->key) && e->where.encap != SPACE_REWRITE
            && (e->where.encap != SPACE_LOCAL
                || !ipv6_addr_is_set(&e->where.pa)));
}

bool
space_hnv_leaves(const struct space_entry *e)
{
    return (!space_hnv_holds(e)
            || e->where.encap == SPACE_LOCAL
            || e->key.kind == SPACE_PEER
            || e->key.kind == SPACE_BY_OWNER
            || (e->key.kind == SPACE_BY_CA
                && e->where.encap == SPACE_BALANCED));
}

/* Changes. */

static void
tell(struct space_hnv *hnv, enum hnv_space_command command,
     const struct space_entry *e)
{
    if (hnv->command != command || hnv->n >= HNV_SPACE_MOD_MAX
        || hnv->one_by_one) {
        space_hnv_push(hnv);
        hnv->command = command;
    }
    hnv->entries[hnv->n++] = *e;
}

static void
tell_gone(struct space_hnv *hnv, const struct space_key *key)
{
    if (holds_key(key)) {
        tell(hnv, HNV_SPACE_DELETE, &(struct space_entry) { .key = *key });
        hnv->counts.n_removes++;
    }
}

void
space_hnv_put(struct space_hnv *hnv, const struct space_entry *e)
{
    if (space_hnv_holds(e)) {
        tell(hnv, HNV_SPACE_PUT, e);
        hnv->counts.n_puts++;
    } else {
        /* It may have been one that the datapath holds. */
        tell_gone(hnv, &e->key);
    }
}

void
space_hnv_update(struct space_hnv *hnv, const struct space_key *key)
{
    struct space_entry e;

    if (hnv->source.find(key, &e, hnv->source.aux)) {
        space_hnv_put(hnv, &e);
    } else {
        tell_gone(hnv, key);
    }
}

static void
tell_guest(struct space_hnv *hnv, enum hnv_space_command command,
           const struct plan_guest *guest)
{
    struct space_entry e = {
        .cookie = (OVS_FORCE uint32_t) guest->port,
    };

    space_key_init_mac(&e.key, guest->vsid, guest->mac);
    tell(hnv, command, &e);
}

void
space_hnv_put_guest(struct space_hnv *hnv, const struct plan_guest *guest)
{
    tell_guest(hnv, HNV_SPACE_PUT_PORT, guest);
}

void
space_hnv_remove_guest(struct space_hnv *hnv, const struct plan_guest *guest)
{
    tell_guest(hnv, HNV_SPACE_DELETE_PORT, guest);
}

void
space_hnv_set_one_by_one(struct space_hnv *hnv, bool one_by_one)
{
    hnv->one_by_one = one_by_one;
}

bool
space_hnv_is_one_by_one(const struct space_hnv *hnv)
{
    return hnv->one_by_one;
}

bool
space_hnv_push(struct space_hnv *hnv)
{
    if (!hnv->n) {
        return false;
    }
    channel_send(hnv->channel,
                 hnv_space_mod_encode(channel_version(hnv->channel),
                                      hnv->command, hnv->entries, hnv->n));
    hnv->n_told += hnv->n;
    hnv->n = 0;
    hnv->counts.n_messages++;
    return true;
}

/* The check. */

static void
ask_piece(struct space_hnv *hnv, const struct space_cursor *cursor)
{
    const struct hnv_space_query query = {
        .cursor = *cursor,
        .vsid = HNV_ANY_VSID,
        .kind = hnv->checking_guests ? HNV_KIND_PORT : HNV_ANY_KIND,
    };

    hnv->check_xid = send_numbered(
        hnv->channel,
        hnv_space_request_encode(channel_version(hnv->channel), &query));
}

void
space_hnv_start_check(struct space_hnv *hnv)
{
    struct space_cursor cursor = SPACE_CURSOR_INITIALIZER;

    space_check_destroy(hnv->check);
    hnv->check = space_check_create(&hnv->source, space_hnv_holds);
    plan_destroy(hnv->found);
    hnv->found = plan_create();
    hnv->checking_guests = hnv->checked = false;
    hnv->known = false;
    hnv->known_at = hnv->n_told;
    hnv->counts.n_found = hnv->counts.n_missing = 0;
    ask_piece(hnv, &cursor);
}

/* Compared as they are on the wire, where all that counts is and nothing
 * else. */
static bool
is_same(const struct space_entry *wanted, const struct space_entry *found)
{
    struct hnv_wire_entry a, b;

    hnv_entry_encode(wanted, &a);
    hnv_entry_encode(found, &b);
    return !memcmp(&a, &b, sizeof a);
}

static void
check_entry(struct space_hnv *hnv, const struct space_entry *found)
{
    struct space_entry wanted;

    hnv->counts.n_found++;
    if (!hnv->source.find(&found->key, &wanted, hnv->source.aux)
        || !space_hnv_holds(&wanted)) {
        space_check_gone(hnv->check, &found->key);
    } else if (is_same(&wanted, found)) {
        space_check_right(hnv->check, &found->key);
    }
}

static void
note_guest(struct space_hnv *hnv, const struct space_entry *found)
{
    plan_add_guest(hnv->found, &(struct plan_guest) {
        .vsid = found->key.vsid,
        .mac = found->key.mac,
        .port = (OVS_FORCE ofp_port_t) found->cookie,
    });
}

/* All of a kind is in; the guests come after the entries. */
static void
end_dump(struct space_hnv *hnv)
{
    struct space_cursor cursor = SPACE_CURSOR_INITIALIZER;

    if (hnv->checking_guests) {
        plan_sort(hnv->found);
        hnv->checked = true;
    } else {
        space_check_finish(hnv->check);
        hnv->counts.n_missing = space_check_n_missing(hnv->check);
        hnv->checking_guests = true;
        ask_piece(hnv, &cursor);
    }
}

bool
space_hnv_take(struct space_hnv *hnv, const struct ofp_header *oh)
{
    struct hnv_space_piece piece;
    struct space_entry *entries;
    size_t n;

    if (!hnv->check || hnv->checked || oh->xid != hnv->check_xid
        || hnv_space_reply_decode(oh, &piece, &entries, &n)) {
        return false;
    }
    if (!hnv->known) {
        hnv->known = true;
        hnv->generation = piece.generation;
    }
    for (size_t i = 0; i < n; i++) {
        if (hnv->checking_guests) {
            note_guest(hnv, &entries[i]);
        } else {
            check_entry(hnv, &entries[i]);
        }
    }
    free(entries);

    if (piece.more) {
        ask_piece(hnv, &piece.cursor);
    } else {
        end_dump(hnv);
    }
    return true;
}

bool
space_hnv_is_checked(const struct space_hnv *hnv)
{
    return !hnv->check || hnv->checked;
}

bool
space_hnv_next_missing(struct space_hnv *hnv, struct space_key *key)
{
    return space_check_next_missing(hnv->check, key);
}

bool
space_hnv_next_gone(struct space_hnv *hnv, struct space_key *key)
{
    return space_check_next_gone(hnv->check, key);
}

void
space_hnv_end_check(struct space_hnv *hnv)
{
    space_check_destroy(hnv->check);
    hnv->check = NULL;
    plan_destroy(hnv->found);
    hnv->found = NULL;
}

const struct plan *
space_hnv_found_guests(const struct space_hnv *hnv)
{
    return hnv->found;
}

void
space_hnv_get_counts(const struct space_hnv *hnv,
                     struct space_hnv_counts *counts)
{
    *counts = hnv->counts;
}

void
space_hnv_watch_run(struct space_hnv *hnv)
{
    if (!hnv->watching && time_msec() >= hnv->next_watch) {
        hnv->watch_xid = space_hnv_ask_ability(hnv->channel);
        hnv->watch_at = hnv->n_told;
        hnv->watching = true;
        hnv->next_watch = time_msec() + WATCH_MS;
    }
}

void
space_hnv_watch_wait(const struct space_hnv *hnv)
{
    if (!hnv->watching) {
        poll_timer_wait_until(hnv->next_watch);
    }
}

/* Messages are taken in the order in which they are sent, so an answer is of
 * the moment when those before its question were dealt with. */
bool
space_hnv_take_watch(struct space_hnv *hnv, const struct ofp_header *oh,
                     bool *ret_changed)
{
    struct hnv_stats stats;

    *ret_changed = false;
    if (!hnv->watching || oh->xid != hnv->watch_xid
        || hnv_stats_reply_decode(oh, &stats)) {
        return false;
    }
    hnv->watching = false;
    *ret_changed = (hnv->known
                    && stats.table.generation != hnv->generation
                       + (hnv->watch_at - hnv->known_at));
    return true;
}
