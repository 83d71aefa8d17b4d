/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/overlay.h"

#include <stdlib.h>
#include "model/policy.h"
#include "openvswitch/hmap.h"
#include "util.h"

struct learned_entry {
    struct hmap_node node;      /* In struct overlay's 'learned'. */
    struct space_entry entry;
};

struct overlay {
    const struct policy *policy;
    struct overlay_sink sink;
    struct hmap learned;        /* "struct learned_entry"s. */
};

struct overlay *
overlay_create(const struct policy *policy, const struct overlay_sink *sink)
{
    struct overlay *overlay = xzalloc(sizeof *overlay);

    overlay->policy = policy;
    overlay->sink = *sink;
    hmap_init(&overlay->learned);
    return overlay;
}

void
overlay_destroy(struct overlay *overlay)
{
    struct learned_entry *e;

    if (!overlay) {
        return;
    }
    HMAP_FOR_EACH_POP (e, node, &overlay->learned) {
        free(e);
    }
    hmap_destroy(&overlay->learned);
    free(overlay);
}

static struct learned_entry *
find_learned(const struct overlay *overlay, const struct space_key *key)
{
    struct learned_entry *e;

    if (hmap_is_empty(&overlay->learned)) {
        return NULL;
    }
    HMAP_FOR_EACH_WITH_HASH (e, node, space_key_hash(key),
                             &overlay->learned) {
        if (space_key_equal(&e->entry.key, key)) {
            return e;
        }
    }
    return NULL;
}

static bool
policy_has(const struct overlay *overlay, const struct space_key *key)
{
    struct space_entry entry;

    return policy_find_space(overlay->policy, key, &entry);
}

/* The policy's side. */

void
overlay_policy_put(struct overlay *overlay, const struct space_entry *entry)
{
    overlay->sink.put(entry, overlay->sink.aux);
}

void
overlay_policy_remove(struct overlay *overlay, const struct space_key *key)
{
    const struct learned_entry *e = find_learned(overlay, key);

    if (e) {
        overlay->sink.put(&e->entry, overlay->sink.aux);
    } else {
        overlay->sink.remove(key, overlay->sink.aux);
    }
}

/* The learned side. */

void
overlay_learned_put(struct overlay *overlay, const struct space_entry *entry)
{
    struct learned_entry *e = find_learned(overlay, &entry->key);

    if (!e) {
        e = xmalloc(sizeof *e);
        hmap_insert(&overlay->learned, &e->node, space_key_hash(&entry->key));
    } else if (space_entry_equal(&e->entry, entry)) {
        return;
    }
    e->entry = *entry;
    if (!policy_has(overlay, &entry->key)) {
        overlay->sink.put(entry, overlay->sink.aux);
    }
}

void
overlay_learned_remove(struct overlay *overlay, const struct space_key *key)
{
    struct learned_entry *e = find_learned(overlay, key);

    if (!e) {
        return;
    }
    if (!policy_has(overlay, key)) {
        overlay->sink.remove(key, overlay->sink.aux);
    }
    hmap_remove(&overlay->learned, &e->node);
    free(e);
}

/* The whole. */

bool
overlay_find(const struct overlay *overlay, const struct space_key *key,
             struct space_entry *ret_entry)
{
    if (policy_find_space(overlay->policy, key, ret_entry)) {
        return true;
    }

    const struct learned_entry *e = find_learned(overlay, key);

    if (e) {
        *ret_entry = e->entry;
    }
    return e != NULL;
}

void
overlay_for_each(const struct overlay *overlay,
                 void (*cb)(const struct space_entry *, void *aux), void *aux)
{
    const struct learned_entry *e;

    policy_for_each_space(overlay->policy, cb, aux);
    HMAP_FOR_EACH (e, node, &overlay->learned) {
        if (!policy_has(overlay, &e->entry.key)) {
            cb(&e->entry, aux);
        }
    }
}

size_t
overlay_count_learned(const struct overlay *overlay)
{
    return hmap_count(&overlay->learned);
}
