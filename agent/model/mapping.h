/* SPDX-License-Identifier: Apache-2.0 */

#ifndef MODEL_MAPPING_H
#define MODEL_MAPPING_H 1

/* One CA-PA mapping: a Ucast_Macs_Remote row.  There may be millions, so
 * every byte here counts. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include "model/space.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/types.h"
#include "openvswitch/uuid.h"

struct locator;
struct mapping_subnet;
struct space_slot;

/* The kinds of questions that mappings answer by themselves. */
#define N_SEAT_KINDS (SPACE_BY_PA + 1)

/* What a row says that could not be read; kept to say so. */
struct mapping_text {
    char *mac;                  /* NULL if it could. */
    char *ipaddr;               /* Likewise. */
};

/* A mapping's seat among the candidates of a slot.  'prev' of the first is the
 * last, 'next' of the last is NULL. */
struct mapping_seat {
    struct space_slot *slot;    /* NULL: not seated. */
    struct mapping *prev;
    struct mapping *next;
};

struct mapping {
    struct hmap_node node;      /* In struct mappings' 'by_uuid'. */
    struct uuid uuid;
    uint64_t arrival;           /* Lower is earlier; never twice. */
    struct mapping_subnet *subnet;
    struct locator *locator;
    struct ovs_list subnet_node;
    struct ovs_list locator_node;
    struct mapping_seat seats[SPACE_BY_MAC + 1];    /* By enum space_kind. */
    struct mapping_seat *pa_seat;   /* By PA; NULL without IP rewrite. */
    union {
        struct in6_addr ca;         /* If 'has_ca'. */
        struct mapping_text *text;  /* If 'bad'. */
    };
    struct eth_addr mac;        /* Unless 'bad'. */

    bool bad : 1;               /* Does not parse. */
    bool has_ca : 1;
    bool load_balanced : 1;
    bool learning_disabled : 1;
    bool placed : 1;            /* Holds, against all that it contradicts. */
    bool queued : 1;            /* In a struct mapping_queue. */
    bool dead : 1;              /* Row is gone; only the queue knows it. */
    bool has_diag : 1;          /* A diagnostic was reported for it. */
};

/* The seat in the slot of 'kind'; NULL if the mapping has no such. */
static inline struct mapping_seat *
mapping_seat(struct mapping *m, enum space_kind kind)
{
    return kind == SPACE_BY_PA ? m->pa_seat : &m->seats[kind];
}

/* What a mapping that may have a seat answers in the slot of 'kind'.  The
 * address is, with SPACE_BY_PA, the CA. */
struct space_where mapping_where(const struct mapping *, enum space_kind);

/* True if a mapping that may have a seat shares its CA with others that do.
 * Not with IP rewrite: a packet tells its sender by one PA alone. */
bool mapping_is_balanced(const struct mapping *);

#endif /* model/mapping.h */
