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
#include "util.h"
#include "util/addr.h"

/* Holds a space_key and a space_entry in pieces, without their padding. */
struct space_slot {
    struct hmap_node node;      /* In struct slots' 'by_key'. */
    struct mapping *first;      /* Earliest candidate, NULL if none. */
    uint64_t said_cookie;       /* The entry as last reported, if 'said'. */
    struct space_where said_where;  /* As mapping_where() has it. */
    struct eth_addr said_mac;
    bool said;
    bool dirty;                 /* In struct slots' 'dirty'. */
    uint32_t vsid : 24;         /* Of a PA: as last reported. */
    uint32_t kind : 8;
    union {
        struct in6_addr ca;
        struct eth_addr mac;
        struct in6_addr pa;
    };
};

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
    if (slot->kind != key->kind) {
        return false;
    }
    switch (key->kind) {
    case SPACE_BY_CA:
        return slot->vsid == key->vsid && addr_equal(&slot->ca, &key->ca);
    case SPACE_BY_MAC:
        return slot->vsid == key->vsid
               && !memcmp(&slot->mac, &key->mac, sizeof slot->mac);
    case SPACE_BY_PA:
        return addr_equal(&slot->pa, &key->pa);
    }
    OVS_NOT_REACHED();
}

static struct space_key
slot_to_key(const struct space_slot *slot)
{
    struct space_key key;

    switch ((enum space_kind) slot->kind) {
    case SPACE_BY_CA:
        space_key_init_ca(&key, slot->vsid, &slot->ca);
        return key;
    case SPACE_BY_MAC:
        space_key_init_mac(&key, slot->vsid, slot->mac);
        return key;
    case SPACE_BY_PA:
        space_key_init_pa(&key, &slot->pa);
        return key;
    }
    OVS_NOT_REACHED();
}

static struct space_slot *
find_slot(const struct slots *slots, const struct space_key *key,
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

static struct space_slot *
get_slot(struct slots *slots, const struct space_key *key)
{
    uint32_t hash = space_key_hash(key);
    struct space_slot *slot = find_slot(slots, key, hash);

    if (!slot) {
        slot = xzalloc(sizeof *slot);
        slot->kind = key->kind;
        slot->vsid = key->vsid;
        switch (key->kind) {
        case SPACE_BY_CA:
            slot->ca = key->ca;
            break;
        case SPACE_BY_MAC:
            slot->mac = key->mac;
            break;
        case SPACE_BY_PA:
            slot->pa = key->pa;
            break;
        }
        hmap_insert(&slots->by_key, &slot->node, hash);
    }
    return slot;
}

static void
touch_slot(struct slots *slots, struct space_slot *slot)
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
        take_seat(get_slot(slots, &key), m);
    }
    space_key_init_mac(&key, vsid, m->mac);
    take_seat(get_slot(slots, &key), m);
    if (m->has_ca && m->subnet->rules->rewrite) {
        m->pa_seat = xzalloc(sizeof *m->pa_seat);
        space_key_init_pa(&key, &m->locator->resolved_pa);
        take_seat(get_slot(slots, &key), m);
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

static struct mapping *
find_holder(const struct space_slot *slot)
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
    bool balanced = m->load_balanced && holder->load_balanced;

    switch (kind) {
    case SPACE_BY_CA:
        return !balanced;
    case SPACE_BY_MAC:
        return !balanced && !same_place(m, holder);
    case SPACE_BY_PA:
        return true;
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
    for (size_t kind = 0; kind < N_SPACE_KINDS; kind++) {
        struct space_slot *slot = slot_of(m, kind);

        if (slot) {
            touch_slot(slots, slot);
            queue_later(slots, slot, m);
        }
    }
}

void
slots_unseat(struct slots *slots, struct mapping *m)
{
    set_placed(slots, m, false);
    for (size_t kind = 0; kind < N_SPACE_KINDS; kind++) {
        struct space_slot *slot = slot_of(m, kind);

        if (slot) {
            leave_seat(slot, m);
            touch_slot(slots, slot);    /* Frees it if it is empty. */
        }
    }
    free(m->pa_seat);
    m->pa_seat = NULL;
}

const struct mapping *
slots_judge(struct slots *slots, struct mapping *m, enum space_kind *ret_kind)
{
    for (size_t kind = 0; kind < N_SPACE_KINDS; kind++) {
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

/* Entries. */

static struct space_entry
slot_to_entry(const struct space_slot *slot)
{
    struct space_entry entry = {
        .key = slot_to_key(slot),
        .mac = slot->said_mac,
        .where = slot->said_where,
        .cookie = slot->said_cookie,
    };

    if (slot->kind == SPACE_BY_PA) {
        entry.vsid = slot->vsid;
        entry.ca = slot->said_where.pa;
        entry.where.pa = in6addr_any;
    }
    return entry;
}

/* Makes the slot say what 'holder' says.  Returns true if that is new. */
static bool
slot_say(struct slots *slots, struct space_slot *slot,
         const struct mapping *holder)
{
    uint64_t cookie = row_cookie(&holder->uuid);
    uint32_t vsid = holder->subnet->rules->vsid;
    struct space_where where = mapping_where(holder, slot->kind);

    if (slot->said && slot->said_cookie == cookie && slot->vsid == vsid
        && !memcmp(&slot->said_mac, &holder->mac, sizeof holder->mac)
        && space_where_equal(&slot->said_where, &where)) {
        return false;
    }
    slots->n_entries += !slot->said;
    slot->said = true;
    slot->said_cookie = cookie;
    slot->said_mac = holder->mac;
    slot->said_where = where;
    slot->vsid = vsid;
    return true;
}

static void
report_slot(struct slots *slots, struct space_slot *slot,
            const struct policy_sink *sink)
{
    const struct mapping *holder = find_holder(slot);

    if (holder) {
        if (slot_say(slots, slot, holder)) {
            struct space_entry entry = slot_to_entry(slot);

            sink->space_put(&entry, sink->aux);
        }
    } else if (slot->said) {
        struct space_key key = slot_to_key(slot);

        slot->said = false;
        slots->n_entries--;
        sink->space_remove(&key, sink->aux);
    }
}

void
slots_report(struct slots *slots, const struct policy_sink *sink)
{
    for (size_t i = 0; i < slots->n_dirty; i++) {
        struct space_slot *slot = slots->dirty[i];

        slot->dirty = false;
        report_slot(slots, slot, sink);
        if (!slot->first) {
            hmap_remove(&slots->by_key, &slot->node);
            free(slot);
        }
    }
    free(slots->dirty);
    slots->dirty = NULL;
    slots->n_dirty = slots->allocated_dirty = 0;
}

bool
slots_find(const struct slots *slots, const struct space_key *key,
           struct space_entry *ret_entry)
{
    const struct space_slot *slot = find_slot(slots, key,
                                              space_key_hash(key));

    if (!slot || !slot->said) {
        return false;
    }
    *ret_entry = slot_to_entry(slot);
    return true;
}

void
slots_for_each(const struct slots *slots,
               void (*cb)(const struct space_entry *, void *aux), void *aux)
{
    const struct space_slot *slot;

    HMAP_FOR_EACH (slot, node, &slots->by_key) {
        if (slot->said) {
            struct space_entry entry = slot_to_entry(slot);

            cb(&entry, aux);
        }
    }
}
