/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "entry-store.h"

#include <stdlib.h>
#include "util.h"

void
store_init(struct store *store)
{
    hmap_init(&store->entries);
}

void
store_uninit(struct store *store)
{
    store_clear(store);
    hmap_destroy(&store->entries);
}

void
store_clear(struct store *store)
{
    struct stored *s;

    HMAP_FOR_EACH_POP (s, hmap_node, &store->entries) {
        free(s);
    }
}

struct stored *
store_get(const struct store *store, const struct space_key *key)
{
    struct stored *s;

    HMAP_FOR_EACH_WITH_HASH (s, hmap_node, space_key_hash(key),
                             &store->entries) {
        if (space_key_equal(&s->entry.key, key)) {
            return s;
        }
    }
    return NULL;
}

bool
store_find(const struct space_key *key, struct space_entry *ret_entry,
           void *store)
{
    struct stored *s = store_get(store, key);

    if (s) {
        *ret_entry = s->entry;
    }
    return s != NULL;
}

void
store_for_each(void (*cb)(const struct space_entry *, void *cb_aux),
               void *cb_aux, void *store_)
{
    struct store *store = store_;
    struct stored *s;

    HMAP_FOR_EACH (s, hmap_node, &store->entries) {
        cb(&s->entry, cb_aux);
    }
}

void
store_put(struct store *store, const struct space_entry *e)
{
    struct stored *s = store_get(store, &e->key);

    if (!s) {
        s = xmalloc(sizeof *s);
        hmap_insert(&store->entries, &s->hmap_node, space_key_hash(&e->key));
    }
    s->entry = *e;
}

void
store_remove(struct store *store, const struct space_key *key)
{
    struct stored *s = store_get(store, key);

    if (s) {
        hmap_remove(&store->entries, &s->hmap_node);
        free(s);
    }
}
