/* SPDX-License-Identifier: Apache-2.0 */

#ifndef MODEL_MAPPING_QUEUE_H
#define MODEL_MAPPING_QUEUE_H 1

/* Mappings that wait for their turn, which comes in order of arrival.
 *
 * Filled first, then drained; while it drains, more may be added as long as
 * they arrived later than the one taken last.  A mapping is in it at most
 * once ('queued').  What waits from before is one sorted array, which bulk
 * loads fill in order; what is added during the draining goes to a heap, which
 * stays tiny unless there are conflicts. */

#include <stdbool.h>
#include <stddef.h>

struct mapping;

struct mapping_array {
    struct mapping **items;
    size_t n;
    size_t allocated;
};

struct mapping_queue {
    struct mapping_array waiting;
    size_t next;                /* First of 'waiting' that is not taken. */
    struct mapping_array heap;  /* Earliest at the top, while draining. */
    bool draining;
};

void mapping_queue_init(struct mapping_queue *);
void mapping_queue_uninit(struct mapping_queue *);
bool mapping_queue_is_empty(const struct mapping_queue *);
void mapping_queue_push(struct mapping_queue *, struct mapping *);

/* Keeps those of the waiting mappings for which 'keep' returns true; it may
 * free the others.  Not while draining. */
void mapping_queue_filter(struct mapping_queue *,
                          bool (*keep)(struct mapping *, void *aux),
                          void *aux);

/* Starts to drain; then takes one after the other until NULL, which ends
 * it. */
void mapping_queue_start(struct mapping_queue *);
struct mapping *mapping_queue_pop(struct mapping_queue *);

#endif /* model/mapping-queue.h */
