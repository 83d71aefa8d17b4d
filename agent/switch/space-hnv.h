/* SPDX-License-Identifier: Apache-2.0 */

#ifndef SWITCH_SPACE_HNV_H
#define SWITCH_SPACE_HNV_H 1

/* Space entries in the datapath, of a switch with the datapath extension.
 *
 * They travel many to a message, in the order in which they are told, and the
 * extension takes a message's entries or none of them.  What was told and did
 * not fill a message yet is sent by space_hnv_push(): to be called before
 * anything that has to come after it.
 *
 * The datapath has no place for what IP rewrite asks, because no tunnel is in
 * it: see space_hnv_holds().  Those entries are flows, as on any switch, and a
 * few others are that, too: see space_hnv_leaves().
 *
 * After a reconnect the switch is asked for all entries, piece by piece: the
 * next piece is asked for when one is there.  What is wanted may change in the
 * meantime and is then told at once, which does no harm, see readback.h.
 *
 * A subject of one thread at a time. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "model/space.h"
#include "openvswitch/types.h"

struct channel;
struct ofp_header;
struct plan;
struct plan_guest;
struct space_hnv;
struct space_source;

/* For a session of 'channel'. */
struct space_hnv *space_hnv_create(const struct space_source *,
                                   struct channel *);
void space_hnv_destroy(struct space_hnv *);

/* What HNV_STATS tells a session. */
struct space_hnv_ability {
    uint32_t version;           /* Of the messages. */
    bool speaks_ours;           /* That is, HNV_WIRE_VERSION. */
    uint64_t n_entries;         /* Of all kinds, and ports. */
};

/* Asks the switch what it can do, and returns the request's number.  A switch
 * without the extension answers with an error. */
ovs_be32 space_hnv_ask_ability(struct channel *);
bool space_hnv_take_ability(const struct ofp_header *,
                            struct space_hnv_ability *);

/* Removes everything, for a session that is not to have entries there. */
void space_hnv_flush(struct channel *);

/* True if the entry has a place in the datapath. */
bool space_hnv_holds(const struct space_entry *);

/* True if the entry is a flow, too, because flows ask for it: those of IP
 * rewrite; those of this host, by which a guest's source address is known; PAs
 * of peers.  None of them grow with the number of guests elsewhere. */
bool space_hnv_leaves(const struct space_entry *);

void space_hnv_put(struct space_hnv *, const struct space_entry *);

/* A guest of this host; it has a port, or it is gone. */
void space_hnv_put_guest(struct space_hnv *, const struct plan_guest *);
void space_hnv_remove_guest(struct space_hnv *, const struct plan_guest *);

/* Has the datapath hold what is wanted under 'key', perhaps nothing. */
void space_hnv_update(struct space_hnv *, const struct space_key *);

/* A message is taken or refused as a whole.  Once one was refused, each entry
 * has a message of its own, until all is well again. */
void space_hnv_set_one_by_one(struct space_hnv *, bool one_by_one);
bool space_hnv_is_one_by_one(const struct space_hnv *);

/* Sends what was told.  True if that was anything. */
bool space_hnv_push(struct space_hnv *);

/* Asks what is there. */
void space_hnv_start_check(struct space_hnv *);

/* Takes in an answer.  False if it makes no sense, or answers something
 * else. */
bool space_hnv_take(struct space_hnv *, const struct ofp_header *);

/* All answers are in, or none was asked for. */
bool space_hnv_is_checked(const struct space_hnv *);

/* What has to be updated after that, which these do not say: keys of entries
 * that lack or differ, and of those that nobody wants. */
bool space_hnv_next_missing(struct space_hnv *, struct space_key *);
bool space_hnv_next_gone(struct space_hnv *, struct space_key *);
/* And the guests that were there, as a plan of nothing else. */
const struct plan *space_hnv_found_guests(const struct space_hnv *);
void space_hnv_end_check(struct space_hnv *);

/* Others may change the datapath's entries, too, which it does not tell of.
 * But it counts changes, and so does who makes them: now and then it is asked
 * whether there were more.
 *
 * space_hnv_take_watch() takes in an answer; false if it answers something
 * else.  Sets '*ret_changed' if somebody changed something. */
void space_hnv_watch_run(struct space_hnv *);
void space_hnv_watch_wait(const struct space_hnv *);
bool space_hnv_take_watch(struct space_hnv *, const struct ofp_header *,
                          bool *ret_changed);

/* Figures for people. */
struct space_hnv_counts {
    uint64_t n_puts, n_removes, n_messages;
    size_t n_found, n_missing;  /* Of the last check. */
};
void space_hnv_get_counts(const struct space_hnv *,
                          struct space_hnv_counts *);

#endif /* switch/space-hnv.h */
