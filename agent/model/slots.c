/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/slots.h"

#include <stdlib.h>
#include <string.h>
#include "model/locators.h"
#include "model/mapping-queue.h"
#include "model/policy.h"
#include "model/slots-private.h"
#include "util.h"
#include "util/addr.h"

void
slots_init(struct slots *slots, struct mapping_queue *queue)
{
    *slots = (struct slots) { .queue = queue };
    hmap_init(&slots->by_key);
}

void
slots_uninit(struct slots *slots)
{
    struct space_slot *slot;

    HMAP_FOR_EACH_POP (slot, node, &slots->by_key) {
        free(slot);
    }
    hmap_destroy(&slots->by_key);
    free(slots->dirty);
}

/* Finding slots. */

static bool
slot_has_key(const struct space_slot *slot, const struct space_key *key)
{
    if (slot->kind != key->kind || slot->vsid != key->vsid
        || slot->share != key->share) {
        return false;
    }
    switch (key->kind) {
    case SPACE_BY_CA:
    case SPACE_BY_SHARE:
    case SPACE_BY_OWNER:
        return addr_equal(&slot->ca, &key->ca);
    case SPACE_BY_MAC:
        return !memcmp(&slot->mac, &key->mac, sizeof slot->mac);
    case SPACE_PEER:
        break;
    }
    OVS_NOT_REACHED();
}

struct space_slot *
slots_find_slot__(const struct slots *slots, const struct space_key *key,
                  uint32_t hash)
{
    struct space_slot *slot;

    HMAP_FOR_EACH_WITH_HASH (slot, node, hash, &slots->by_key) {
        if (slot_has_key(slot, key)) {
            return slot;
        }
    }
    return NULL;
}

struct space_slot *
slots_get_slot__(struct slots *slots, const struct space_key *key)
{
    uint32_t hash = space_key_hash(key);
    struct space_slot *slot = slots_find_slot__(slots, key, hash);

    if (!slot) {
        slot = xzalloc(sizeof *slot);
        slot->kind = key->kind;
        slot->vsid = key->vsid;
        slot->share = key->share;
        if (key->kind == SPACE_BY_MAC) {
            slot->mac = key->mac;
        } else {
            slot->ca = key->ca;
        }
        hmap_insert(&slots->by_key, &slot->node, hash);
    }
    return slot;
}

void
slots_touch_slot__(struct slots *slots, struct space_slot *slot)
{
    if (slot->dirty) {
        return;
    }
    slot->dirty = true;
    if (slots->n_dirty >= slots->allocated_dirty) {
        slots->dirty = x2nrealloc(slots->dirty, &slots->allocated_dirty,
                                  sizeof *slots->dirty);
    }
    slots->dirty[slots->n_dirty++] = slot;
}

/* Seats. */

/* Inserts 'm' by its arrival, which is the latest if its row just changed, so
 * that the search from the end is short. */
static void
take_seat(struct space_slot *slot, struct mapping *m)
{
    enum space_kind kind = slot->kind;
    struct mapping_seat *seat = &m->seats[kind];
    struct mapping *last = slot->first ? slot->first->seats[kind].prev : NULL;
    struct mapping *prev = last;

    while (prev && prev->arrival > m->arrival) {
        prev = prev == slot->first ? NULL : prev->seats[kind].prev;
    }
    seat->slot = slot;
    seat->next = prev ? prev->seats[kind].next : slot->first;
    if (prev) {
        prev->seats[kind].next = m;
        seat->prev = prev;
    } else {
        slot->first = m;
        seat->prev = last ? last : m;
    }
    if (seat->next) {
        seat->next->seats[kind].prev = m;
    } else {
        slot->first->seats[kind].prev = m;
    }
}

static void
leave_seat(struct space_slot *slot, struct mapping *m)
{
    enum space_kind kind = slot->kind;
    struct mapping_seat *seat = &m->seats[kind];

    if (seat->next) {
        seat->next->seats[kind].prev = seat->prev;
    } else if (slot->first != m) {
        slot->first->seats[kind].prev = seat->prev;
    }
    if (slot->first == m) {
        slot->first = seat->next;
    } else {
        seat->prev->seats[kind].next = seat->next;
    }
    *seat = (struct mapping_seat) { .slot = NULL };
}

bool
mapping_is_seated(const struct mapping *m)
{
    return m->seats[SPACE_BY_MAC].slot != NULL;
}

void
slots_seat(struct slots *slots, struct mapping *m, uint32_t vsid)
{
    struct space_key key;

    ovs_assert(!m->placed && !m->bad);
    if (m->has_ca) {
        space_key_init_ca(&key, vsid, &m->ca);
        take_seat(slots_get_slot__(slots, &key), m);
    }
    space_key_init_mac(&key, vsid, m->mac);
    take_seat(slots_get_slot__(slots, &key), m);
}

/* Who holds a slot. */

/* Returns the slot's holder as 'm' sees it: the earliest that is placed and
 * that arrived before 'm'. */
static struct mapping *
find_holder_before(const struct space_slot *slot, const struct mapping *m)
{
    for (struct mapping *c = slot->first; c && c->arrival < m->arrival;
         c = c->seats[slot->kind].next) {
        if (c->placed) {
            return c;
        }
    }
    return NULL;
}

struct mapping *
slot_find_holder__(const struct space_slot *slot)
{
    struct mapping *c = slot->first;

    while (c && !c->placed) {
        c = c->seats[slot->kind].next;
    }
    return c;
}

/* A place is a PA, or this host, whichever way a packet gets there: a guest
 * may well be reached by both encapsulations while a host goes from the one
 * to the other. */
static bool
same_place(const struct mapping *a, const struct mapping *b)
{
    const struct space_where *wa = &a->locator->where;
    const struct space_where *wb = &b->locator->where;

    return addr_equal(&wa->pa, &wb->pa);
}

static bool
contradicts(enum space_kind kind, const struct mapping *m,
            const struct mapping *holder)
{
    if (m->load_balanced && holder->load_balanced) {
        return false;
    }
    switch (kind) {
    case SPACE_BY_CA:
        return true;
    case SPACE_BY_MAC:
        return !same_place(m, holder);
    case SPACE_PEER:
    case SPACE_BY_SHARE:
    case SPACE_BY_OWNER:
        break;
    }
    OVS_NOT_REACHED();
}

/* Queues the later candidates of a slot to which it makes a difference that
 * 'm' is placed now, or is no more.
 *
 * None if 'm' is not the holder.  If the next that is placed takes the same
 * view as 'm', then those beyond that one see no difference.  This keeps the
 * work small for a guest with very many CAs.  (Not in the slot of a CA, where
 * a diagnostic's text depends on which row the holder is.) */
static void
queue_later(struct slots *slots, const struct space_slot *slot,
            const struct mapping *m)
{
    enum space_kind kind = slot->kind;
    bool first_placed = true;

    if (find_holder_before(slot, m)) {
        return;
    }
    for (struct mapping *c = m->seats[kind].next; c;
         c = c->seats[kind].next) {
        mapping_queue_push(slots->queue, c);
        if (c->placed && first_placed) {
            if (kind == SPACE_BY_MAC && same_place(c, m)
                && c->load_balanced == m->load_balanced) {
                break;
            }
            first_placed = false;
        }
    }
}

static void
set_placed(struct slots *slots, struct mapping *m, bool placed)
{
    if (m->placed == placed) {
        return;
    }
    m->placed = placed;
    for (size_t kind = 0; kind < N_SEAT_KINDS; kind++) {
        struct space_slot *slot = m->seats[kind].slot;

        if (slot) {
            slots_touch_slot__(slots, slot);
            queue_later(slots, slot, m);
        }
    }
}

void
slots_unseat(struct slots *slots, struct mapping *m)
{
    set_placed(slots, m, false);
    for (size_t kind = 0; kind < N_SEAT_KINDS; kind++) {
        struct space_slot *slot = m->seats[kind].slot;

        if (slot) {
            leave_seat(slot, m);
            slots_touch_slot__(slots, slot);    /* Frees it if it is empty. */
        }
    }
}

const struct mapping *
slots_judge(struct slots *slots, struct mapping *m, enum space_kind *ret_kind)
{
    for (size_t kind = 0; kind < N_SEAT_KINDS; kind++) {
        const struct space_slot *slot = m->seats[kind].slot;
        const struct mapping *holder
            = slot ? find_holder_before(slot, m) : NULL;

        if (holder && contradicts(kind, m, holder)) {
            set_placed(slots, m, false);
            *ret_kind = kind;
            return holder;
        }
    }
    set_placed(slots, m, true);
    return NULL;
}
