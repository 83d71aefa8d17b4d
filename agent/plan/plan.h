/* SPDX-License-Identifier: Apache-2.0 */

#ifndef PLAN_PLAN_H
#define PLAN_PLAN_H 1

/* A plan: the flows that the rules want, as text.
 *
 * Matches and actions are in the syntax of ovs-ofctl(8), the one that people
 * who operate a switch read every day.  It is what scenarios compare, what an
 * operator sees, and what two plans are compared by; the switch stage turns
 * the flows that changed, and only those, into OpenFlow.
 *
 * A plan has meters, too, which flows of it name: each has a number, and all
 * have the same rate.  And it has conntrack zones, by number: connections of a
 * zone that a plan has no more are to be forgotten.
 *
 * A plan for a switch with the datapath extension says so, and which guests
 * run on this host, for the datapath to know.
 *
 * What is large and changes rarely comes in parts: flows of their own, which
 * several plans share, so that a part that two plans have is not compared.
 * A part has a key, by which it is known in other plans, and no flow that may
 * be in the plan itself or in a part with another key.
 *
 * Mappings are not in a plan, see model/space.h.
 *
 * Invariants, once plan_sort() was called: flows are in order of table,
 * descending priority, and match, and no two are equal in all three; likewise
 * those of a part; meters, zones, guests and parts' keys are in ascending
 * order, each once.
 *
 * Ownership: a plan owns its flows, and parts in common with others.
 * Threads: built by one thread, then constant and free to share. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/compiler.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/types.h"

struct plan_flow {
    uint8_t table;
    uint16_t priority;
    uint64_t cookie;            /* See row_cookie(). */
    char *match;                /* "" matches every packet. */
    char *actions;              /* "drop" to drop. */
};

/* Numbers of meters or zones. */
struct plan_ids {
    uint32_t *ids;
    size_t n, allocated;
};

/* A guest of this host, with a port, in one of its subnets. */
struct plan_guest {
    uint32_t vsid;
    struct eth_addr mac;
    ofp_port_t port;
};

struct plan_part {
    unsigned int refs;
    uint64_t key;
    struct plan *flows;         /* And nothing else. */
};

struct plan {
    struct plan_flow *flows;
    size_t n, allocated;
    struct plan_part **parts;
    size_t n_parts, allocated_parts;
    struct plan_ids meters;
    struct plan_ids zones;
    bool spaces;                /* For a switch with the datapath extension,
                                 * and no other. */
    struct plan_guest *guests;  /* In ascending order of VSID, then MAC. */
    size_t n_guests, allocated_guests;
};

struct plan *plan_create(void);
void plan_destroy(struct plan *);

/* Adds a flow.  'match' and 'actions' are taken over: plan_text() makes them
 * where they are not constant. */
void plan_add(struct plan *, uint8_t table, uint16_t priority,
              uint64_t cookie, char *match, char *actions);
char *plan_text(const char *format, ...) OVS_PRINTF_FORMAT(1, 2);

/* Makes a part of 'flows', which must be sorted and is taken over.  The caller
 * has the first reference. */
struct plan_part *plan_part_create(uint64_t key, struct plan *flows);
void plan_part_unref(struct plan_part *);

/* Adds a part, taking another reference. */
void plan_add_part(struct plan *, struct plan_part *);

/* Number of flows in the plan and in its parts. */
size_t plan_count(const struct plan *);

/* Walks the flows of the plan and then those of its parts, from a cursor that
 * is all zeros.  NULL at the end. */
struct plan_cursor {
    size_t part;                /* 0 for the plan itself. */
    size_t flow;
};
const struct plan_flow *plan_next(const struct plan *, struct plan_cursor *);

void plan_add_meter(struct plan *, uint32_t meter);
void plan_add_zone(struct plan *, uint16_t zone);

void plan_add_guest(struct plan *, const struct plan_guest *);

/* Order of guests, all but the port; and whether a sorted plan, which may be
 * NULL, has just this one. */
int plan_guest_compare(const struct plan_guest *, const struct plan_guest *);
bool plan_has_guest(const struct plan *, const struct plan_guest *);

/* Of a sorted plan's. */
bool plan_ids_contain(const struct plan_ids *, uint32_t id);

/* Puts the flows in order.  Two equal flows are a fault of the compiler, not
 * of the policy; the second is dropped and true returned, so that the caller
 * can tell. */
bool plan_sort(struct plan *);

/* Appends one line per flow, with the table's name from 'table_name', then one
 * per guest; a cookie that is zero is left out. */
void plan_format(const struct plan *,
                 const char *(*table_name)(uint8_t table), struct ds *);
void plan_flow_format(const struct plan_flow *,
                      const char *(*table_name)(uint8_t table), struct ds *);

/* Difference between two sorted plans.  Either may be NULL, for none.
 * Pointers into 'old' and 'new'. */
struct plan_delta {
    const struct plan_flow **put;       /* New, or with new actions. */
    size_t n_put, allocated_put;
    const struct plan_flow **remove;    /* No longer wanted. */
    size_t n_remove, allocated_remove;
};

struct plan_delta *plan_diff(const struct plan *old, const struct plan *new);
void plan_delta_destroy(struct plan_delta *);
bool plan_delta_is_empty(const struct plan_delta *);

#endif /* plan/plan.h */
