/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/resolve.h"

#include <stdlib.h>
#include <strings.h>
#include "model/prefix.h"
#include "model/rules.h"
#include "sset.h"
#include "util.h"
#include "util/addr.h"
#include "uuid.h"

/* A column of static routes. */
struct route_map {
    const struct stored_row *row;
    const char *table;          /* Constant, from the schema. */
    const struct row_map *map;
    struct uuid network;        /* Logical_Router that next hops are in. */
    struct rules_route model;   /* What all of its routes have in common. */
    bool routed;
    struct sset prefixes;       /* Of the routes so far. */
};

/* Reads what a route is for.  Returns NULL, or a constant that says what is
 * wrong with it. */
static const char *
read_destination(const char *key, struct rules_route *route)
{
    struct addr_prefix given, reserved;

    if (!addr_prefix_parse(key, &given)) {
        return "the prefix is not of the form ADDRESS/LENGTH";
    }
    route->net = addr_prefix_network(&given);
    for (size_t i = 0; prefix_get_reserved(i, &reserved); i++) {
        if (route->net.plen >= reserved.plen
            && addr_prefix_overlaps(&reserved, &route->net)) {
            return "nothing is routed to such a prefix";
        }
    }
    return NULL;
}

/* Finds where in 'network' the next hop is. */
static const char *
find_next_hop(const struct rules *rules, const struct uuid *network,
              struct rules_route *route)
{
    for (size_t i = 0; i < rules->n_subnets; i++) {
        const struct rules_subnet *subnet = &rules->subnets[i];

        if (!uuid_equals(&subnet->network, network)) {
            continue;
        }
        for (size_t j = 0; j < subnet->n_prefixes; j++) {
            const struct rules_prefix *prefix = &subnet->prefixes[j];

            if (!addr_prefix_contains(&prefix->net, &route->next_hop)) {
                continue;
            }
            if (addr_equal(&prefix->gateway, &route->next_hop)) {
                return "the next hop is a gateway, that is, this router";
            }
            if (!prefix_can_be_guest(&prefix->net, &route->next_hop)) {
                return "the next hop is no guest's address";
            }
            if (subnet->rewrite) {
                return "with IP rewrite a packet is for the guest whose "
                       "address it has, so none can forward it";
            }
            route->vsid = subnet->vsid;
            return NULL;
        }
    }
    return "the next hop is in no subnet of the network";
}

/* Likewise, reads where it leads to. */
static const char *
read_next_hop(const struct rules *rules, const struct uuid *network,
              const char *value, struct rules_route *route)
{
    if (!strcasecmp(value, "drop")) {
        route->drop = true;
        return NULL;
    }
    if (!addr_parse(value, &route->next_hop)) {
        return "the next hop is neither an IP address nor \"drop\"";
    }
    if (addr_is_ipv4(&route->next_hop) != addr_is_ipv4(&route->net.addr)) {
        return "the next hop is of another address family";
    }
    return find_next_hop(rules, network, route);
}

/* The keys of a map differ, but "10.1.0.0/16" and "10.1.2.3/16" mean the same
 * prefix. */
static const char *
claim_prefix(struct route_map *map, const struct addr_prefix *net)
{
    char buf[ADDR_STRLEN];

    return (sset_add(&map->prefixes, addr_prefix_format(net, buf)) ? NULL
            : "another route here has the same prefix");
}

static void
resolve_route(struct resolver *r, struct route_map *map,
              const struct row_pair *pair)
{
    struct rules *rules = r->rules;
    struct rules_route route = map->model;
    const char *fault = read_destination(pair->key, &route);

    if (!fault) {
        fault = read_next_hop(rules, &map->network, pair->value, &route);
    }
    if (!fault) {
        fault = claim_prefix(map, &route.net);
    }
    if (fault) {
        resolver_complain(r, DIAG_BAD_ROUTE, map->row, map->table,
                          "static_routes", "Route \"%.300s\" to \"%.300s\": "
                          "%s.", pair->key, pair->value, fault);
    } else if (map->routed) {
        rules->routes[rules->n_routes++] = route;
    }
}

static void
resolve_map(struct resolver *r, struct route_map *map)
{
    struct rules *rules = r->rules;

    sset_init(&map->prefixes);
    map->model.row = map->row->row.uuid;
    rules->routes = xrealloc(rules->routes, (rules->n_routes + map->map->n)
                             * sizeof *rules->routes);
    for (size_t i = 0; i < map->map->n; i++) {
        resolve_route(r, map, &map->map->pairs[i]);
    }
    sset_destroy(&map->prefixes);
}

/* Routes of the network of 'lr', for all of its subnets. */
static void
resolve_router(struct resolver *r, const struct stored_row *lr)
{
    struct route_map map = {
        .row = lr,
        .table = "Logical_Router",
        .map = &lr->row.logical_router.static_routes,
        .network = lr->row.uuid,
        .model.scope = ROUTE_OF_NETWORK,
    };

    for (size_t i = 0; i < r->rules->n_subnets; i++) {
        const struct rules_subnet *subnet = &r->rules->subnets[i];

        if (uuid_equals(&subnet->network, &map.network)) {
            map.model.id = subnet->domain;
            map.routed = subnet->routed;
            break;
        }
    }
    resolve_map(r, &map);
}

/* A subnet's own routes, for what its guests send. */
static void
resolve_subnet(struct resolver *r, const struct rules_subnet *subnet)
{
    const struct stored_row *ls
        = row_store_find(r->rows, ROW_LOGICAL_SWITCH, &subnet->row);
    struct route_map map = {
        .row = ls,
        .table = "Logical_Switch",
        .map = &ls->row.logical_switch.static_routes,
        .network = subnet->network,
        .model = { .scope = ROUTE_OF_SUBNET, .id = subnet->vsid },
        .routed = subnet->routed,
    };

    resolve_map(r, &map);
}

static int
compare_routes(const void *a_, const void *b_)
{
    const struct rules_route *a = a_;
    const struct rules_route *b = b_;

    if (a->scope != b->scope) {
        return a->scope < b->scope ? -1 : 1;
    }
    if (a->id != b->id) {
        return a->id < b->id ? -1 : 1;
    }
    int cmp = addr_compare(&a->net.addr, &b->net.addr);

    return cmp ? cmp : (a->net.plen > b->net.plen) - (a->net.plen
                                                      < b->net.plen);
}

void
resolve_routes(struct resolver *r)
{
    const struct stored_row *lr;

    HMAP_FOR_EACH (lr, node, &r->rows->tables[ROW_LOGICAL_ROUTER]) {
        resolve_router(r, lr);
    }
    for (size_t i = 0; i < r->rules->n_subnets; i++) {
        resolve_subnet(r, &r->rules->subnets[i]);
    }
    if (r->rules->n_routes) {
        qsort(r->rules->routes, r->rules->n_routes, sizeof *r->rules->routes,
              compare_routes);
    }
}
