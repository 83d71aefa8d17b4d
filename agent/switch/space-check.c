/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "switch/space-check.h"
#include <stdlib.h>
#include "switch/key-set.h"
#include "switch/switch.h"
#include "util.h"

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
        key_set_uninit(&check->right);
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
    key_set_uninit(&check->right);
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
