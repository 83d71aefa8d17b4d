/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/space-query.h"
#include <string.h>
#include "compiler.h"
#include "datapath-ext/space-set.h"
#include "datapath-ext/space-table-private.h"

/* All first buckets are asked for before the first one is read, so that the
 * memory's answers overlap. */

/* Makes a version of 'FUNCTION' for each layout. */
#define WITH_LAYOUT(SET, FUNCTION, ...)                                     \
    ((SET) == SPACE_SET_OTHERS                                              \
     ? FUNCTION(__VA_ARGS__, &space_layouts[SPACE_SET_OTHERS])              \
     : (SET) == SPACE_SET_MAC || (SET) == SPACE_SET_PORT                    \
     ? FUNCTION(__VA_ARGS__, &space_layouts[SPACE_SET_MAC])                 \
     : FUNCTION(__VA_ARGS__, &space_layouts[SPACE_SET_CA4]))

static inline ALWAYS_INLINE struct space_probe
begin(const struct space_set *set, const struct space_query *q,
      const struct space_layout *layout)
{
    struct space_probe probe = space_set_probe(set, layout, &q->slot);

    space_set_prefetch(&probe, layout);
    return probe;
}

static inline ALWAYS_INLINE bool
finish(struct space_probe probe, const struct space_query *q,
       struct space_slot *slot, const struct space_layout *layout)
{
    return space_set_find(probe, layout, &q->slot, slot) != NULL;
}

static inline void
answer(uint32_t set, const struct space_slot *slot, struct space_answer *a)
{
    a->found = true;
    a->learned = false;
    if (set == SPACE_SET_PORT) {
        a->port = slot->last;
        return;
    }
    a->learned = space_decode_learned(slot);
    a->locator = space_decode_locator(slot);
    if (set != SPACE_SET_MAC) {
        a->mac = space_decode_mac(slot);
    }
}

/* Whether all questions are about one table, as most batches' are. */
static inline bool
are_alike(const struct space_query *q, size_t n)
{
    uint32_t differences = 0;

    for (size_t i = 1; i < n; i++) {
        differences |= q[i].set ^ q[0].set;
    }
    return !differences;
}

static inline ALWAYS_INLINE uint32_t
find_alike(const struct space_set *set, const struct space_query *q, size_t n,
           struct space_answer *answers, const struct space_layout *layout)
{
    struct space_probe probes[SPACE_BATCH_MAX];
    uint32_t found = 0;

    for (size_t i = 0; i < n; i++) {
        probes[i] = begin(set, &q[i], layout);
    }
    for (size_t i = 0; i < n; i++) {
        struct space_slot slot;

        if (finish(probes[i], &q[i], &slot, layout)) {
            found |= UINT32_C(1) << i;
            answer(q[0].set, &slot, &answers[i]);
        } else {
            memset(&answers[i], 0, sizeof answers[i]);
        }
    }
    return found;
}

static uint32_t
find_mixed(const struct space_table *st, const struct space_query *q,
           size_t n, struct space_answer *answers)
{
    struct space_probe probes[SPACE_BATCH_MAX];
    uint32_t found = 0;

    for (size_t i = 0; i < n; i++) {
        probes[i] = WITH_LAYOUT(q[i].set, begin, &st->sets[q[i].set], &q[i]);
    }
    for (size_t i = 0; i < n; i++) {
        struct space_slot slot;

        if (WITH_LAYOUT(q[i].set, finish, probes[i], &q[i], &slot)) {
            found |= UINT32_C(1) << i;
            answer(q[i].set, &slot, &answers[i]);
        } else {
            memset(&answers[i], 0, sizeof answers[i]);
        }
    }
    return found;
}

uint32_t
space_table_find(const struct space_table *st, const struct space_query *q,
                 size_t n, struct space_answer *answers)
{
    return (!n ? 0
            : are_alike(q, n)
            ? WITH_LAYOUT(q[0].set, find_alike, &st->sets[q[0].set], q, n,
                          answers)
            : find_mixed(st, q, n, answers));
}
