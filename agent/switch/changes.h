/* SPDX-License-Identifier: Apache-2.0 */

#ifndef SWITCH_CHANGES_H
#define SWITCH_CHANGES_H 1

/* What has to change on the switch for a plan: messages, ready to be sent.
 *
 * They come from the difference of two plans, or of a plan and what was read
 * back from the switch, see readback.h.
 *
 * Threads: one at a time. */

#include <stdbool.h>
#include <stddef.h>
#include "openflow/openflow-common.h"

struct ofpbuf;
struct plan_delta;
struct plan_flow;

struct change {
    struct ofpbuf *msg;         /* A flow_mod. */
    char *text;                 /* For people: the flow. */
};

struct changes {
    enum ofp_version version;
    struct change *puts;        /* In ascending order of table, then those of
                                 * a plan's parts. */
    size_t n_puts, allocated_puts;
    struct change *removes;
    size_t n_removes, allocated_removes;
    size_t n_bad;               /* Flows left out: not understood. */
};

void changes_init(struct changes *, enum ofp_version);
void changes_uninit(struct changes *);
bool changes_is_empty(const struct changes *);

/* A flow whose text is not understood is logged, counted, and left out. */
void changes_put(struct changes *, const struct plan_flow *);
void changes_remove(struct changes *, const struct plan_flow *);
void changes_add_delta(struct changes *, const struct plan_delta *);

/* Like changes_put(), with the message made by the caller, who gives it
 * away. */
void changes_put_msg(struct changes *, const struct plan_flow *,
                     struct ofpbuf *msg);

/* Adds a removal of something that was in no plan.  Takes 'msg' over. */
void changes_remove_msg(struct changes *, struct ofpbuf *msg);

/* Makes the message for 'flow', or logs why it cannot. */
struct ofpbuf *changes_encode(struct changes *, const struct plan_flow *,
                              bool put);

#endif /* switch/changes.h */
