/* SPDX-License-Identifier: Apache-2.0 */

#ifndef ENTRY_STORE_H
#define ENTRY_STORE_H 1

/* A naive store of space entries, by key: what is wanted of a switch, or what
 * one has.
 *
 * Ownership: the store owns what is in it; a "struct stored" is there until it
 * is removed, and may be changed, but for its key. */

#include <stdbool.h>
#include "model/space.h"
#include "openvswitch/hmap.h"

struct stored {
    struct hmap_node hmap_node;
    struct space_entry entry;
};

struct store {
    struct hmap entries;        /* Contains "struct stored"s. */
};

void store_init(struct store *);
void store_uninit(struct store *);
void store_clear(struct store *);

/* Adds the entry, or has it replace the one of the same key. */
void store_put(struct store *, const struct space_entry *);

/* Does nothing if there is none. */
void store_remove(struct store *, const struct space_key *);

/* NULL if there is none. */
struct stored *store_get(const struct store *, const struct space_key *);

/* As a "struct space_source" has them, with the store for 'aux'. */
bool store_find(const struct space_key *, struct space_entry *ret_entry,
                void *store);
void store_for_each(void (*cb)(const struct space_entry *, void *cb_aux),
                    void *cb_aux, void *store);

#endif /* entry-store.h */
