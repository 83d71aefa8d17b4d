/* SPDX-License-Identifier: Apache-2.0 */

#ifndef MODEL_SLOTS_PRIVATE_H
#define MODEL_SLOTS_PRIVATE_H 1

/* What the files about slots share. */

#include "model/slots.h"

/* Holds a space_key and a space_entry in pieces, without their padding. */
struct space_slot {
    struct hmap_node node;      /* In struct slots' 'by_key'. */
    struct mapping *first;      /* Earliest candidate, NULL if none. */
    uint64_t said_cookie;       /* The entry as last reported, if 'said'. */
    struct space_where said_where;  /* As mapping_where() has it. */
    struct eth_addr said_mac;
    bool said : 1;
    bool dirty : 1;             /* In struct slots' 'dirty'. */
    bool derived : 1;           /* Says what a balanced CA's slot makes it. */
    bool balanced : 1;          /* Has derived slots. */
    uint8_t share;
    uint32_t vsid : 24;         /* Of a PA: as last reported. */
    uint32_t kind : 8;
    union {
        struct in6_addr ca;
        struct eth_addr mac;
        struct in6_addr pa;
    };
};

/* Finds a slot by its key, of which 'hash' is the hash; or makes it. */
struct space_slot *slots_find_slot__(const struct slots *,
                                     const struct space_key *, uint32_t hash);
struct space_slot *slots_get_slot__(struct slots *, const struct space_key *);

/* Notes that what a slot says may have changed. */
void slots_touch_slot__(struct slots *, struct space_slot *);

/* Who holds a slot, NULL if nobody does. */
struct mapping *slot_find_holder__(const struct space_slot *);

#endif /* model/slots-private.h */
