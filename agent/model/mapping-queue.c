/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/mapping-queue.h"

#include <stdlib.h>
#include "model/mapping.h"
#include "util.h"

/* An empty array this large is freed, so that a bulk load leaves nothing. */
#define KEEP_ALLOCATED 1024

static void
array_add(struct mapping_array *array, struct mapping *mapping)
{
    if (array->n >= array->allocated) {
        array->items = x2nrealloc(array->items, &array->allocated,
                                  sizeof *array->items);
    }
    array->items[array->n++] = mapping;
}

static void
array_clear(struct mapping_array *array)
{
    array->n = 0;
    if (array->allocated > KEEP_ALLOCATED) {
        free(array->items);
        array->items = NULL;
        array->allocated = 0;
    }
}

static void
array_swap(struct mapping_array *array, size_t i, size_t j)
{
    struct mapping *tmp = array->items[i];

    array->items[i] = array->items[j];
    array->items[j] = tmp;
}

static bool
array_is_earlier(const struct mapping_array *array, size_t i, size_t j)
{
    return array->items[i]->arrival < array->items[j]->arrival;
}

static void
heap_push(struct mapping_array *heap, struct mapping *mapping)
{
    size_t i = heap->n;

    array_add(heap, mapping);
    while (i && array_is_earlier(heap, i, (i - 1) / 2)) {
        array_swap(heap, i, (i - 1) / 2);
        i = (i - 1) / 2;
    }
}

static struct mapping *
heap_pop(struct mapping_array *heap)
{
    struct mapping *top = heap->items[0];
    size_t i = 0;

    heap->items[0] = heap->items[--heap->n];
    for (;;) {
        size_t child = 2 * i + 1;

        if (child + 1 < heap->n && array_is_earlier(heap, child + 1, child)) {
            child++;
        }
        if (child >= heap->n || !array_is_earlier(heap, child, i)) {
            return top;
        }
        array_swap(heap, i, child);
        i = child;
    }
}

void
mapping_queue_init(struct mapping_queue *queue)
{
    *queue = (struct mapping_queue) { .draining = false };
}

void
mapping_queue_uninit(struct mapping_queue *queue)
{
    free(queue->waiting.items);
    free(queue->heap.items);
}

bool
mapping_queue_is_empty(const struct mapping_queue *queue)
{
    return !queue->waiting.n && !queue->heap.n;
}

void
mapping_queue_push(struct mapping_queue *queue, struct mapping *mapping)
{
    if (mapping->queued) {
        return;
    }
    mapping->queued = true;
    if (queue->draining) {
        heap_push(&queue->heap, mapping);
    } else {
        array_add(&queue->waiting, mapping);
    }
}

void
mapping_queue_filter(struct mapping_queue *queue,
                     bool (*keep)(struct mapping *, void *aux), void *aux)
{
    struct mapping_array *waiting = &queue->waiting;
    size_t n = 0;

    for (size_t i = 0; i < waiting->n; i++) {
        struct mapping *mapping = waiting->items[i];

        mapping->queued = false;
        if (keep(mapping, aux)) {
            mapping->queued = true;
            waiting->items[n++] = mapping;
        }
    }
    waiting->n = n;
}

static int
compare_arrival(const void *a_, const void *b_)
{
    const struct mapping *const *a = a_;
    const struct mapping *const *b = b_;

    return (*a)->arrival < (*b)->arrival ? -1 : (*a)->arrival > (*b)->arrival;
}

static bool
array_is_sorted(const struct mapping_array *array)
{
    for (size_t i = 1; i < array->n; i++) {
        if (!array_is_earlier(array, i - 1, i)) {
            return false;
        }
    }
    return true;
}

void
mapping_queue_start(struct mapping_queue *queue)
{
    struct mapping_array *waiting = &queue->waiting;

    ovs_assert(!queue->draining);
    if (!array_is_sorted(waiting)) {
        qsort(waiting->items, waiting->n, sizeof *waiting->items,
              compare_arrival);
    }
    queue->draining = true;
    queue->next = 0;
}

static struct mapping *
take_earliest(struct mapping_queue *queue)
{
    struct mapping_array *waiting = &queue->waiting;
    struct mapping_array *heap = &queue->heap;
    bool waits = queue->next < waiting->n;

    if (heap->n
        && (!waits
            || heap->items[0]->arrival
               < waiting->items[queue->next]->arrival)) {
        return heap_pop(heap);
    }
    return waits ? waiting->items[queue->next++] : NULL;
}

struct mapping *
mapping_queue_pop(struct mapping_queue *queue)
{
    struct mapping *mapping = take_earliest(queue);

    if (mapping) {
        mapping->queued = false;
        return mapping;
    }
    queue->draining = false;
    array_clear(&queue->waiting);
    array_clear(&queue->heap);
    return NULL;
}
