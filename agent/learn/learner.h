/* SPDX-License-Identifier: Apache-2.0 */

#ifndef LEARN_LEARNER_H
#define LEARN_LEARNER_H 1

/* The learning stage: packets that the switch hands over become addresses
 * known, entries of the space and rows to report.
 *
 *   packet ──► sighting ──► check ──► table ──► space entries
 *                             ▲         │   └─► local addresses, reported
 *                  policy, ports        └─────► packets that ask and tell
 *
 * Both hosts of a conversation learn from the same packets, each for itself.
 * Nothing is believed that the policy contradicts, and when the policy
 * changes, what it contradicts now is forgotten.
 *
 * Pure: packets come and go by call, and the time, in milliseconds, is the
 * caller's.
 * Threads: one. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "learn/check.h"
#include "learn/table.h"

struct ds;
struct learner;
struct policy;
struct rules;
struct space_entry;
struct space_key;

/* A packet to be sent. */
struct learner_frame {
    enum {
        LEARN_TO_GUEST,         /* To the guest at 'ofport'. */
        LEARN_AS_GUEST,         /* As if the guest at 'ofport' sent it, in
                                 * VLAN 'vlan' if not zero. */
        LEARN_TO_SUBNET,        /* To all of the subnet, as its router. */
    } how;
    uint32_t vsid;
    ofp_port_t ofport;
    uint16_t vlan;
    const void *data;
    size_t size;
};

struct learner_sink {
    void (*space_put)(const struct space_entry *, void *aux);
    void (*space_remove)(const struct space_key *, void *aux);
    void (*local_put)(const struct learned *, void *aux);
    void (*local_remove)(const struct learned *, void *aux);
    void (*send)(const struct learner_frame *, void *aux);
    void *aux;
};

/* The policy must outlive it. */
struct learner *learner_create(const struct policy *,
                               const struct learner_sink *);
void learner_destroy(struct learner *);

/* Goes over to other rules, which must stay until the next call, and ports,
 * which are copied.  Forgets what these contradict.  Before the first call
 * nothing is learned. */
void learner_adopt(struct learner *, const struct rules *,
                   const struct learner_port *ports, size_t n_ports);

/* The policy's entry of 'key' changes; learner_review(), after the policy has
 * settled, forgets what contradicts such changes.  Cheap. */
void learner_policy_changed(struct learner *, const struct space_key *);
void learner_review(struct learner *);

/* Takes in a packet of subnet 'vsid' that came from 'place'. */
void learner_take(struct learner *, uint32_t vsid,
                  const struct learner_place *, const void *frame,
                  size_t size, long long int now);

/* Takes in an address of a guest of this host that was known before the agent
 * started; the guest is asked at once. */
void learner_restore(struct learner *, uint32_t vsid,
                     const struct in6_addr *ca, struct eth_addr mac,
                     long long int now);

/* Somebody sends to 'ca' through the router, and it is unknown: asks all of
 * the subnet, unless it has just been asked. */
void learner_solicit(struct learner *, uint32_t vsid,
                     const struct in6_addr *ca, long long int now);

/* Does what is due; returns when there is something to do again, or
 * LLONG_MAX. */
long long int learner_run(struct learner *, long long int now);

/* For people: counters, and the table. */
void learner_format(const struct learner *, long long int now, struct ds *);
size_t learner_count(const struct learner *);

#endif /* learn/learner.h */
