/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "switch/notes.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "byte-order.h"
#include "openflow/openflow.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

void
notes_init(struct notes *notes)
{
    hmap_init(&notes->by_xid);
}

void
notes_clear(struct notes *notes)
{
    struct note *note;

    HMAP_FOR_EACH_POP (note, hmap_node, &notes->by_xid) {
        free(note->text);
        free(note);
    }
    hmap_shrink(&notes->by_xid);
}

void
notes_uninit(struct notes *notes)
{
    notes_clear(notes);
    hmap_destroy(&notes->by_xid);
}

void
notes_swap(struct notes *a, struct notes *b)
{
    hmap_swap(&a->by_xid, &b->by_xid);
}

void
notes_add(struct notes *notes, ovs_be32 xid, const char *text)
{
    struct note *note = xmalloc(sizeof *note);

    note->xid = xid;
    note->text = nullable_xstrdup(text);
    hmap_insert(&notes->by_xid, &note->hmap_node, (OVS_FORCE uint32_t) xid);
}

const struct note *
notes_find(const struct notes *notes, ovs_be32 xid)
{
    const struct note *note;

    HMAP_FOR_EACH_WITH_HASH (note, hmap_node, (OVS_FORCE uint32_t) xid,
                             &notes->by_xid) {
        if (note->xid == xid) {
            return note;
        }
    }
    return NULL;
}

/* OpenFlow 1.4 and 1.5: types of messages, and how many bytes of a bundle's
 * message come before the message in it. */
enum { TYPE_FLOW_MOD = 14, TYPE_BUNDLE_ADD = 34, BUNDLE_ADD_BYTES = 16 };

static bool
is_space_mod(const uint8_t *msg, size_t n)
{
    uint64_t start[2];          /* With the numbers of an experimenter. */
    enum ofpraw raw;

    if (n < sizeof start) {
        return false;
    }
    memcpy(start, msg, sizeof start);
    return (!ofpraw_decode_partial(&raw, (const struct ofp_header *) start,
                                   sizeof start)
            && raw == OFPRAW_NXT_HNV_SPACE_MOD);
}

bool
notes_is_of_spaces(const struct ofpbuf *first_bytes)
{
    return is_space_mod(first_bytes->data, first_bytes->size);
}

char *
notes_describe(const struct ofpbuf *first_bytes)
{
    const uint8_t *p = first_bytes->data;
    size_t n = first_bytes->size;
    struct ofp11_flow_mod fm;
    struct ofp_header oh;

    /* Copied, because it may not be aligned. */
    if (n < sizeof oh) {
        return xstrdup("a message");
    }
    memcpy(&oh, p, sizeof oh);
    if (oh.type == TYPE_BUNDLE_ADD && n >= BUNDLE_ADD_BYTES + sizeof oh) {
        p += BUNDLE_ADD_BYTES;
        n -= BUNDLE_ADD_BYTES;
        memcpy(&oh, p, sizeof oh);
    }
    if (is_space_mod(p, n)) {
        return xstrdup("space entries");
    }
    if (oh.type != TYPE_FLOW_MOD || n < sizeof oh + sizeof fm) {
        return xasprintf("a message of type %"PRIu8, oh.type);
    }
    memcpy(&fm, p + sizeof oh, sizeof fm);
    return xasprintf("a flow in table %"PRIu8", priority %"PRIu16
                     ", cookie 0x%"PRIx64,
                     fm.table_id, ntohs(fm.priority), ntohll(fm.cookie));
}
