/* SPDX-License-Identifier: Apache-2.0 */

#ifndef MODEL_OVERLAY_H
#define MODEL_OVERLAY_H 1

/* The space as a whole: what the policy says, and beneath it what was learned.
 *
 * Where both have an entry of one key, the policy's is the one that counts;
 * when it goes, the learned one shows again.  Each difference of the whole is
 * told once, as it comes.
 *
 * Ownership: the learned entries are the overlay's; the policy is borrowed and
 * must outlive it.
 * Threads: one. */

#include <stdbool.h>
#include <stddef.h>
#include "model/space.h"

struct overlay;
struct policy;

struct overlay_sink {
    void (*put)(const struct space_entry *, void *aux);
    void (*remove)(const struct space_key *, void *aux);
    void *aux;
};

struct overlay *overlay_create(const struct policy *,
                               const struct overlay_sink *);
void overlay_destroy(struct overlay *);

/* What the policy's settling reports (struct policy_sink). */
void overlay_policy_put(struct overlay *, const struct space_entry *);
void overlay_policy_remove(struct overlay *, const struct space_key *);

/* What is learned.  Not while the policy settles.  Putting what is there
 * already, and removing what is not, changes nothing. */
void overlay_learned_put(struct overlay *, const struct space_entry *);
void overlay_learned_remove(struct overlay *, const struct space_key *);

/* The whole. */
bool overlay_find(const struct overlay *, const struct space_key *,
                  struct space_entry *ret_entry);
void overlay_for_each(const struct overlay *,
                      void (*cb)(const struct space_entry *, void *aux),
                      void *aux);

size_t overlay_count_learned(const struct overlay *);

#endif /* model/overlay.h */
