/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/rules.h"

#include <stdlib.h>
#include <string.h>
#include "util.h"
#include "uuid.h"

static void
rules_subnet_uninit(struct rules_subnet *subnet)
{
    free(subnet->name);
    free(subnet->prefixes);
    free(subnet->flood);
    free(subnet->flood_here);
    free(subnet->migrations);
    free(subnet->guests);
}

void
rules_destroy(struct rules *rules)
{
    if (!rules) {
        return;
    }
    for (size_t i = 0; i < rules->n_subnets; i++) {
        rules_subnet_uninit(&rules->subnets[i]);
    }
    for (size_t i = 0; i < rules->n_ports; i++) {
        free(rules->ports[i].name);
        free(rules->ports[i].trunks);
    }
    free(rules->subnets);
    free(rules->routes);
    free(rules->ports);
    free(rules->pas);
    free(rules->pa_vlans);
    free(rules->pa_vrf);
    free(rules);
}

const struct rules_subnet *
rules_find_subnet(const struct rules *rules, uint32_t vsid)
{
    size_t low = 0;
    size_t high = rules->n_subnets;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct rules_subnet *subnet = &rules->subnets[mid];

        if (subnet->vsid == vsid) {
            return subnet;
        } else if (subnet->vsid < vsid) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return NULL;
}

/* With IP rewrite a host has a PA per guest, so it is worth a search. */
bool
rules_owns_pa(const struct rules *rules, const struct in6_addr *pa)
{
    size_t low = 0;
    size_t high = rules->n_pas;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int cmp = addr_compare(&rules->pas[mid], pa);

        if (!cmp) {
            return true;
        } else if (cmp < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return false;
}

uint64_t
row_cookie(const struct uuid *row)
{
    return ((uint64_t) row->parts[0] << 32) | row->parts[1];
}

bool
rules_prefixes_equal(const struct rules_subnet *a,
                     const struct rules_subnet *b)
{
    if (a->n_prefixes != b->n_prefixes) {
        return false;
    }
    for (size_t i = 0; i < a->n_prefixes; i++) {
        const struct rules_prefix *pa = &a->prefixes[i];
        const struct rules_prefix *pb = &b->prefixes[i];

        if (pa->net.plen != pb->net.plen
            || !addr_equal(&pa->net.addr, &pb->net.addr)
            || !addr_equal(&pa->gateway, &pb->gateway)) {
            return false;
        }
    }
    return true;
}

static bool
flood_equal(const struct rules_subnet *a, const struct rules_subnet *b)
{
    if (a->n_flood != b->n_flood || a->n_flood_here != b->n_flood_here) {
        return false;
    }
    for (size_t i = 0; i < a->n_flood_here; i++) {
        if (!addr_equal(&a->flood_here[i], &b->flood_here[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < a->n_flood; i++) {
        if (!space_where_equal(&a->flood[i], &b->flood[i])) {
            return false;
        }
    }
    return true;
}

static bool
migrations_equal(const struct rules_subnet *a, const struct rules_subnet *b)
{
    if (a->n_migrations != b->n_migrations) {
        return false;
    }
    for (size_t i = 0; i < a->n_migrations; i++) {
        const struct rules_migration *ma = &a->migrations[i];
        const struct rules_migration *mb = &b->migrations[i];

        if (!addr_equal(&ma->ca, &mb->ca)
            || !space_where_equal(&ma->to, &mb->to)) {
            return false;
        }
    }
    return true;
}

static bool
learning_equal(const struct rules_learning *a, const struct rules_learning *b)
{
    return a->enabled == b->enabled && a->limit == b->limit
           && a->aging_s == b->aging_s;
}

static bool
rules_subnet_equal(const struct rules_subnet *a, const struct rules_subnet *b)
{
    return uuid_equals(&a->row, &b->row)
           && uuid_equals(&a->network, &b->network)
           && !strcmp(a->name, b->name)
           && a->vsid == b->vsid
           && a->domain == b->domain
           && a->routed == b->routed
           && a->rewrite == b->rewrite
           && rules_prefixes_equal(a, b)
           && flood_equal(a, b)
           && a->slaac == b->slaac
           && migrations_equal(a, b)
           && learning_equal(&a->learning, &b->learning)
           && a->replication == b->replication
           && addr_equal(&a->group_pa, &b->group_pa);
}

static bool
rules_route_equal(const struct rules_route *a, const struct rules_route *b)
{
    return uuid_equals(&a->row, &b->row)
           && a->scope == b->scope
           && a->id == b->id
           && a->net.plen == b->net.plen
           && addr_equal(&a->net.addr, &b->net.addr)
           && a->drop == b->drop
           && addr_equal(&a->next_hop, &b->next_hop)
           && a->vsid == b->vsid;
}

static bool
routes_equal(const struct rules *a, const struct rules *b)
{
    if (a->n_routes != b->n_routes) {
        return false;
    }
    for (size_t i = 0; i < a->n_routes; i++) {
        if (!rules_route_equal(&a->routes[i], &b->routes[i])) {
            return false;
        }
    }
    return true;
}

static bool
guest_equal(const struct rules_guest *a, const struct rules_guest *b)
{
    return !memcmp(&a->mac, &b->mac, sizeof a->mac)
           && a->ca4 == b->ca4
           && addr_equal(&a->ca6, &b->ca6)
           && space_where_equal(&a->where, &b->where);
}

bool
rules_guests_equal(const struct rules_guest *a, size_t n_a,
                   const struct rules_guest *b, size_t n_b)
{
    if (n_a != n_b) {
        return false;
    }
    for (size_t i = 0; i < n_a; i++) {
        if (!guest_equal(&a[i], &b[i])) {
            return false;
        }
    }
    return true;
}

static bool
trunks_equal(const struct rules_port *a, const struct rules_port *b)
{
    if (a->n_trunks != b->n_trunks) {
        return false;
    }
    for (size_t i = 0; i < a->n_trunks; i++) {
        if (a->trunks[i].vlan != b->trunks[i].vlan
            || a->trunks[i].vsid != b->trunks[i].vsid) {
            return false;
        }
    }
    return true;
}

static bool
rules_port_equal(const struct rules_port *a, const struct rules_port *b)
{
    return uuid_equals(&a->row, &b->row)
           && !strcmp(a->name, b->name)
           && a->fault == b->fault
           && a->vsid == b->vsid
           && a->allow_spoof == b->allow_spoof
           && a->forwards == b->forwards
           && !memcmp(a->pinned, b->pinned, sizeof a->pinned)
           && trunks_equal(a, b);
}

bool
rules_pas_equal(const struct rules *a, const struct rules *b)
{
    if (a->n_pas != b->n_pas) {
        return false;
    }
    for (size_t i = 0; i < a->n_pas; i++) {
        if (!addr_equal(&a->pas[i], &b->pas[i])) {
            return false;
        }
    }
    return true;
}

bool
rules_equal(const struct rules *a, const struct rules *b)
{
    if (a->n_subnets != b->n_subnets || a->n_ports != b->n_ports
        || !rules_pas_equal(a, b) || !routes_equal(a, b)
        || (a->n_pas && memcmp(a->pa_vlans, b->pa_vlans,
                                a->n_pas * sizeof *a->pa_vlans))
        || !nullable_string_is_equal(a->pa_vrf, b->pa_vrf)
        || !uuid_equals(&a->physical_switch, &b->physical_switch)
        || memcmp(&a->router_mac, &b->router_mac, sizeof a->router_mac)) {
        return false;
    }
    for (size_t i = 0; i < a->n_subnets; i++) {
        if (!rules_subnet_equal(&a->subnets[i], &b->subnets[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < a->n_ports; i++) {
        if (!rules_port_equal(&a->ports[i], &b->ports[i])) {
            return false;
        }
    }
    return true;
}
