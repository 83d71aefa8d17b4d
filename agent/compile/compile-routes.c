/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include <stdlib.h>
#include "packets.h"
#include "util.h"

/* Of routes for one prefix, the one that is closest to the sender. */
enum route_rank {
    RANK_SUBNETS_PREFIX,
    RANK_MIGRATING,             /* A prefix's, for one CA of it. */
    RANK_NETWORKS_ROUTE,
    RANK_SUBNETS_ROUTE,
};

/* In TABLE_ROUTED. */
enum routed_priority {
    PRIORITY_ANY = 0,
    PRIORITY_UNKNOWN = 100,
    PRIORITY_TTL = 300,
};

/* Longest prefix wins, by its priority in TABLE_ROUTE. */
static uint16_t
route_priority(const struct addr_prefix *net, enum route_rank rank)
{
    return 100 + 4 * net->plen + rank;
}

/* For the packets of 'who' to 'dst', which is in 'net' or is it.  Takes
 * 'actions'. */
static void
add_route(struct compile_ctx *cx, const char *who,
          const struct addr_prefix *dst, const struct addr_prefix *net,
          enum route_rank rank, const struct uuid *row, char *actions)
{
    char buf[ADDR_STRLEN];

    addr_prefix_format(dst, buf);
    plan_add(cx->plan, TABLE_ROUTE, route_priority(net, rank),
             row_cookie(row),
             (addr_is_ipv4(&dst->addr)
              ? plan_text("ip,%s,nw_dst=%s", who, buf)
              : plan_text("ipv6,%s,ipv6_dst=%s", who, buf)),
             actions);
}

/* The packet belongs to the destination's subnet from here on, so what leaves
 * the host carries its VSID.  Takes 'actions'. */
static char *
in_subnet(uint32_t vsid, char *actions)
{
    char *text = plan_text("set_field:%#"PRIx32"->"REG_VSID",%s", vsid,
                           actions);

    free(actions);
    return text;
}

/* Finds the CA that a packet to 'net' of 'subnet' is for. */
static char *
find_destination(const struct compile_ctx *cx,
                 const struct rules_subnet *subnet,
                 const struct addr_prefix *net)
{
    enum find_what what = (addr_is_ipv4(&net->addr)
                           ? FIND_IP_DST : FIND_IPV6_DST);

    return compile_find_in(cx, subnet, what, TABLE_ROUTED);
}

/* What goes to two places is not for the datapath. */
static void
route_migrating(struct compile_ctx *cx, const struct rules_subnet *subnet,
                const char *who, const struct addr_prefix *net)
{
    for (size_t i = 0; i < subnet->n_migrations; i++) {
        const struct in6_addr *ca = &subnet->migrations[i].ca;
        bool is_ipv4 = addr_is_ipv4(ca);

        if (addr_prefix_contains(net, ca)) {
            add_route(cx, who,
                      &(struct addr_prefix) { *ca, is_ipv4 ? 32 : 128 }, net,
                      RANK_MIGRATING, &subnet->row,
                      in_subnet(subnet->vsid,
                                find_destination(cx, subnet, net)));
        }
    }
}

/* The subnet's own prefixes: a packet goes where it wants to. */
static void
route_subnet(struct compile_ctx *cx, const struct rules_subnet *subnet)
{
    bool is_plain = compile_is_plain(cx, subnet);
    char *who = compile_who(subnet);

    for (size_t i = 0; i < subnet->n_prefixes; i++) {
        const struct addr_prefix *net = &subnet->prefixes[i].net;

        add_route(cx, who, net, net, RANK_SUBNETS_PREFIX, &subnet->row,
                  in_subnet(subnet->vsid,
                            (is_plain
                             ? compile_route_action(cx, subnet->vsid, NULL)
                             : find_destination(cx, subnet, net))));
        if (is_plain) {
            route_migrating(cx, subnet, who, net);
        }
    }
    free(who);
}

static char *
load_next_hop(const struct in6_addr *next_hop)
{
    if (addr_is_ipv4(next_hop)) {
        return xasprintf("set_field:%#"PRIx32"->"REG_CA,
                         ntohl(addr_to_ipv4(next_hop)));
    }

    char *ca = pipeline_addr6(next_hop);
    char *load = xasprintf("set_field:%s->"REG_CA6, ca);

    free(ca);
    return load;
}

static char *
to_next_hop(const struct compile_ctx *cx, const struct rules_route *route)
{
    const struct rules_subnet *subnet = rules_find_subnet(cx->rules,
                                                          route->vsid);
    enum find_what what = (addr_is_ipv4(&route->next_hop)
                           ? FIND_CA : FIND_CA6);
    char *load_ca = load_next_hop(&route->next_hop);
    char *go = (compile_is_plain(cx, subnet) && !subnet->n_migrations
                ? compile_route_action(cx, route->vsid, &route->next_hop)
                : compile_find_in(cx, subnet, what, TABLE_ROUTED));
    char *actions = xasprintf("%s,%s", load_ca, go);

    free(go);
    free(load_ca);
    return in_subnet(route->vsid, actions);
}

/* What the user wants: the packet goes to a guest that forwards it, whoever it
 * is for, or nowhere. */
static void
route_of_user(struct compile_ctx *cx, const struct rules_route *route)
{
    bool of_subnet = route->scope == ROUTE_OF_SUBNET;
    char *who = xasprintf("%s=%#"PRIx32,
                          of_subnet ? REG_VSID : REG_DOMAIN, route->id);

    add_route(cx, who, &route->net, &route->net,
              of_subnet ? RANK_SUBNETS_ROUTE : RANK_NETWORKS_ROUTE,
              &route->row,
              (route->drop ? compile_drop(DROP_BY_ROUTE)
               : to_next_hop(cx, route)));
    free(who);
}

/* Where there is a route, the TTL is the first that is asked for.  Not before:
 * the datapath reads it by itself, so that packets which it routes need no
 * megaflow for each TTL. */
static void
check_ttl(struct compile_ctx *cx, const char *family)
{
    for (int ttl = 0; ttl <= 1; ttl++) {
        plan_add(cx->plan, TABLE_ROUTED, PRIORITY_TTL,
                 row_cookie(&cx->rules->physical_switch),
                 plan_text("%s,nw_ttl=%d", family, ttl),
                 compile_refuse(PUNT_TTL, DROP_TTL));
    }
}

/* The router's part of the packet.  Of an unknown CA nothing is found; a real
 * router, too, says so once nobody has answered its ARP requests. */
static void
routed(struct compile_ctx *cx)
{
    for (int ipv6 = 0; ipv6 < 2; ipv6++) {
        const char *family = ipv6 ? "ipv6" : "ip";

        check_ttl(cx, family);
        plan_add(cx->plan, TABLE_ROUTED, PRIORITY_ANY,
                 row_cookie(&cx->rules->physical_switch), xstrdup(family),
                 plan_text("dec_ttl,"
                           "set_field:"ETH_ADDR_FMT"->eth_src,"
                           "move:"REG_MAC"[0..47]->eth_dst,"
                           "resubmit(,%d)",
                           ETH_ADDR_ARGS(cx->rules->router_mac),
                           TABLE_FORWARD));
    }
    plan_add(cx->plan, TABLE_ROUTED, PRIORITY_UNKNOWN, 0, xstrdup(REG_MAC"=0"),
             compile_refuse(PUNT_NO_HOST, DROP_UNKNOWN_CA));
}

void
compile_routes(struct compile_ctx *cx)
{
    if (eth_addr_is_zero(cx->rules->router_mac)) {
        return;
    }
    for (size_t i = 0; i < cx->rules->n_subnets; i++) {
        route_subnet(cx, &cx->rules->subnets[i]);
    }
    for (size_t i = 0; i < cx->rules->n_routes; i++) {
        route_of_user(cx, &cx->rules->routes[i]);
    }
    plan_add(cx->plan, TABLE_ROUTE, 0, 0, xstrdup(""),
             compile_refuse(PUNT_NO_ROUTE, DROP_NO_ROUTE));
    routed(cx);
}
