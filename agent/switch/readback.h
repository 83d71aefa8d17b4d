/* SPDX-License-Identifier: Apache-2.0 */

#ifndef SWITCH_READBACK_H
#define SWITCH_READBACK_H 1

/* What is on the switch, compared with what is wanted.
 *
 * After a reconnect the switch is asked for all its flows.  Those of space
 * entries are compared as they arrive, because there may be a million; what
 * is kept of one that is right is its key.  The flows of rules are kept until
 * the end, because the plan may change until then.
 *
 * The switch's answer is a snapshot of the moment at which it took the
 * request.  What is wanted may change while the answer arrives, and is then
 * sent to the switch at once, behind the request.  That does no harm:
 *
 *   - An entry is put: sent at once.  Whether the snapshot shows the old flow,
 *     none, or by chance the same, the result of this module is to put the
 *     entry as it is wanted later, which says the same again or something
 *     newer, or to leave it, and both are behind what the snapshot showed.
 *
 *   - An entry is removed: its key waits until the end, with those of the
 *     flows that nobody wants, and each key is looked up again before its
 *     flow is removed.  An entry that is back by then has been put.
 *
 *   - The plan changes: it is not sent before the end, and then compared as
 *     it is.
 *
 * All messages say what shall be, not what shall be different, so saying
 * something twice is the same as saying it once.
 *
 * Threads: one at a time. */

#include <stdbool.h>
#include <stddef.h>
#include "model/space.h"
#include "openflow/openflow-common.h"

struct changes;
struct ofpbuf;
struct plan;
struct readback;
struct space_source;

/* 'holds' says whether an entry is to have a flow; NULL: all are. */
struct readback *readback_create(const struct space_source *,
                                 bool (*holds)(const struct space_entry *),
                                 enum ofp_version);
void readback_destroy(struct readback *);

/* Takes in 'msg', a part of the switch's answer, which it consumes but does
 * not free.  Returns false if it makes no sense.  After the last part
 * '*ret_done' is true. */
bool readback_take(struct readback *, struct ofpbuf *msg, bool *ret_done);

/* After the last part.  Each returns false when there are no more.
 *
 * Missing are entries that were not there, or not as wanted.  Gone are
 * entries that were there and were not wanted.  Either may have changed since
 * then, which the caller has to look up. */
bool readback_next_missing(struct readback *, struct space_key *);
bool readback_next_gone(struct readback *, struct space_key *);

/* After the last part: adds what has to change for 'plan', including the
 * removal of flows that are neither of a plan nor of a space entry. */
void readback_compare(const struct readback *, const struct plan *,
                      struct changes *);

size_t readback_n_flows(const struct readback *);
size_t readback_n_missing(const struct readback *);

#endif /* switch/readback.h */
