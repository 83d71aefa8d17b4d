/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DATAPATH_EXT_SPACE_GRACE_H
#define DATAPATH_EXT_SPACE_GRACE_H 1

/* When a thing that readers may still be looking at can be used again.
 *
 * The writer unpublishes the thing and keeps a stamp beside it.  The stamp is
 * over once all threads have quiesced since.  One callback of ovs-rcu stands
 * for all things freed meanwhile, so freeing costs next to nothing.
 *
 * Threads: the writer's. */

#include <stdbool.h>
#include <stdint.h>

struct space_grace;

struct space_grace *space_grace_create(void);
void space_grace_destroy(struct space_grace *);

/* A stamp, never zero, below 2^63, for what is unpublished right after. */
uint64_t space_grace_stamp(struct space_grace *);

bool space_grace_is_over(struct space_grace *, uint64_t stamp);

#endif /* datapath-ext/space-grace.h */
