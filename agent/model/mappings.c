/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/mappings.h"

#include <stdlib.h>
#include "model/guests.h"
#include "model/locators.h"
#include "model/mapping.h"
#include "model/mapping-check.h"
#include "model/mapping-subnet.h"
#include "model/policy.h"
#include "model/rules.h"
#include "packets.h"
#include "util.h"
#include "util/diag.h"
#include "uuid.h"

void
mappings_init(struct mappings *mappings, struct locators *locators,
              struct diag_set *reported)
{
    hmap_init(&mappings->by_uuid);
    hmap_init(&mappings->subnets);
    mapping_queue_init(&mappings->queue);
    slots_init(&mappings->slots, &mappings->queue);
    peers_init(&mappings->peers);
    mappings->locators = locators;
    mappings->reported = reported;
    mappings->router_mac = eth_addr_zero;
    mappings->clock = 0;
    ovs_list_init(&mappings->listed);
    mappings->guests_stale = false;
}

static void
mapping_destroy(struct mapping *m)
{
    mapping_forget_row(m);
    free(m->pa_seat);
    free(m);
}

static bool
destroy_if_dead(struct mapping *m, void *aux OVS_UNUSED)
{
    if (m->dead) {
        mapping_destroy(m);
        return false;
    }
    return true;
}

void
mappings_uninit(struct mappings *mappings)
{
    struct mapping_subnet *subnet;
    struct mapping *m;

    mapping_queue_filter(&mappings->queue, destroy_if_dead, NULL);
    HMAP_FOR_EACH_POP (m, node, &mappings->by_uuid) {
        mapping_destroy(m);
    }
    hmap_destroy(&mappings->by_uuid);
    HMAP_FOR_EACH_POP (subnet, node, &mappings->subnets) {
        subnet_peers_uninit(&subnet->peers);
        free(subnet);
    }
    hmap_destroy(&mappings->subnets);
    slots_uninit(&mappings->slots);
    peers_uninit(&mappings->peers);
    mapping_queue_uninit(&mappings->queue);
}

/* Subnets. */

static struct mapping_subnet *
get_subnet(struct mappings *mappings, const struct uuid *row)
{
    uint32_t hash = uuid_hash(row);
    struct mapping_subnet *subnet;

    HMAP_FOR_EACH_WITH_HASH (subnet, node, hash, &mappings->subnets) {
        if (uuid_equals(&subnet->row, row)) {
            return subnet;
        }
    }
    subnet = xzalloc(sizeof *subnet);
    subnet->row = *row;
    ovs_list_init(&subnet->mappings);
    subnet_peers_init(&subnet->peers);
    hmap_insert(&mappings->subnets, &subnet->node, hash);
    return subnet;
}

static void
release_subnet(struct mappings *mappings, struct mapping_subnet *subnet)
{
    if (!subnet->rules && ovs_list_is_empty(&subnet->mappings)) {
        hmap_remove(&mappings->subnets, &subnet->node);
        subnet_peers_uninit(&subnet->peers);
        free(subnet);
    }
}

/* Rows. */

static struct mapping *
find_mapping(const struct mappings *mappings, const struct uuid *uuid)
{
    struct mapping *m;

    HMAP_FOR_EACH_WITH_HASH (m, node, uuid_hash(uuid), &mappings->by_uuid) {
        if (uuid_equals(&m->uuid, uuid)) {
            return m;
        }
    }
    return NULL;
}

/* A mapping in its seats stands for its PA, which may send its network's
 * packets in a tunnel.  Neither subnet nor locator change while it has
 * them. */

static bool
stands_for_peer(const struct mapping *m)
{
    return (m->locator->where.encap != SPACE_LOCAL
            && !m->subnet->rules->rewrite);
}

static void
take_seats(struct mappings *mappings, struct mapping *m)
{
    slots_seat(&mappings->slots, m, m->subnet->rules->vsid);
    if (stands_for_peer(m)) {
        peers_ref(&mappings->peers, &m->subnet->peers,
                  &m->locator->where.pa);
    }
}

static void
leave_seats(struct mappings *mappings, struct mapping *m)
{
    if (!mapping_is_seated(m)) {
        return;
    }
    slots_unseat(&mappings->slots, m);
    if (stands_for_peer(m)) {
        peers_unref(&mappings->peers, &m->subnet->peers,
                    &m->locator->where.pa);
    }
}

static void
revisit(struct mappings *mappings, struct mapping *m)
{
    leave_seats(mappings, m);
    mapping_queue_push(&mappings->queue, m);
    guests_touch(mappings, m->subnet);
}

static void
attach(struct mappings *mappings, struct mapping *m,
       const struct row_ucast *row)
{
    m->subnet = get_subnet(mappings, &row->logical_switch);
    ovs_list_push_back(&m->subnet->mappings, &m->subnet_node);
    m->locator = locators_get(mappings->locators, &row->locator);
    ovs_list_push_back(&m->locator->mappings, &m->locator_node);
}

static void
detach(struct mappings *mappings, struct mapping *m)
{
    ovs_list_remove(&m->subnet_node);
    release_subnet(mappings, m->subnet);
    ovs_list_remove(&m->locator_node);
    locators_release(mappings->locators, m->locator);
}

static void
insert_mapping(struct mappings *mappings, const struct row *row)
{
    struct mapping *m = xzalloc(sizeof *m);

    m->uuid = row->uuid;
    m->arrival = ++mappings->clock;
    mapping_learn_row(m, &row->ucast);
    attach(mappings, m, &row->ucast);
    hmap_insert(&mappings->by_uuid, &m->node, uuid_hash(&m->uuid));
    mapping_queue_push(&mappings->queue, m);
}

static bool
mapping_is_unchanged(const struct mapping *m, const struct row_ucast *row)
{
    struct mapping new = { .bad = false };
    bool unchanged;

    if (!uuid_equals(&m->subnet->row, &row->logical_switch)
        || !uuid_equals(&m->locator->uuid, &row->locator)) {
        return false;
    }
    mapping_learn_row(&new, row);
    unchanged = mapping_values_equal(m, &new);
    mapping_forget_row(&new);
    return unchanged;
}

static void
modify_mapping(struct mappings *mappings, struct mapping *m,
               const struct row_ucast *row)
{
    if (mapping_is_unchanged(m, row)) {
        mapping_adopt_learning(m, row);
        return;
    }
    revisit(mappings, m);
    detach(mappings, m);
    m->arrival = ++mappings->clock;
    mapping_learn_row(m, row);
    attach(mappings, m, row);
}

static void
delete_mapping(struct mappings *mappings, struct mapping *m)
{
    leave_seats(mappings, m);
    guests_touch(mappings, m->subnet);
    detach(mappings, m);
    hmap_remove(&mappings->by_uuid, &m->node);
    if (m->queued || m->has_diag) {
        m->dead = true;
        mapping_queue_push(&mappings->queue, m);
    } else {
        mapping_destroy(m);
    }
}

void
mappings_apply(struct mappings *mappings, const struct row_change *change)
{
    struct mapping *m = find_mapping(mappings, &change->row.uuid);

    if (!m) {
        if (!change->deleted) {
            insert_mapping(mappings, &change->row);
        }
    } else if (change->deleted) {
        delete_mapping(mappings, m);
    } else {
        modify_mapping(mappings, m, &change->row.ucast);
    }
}

bool
mappings_are_unsettled(const struct mappings *mappings)
{
    return (!mapping_queue_is_empty(&mappings->queue)
            || mappings->slots.n_dirty > 0);
}

/* What mappings depend on. */

void
mappings_revisit_locator(struct mappings *mappings,
                         const struct locator *locator)
{
    struct mapping *m;

    LIST_FOR_EACH (m, locator_node, &locator->mappings) {
        revisit(mappings, m);
    }
}

/* True if a change from 'a' to 'b' makes no difference to mappings. */
static bool
subnets_look_equal(const struct rules_subnet *a, const struct rules_subnet *b)
{
    if (!a || !b) {
        return a == b;
    }
    return (a->vsid == b->vsid && a->rewrite == b->rewrite
            && rules_prefixes_equal(a, b));
}

static void
subnet_adopt_next(struct mappings *mappings, struct mapping_subnet *subnet)
{
    struct mapping *m;

    if (!subnets_look_equal(subnet->rules, subnet->next)) {
        LIST_FOR_EACH (m, subnet_node, &subnet->mappings) {
            revisit(mappings, m);
        }
    }
    peers_adopt_rules(&mappings->peers, &subnet->peers, subnet->rules,
                      subnet->next);
    subnet->rules = subnet->next;
    subnet->next = NULL;
    guests_follow(mappings, subnet);
    release_subnet(mappings, subnet);
}

/* No guest can have the router's MAC, so a new one concerns every mapping. */
static void
adopt_router_mac(struct mappings *mappings, struct eth_addr router_mac)
{
    struct mapping *m;

    if (!eth_addr_equals(mappings->router_mac, router_mac)) {
        mappings->router_mac = router_mac;
        HMAP_FOR_EACH (m, node, &mappings->by_uuid) {
            revisit(mappings, m);
        }
    }
}

void
mappings_adopt_rules(struct mappings *mappings, const struct rules *rules)
{
    struct mapping_subnet *subnet;

    adopt_router_mac(mappings, rules->router_mac);

    for (size_t i = 0; i < rules->n_subnets; i++) {
        const struct rules_subnet *next = &rules->subnets[i];

        get_subnet(mappings, &next->row)->next = next;
    }
    HMAP_FOR_EACH_SAFE (subnet, node, &mappings->subnets) {
        subnet_adopt_next(mappings, subnet);
    }
}

/* Settling. */

/* What the settling functions share. */
struct settling {
    struct mappings *mappings;
    const struct policy_sink *sink;
    struct diag_set diags;      /* Of the mapping at hand. */
};

/* Reports the diagnostics gathered for 'm', which are all that it has now. */
static void
report_diags(struct settling *s, struct mapping *m)
{
    bool has_diag = diag_set_count(&s->diags) > 0;

    if (has_diag || m->has_diag) {
        diag_report_row(s->mappings->reported, &s->diags, &m->uuid,
                        mapping_diag_slots, N_MAPPING_DIAG_SLOTS, s->sink);
        diag_set_clear(&s->diags);
        m->has_diag = has_diag;
    }
}

/* Removes a mapping whose row is gone, and its diagnostics, unless the row
 * came back: then they are the new mapping's to keep or to remove. */
static bool
bury(struct mapping *m, void *settling)
{
    struct settling *s = settling;

    if (!m->dead) {
        return true;
    }
    if (m->has_diag) {
        struct mapping *heir = find_mapping(s->mappings, &m->uuid);

        if (heir) {
            heir->has_diag = true;
        } else {
            report_diags(s, m);
        }
    }
    mapping_destroy(m);
    return false;
}

/* Returns true if 'm' has seats and waits to be judged. */
static bool
seat(struct mapping *m, void *settling)
{
    struct settling *s = settling;

    if (!mapping_is_seated(m)) {
        if (!mapping_check(m, &s->mappings->router_mac, &s->diags)) {
            report_diags(s, m);
            return false;
        }
        take_seats(s->mappings, m);
    }
    return true;
}

static void
judge(struct settling *s, struct mapping *m)
{
    enum space_kind kind;
    const struct mapping *holder
        = slots_judge(&s->mappings->slots, m, &kind);

    if (holder) {
        mapping_diagnose_conflict(m, holder, kind, &s->diags);
    }
    report_diags(s, m);
    guests_touch(s->mappings, m->subnet);
}

void
mappings_settle(struct mappings *mappings, const struct policy_sink *sink)
{
    struct settling s = { .mappings = mappings, .sink = sink };
    struct mapping *m;

    diag_set_init(&s.diags);
    mapping_queue_filter(&mappings->queue, bury, &s);
    mapping_queue_filter(&mappings->queue, seat, &s);
    mapping_queue_start(&mappings->queue);
    while ((m = mapping_queue_pop(&mappings->queue)) != NULL) {
        judge(&s, m);
    }
    slots_report(&mappings->slots, sink);
    peers_report(&mappings->peers, sink);
    diag_set_uninit(&s.diags);
}
