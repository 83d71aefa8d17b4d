/* SPDX-License-Identifier: Apache-2.0 */

#ifndef MODEL_SLOTS_H
#define MODEL_SLOTS_H 1

/* Slots: one per question that some mapping answers, and who may answer it.
 *
 * A mapping has a seat in the slot of its CA and in the slot of its MAC, and,
 * in a subnet with IP rewrite, in the slot of its PA; the candidates of a slot
 * sit in order of arrival.  The outcome is defined as this: take the mappings
 * in order of arrival; a mapping is *placed* in all of its slots, unless in
 * one of them it contradicts the slot's *holder*, which is the earliest that
 * is placed there; then it is placed in none.  A slot says what its holder
 * says.
 *
 * In the slot of a CA or a PA, a second mapping contradicts the holder.  In
 * the slot of a MAC it does if it puts the MAC at another PA, or with IP
 * rewrite, where PAs don't tell hosts, if one is on this host and the other is
 * not; that guests have several CAs is normal.  Load balanced mappings do not
 * contradict each other, except over a PA.
 *
 * The slot of a CA whose holder is load balanced says that the CA has owners,
 * and how its connections are shared among all that are placed there; for
 * this it has slots of its own, in which no mapping has a seat.
 *
 * How this is kept up to date with little work: whether a mapping is placed
 * depends on earlier ones alone.  So whenever one is placed, or is no more,
 * the later candidates of its slots that might care are queued, and the queue
 * is worked off in order of arrival, each at most once: when a mapping has its
 * turn, all that it depends on is final.  Normally there is nobody to
 * queue.  The work is bounded by the mappings that share a CA or MAC,
 * directly or through others.
 *
 * Threads: one. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "model/mapping.h"
#include "openvswitch/hmap.h"

struct mapping_queue;
struct policy_sink;

struct slots {
    struct hmap by_key;         /* "struct space_slot"s. */
    struct space_slot **dirty;  /* What they say may have changed. */
    size_t n_dirty;
    size_t allocated_dirty;
    size_t n_entries;           /* Slots that say something. */
    struct mapping_queue *queue;
};

void slots_init(struct slots *, struct mapping_queue *);
void slots_uninit(struct slots *);

/* Gives a mapping its seats, by its CA and MAC in subnet 'vsid', or takes
 * them.  A seated mapping is not placed until it is judged. */
void slots_seat(struct slots *, struct mapping *, uint32_t vsid);
void slots_unseat(struct slots *, struct mapping *);
bool mapping_is_seated(const struct mapping *);

/* Decides whether a seated mapping is placed.  If it is not, returns the
 * holder that it contradicts and, in '*ret_kind', in which slot. */
const struct mapping *slots_judge(struct slots *, struct mapping *,
                                  enum space_kind *ret_kind);

/* Reports what slots say now and did not say before. */
void slots_report(struct slots *, const struct policy_sink *);

/* What was reported last. */
bool slots_find(const struct slots *, const struct space_key *,
                struct space_entry *ret_entry);
void slots_for_each(const struct slots *,
                    void (*cb)(const struct space_entry *, void *aux),
                    void *aux);

/* True if a placed mapping of 'mac' in subnet 'vsid' is "learning_disabled".
 * Looks at all mappings of that MAC. */
bool slots_mac_is_fixed(const struct slots *, uint32_t vsid,
                        struct eth_addr mac);

#endif /* model/slots.h */
