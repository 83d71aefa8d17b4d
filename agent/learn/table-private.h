/* SPDX-License-Identifier: Apache-2.0 */

#ifndef LEARN_TABLE_PRIVATE_H
#define LEARN_TABLE_PRIVATE_H 1

/* The entries of a table and what they belong to: kept consistent here
 * (table-entries.c), while table.c knows what becomes of them in time. */

#include <stdbool.h>
#include <stdint.h>
#include "heap.h"
#include "learn/table.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"

/* Who may have so many entries: a port or a host, in one subnet. */
struct owner {
    struct hmap_node node;      /* In struct learner_table's 'owners'. */
    uint32_t vsid;
    struct learner_place place;
    unsigned int n;             /* Entries and candidates. */
};

/* A MAC in a subnet, which is in one place. */
struct guest {
    struct hmap_node node;      /* In struct learner_table's 'guests'. */
    uint32_t vsid;
    struct eth_addr mac;
    struct owner *owner;
    struct ovs_list entries;    /* "struct entry"s, candidates too. */
    bool in_space;              /* Has an entry that is no candidate. */
    bool held;                  /* Stays, even without entries. */
};

struct entry {
    struct learned l;
    struct hmap_node node;      /* In struct learner_table's 'entries'. */
    struct guest *guest;
    struct ovs_list guest_node; /* In its 'entries'. */
    struct heap_node timer;     /* By whatever comes first of: */
    long long int probe_at;     /* LLONG_MAX: never. */
    long long int announce_at;  /* LLONG_MAX: never. */
    long long int announced;    /* When last. */
    long long int probe_every;
    long long int aging_ms;
    bool doubted;
};

struct learner_table {
    struct learner_table_sink sink;
    struct hmap entries;        /* By subnet and CA. */
    struct hmap guests;         /* By subnet and MAC. */
    struct hmap owners;         /* By subnet and place. */
    struct heap timers;
};

static inline bool
learner_place_is_local(const struct learner_place *place)
{
    return place->where.encap == SPACE_LOCAL;
}

bool learner_place_equal(const struct learner_place *,
                         const struct learner_place *);

/* The entry of a CA; with 'candidate_mac' that MAC's candidate for it. */
struct entry *learner_entry_find(const struct learner_table *, uint32_t vsid,
                                 const struct in6_addr *ca,
                                 const struct eth_addr *candidate_mac);
struct guest *learner_guest_find(const struct learner_table *, uint32_t vsid,
                                 struct eth_addr);

/* Makes an entry that never ends; its times are up to the caller, who then
 * schedules it. */
struct entry *learner_entry_create(struct learner_table *,
                                   const struct rules_subnet *,
                                   const struct in6_addr *ca, struct eth_addr,
                                   const struct learner_place *);
void learner_entry_schedule(struct learner_table *, struct entry *);

/* Forgets an entry.  'replaced' if another has its CA, which is in the space
 * then. */
void learner_entry_destroy(struct learner_table *, struct entry *,
                           bool replaced);

/* Puts an entry's CA, and its guest's MAC, into the space. */
void learner_entry_put(struct learner_table *, const struct entry *);

/* How many entries there may be at a place. */
unsigned int learner_owner_limit(const struct rules_subnet *,
                                 const struct learner_place *);
bool learner_owner_is_full(const struct learner_table *,
                           const struct rules_subnet *,
                           const struct learner_place *);

/* For a guest that moves: finds or makes an owner; takes 'n' entries from one,
 * which is freed with the last; frees a guest that is neither held nor has
 * entries. */
struct owner *learner_owner_get(struct learner_table *, uint32_t vsid,
                                const struct learner_place *);
void learner_owner_release(struct learner_table *, struct owner *,
                           unsigned int n);
void learner_guest_release(struct learner_table *, struct guest *);

#endif /* learn/table-private.h */
