/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "util/ranges.h"
#include <stdlib.h>
#include <string.h>
#include "byte-order.h"
#include "util.h"

struct range_value
range_value_from_addr(const struct in6_addr *addr)
{
    ovs_be64 half[2];

    memcpy(half, addr, sizeof half);
    return (struct range_value) { ntohll(half[0]), ntohll(half[1]) };
}

struct in6_addr
range_value_to_addr(const struct range_value *value)
{
    ovs_be64 half[2] = { htonll(value->hi), htonll(value->lo) };
    struct in6_addr addr;

    memcpy(&addr, half, sizeof addr);
    return addr;
}

int
range_value_compare(const struct range_value *a, const struct range_value *b)
{
    return (a->hi != b->hi ? (a->hi < b->hi ? -1 : 1)
            : a->lo != b->lo ? (a->lo < b->lo ? -1 : 1) : 0);
}

static bool
is_max(const struct range_value *v)
{
    return v->hi == UINT64_MAX && v->lo == UINT64_MAX;
}

static struct range_value
next_after(const struct range_value *v)
{
    return (struct range_value) { v->hi + (v->lo == UINT64_MAX), v->lo + 1 };
}

void
ranges_uninit(struct ranges *set)
{
    free(set->ranges);
}

void
ranges_add(struct ranges *set, struct range_value first,
           struct range_value last)
{
    if (set->n >= set->allocated) {
        set->ranges = x2nrealloc(set->ranges, &set->allocated,
                                 sizeof *set->ranges);
    }
    set->ranges[set->n++] = (struct range) { first, last };
}

static int
compare_ranges(const void *a_, const void *b_)
{
    const struct range *a = a_;
    const struct range *b = b_;
    int cmp = range_value_compare(&a->first, &b->first);

    return cmp ? cmp : range_value_compare(&a->last, &b->last);
}

/* True if 'b', which does not begin before 'a', leaves no gap after it. */
static bool
touches(const struct range *a, const struct range *b)
{
    struct range_value next = next_after(&a->last);

    return is_max(&a->last) || range_value_compare(&b->first, &next) <= 0;
}

void
ranges_normalize(struct ranges *set)
{
    size_t n = 0;

    if (!set->n) {
        return;
    }
    qsort(set->ranges, set->n, sizeof *set->ranges, compare_ranges);
    for (size_t i = 1; i < set->n; i++) {
        struct range *last = &set->ranges[n];
        const struct range *r = &set->ranges[i];

        if (!touches(last, r)) {
            set->ranges[++n] = *r;
        } else if (range_value_compare(&r->last, &last->last) > 0) {
            last->last = r->last;
        }
    }
    set->n = n + 1;
}

bool
ranges_contain(const struct ranges *set, struct range_value value)
{
    for (size_t i = 0; i < set->n; i++) {
        if (range_value_compare(&set->ranges[i].first, &value) <= 0
            && range_value_compare(&value, &set->ranges[i].last) <= 0) {
            return true;
        }
    }
    return false;
}

/* The last number of the block of 'value' with 'n_free' bits. */
static struct range_value
block_end(const struct range_value *value, unsigned int n_free)
{
    struct range_value end = *value;

    if (n_free >= 64) {
        end.lo = UINT64_MAX;
        end.hi |= n_free < 128 ? (UINT64_C(1) << (n_free - 64)) - 1
                  : UINT64_MAX;
    } else {
        end.lo |= (UINT64_C(1) << n_free) - 1;
    }
    return end;
}

static bool
bit_is_set(const struct range_value *value, unsigned int bit)
{
    return (bit < 64 ? value->lo >> bit : value->hi >> (bit - 64)) & 1;
}

/* The most bits that can be free in a block that begins with 'value' and does
 * not go beyond 'last'. */
static unsigned int
most_free_bits(const struct range_value *value, const struct range_value *last)
{
    unsigned int n_free = 0;

    while (n_free < 128 && !bit_is_set(value, n_free)) {
        struct range_value end = block_end(value, n_free + 1);

        if (range_value_compare(&end, last) > 0) {
            break;
        }
        n_free++;
    }
    return n_free;
}

bool
ranges_next_block(const struct ranges *set, struct range_cursor *cursor,
                  struct range_block *block)
{
    if (cursor->i >= set->n) {
        return false;
    }

    const struct range *r = &set->ranges[cursor->i];

    block->value = cursor->inside ? cursor->next : r->first;
    block->n_free = most_free_bits(&block->value, &r->last);

    struct range_value end = block_end(&block->value, block->n_free);

    cursor->inside = range_value_compare(&end, &r->last) < 0;
    cursor->next = next_after(&end);
    cursor->i += !cursor->inside;
    return true;
}
