/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "switch/key-set.h"
#include <stdint.h>
#include <stdlib.h>
#include "util.h"

#define FREE_VSID UINT32_MAX

void
key_set_uninit(struct key_set *set)
{
    free(set->slots);
    *set = (struct key_set) { .slots = NULL };
}

static bool
is_free(const struct key_set *set, size_t i)
{
    return set->slots[i].vsid == FREE_VSID;
}

static size_t
first_slot(const struct key_set *set, const struct space_key *key)
{
    return space_key_hash(key) & set->mask;
}

/* The key's slot, or the free one where it would go. */
static size_t
find_slot(const struct key_set *set, const struct space_key *key)
{
    size_t i = first_slot(set, key);

    while (!is_free(set, i) && !space_key_equal(&set->slots[i], key)) {
        i = (i + 1) & set->mask;
    }
    return i;
}

static void
grow(struct key_set *set)
{
    struct key_set old = *set;
    size_t n_slots = old.slots ? 2 * (old.mask + 1) : 1024;

    set->mask = n_slots - 1;
    set->slots = xmalloc(n_slots * sizeof *set->slots);
    for (size_t i = 0; i < n_slots; i++) {
        set->slots[i].vsid = FREE_VSID;
    }
    for (size_t i = 0; old.slots && i <= old.mask; i++) {
        if (!is_free(&old, i)) {
            set->slots[find_slot(set, &old.slots[i])] = old.slots[i];
        }
    }
    free(old.slots);
}

void
key_set_add(struct key_set *set, const struct space_key *key)
{
    if (!set->slots || set->n >= set->mask / 4 * 3) {
        grow(set);
    }

    size_t i = find_slot(set, key);

    if (is_free(set, i)) {
        set->slots[i] = *key;
        set->n++;
    }
}

bool
key_set_contains(const struct key_set *set, const struct space_key *key)
{
    return set->slots && !is_free(set, find_slot(set, key));
}

/* Moves keys that come after slot 'hole' there, so that none is behind a free
 * slot that it would have taken. */
static void
close_hole(struct key_set *set, size_t hole)
{
    for (size_t i = (hole + 1) & set->mask; !is_free(set, i);
         i = (i + 1) & set->mask) {
        size_t first = first_slot(set, &set->slots[i]);

        if (((i - first) & set->mask) >= ((i - hole) & set->mask)) {
            set->slots[hole] = set->slots[i];
            hole = i;
        }
    }
    set->slots[hole].vsid = FREE_VSID;
}

bool
key_set_remove(struct key_set *set, const struct space_key *key)
{
    if (!key_set_contains(set, key)) {
        return false;
    }
    close_hole(set, find_slot(set, key));
    set->n--;
    return true;
}
