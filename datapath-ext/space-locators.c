/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/space-locators.h"
#include <errno.h>
#include <string.h>
#include "datapath-ext/space-grace.h"
#include "datapath-ext/space-table-private.h"
#include "hash.h"
#include "openvswitch/hmap.h"
#include "ovs-rcu.h"
#include "util.h"

struct use {
    struct hmap_node node;      /* In 'by_where', unless it is free. */
    uint32_t locator;
    uint32_t n_refs;            /* 0: it is free. */
    uint32_t next_free;         /* If it is free, and not the last one. */
    uint64_t stamp;             /* If it is free. */
};

struct chunk {
    struct space_chunk readers;
    struct use uses[SPACE_CHUNK_SIZE];
};
BUILD_ASSERT_DECL(offsetof(struct chunk, readers) == 0);

struct space_locators {
    struct space_chunks chunks;

    /* The writer's. */
    struct space_grace *grace;
    struct hmap by_where;
    uint32_t n;                 /* Those ever made: numbers below it. */
    uint32_t n_chunks;
    uint32_t first_free, last_free;     /* 0: none.  The oldest first. */
};

BUILD_ASSERT_DECL(offsetof(struct space_locators, chunks) == 0);

static struct chunk *
get_chunk(const struct space_locators *ls, uint32_t locator)
{
    return CONTAINER_OF(
        ovsrcu_get(struct space_chunk *,
                   &ls->chunks.chunks[locator >> SPACE_CHUNK_BITS]),
        struct chunk, readers);
}

static struct use *
get_use(const struct space_locators *ls, uint32_t locator)
{
    return &get_chunk(ls, locator)->uses[locator % SPACE_CHUNK_SIZE];
}

static uint32_t
hash_where(const struct space_where *where)
{
    return hash_bytes(&where->pa, sizeof where->pa, where->encap);
}

static struct use *
find_use(const struct space_locators *ls, const struct space_where *where,
         uint32_t hash)
{
    struct use *use;

    HMAP_FOR_EACH_WITH_HASH (use, node, hash, &ls->by_where) {
        const struct space_locator *l = space_locators_get(ls, use->locator);

        if (l->encap == where->encap
            && !memcmp(&l->pa, &where->pa, sizeof l->pa)) {
            return use;
        }
    }
    return NULL;
}

/* The freed number that has waited longest, if it has waited long enough;
 * else a new one. */
static bool
take_number(struct space_locators *ls, uint32_t *ret_locator)
{
    uint32_t locator = ls->first_free;

    if (locator
        && space_grace_is_over(ls->grace, get_use(ls, locator)->stamp)) {
        ls->first_free = get_use(ls, locator)->next_free;
        if (!ls->first_free) {
            ls->last_free = 0;
        }
        *ret_locator = locator;
        return true;
    }
    if (ls->n > SPACE_LOCATOR_MAX) {
        return false;
    }
    *ret_locator = ls->n++;
    if (!get_chunk(ls, *ret_locator)) {
        struct chunk *chunk = xzalloc_cacheline(sizeof *chunk);

        ovsrcu_set(&ls->chunks.chunks[*ret_locator >> SPACE_CHUNK_BITS],
                   &chunk->readers);
        ls->n_chunks++;
    }
    return true;
}

static void
begin_use(struct space_locators *ls, uint32_t locator,
          const struct space_where *where, uint32_t hash)
{
    struct chunk *chunk = get_chunk(ls, locator);
    struct space_locator *l
        = &chunk->readers.locators[locator % SPACE_CHUNK_SIZE];
    struct use *use = get_use(ls, locator);

    l->pa = where->pa;
    l->encap = where->encap;
    use->locator = locator;
    use->n_refs = 1;
    hmap_insert(&ls->by_where, &use->node, hash);
}

/* Nothing leads to 'use' any more, but readers may be on their way. */
static void
add_free(struct space_locators *ls, struct use *use)
{
    use->stamp = space_grace_stamp(ls->grace);
    use->next_free = 0;
    if (ls->last_free) {
        get_use(ls, ls->last_free)->next_free = use->locator;
    } else {
        ls->first_free = use->locator;
    }
    ls->last_free = use->locator;
}

static void
end_use(struct space_locators *ls, struct use *use)
{
    hmap_remove(&ls->by_where, &use->node);
    add_free(ls, use);
}

/* Not one by one from the hash table, which costs more than all the rest. */
void
space_locators_clear(struct space_locators *ls)
{
    struct use *local = get_use(ls, SPACE_LOCATOR_LOCAL);
    uint32_t hash = local->node.hash;

    hmap_destroy(&ls->by_where);
    hmap_init(&ls->by_where);
    hmap_insert(&ls->by_where, &local->node, hash);
    local->n_refs = 1;

    for (uint32_t i = SPACE_LOCATOR_LOCAL + 1; i < ls->n; i++) {
        struct use *use = get_use(ls, i);

        if (use->n_refs) {
            use->n_refs = 0;
            add_free(ls, use);
        }
    }
}

/* Locator 0 stands for any that is local. */
static bool
is_sound(const struct space_where *where)
{
    return (where->encap == SPACE_LOCAL
            ? !ipv6_addr_is_set(&where->pa)
            : where->encap <= SPACE_BALANCED);
}

int
space_locators_ref(struct space_locators *ls, const struct space_where *where,
                   uint32_t *ret_locator)
{
    if (!is_sound(where)) {
        return EINVAL;
    }

    uint32_t hash = hash_where(where);
    struct use *use = find_use(ls, where, hash);

    if (use) {
        use->n_refs++;
        *ret_locator = use->locator;
        return 0;
    }
    if (!take_number(ls, ret_locator)) {
        return ENOSPC;
    }
    begin_use(ls, *ret_locator, where, hash);
    return 0;
}

void
space_locators_unref(struct space_locators *ls, uint32_t locator)
{
    struct use *use = get_use(ls, locator);

    if (!--use->n_refs) {
        end_use(ls, use);
    }
}

/* Locator 0 is this host's; nothing frees it. */
struct space_locators *
space_locators_create(struct space_grace *grace)
{
    struct space_locators *ls = xzalloc(sizeof *ls);
    const struct space_where local = { .encap = SPACE_LOCAL };
    uint32_t locator;

    ls->grace = grace;
    hmap_init(&ls->by_where);
    space_locators_ref(ls, &local, &locator);
    ovs_assert(locator == SPACE_LOCATOR_LOCAL);
    return ls;
}

void
space_locators_destroy(struct space_locators *ls)
{
    for (size_t i = 0; i < SPACE_N_CHUNKS; i++) {
        free_cacheline(get_chunk(ls, i << SPACE_CHUNK_BITS));
    }
    hmap_destroy(&ls->by_where);
    free(ls);
}

size_t
space_locators_count(const struct space_locators *ls)
{
    return hmap_count(&ls->by_where) - 1;
}

size_t
space_locators_bytes(const struct space_locators *ls)
{
    return (sizeof *ls + ls->n_chunks * sizeof(struct chunk)
            + (hmap_count(&ls->by_where) + 1) * sizeof(struct hmap_node *));
}
