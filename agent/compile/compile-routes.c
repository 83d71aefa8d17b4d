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
    RANK_NETWORKS_ROUTE,
    RANK_SUBNETS_ROUTE,
};

/* Longest prefix wins, by its priority in TABLE_ROUTE. */
static uint16_t
route_priority(const struct addr_prefix *net, enum route_rank rank)
{
    return 100 + 4 * net->plen + rank;
}

/* For the packets of 'who' to 'net'.  Takes 'actions'. */
static void
add_route(struct compile_ctx *cx, const char *who,
          const struct addr_prefix *net, enum route_rank rank,
          const struct uuid *row, char *actions)
{
    char buf[ADDR_STRLEN];

    addr_prefix_format(net, buf);
    plan_add(cx->plan, TABLE_ROUTE, route_priority(net, rank),
             row_cookie(row),
             (addr_is_ipv4(&net->addr)
              ? plan_text("ip,%s,nw_dst=%s", who, buf)
              : plan_text("ipv6,%s,ipv6_dst=%s", who, buf)),
             actions);
}

/* Gives a packet to the CA that 'load_ca' loads, in subnet 'vsid'.  The packet
 * belongs to that subnet from here on, so what leaves the host carries its
 * VSID. */
static char *
to_ca(uint32_t vsid, const char *load_ca)
{
    return plan_text("set_field:%#"PRIx32"->"REG_VSID",%s,"
                     "resubmit(,%d),resubmit(,%d)",
                     vsid, load_ca, TABLE_SPACE_CA, TABLE_ROUTED);
}

/* The subnet's own prefixes: a packet goes where it wants to. */
static void
route_subnet(struct compile_ctx *cx, const struct rules_subnet *subnet)
{
    char *who = compile_who(subnet);

    for (size_t i = 0; i < subnet->n_prefixes; i++) {
        const struct addr_prefix *net = &subnet->prefixes[i].net;

        add_route(cx, who, net, RANK_SUBNETS_PREFIX, &subnet->row,
                  to_ca(subnet->vsid,
                        (addr_is_ipv4(&net->addr)
                         ? "move:ip_dst->"REG_CA
                         : "move:ipv6_dst->"REG_CA6)));
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

/* What the user wants: the packet goes to a guest that forwards it, whoever it
 * is for, or nowhere. */
static void
route_of_user(struct compile_ctx *cx, const struct rules_route *route)
{
    bool of_subnet = route->scope == ROUTE_OF_SUBNET;
    char *who = xasprintf("%s=%#"PRIx32,
                          of_subnet ? REG_VSID : REG_DOMAIN, route->id);
    char *load_ca = load_next_hop(&route->next_hop);

    add_route(cx, who, &route->net,
              of_subnet ? RANK_SUBNETS_ROUTE : RANK_NETWORKS_ROUTE,
              &route->row,
              (route->drop ? compile_drop(DROP_BY_ROUTE)
               : to_ca(route->vsid, load_ca)));
    free(load_ca);
    free(who);
}

/* The router's part of the packet.  Of an unknown CA nothing is found; a real
 * router, too, says so once nobody has answered its ARP requests. */
static void
routed(struct compile_ctx *cx)
{
    for (int ipv6 = 0; ipv6 < 2; ipv6++) {
        plan_add(cx->plan, TABLE_ROUTED, 0,
                 row_cookie(&cx->rules->physical_switch),
                 xstrdup(ipv6 ? "ipv6" : "ip"),
                 plan_text("dec_ttl,"
                           "set_field:"ETH_ADDR_FMT"->eth_src,"
                           "move:"REG_MAC"[0..47]->eth_dst,"
                           "resubmit(,%d)",
                           ETH_ADDR_ARGS(cx->rules->router_mac),
                           TABLE_FORWARD));
    }
    plan_add(cx->plan, TABLE_ROUTED, 100, 0, xstrdup(REG_MAC"=0"),
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
