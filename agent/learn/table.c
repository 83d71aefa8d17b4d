/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "learn/table.h"

#include <limits.h>
#include <stdlib.h>
#include "learn/table-private.h"
#include "model/rules.h"
#include "packets.h"
#include "util.h"
#include "uuid.h"

struct learner_table *
learner_table_create(const struct learner_table_sink *sink)
{
    struct learner_table *t = xzalloc(sizeof *t);

    t->sink = *sink;
    hmap_init(&t->entries);
    hmap_init(&t->guests);
    hmap_init(&t->owners);
    heap_init(&t->timers);
    return t;
}

void
learner_table_destroy(struct learner_table *t)
{
    struct entry *e;
    struct guest *g;
    struct owner *o;

    if (!t) {
        return;
    }
    HMAP_FOR_EACH_POP (e, node, &t->entries) {
        free(e);
    }
    HMAP_FOR_EACH_POP (g, node, &t->guests) {
        free(g);
    }
    HMAP_FOR_EACH_POP (o, node, &t->owners) {
        free(o);
    }
    hmap_destroy(&t->entries);
    hmap_destroy(&t->guests);
    hmap_destroy(&t->owners);
    heap_destroy(&t->timers);
    free(t);
}

/* Times. */

static void
entry_confirm(struct learner_table *t, struct entry *e, long long int now)
{
    e->l.confirmed = now;
    e->l.deadline = now + e->aging_ms;
    if (learner_place_is_local(&e->l.place)) {
        e->probe_at = e->l.deadline - e->aging_ms / 4;
        e->probe_every = e->aging_ms / 12;
        if (e->doubted) {
            e->announce_at = now;
        }
    }
    e->doubted = false;
    learner_entry_schedule(t, e);
}

static void
entry_doubt(struct learner_table *t, struct entry *e, long long int now)
{
    long long int from = MAX(now, e->l.confirmed + LEARN_SURE_MS);

    if (e->doubted || e->l.candidate) {
        return;
    }
    e->doubted = true;
    if (learner_place_is_local(&e->l.place)) {
        e->probe_at = MIN(e->probe_at, from);
        e->probe_every = LEARN_DOUBT_MS / LEARN_DOUBT_PROBES;
        e->announce_at = LLONG_MAX;
        e->l.deadline = MIN(e->l.deadline, from + LEARN_DOUBT_MS);
    } else {
        e->l.deadline = MIN(e->l.deadline, from + LEARN_DOUBT_REMOTE_MS);
    }
    learner_entry_schedule(t, e);
}

static void
doubt_others(struct learner_table *t, struct guest *g, const struct entry *but,
             long long int now)
{
    struct entry *e;

    LIST_FOR_EACH (e, guest_node, &g->entries) {
        if (e != but) {
            entry_doubt(t, e, now);
        }
    }
}

/* A new entry, or a candidate that has become one. */
static void
entry_establish(struct learner_table *t, struct entry *e, long long int now)
{
    e->l.candidate = false;
    if (learner_place_is_local(&e->l.place)) {
        e->announce_at = now;
        t->sink.local_put(&e->l, t->sink.aux);
    }
    learner_entry_put(t, e);
    entry_confirm(t, e, now);
    doubt_others(t, e->guest, e, now);
}

/* Moving. */

/* 'e' is at another place, as its guest is. */
static void
entry_move(struct learner_table *t, struct entry *e,
           const struct learner_place *place, long long int now)
{
    bool was_local = learner_place_is_local(&e->l.place);
    bool is_local = learner_place_is_local(place);

    if (was_local && !is_local) {
        t->sink.local_remove(&e->l, t->sink.aux);
    }
    e->l.place = *place;
    if (is_local && !was_local) {
        t->sink.local_put(&e->l, t->sink.aux);
    }
    e->probe_at = e->announce_at = LLONG_MAX;
    e->doubted = false;
    learner_entry_put(t, e);
    entry_doubt(t, e, now);
}

/* Takes leave of what cannot come along: candidates, of which nothing is
 * known elsewhere, and what there is no room for. */
static void
guest_lighten(struct learner_table *t, struct guest *g, unsigned int room)
{
    unsigned int n = 0;
    struct entry *e;

    LIST_FOR_EACH_SAFE (e, guest_node, &g->entries) {
        if (e->l.candidate || n >= room) {
            learner_entry_destroy(t, e, false);
        } else {
            n++;
        }
    }
}

/* The guest is at another place. */
static void
guest_move(struct learner_table *t, struct guest *g,
           const struct rules_subnet *subnet,
           const struct learner_place *place, long long int now)
{
    struct owner *old = g->owner;
    struct owner *new = learner_owner_get(t, g->vsid, place);
    unsigned int limit = learner_owner_limit(subnet, place);
    struct entry *e;
    size_t n;

    g->held = true;
    old->n++;
    guest_lighten(t, g, limit - MIN(limit, new->n));
    n = ovs_list_size(&g->entries);
    g->owner = new;
    new->n += n;
    learner_owner_release(t, old, n + 1);

    LIST_FOR_EACH (e, guest_node, &g->entries) {
        entry_move(t, e, place, now);
    }
    g->held = false;
    learner_owner_release(t, new, 0);
    learner_guest_release(t, g);
}

/* Seeing. */

static struct entry *
first_candidate(const struct guest *g, unsigned int *ret_n)
{
    struct entry *first = NULL;
    struct entry *e;

    *ret_n = 0;
    LIST_FOR_EACH (e, guest_node, &g->entries) {
        if (e->l.candidate) {
            first = first ? first : e;
            ++*ret_n;
        }
    }
    return first;
}

/* Tries to make room for an entry of guest 'g', or NULL, at a place that is
 * full.  If there is none but its own old ones, these are doubted. */
static bool
make_room(struct learner_table *t, struct guest *g, long long int now)
{
    unsigned int n;
    struct entry *candidate = g ? first_candidate(g, &n) : NULL;

    if (candidate) {
        learner_entry_destroy(t, candidate, false);
    } else if (g) {
        doubt_others(t, g, NULL, now);
    }
    return candidate != NULL;
}

enum learner_result
learner_table_claim(struct learner_table *t, const struct rules_subnet *subnet,
                    const struct in6_addr *ca, struct eth_addr mac,
                    const struct learner_place *place, long long int now)
{
    struct guest *g = learner_guest_find(t, subnet->vsid, mac);
    struct entry *old = learner_entry_find(t, subnet->vsid, ca, NULL);
    bool moved = g && !learner_place_equal(&g->owner->place, place);

    if (moved) {
        guest_move(t, g, subnet, place, now);
        g = learner_guest_find(t, subnet->vsid, mac);
        old = learner_entry_find(t, subnet->vsid, ca, NULL);
    }
    if (old && old->guest == g) {
        entry_confirm(t, old, now);
        return moved ? LEARN_MOVED : LEARN_CONFIRMED;
    }

    struct entry *new = learner_entry_find(t, subnet->vsid, ca, &mac);

    if (!new) {
        if (learner_owner_is_full(t, subnet, place)
            && !make_room(t, g, now)) {
            return LEARN_FULL;
        }
        new = learner_entry_create(t, subnet, ca, mac, place);
    }
    entry_establish(t, new, now);
    if (old) {
        learner_entry_destroy(t, old, true);
    }
    return old || moved ? LEARN_MOVED : LEARN_NEW;
}

enum learner_result
learner_table_hint(struct learner_table *t, const struct rules_subnet *subnet,
                   const struct in6_addr *ca, struct eth_addr mac,
                   const struct learner_place *place, long long int now)
{
    const struct guest *g = learner_guest_find(t, subnet->vsid, mac);
    const struct entry *old = learner_entry_find(t, subnet->vsid, ca, NULL);
    struct entry *e = learner_entry_find(t, subnet->vsid, ca, &mac);
    enum learner_result result = LEARN_CONFIRMED;
    unsigned int n = 0;

    if (g && ((old && old->guest == g)
              || !learner_place_equal(&g->owner->place, place))) {
        return LEARN_CONFIRMED;
    }
    if (!e) {
        if (g) {
            first_candidate(g, &n);
        }
        if (n >= LEARN_MAX_CANDIDATES
            || learner_owner_is_full(t, subnet, place)) {
            return LEARN_FULL;
        }
        e = learner_entry_create(t, subnet, ca, mac, place);
        e->l.candidate = true;
        e->l.confirmed = now;
        result = LEARN_NEW;
    }
    e->probe_every = LEARN_CANDIDATE_MS / 20;
    e->probe_at = MIN(e->probe_at, now + e->probe_every);
    e->l.deadline = now + LEARN_CANDIDATE_MS;
    learner_entry_schedule(t, e);
    return result;
}

void
learner_table_asked(struct learner_table *t, uint32_t vsid,
                    const struct in6_addr *ca, long long int now)
{
    struct entry *e = learner_entry_find(t, vsid, ca, NULL);

    if (e && learner_place_is_local(&e->l.place) && !e->doubted) {
        long long int from = MAX(now, e->announced + LEARN_ANNOUNCE_MS);

        e->announce_at = MIN(e->announce_at, from);
        learner_entry_schedule(t, e);
    }
}

void
learner_table_doubt(struct learner_table *t, uint32_t vsid,
                    const struct in6_addr *ca, long long int now)
{
    struct entry *e = learner_entry_find(t, vsid, ca, NULL);

    if (e) {
        e->l.confirmed = MIN(e->l.confirmed, now - LEARN_SURE_MS);
        entry_doubt(t, e, now);
    }
}

/* Reviewing. */

static void
review_entry(struct learner_table *t, struct entry *e, learner_keep_cb *keep,
             void *aux)
{
    const struct rules_subnet *subnet = keep(&e->l, aux);

    if (!subnet || !uuid_equals(&subnet->row, &e->l.subnet)) {
        learner_entry_destroy(t, e, false);
        return;
    }

    long long int aging_ms = subnet->learning.aging_s * 1000LL;

    if (aging_ms != e->aging_ms) {
        e->aging_ms = aging_ms;
        if (!e->l.candidate) {
            entry_confirm(t, e, e->l.confirmed);
        }
    }
}

void
learner_table_review(struct learner_table *t, learner_keep_cb *keep, void *aux)
{
    struct entry *e;

    HMAP_FOR_EACH_SAFE (e, node, &t->entries) {
        review_entry(t, e, keep, aux);
    }
}

static void
review_guest(struct learner_table *t, struct guest *g, learner_keep_cb *keep,
             void *aux)
{
    struct entry *e;

    g->held = true;
    LIST_FOR_EACH_SAFE (e, guest_node, &g->entries) {
        review_entry(t, e, keep, aux);
    }
    g->held = false;
    learner_guest_release(t, g);
}

bool
learner_table_has_key(const struct learner_table *t,
                      const struct space_key *key)
{
    if (hmap_is_empty(&t->entries)) {
        return false;
    }
    return (key->kind == SPACE_BY_CA
            ? learner_entry_find(t, key->vsid, &key->ca, NULL) != NULL
            : key->kind == SPACE_BY_MAC
              && learner_guest_find(t, key->vsid, key->mac) != NULL);
}

void
learner_table_review_key(struct learner_table *t, const struct space_key *key,
                         learner_keep_cb *keep, void *aux)
{
    if (!learner_table_has_key(t, key)) {
        return;
    }
    if (key->kind == SPACE_BY_CA) {
        review_entry(t, learner_entry_find(t, key->vsid, &key->ca, NULL),
                     keep, aux);
    } else {
        review_guest(t, learner_guest_find(t, key->vsid, key->mac), keep,
                     aux);
    }
}

/* Time. */

/* Does the one thing that is most due. */
static void
entry_run(struct learner_table *t, struct entry *e, long long int now)
{
    if (now >= e->l.deadline) {
        learner_entry_destroy(t, e, false);
        return;
    }
    if (now >= e->announce_at) {
        t->sink.announce(&e->l, t->sink.aux);
        e->announced = now;
        e->announce_at = now + e->aging_ms / 3;
    }
    if (now >= e->probe_at) {
        t->sink.probe(&e->l, t->sink.aux);
        e->probe_at = now + e->probe_every;
        if (e->l.candidate) {
            e->probe_every *= 2;
        }
    }
    learner_entry_schedule(t, e);
}

long long int
learner_table_run(struct learner_table *t, long long int now)
{
    while (!heap_is_empty(&t->timers)) {
        struct heap_node *first = heap_max(&t->timers);
        long long int due = UINT64_MAX - first->priority;

        if (due > now) {
            return due;
        }
        entry_run(t, CONTAINER_OF(first, struct entry, timer), now);
    }
    return LLONG_MAX;
}

/* Reading. */

const struct learned *
learner_table_find(const struct learner_table *t, uint32_t vsid,
                   const struct in6_addr *ca)
{
    const struct entry *e = learner_entry_find(t, vsid, ca, NULL);

    return e ? &e->l : NULL;
}

size_t
learner_table_count(const struct learner_table *t)
{
    return hmap_count(&t->entries);
}

void
learner_table_for_each(const struct learner_table *t,
                     void (*cb)(const struct learned *, void *aux), void *aux)
{
    const struct entry *e;

    HMAP_FOR_EACH (e, node, &t->entries) {
        cb(&e->l, aux);
    }
}
