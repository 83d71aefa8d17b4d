/* SPDX-License-Identifier: Apache-2.0 */

#ifndef MODEL_GUESTS_H
#define MODEL_GUESTS_H 1

/* The guests of a subnet, from its mappings, for the subnets whose rules ask
 * for them: those with RULES_PER_VM.
 *
 * A changed mapping marks its subnet's list; guests_settle() then makes that
 * list anew.  Other subnets' mappings are not visited, and where no subnet
 * asks nothing is done at all.
 *
 * Threads: one. */

#include <stdbool.h>

struct mapping_subnet;
struct mappings;

/* Says that something about a mapping of 'subnet' changed, and may yet in this
 * settling. */
void guests_touch(struct mappings *, struct mapping_subnet *subnet);

/* Follows 'subnet' to its new rules, and forgets it before it is freed. */
void guests_follow(struct mappings *, struct mapping_subnet *subnet);

/* Brings 'guests' of the rules up to date, after the mappings are settled.
 * Returns true if that changed one. */
bool guests_settle(struct mappings *);

#endif /* model/guests.h */
