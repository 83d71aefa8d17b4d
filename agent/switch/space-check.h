/* SPDX-License-Identifier: Apache-2.0 */

#ifndef SWITCH_SPACE_CHECK_H
#define SWITCH_SPACE_CHECK_H 1

/* Space entries that the switch has, compared with those that are wanted.
 *
 * The switch's are told one by one, because there may be a million; what is
 * kept of one that is right is its key.  In what form the switch has them is
 * the caller's business.
 *
 * Threads: one at a time. */

#include <stdbool.h>
#include <stddef.h>
#include "model/space.h"

struct space_check;
struct space_source;

/* 'holds' says whether an entry has a place in that form; NULL: all have. */
struct space_check *space_check_create(
    const struct space_source *, bool (*holds)(const struct space_entry *));
void space_check_destroy(struct space_check *);

/* The switch has an entry with this key that is as wanted, or one that nobody
 * wants.  Others need not be told. */
void space_check_right(struct space_check *, const struct space_key *);
void space_check_gone(struct space_check *, const struct space_key *);

/* That was all. */
void space_check_finish(struct space_check *);

/* After space_check_finish().  Each returns false when there are no more.
 *
 * Missing are entries that were not there, or not as wanted.  Gone are
 * entries that were there and were not wanted.  Either may have changed since
 * then, which the caller has to look up. */
bool space_check_next_missing(struct space_check *, struct space_key *);
bool space_check_next_gone(struct space_check *, struct space_key *);
size_t space_check_n_missing(const struct space_check *);

#endif /* switch/space-check.h */
