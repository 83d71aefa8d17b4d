/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/slots.h"

#include <stdlib.h>
#include <string.h>
#include "model/locators.h"
#include "model/mapping-queue.h"
#include "model/mapping-subnet.h"
#include "model/policy.h"
#include "model/rules.h"
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
    if (slot->kind != key->kind || slot->share != key->share
        || (slot->kind != SPACE_BY_PA && slot->vsid != key->vsid)) {
        return false;
    }
    switch (key->kind) {
    case SPACE_BY_CA:
    case SPACE_BY_SHARE:
    case SPACE_BY_OWNER:
        return addr_equal(&slot->ca, &key->ca);
    case SPACE_BY_MAC:
        return !memcmp(&slot->mac, &key->mac, sizeof slot->mac);
    case SPACE_BY_PA:
        return addr_equal(&slot->pa, &key->pa);
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
        } else if (key->kind == SPACE_BY_PA) {
            slot->pa = key->pa;
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
    struct mapping_seat *seat = mapping_seat(m, kind);
    struct mapping *last
        = slot->first ? mapping_seat(slot->first, kind)->prev : NULL;
    struct mapping *prev = last;

    while (prev && prev->arrival > m->arrival) {
        prev = prev == slot->first ? NULL : mapping_seat(prev, kind)->prev;
    }
    seat->slot = slot;
    seat->next = prev ? mapping_seat(prev, kind)->next : slot->first;
    if (prev) {
        mapping_seat(prev, kind)->next = m;
        seat->prev = prev;
    } else {
        slot->first = m;
        seat->prev = last ? last : m;
    }
    if (seat->next) {
        mapping_seat(seat->next, kind)->prev = m;
    } else {
        mapping_seat(slot->first, kind)->prev = m;
    }
}

static void
leave_seat(struct space_slot *slot, struct mapping *m)
{
    enum space_kind kind = slot->kind;
    struct mapping_seat *seat = mapping_seat(m, kind);

    if (seat->next) {
        mapping_seat(seat->next, kind)->prev = seat->prev;
    } else if (slot->first != m) {
        mapping_seat(slot->first, kind)->prev = seat->prev;
    }
    if (slot->first == m) {
        slot->first = seat->next;
    } else {
        mapping_seat(seat->prev, kind)->next = seat->next;
    }
    *seat = (struct mapping_seat) { .slot = NULL };
}

/* The slot of 'kind' that 'm' has a seat in, or NULL. */
static struct space_slot *
slot_of(struct mapping *m, enum space_kind kind)
{
    const struct mapping_seat *seat = mapping_seat(m, kind);

    return seat ? seat->slot : NULL;
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
    if (m->has_ca && m->subnet->rules->rewrite) {
        m->pa_seat = xzalloc(sizeof *m->pa_seat);
        space_key_init_pa(&key, &m->locator->resolved_pa);
        take_seat(slots_get_slot__(slots, &key), m);
    }
}

/* Who holds a slot. */

/* Returns the slot's holder as 'm' sees it: the earliest that is placed and
 * that arrived before 'm'. */
static struct mapping *
find_holder_before(const struct space_slot *slot, const struct mapping *m)
{
    for (struct mapping *c = slot->first; c && c->arrival < m->arrival;
         c = mapping_seat(c, slot->kind)->next) {
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
        c = mapping_seat(c, slot->kind)->next;
    }
    return c;
}

/* A place is a PA, or this host, whichever way a packet gets there: a guest
 * may well be reached by both encapsulations while a host goes from the one
 * to the other.  (With IP rewrite a PA is no place: then all that is known is
 * whether it is on this host.) */
static bool
same_place(const struct mapping *a, const struct mapping *b)
{
    struct space_where wa = mapping_where(a, SPACE_BY_MAC);
    struct space_where wb = mapping_where(b, SPACE_BY_MAC);

    return (wa.encap == SPACE_LOCAL) == (wb.encap == SPACE_LOCAL)
           && addr_equal(&wa.pa, &wb.pa);
}

static bool
contradicts(enum space_kind kind, const struct mapping *m,
            const struct mapping *holder)
{
    bool balanced = mapping_is_balanced(m) && mapping_is_balanced(holder);

    switch (kind) {
    case SPACE_BY_CA:
        return !balanced;
    case SPACE_BY_MAC:
        return !balanced && !same_place(m, holder);
    case SPACE_BY_PA:
        return true;
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
 * work small for a guest with very many CAs.  (Not in the slot of a CA or PA,
 * where a diagnostic's text depends on which row the holder is.) */
static void
queue_later(struct slots *slots, const struct space_slot *slot,
            struct mapping *m)
{
    enum space_kind kind = slot->kind;
    bool first_placed = true;

    if (find_holder_before(slot, m)) {
        return;
    }
    for (struct mapping *c = mapping_seat(m, kind)->next; c;
         c = mapping_seat(c, kind)->next) {
        mapping_queue_push(slots->queue, c);
        if (c->placed && first_placed) {
            if (kind == SPACE_BY_MAC && same_place(c, m)
                && mapping_is_balanced(c) == mapping_is_balanced(m)) {
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
        struct space_slot *slot = slot_of(m, kind);

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
        struct space_slot *slot = slot_of(m, kind);

        if (slot) {
            leave_seat(slot, m);
            slots_touch_slot__(slots, slot);    /* Frees it if it is empty. */
        }
    }
    free(m->pa_seat);
    m->pa_seat = NULL;
}

const struct mapping *
slots_judge(struct slots *slots, struct mapping *m, enum space_kind *ret_kind)
{
    for (size_t kind = 0; kind < N_SEAT_KINDS; kind++) {
        const struct space_slot *slot = slot_of(m, kind);
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
