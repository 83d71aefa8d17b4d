/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "learn/table-private.h"

#include <limits.h>
#include <stdlib.h>
#include "flow.h"
#include "hash.h"
#include "model/rules.h"
#include "packets.h"
#include "util.h"

/* Finding. */

bool
learner_place_equal(const struct learner_place *a,
                    const struct learner_place *b)
{
    return a->ofport == b->ofport && space_where_equal(&a->where, &b->where);
}

static uint32_t
owner_hash(uint32_t vsid, const struct learner_place *place)
{
    uint32_t basis = hash_2words(vsid, ofp_to_u16(place->ofport));

    return hash_bytes(&place->where.pa, sizeof place->where.pa, basis);
}

static struct owner *
find_owner(const struct learner_table *t, uint32_t vsid,
           const struct learner_place *place)
{
    struct owner *o;

    HMAP_FOR_EACH_WITH_HASH (o, node, owner_hash(vsid, place), &t->owners) {
        if (o->vsid == vsid && learner_place_equal(&o->place, place)) {
            return o;
        }
    }
    return NULL;
}

static uint32_t
guest_hash(uint32_t vsid, struct eth_addr mac)
{
    return hash_bytes(&mac, sizeof mac, vsid);
}

struct guest *
learner_guest_find(const struct learner_table *t, uint32_t vsid,
                   struct eth_addr mac)
{
    struct guest *g;

    HMAP_FOR_EACH_WITH_HASH (g, node, guest_hash(vsid, mac), &t->guests) {
        if (g->vsid == vsid && eth_addr_equals(g->mac, mac)) {
            return g;
        }
    }
    return NULL;
}

static uint32_t
entry_hash(uint32_t vsid, const struct in6_addr *ca)
{
    return hash_bytes(ca, sizeof *ca, vsid);
}

struct entry *
learner_entry_find(const struct learner_table *t, uint32_t vsid,
                   const struct in6_addr *ca,
                   const struct eth_addr *candidate_mac)
{
    struct entry *e;

    HMAP_FOR_EACH_WITH_HASH (e, node, entry_hash(vsid, ca), &t->entries) {
        if (e->l.vsid == vsid && addr_equal(&e->l.ca, ca)
            && e->l.candidate == (candidate_mac != NULL)
            && (!candidate_mac || eth_addr_equals(e->l.mac,
                                                  *candidate_mac))) {
            return e;
        }
    }
    return NULL;
}

/* The space. */

static void
put_ca(struct learner_table *t, const struct entry *e)
{
    struct space_entry s = {
        .mac = e->l.mac,
        .where = e->l.place.where,
        .cookie = row_cookie(&e->l.subnet),
        .learned = true,
    };

    space_key_init_ca(&s.key, e->l.vsid, &e->l.ca);
    t->sink.space_put(&s, t->sink.aux);
}

static void
remove_ca(struct learner_table *t, const struct entry *e)
{
    struct space_key key;

    space_key_init_ca(&key, e->l.vsid, &e->l.ca);
    t->sink.space_remove(&key, t->sink.aux);
}

static void
put_mac(struct learner_table *t, struct guest *g, const struct entry *e)
{
    struct space_entry s = {
        .mac = g->mac,
        .where = g->owner->place.where,
        .cookie = row_cookie(&e->l.subnet),
        .learned = true,
    };

    space_key_init_mac(&s.key, g->vsid, g->mac);
    t->sink.space_put(&s, t->sink.aux);
    g->in_space = true;
}

void
learner_entry_put(struct learner_table *t, const struct entry *e)
{
    put_ca(t, e);
    put_mac(t, e->guest, e);
}

/* Takes the guest out of the space once it has nothing but candidates. */
static void
check_mac(struct learner_table *t, struct guest *g)
{
    const struct entry *e;
    struct space_key key;

    if (!g->in_space) {
        return;
    }
    LIST_FOR_EACH (e, guest_node, &g->entries) {
        if (!e->l.candidate) {
            return;
        }
    }
    space_key_init_mac(&key, g->vsid, g->mac);
    t->sink.space_remove(&key, t->sink.aux);
    g->in_space = false;
}

/* Owners and guests. */

unsigned int
learner_owner_limit(const struct rules_subnet *subnet,
                    const struct learner_place *place)
{
    return (subnet->learning.limit
            * (learner_place_is_local(place) ? 1 : LEARN_REMOTE_FACTOR));
}

bool
learner_owner_is_full(const struct learner_table *t,
                      const struct rules_subnet *subnet,
                      const struct learner_place *place)
{
    const struct owner *o = find_owner(t, subnet->vsid, place);

    return o && o->n >= learner_owner_limit(subnet, place);
}

struct owner *
learner_owner_get(struct learner_table *t, uint32_t vsid,
                  const struct learner_place *place)
{
    struct owner *o = find_owner(t, vsid, place);

    if (!o) {
        o = xzalloc(sizeof *o);
        o->vsid = vsid;
        o->place = *place;
        hmap_insert(&t->owners, &o->node, owner_hash(vsid, place));
    }
    return o;
}

void
learner_owner_release(struct learner_table *t, struct owner *o, unsigned int n)
{
    o->n -= n;
    if (!o->n) {
        hmap_remove(&t->owners, &o->node);
        free(o);
    }
}

static struct guest *
get_guest(struct learner_table *t, uint32_t vsid, struct eth_addr mac,
          const struct learner_place *place)
{
    struct guest *g = learner_guest_find(t, vsid, mac);

    if (!g) {
        g = xzalloc(sizeof *g);
        g->vsid = vsid;
        g->mac = mac;
        g->owner = learner_owner_get(t, vsid, place);
        ovs_list_init(&g->entries);
        hmap_insert(&t->guests, &g->node, guest_hash(vsid, mac));
    }
    return g;
}

void
learner_guest_release(struct learner_table *t, struct guest *g)
{
    if (!g->held && ovs_list_is_empty(&g->entries)) {
        hmap_remove(&t->guests, &g->node);
        free(g);
    }
}

/* Entries. */

void
learner_entry_schedule(struct learner_table *t, struct entry *e)
{
    long long int due = MIN(e->l.deadline, MIN(e->probe_at, e->announce_at));

    heap_change(&t->timers, &e->timer, UINT64_MAX - due);
}

struct entry *
learner_entry_create(struct learner_table *t,
                     const struct rules_subnet *subnet,
                     const struct in6_addr *ca, struct eth_addr mac,
                     const struct learner_place *place)
{
    struct entry *e = xzalloc(sizeof *e);

    e->l.vsid = subnet->vsid;
    e->l.subnet = subnet->row;
    e->l.ca = *ca;
    e->l.mac = mac;
    e->l.place = *place;
    e->probe_at = e->announce_at = e->l.deadline = LLONG_MAX;
    e->aging_ms = subnet->learning.aging_s * 1000LL;
    e->guest = get_guest(t, subnet->vsid, mac, place);
    e->guest->owner->n++;
    ovs_list_push_back(&e->guest->entries, &e->guest_node);
    hmap_insert(&t->entries, &e->node, entry_hash(subnet->vsid, ca));
    heap_insert(&t->timers, &e->timer, 0);
    return e;
}

void
learner_entry_destroy(struct learner_table *t, struct entry *e, bool replaced)
{
    struct guest *g = e->guest;

    hmap_remove(&t->entries, &e->node);
    heap_remove(&t->timers, &e->timer);
    ovs_list_remove(&e->guest_node);
    if (!e->l.candidate) {
        if (!replaced) {
            remove_ca(t, e);
        }
        check_mac(t, g);
        if (learner_place_is_local(&e->l.place)) {
            t->sink.local_remove(&e->l, t->sink.aux);
        }
    }
    learner_owner_release(t, g->owner, 1);
    learner_guest_release(t, g);
    free(e);
}
