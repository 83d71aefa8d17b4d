/* SPDX-License-Identifier: Apache-2.0 */

#ifndef MODEL_MAPPINGS_H
#define MODEL_MAPPINGS_H 1

/* The mappings: Ucast_Macs_Remote rows on their way to space entries.
 *
 * A mapping that changes leaves its seats in the slots at once and is queued;
 * mappings_settle() gives it new ones.  It gets none while its row does not
 * parse, its subnet is not active or its locator is not usable (it is
 * dormant, and it is up to the subnet or locator to complain), or while its CA
 * is out of place.
 *
 * The mappings of a subnet are on a list, so that a subnet that changes
 * finds them; likewise those of a locator.
 *
 * Memory per mapping, with one CA per MAC, is 168 bytes here and 2 x 80 in
 * the slots; with hash buckets and the allocator's overhead that makes some
 * 370 bytes, as tests/unit/test-policy-cost shows.  With IP rewrite there is
 * one more seat, and one more slot.
 *
 * Threads: one. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "db/rows.h"
#include "model/mapping-queue.h"
#include "model/peers.h"
#include "model/slots.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/types.h"

struct diag_set;
struct locators;
struct policy_sink;
struct rules;
struct rules_subnet;

struct mappings {
    struct hmap by_uuid;        /* "struct mapping"s. */
    struct hmap subnets;        /* "struct mapping_subnet"s. */
    struct slots slots;
    struct peers peers;
    struct mapping_queue queue;
    struct locators *locators;
    struct diag_set *reported;  /* Diagnostics the sink was told of. */
    struct eth_addr router_mac; /* Of the rules. */
    uint64_t clock;             /* Arrivals given out so far. */
    struct ovs_list listed;     /* "struct mapping_subnet"s, see guests.h. */
    bool guests_stale;          /* One of these is. */
};

/* Both sets must outlive the mappings. */
void mappings_init(struct mappings *, struct locators *,
                   struct diag_set *reported);
void mappings_uninit(struct mappings *);

/* Takes in a change of a Ucast_Macs_Remote row. */
void mappings_apply(struct mappings *, const struct row_change *);
bool mappings_are_unsettled(const struct mappings *);

/* Takes all of a list of mappings, by 'locator_node', out of their seats and
 * queues them.  To be called before the locator's 'where' changes. */
void mappings_revisit_locator(struct mappings *, const struct locator *);

/* Goes over to new rules, which must stay, and have their 'guests' filled in
 * by guests_settle(), until the next call, and revisits
 * the mappings of subnets that changed. */
void mappings_adopt_rules(struct mappings *, const struct rules *);

void mappings_settle(struct mappings *, const struct policy_sink *);

#endif /* model/mappings.h */
