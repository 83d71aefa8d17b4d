/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "switch/space-check.h"
#include <stdlib.h>
#include "switch/switch.h"
#include "util.h"

/* A set of keys: open addressing, since a node per key would double what it
 * takes.  A free slot has a VSID that none can have. */
struct key_set {
    struct space_key *slots;
    size_t n, mask;
};

#define FREE_VSID UINT32_MAX

struct key_array {
    struct space_key *keys;
    size_t n, allocated;
    size_t next;                /* First that was not handed out. */
};

struct space_check {
    const struct space_source *source;
    bool (*holds)(const struct space_entry *);
    struct key_set right;
    struct key_array missing, gone;
};

static size_t
key_set_slot__(const struct key_set *set, const struct space_key *key)
{
    size_t i = space_key_hash(key) & set->mask;

    while (set->slots[i].vsid != FREE_VSID
           && !space_key_equal(&set->slots[i], key)) {
        i = (i + 1) & set->mask;
    }
    return i;
}

static void
key_set_grow__(struct key_set *set)
{
    struct key_set old = *set;
    size_t n_slots = old.slots ? 2 * (old.mask + 1) : 1024;

    set->mask = n_slots - 1;
    set->slots = xmalloc(n_slots * sizeof *set->slots);
    for (size_t i = 0; i < n_slots; i++) {
        set->slots[i].vsid = FREE_VSID;
    }
    for (size_t i = 0; old.slots && i <= old.mask; i++) {
        if (old.slots[i].vsid != FREE_VSID) {
            set->slots[key_set_slot__(set, &old.slots[i])] = old.slots[i];
        }
    }
    free(old.slots);
}

static void
key_set_add(struct key_set *set, const struct space_key *key)
{
    if (!set->slots || set->n >= set->mask / 4 * 3) {
        key_set_grow__(set);
    }

    size_t i = key_set_slot__(set, key);

    if (set->slots[i].vsid == FREE_VSID) {
        set->slots[i] = *key;
        set->n++;
    }
}

static bool
key_set_contains(const struct key_set *set, const struct space_key *key)
{
    return set->slots
           && set->slots[key_set_slot__(set, key)].vsid != FREE_VSID;
}

static void
key_array_add(struct key_array *array, const struct space_key *key)
{
    if (array->n >= array->allocated) {
        array->keys = x2nrealloc(array->keys, &array->allocated,
                                 sizeof *array->keys);
    }
    array->keys[array->n++] = *key;
}

static bool
key_array_next(struct key_array *array, struct space_key *key)
{
    if (array->next >= array->n) {
        return false;
    }
    *key = array->keys[array->next++];
    return true;
}

struct space_check *
space_check_create(const struct space_source *source,
                   bool (*holds)(const struct space_entry *))
{
    struct space_check *check = xzalloc(sizeof *check);

    check->source = source;
    check->holds = holds;
    return check;
}

void
space_check_destroy(struct space_check *check)
{
    if (check) {
        free(check->right.slots);
        free(check->missing.keys);
        free(check->gone.keys);
        free(check);
    }
}

void
space_check_right(struct space_check *check, const struct space_key *key)
{
    key_set_add(&check->right, key);
}

void
space_check_gone(struct space_check *check, const struct space_key *key)
{
    key_array_add(&check->gone, key);
}

static void
check_wanted(const struct space_entry *e, void *check_)
{
    struct space_check *check = check_;

    if ((!check->holds || check->holds(e))
        && !key_set_contains(&check->right, &e->key)) {
        key_array_add(&check->missing, &e->key);
    }
}

void
space_check_finish(struct space_check *check)
{
    check->source->for_each(check_wanted, check, check->source->aux);
    free(check->right.slots);
    check->right = (struct key_set) { .slots = NULL };
}

bool
space_check_next_missing(struct space_check *check, struct space_key *key)
{
    return key_array_next(&check->missing, key);
}

bool
space_check_next_gone(struct space_check *check, struct space_key *key)
{
    return key_array_next(&check->gone, key);
}

size_t
space_check_n_missing(const struct space_check *check)
{
    return check->missing.n;
}
