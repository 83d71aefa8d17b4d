/* SPDX-License-Identifier: Apache-2.0 */

#ifndef SWITCH_NOTES_H
#define SWITCH_NOTES_H 1

/* What messages said, for when the switch refuses one of them: its error
 * repeats the message's number and its first bytes, which for a person say
 * nothing.
 *
 * Threads: one at a time. */

#include <stdbool.h>
#include "openvswitch/hmap.h"
#include "openvswitch/types.h"

struct ofpbuf;

struct note {
    struct hmap_node hmap_node;
    ovs_be32 xid;
    char *text;                 /* The flow; NULL for a bundle's commit. */
};

struct notes {
    struct hmap by_xid;         /* Contains "struct note"s. */
};

void notes_init(struct notes *);
void notes_uninit(struct notes *);
void notes_clear(struct notes *);
void notes_swap(struct notes *, struct notes *);

/* Copies 'text'. */
void notes_add(struct notes *, ovs_be32 xid, const char *text);
const struct note *notes_find(const struct notes *, ovs_be32 xid);

/* Says as much as the first bytes of a message tell, for a message without a
 * note: there are too many space entries to take notes of.  The caller frees
 * the text. */
char *notes_describe(const struct ofpbuf *first_bytes);

/* True if it is of space entries. */
bool notes_is_of_spaces(const struct ofpbuf *first_bytes);

#endif /* switch/notes.h */
