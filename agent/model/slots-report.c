/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/slots.h"

#include <stdlib.h>
#include <string.h>
#include "jhash.h"
#include "model/mapping-subnet.h"
#include "model/policy.h"
#include "model/rules.h"
#include "model/slots-private.h"
#include "util.h"
#include "util/addr.h"

/* What slots say, to whoever follows it. */

static struct space_key
slot_to_key(const struct space_slot *slot)
{
    struct space_key key;

    switch ((enum space_kind) slot->kind) {
    case SPACE_BY_CA:
        space_key_init_ca(&key, slot->vsid, &slot->ca);
        break;
    case SPACE_BY_MAC:
        space_key_init_mac(&key, slot->vsid, slot->mac);
        break;
    case SPACE_BY_PA:
        space_key_init_pa(&key, &slot->pa);
        break;
    case SPACE_BY_SHARE:
        space_key_init_share(&key, slot->vsid, &slot->ca, slot->share);
        break;
    case SPACE_BY_OWNER:
        space_key_init_owner(&key, slot->vsid, &slot->ca);
        break;
    case SPACE_PEER:
        OVS_NOT_REACHED();
    }
    return key;
}

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

/* Makes the slot say that 'mac', in subnet 'vsid', is at 'where'. */
static void
say(struct slots *slots, struct space_slot *slot, uint64_t cookie,
    uint32_t vsid, struct eth_addr mac, const struct space_where *where,
    const struct policy_sink *sink)
{
    if (slot->said && slot->said_cookie == cookie && slot->vsid == vsid
        && !memcmp(&slot->said_mac, &mac, sizeof mac)
        && space_where_equal(&slot->said_where, where)) {
        return;
    }
    slots->n_entries += !slot->said;
    slot->said = true;
    slot->said_cookie = cookie;
    slot->vsid = vsid;
    slot->said_mac = mac;
    slot->said_where = *where;

    struct space_entry entry = slot_to_entry(slot);
    sink->space_put(&entry, sink->aux);
}

static void
say_mapping(struct slots *slots, struct space_slot *slot,
            const struct mapping *m, const struct policy_sink *sink)
{
    const struct space_where where = mapping_where(m, slot->kind);

    say(slots, slot, row_cookie(&m->uuid), m->subnet->rules->vsid, m->mac,
        &where, sink);
}

static void
say_nothing(struct slots *slots, struct space_slot *slot,
            const struct policy_sink *sink)
{
    if (slot->said) {
        struct space_key key = slot_to_key(slot);

        slot->said = false;
        slots->n_entries--;
        sink->space_remove(&key, sink->aux);
    }
}

/* Load balancing.
 *
 * A CA of load balanced mappings, be it only one for now, has a MAC that is no
 * guest's: so the guests that have it in their ARP caches need not know who
 * shares the CA, and how many they are.  Each share goes to the mapping for
 * which a hash of both is highest (rendezvous hashing): a mapping that comes
 * takes its part from all others, one that goes leaves its to them, and no
 * other share changes hands. */

/* Returns the mapping that has 'share'.  There is one: the slot's holder. */
static const struct mapping *
find_share_owner(const struct space_slot *slot, uint32_t share)
{
    const struct mapping *best = NULL;
    uint32_t best_weight = 0;

    for (const struct mapping *m = slot->first; m;
         m = m->seats[SPACE_BY_CA].next) {
        if (m->placed) {
            uint32_t weight = jhash_words(m->uuid.parts,
                                          ARRAY_SIZE(m->uuid.parts), share);

            if (!best || weight > best_weight) {
                best = m;
                best_weight = weight;
            }
        }
    }
    return best;
}

/* A derived slot has precedence over mappings that have its key, which is a
 * MAC that no guest should have. */
static struct space_slot *
get_derived(struct slots *slots, const struct space_key *key)
{
    struct space_slot *slot = slots_get_slot__(slots, key);

    slot->derived = true;
    return slot;
}

static void
drop_derived(struct slots *slots, const struct space_key *key,
             const struct policy_sink *sink)
{
    struct space_slot *slot = slots_find_slot__(slots, key,
                                                space_key_hash(key));

    if (slot) {
        slot->derived = false;
        say_nothing(slots, slot, sink);
        slots_touch_slot__(slots, slot);    /* Frees it if it is empty. */
    }
}

static void
say_balanced(struct slots *slots, struct space_slot *slot,
             const struct mapping *holder, const struct policy_sink *sink)
{
    const struct space_where balanced = { SPACE_BALANCED, slot->ca };
    const struct space_where nowhere = { .encap = SPACE_LOCAL };
    struct eth_addr mac = space_balanced_mac(slot->vsid, &slot->ca);
    uint64_t cookie = row_cookie(&holder->uuid);
    struct space_key key;

    slot->balanced = true;
    for (uint32_t share = 0; share < SPACE_N_SHARES; share++) {
        space_key_init_share(&key, slot->vsid, &slot->ca, share);
        say_mapping(slots, get_derived(slots, &key),
                    find_share_owner(slot, share), sink);
    }
    if (addr_is_ipv4(&slot->ca)) {
        space_key_init_owner(&key, slot->vsid, &slot->ca);
        say(slots, get_derived(slots, &key), cookie, slot->vsid,
            (struct eth_addr) { .ea[0] = 0 }, &nowhere, sink);
    }
    space_key_init_mac(&key, slot->vsid, mac);
    say(slots, get_derived(slots, &key), cookie, slot->vsid, mac, &balanced,
        sink);
    say(slots, slot, cookie, slot->vsid, mac, &balanced, sink);
}

static void
end_balanced(struct slots *slots, struct space_slot *slot,
             const struct policy_sink *sink)
{
    struct space_key key;

    slot->balanced = false;
    for (uint32_t share = 0; share < SPACE_N_SHARES; share++) {
        space_key_init_share(&key, slot->vsid, &slot->ca, share);
        drop_derived(slots, &key, sink);
    }
    space_key_init_owner(&key, slot->vsid, &slot->ca);
    drop_derived(slots, &key, sink);
    space_key_init_mac(&key, slot->vsid,
                       space_balanced_mac(slot->vsid, &slot->ca));
    drop_derived(slots, &key, sink);
}

/* All of it. */

static void
report_slot(struct slots *slots, struct space_slot *slot,
            const struct policy_sink *sink)
{
    const struct mapping *holder = slot_find_holder__(slot);
    bool balanced = (slot->kind == SPACE_BY_CA && holder
                     && mapping_is_balanced(holder));

    if (slot->derived) {
        return;
    }
    if (slot->balanced && !balanced) {
        end_balanced(slots, slot, sink);
    }
    if (balanced) {
        say_balanced(slots, slot, holder, sink);
    } else if (holder) {
        say_mapping(slots, slot, holder, sink);
    } else {
        say_nothing(slots, slot, sink);
    }
}

/* More slots may become dirty on the way. */
void
slots_report(struct slots *slots, const struct policy_sink *sink)
{
    for (size_t i = 0; i < slots->n_dirty; i++) {
        struct space_slot *slot = slots->dirty[i];

        slot->dirty = false;
        report_slot(slots, slot, sink);
        if (!slot->first && !slot->derived) {
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
    const struct space_slot *slot = slots_find_slot__(
        slots, key, space_key_hash(key));

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

bool
slots_mac_is_fixed(const struct slots *slots, uint32_t vsid,
                   struct eth_addr mac)
{
    struct space_key key;

    space_key_init_mac(&key, vsid, mac);

    const struct space_slot *slot = slots_find_slot__(slots, &key,
                                                      space_key_hash(&key));

    for (const struct mapping *m = slot ? slot->first : NULL; m;
         m = m->seats[SPACE_BY_MAC].next) {
        if (m->placed && m->has_ca && m->learning_disabled) {
            return true;
        }
    }
    return false;
}
