/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DATAPATH_EXT_SPACE_LOCATORS_H
#define DATAPATH_EXT_SPACE_LOCATORS_H 1

/* Where entries of a space lead to: the few places that the many share.
 *
 * A locator is a PA with its encapsulation.  Locators have numbers, so that
 * entries are small.  A number is used again once nothing leads there and a
 * grace period has passed.
 *
 * Threads: readers take no lock.  The space table's writer makes locators. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "model/space.h"
#include "openvswitch/compiler.h"
#include "openvswitch/util.h"
#include "ovs-rcu.h"

struct space_locators;

/* This host. */
#define SPACE_LOCATOR_LOCAL 0

/* What 22 bits can say. */
#define SPACE_LOCATOR_MAX 0x3fffff

/* For readers; constant as long as a reader can hold it.  Two are in a cache
 * line, and none in two. */
OVS_ALIGNED_STRUCT(32, space_locator) {
    struct in6_addr pa;         /* As in struct space_where. */
    uint8_t encap;              /* enum space_encap */
};
BUILD_ASSERT_DECL(sizeof(struct space_locator) == 32);

static inline const struct space_locator *
space_locators_get(const struct space_locators *, uint32_t locator);

/* Private, for the function in line.  Locators are in chunks that never move;
 * what the writer counts with is kept apart from what readers read. */

#define SPACE_CHUNK_BITS 10
#define SPACE_CHUNK_SIZE (1 << SPACE_CHUNK_BITS)
#define SPACE_N_CHUNKS ((SPACE_LOCATOR_MAX + 1) >> SPACE_CHUNK_BITS)

struct space_chunk {
    struct space_locator locators[SPACE_CHUNK_SIZE];
};

/* What struct space_locators begins with. */
struct space_chunks {
    OVSRCU_TYPE(struct space_chunk *) chunks[SPACE_N_CHUNKS];
};

static inline const struct space_locator *
space_locators_get(const struct space_locators *ls, uint32_t locator)
{
    const struct space_chunks *chunks = (const void *) ls;
    const struct space_chunk *chunk = ovsrcu_get(
        struct space_chunk *, &chunks->chunks[locator >> SPACE_CHUNK_BITS]);

    return &chunk->locators[locator % SPACE_CHUNK_SIZE];
}

#endif /* datapath-ext/space-locators.h */
