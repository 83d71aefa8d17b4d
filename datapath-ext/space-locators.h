/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DATAPATH_EXT_SPACE_LOCATORS_H
#define DATAPATH_EXT_SPACE_LOCATORS_H 1

/* Where entries of a space lead to: the few places that the many share.
 *
 * A locator is a PA with its encapsulation, and for each of this host's own
 * PAs that packets were sent from, the header that is pushed on those packets.
 * Whoever knows the neighbours and routes prepares headers, when the first
 * packet needs one (HNV_REASON_NO_HEADER), and takes them away when neighbours
 * or routes change; the packet that finds none goes the slow way.
 *
 * Locators have numbers, so that entries are small.  A number is used again
 * once nothing leads there and a grace period has passed.
 *
 * Threads: readers take no lock.  The space table's writer makes locators.
 * Headers may be set by any thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "model/space.h"
#include "openvswitch/util.h"
#include "ovs-rcu.h"

struct outer_header;
struct space_locators;

/* This host. */
#define SPACE_LOCATOR_LOCAL 0

/* What 22 bits can say. */
#define SPACE_LOCATOR_MAX 0x3fffff

/* For readers; all but 'outer' is constant as long as a reader can hold it. */
struct space_locator {
    struct in6_addr pa;         /* As in struct space_where. */
    uint8_t encap;              /* enum space_encap */
};

static inline const struct space_locator *
space_locators_get(const struct space_locators *, uint32_t locator);

/* The header for packets from 'local_pa', as hnv_encap.local_pa counts them;
 * NULL if there is none. */
const struct outer_header *
space_locators_get_header(const struct space_locators *, uint32_t locator,
                          uint16_t local_pa);

/* Asks for the memory that space_locators_get() leads to; and, when that has
 * come, for that of the first header.  For batches. */
void space_locators_prefetch(const struct space_locators *, uint32_t locator);
void space_locators_prefetch_header(const struct space_locators *,
                                    uint32_t locator);

/* Sets a copy of 'header', or takes the header away if that is NULL.  False if
 * 'locator' no longer leads to 'where': then nothing is done. */
bool space_locators_set_header(struct space_locators *, uint32_t locator,
                               const struct space_where *where,
                               uint16_t local_pa,
                               const struct outer_header *header);

/* Takes all headers away. */
void space_locators_clear_headers(struct space_locators *);

/* Private, for the function in line.  Locators are in chunks that never move;
 * what the writer counts with is kept apart from what readers read. */

#define SPACE_CHUNK_BITS 10
#define SPACE_CHUNK_SIZE (1 << SPACE_CHUNK_BITS)
#define SPACE_N_CHUNKS ((SPACE_LOCATOR_MAX + 1) >> SPACE_CHUNK_BITS)

struct space_prepared;
typedef OVSRCU_TYPE(struct space_prepared *) space_prepared_link;

/* Two in a cache line. */
struct space_chunk_locator {
    struct space_locator where;
    space_prepared_link prepared;
};
BUILD_ASSERT_DECL(sizeof(struct space_chunk_locator) == 32);

struct space_chunk {
    struct space_chunk_locator locators[SPACE_CHUNK_SIZE];
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

    return &chunk->locators[locator % SPACE_CHUNK_SIZE].where;
}

#endif /* datapath-ext/space-locators.h */
