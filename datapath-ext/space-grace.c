/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/space-grace.h"
#include "ovs-atomic.h"
#include "ovs-rcu.h"
#include "util.h"

/* Stamps count rounds.  A round collects what is freed until the grace period
 * of the round before is over; then its own begins. */
struct space_grace {
    struct ovs_refcount refs;   /* The owner's, and a callback's. */
    uint64_t round;             /* That stamps are given for now. */
    bool is_used;               /* A stamp of this round was given. */
    uint64_t waiting;           /* Round whose grace period is running. */
    ATOMIC(bool) is_waiting;
    ATOMIC(uint64_t) over;      /* Last round whose grace period is over. */
};

struct space_grace *
space_grace_create(void)
{
    struct space_grace *g = xzalloc(sizeof *g);

    ovs_refcount_init(&g->refs);
    g->round = 1;
    atomic_init(&g->is_waiting, false);
    atomic_init(&g->over, 0);
    return g;
}

void
space_grace_destroy(struct space_grace *g)
{
    if (g && ovs_refcount_unref(&g->refs) == 1) {
        free(g);
    }
}

static void
round_is_over(struct space_grace *g)
{
    atomic_store_explicit(&g->over, g->waiting, memory_order_release);
    atomic_store_explicit(&g->is_waiting, false, memory_order_release);
    space_grace_destroy(g);
}

/* All that was freed in this round was unpublished before this call, so a
 * grace period that begins now is late enough. */
static void
close_round(struct space_grace *g)
{
    bool is_waiting;

    atomic_read_explicit(&g->is_waiting, &is_waiting, memory_order_acquire);
    if (g->is_used && !is_waiting) {
        g->waiting = g->round++;
        g->is_used = false;
        atomic_store_explicit(&g->is_waiting, true, memory_order_relaxed);
        ovs_refcount_ref(&g->refs);
        ovsrcu_postpone(round_is_over, g);
    }
}

uint64_t
space_grace_stamp(struct space_grace *g)
{
    close_round(g);
    g->is_used = true;
    return g->round;
}

bool
space_grace_is_over(struct space_grace *g, uint64_t stamp)
{
    uint64_t over;

    close_round(g);
    atomic_read_explicit(&g->over, &over, memory_order_acquire);
    return stamp <= over;
}
