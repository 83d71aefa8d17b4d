/* SPDX-License-Identifier: Apache-2.0 */

#ifndef UTIL_RANGES_H
#define UTIL_RANGES_H 1

/* Sets of numbers of up to 128 bits, such as addresses and ports, as ranges;
 * and the same sets as blocks, which is what a switch can match on.
 *
 * A block is the numbers that are the same but for some low bits.  Every range
 * is made of at most two blocks per bit.
 *
 * Pure; any thread may call. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct range_value {
    uint64_t hi, lo;
};

struct range {
    struct range_value first, last;     /* Both are in it. */
};

struct ranges {
    struct range *ranges;       /* Once normalized: ascending, with numbers
                                 * between them. */
    size_t n, allocated;
};

static inline struct range_value
range_value(uint64_t number)
{
    return (struct range_value) { .lo = number };
}

struct range_value range_value_from_addr(const struct in6_addr *);
struct in6_addr range_value_to_addr(const struct range_value *);
int range_value_compare(const struct range_value *,
                        const struct range_value *);

void ranges_uninit(struct ranges *);

/* 'first' is not after 'last'. */
void ranges_add(struct ranges *, struct range_value first,
                struct range_value last);

/* To be called after the last ranges_add(). */
void ranges_normalize(struct ranges *);

bool ranges_contain(const struct ranges *, struct range_value);

/* A block: 'value', of which the 'n_free' lowest bits, zero in it, may be
 * anything. */
struct range_block {
    struct range_value value;
    unsigned int n_free;
};

/* Walks the blocks of normalized ranges, from a cursor that is all zeros; they
 * are in ascending order, do not overlap, and are as few as can be.  Returns
 * false at the end. */
struct range_cursor {
    size_t i;                   /* In 'ranges'. */
    bool inside;                /* 'next' counts. */
    struct range_value next;
};
bool ranges_next_block(const struct ranges *, struct range_cursor *,
                       struct range_block *);

#endif /* util/ranges.h */
