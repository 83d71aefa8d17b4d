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
 * have the same rate.
 *
 * Mappings are not in a plan, see model/space.h.
 *
 * Invariants, once plan_sort() was called: flows are in order of table,
 * descending priority, and match, and no two are equal in all three; meters
 * are in ascending order, each once.
 *
 * Ownership: a plan owns its flows.
 * Threads: built by one thread, then constant and free to share. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/compiler.h"
#include "openvswitch/dynamic-string.h"

struct plan_flow {
    uint8_t table;
    uint16_t priority;
    uint64_t cookie;            /* See row_cookie(). */
    char *match;                /* "" matches every packet. */
    char *actions;              /* "drop" to drop. */
};

struct plan {
    struct plan_flow *flows;
    size_t n, allocated;
    uint32_t *meters;
    size_t n_meters, allocated_meters;
};

struct plan *plan_create(void);
void plan_destroy(struct plan *);

/* Adds a flow.  'match' and 'actions' are taken over: plan_text() makes them
 * where they are not constant. */
void plan_add(struct plan *, uint8_t table, uint16_t priority,
              uint64_t cookie, char *match, char *actions);
char *plan_text(const char *format, ...) OVS_PRINTF_FORMAT(1, 2);

void plan_add_meter(struct plan *, uint32_t meter);
bool plan_has_meter(const struct plan *, uint32_t meter);

/* Puts the flows in order.  Two equal flows are a fault of the compiler, not
 * of the policy; the second is dropped and true returned, so that the caller
 * can tell. */
bool plan_sort(struct plan *);

/* Appends one line per flow, with the table's name from 'table_name'; a
 * cookie that is zero is left out. */
void plan_format(const struct plan *,
                 const char *(*table_name)(uint8_t table), struct ds *);
void plan_flow_format(const struct plan_flow *,
                      const char *(*table_name)(uint8_t table), struct ds *);

/* Difference between two sorted plans.  Either may be NULL, for none.
 * Pointers into 'old' and 'new'. */
struct plan_delta {
    const struct plan_flow **put;       /* New, or with new actions. */
    size_t n_put;
    const struct plan_flow **remove;    /* No longer wanted. */
    size_t n_remove;
};

struct plan_delta *plan_diff(const struct plan *old, const struct plan *new);
void plan_delta_destroy(struct plan_delta *);
bool plan_delta_is_empty(const struct plan_delta *);

#endif /* plan/plan.h */
