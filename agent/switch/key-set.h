/* SPDX-License-Identifier: Apache-2.0 */

#ifndef SWITCH_KEY_SET_H
#define SWITCH_KEY_SET_H 1

/* A set of space entries' keys, of which there may be millions: open
 * addressing, since a node per key would double what it takes.
 *
 * All zeros is the empty set.  Threads: one at a time. */

#include <stdbool.h>
#include <stddef.h>
#include "model/space.h"

struct key_set {
    struct space_key *slots;    /* A power of 2, or NULL.  A free one has a
                                 * VSID that none can have. */
    size_t n, mask;
};

void key_set_uninit(struct key_set *);

void key_set_add(struct key_set *, const struct space_key *);
bool key_set_contains(const struct key_set *, const struct space_key *);

/* Returns whether it was in the set. */
bool key_set_remove(struct key_set *, const struct space_key *);

#endif /* switch/key-set.h */
