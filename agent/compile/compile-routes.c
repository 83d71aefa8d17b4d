/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include "packets.h"
#include "util.h"

/* Longest prefix wins, by its priority in TABLE_ROUTE. */
static uint16_t
route_priority(const struct addr_prefix *net)
{
    return 100 + net->plen;
}

/* A route to 'to', for whoever has 'who' in its registers.  The packet belongs
 * to the destination's subnet from here on, so what leaves the host carries
 * the destination's VSID. */
static void
route_to_subnet(struct compile_ctx *cx, const char *who,
                const struct rules_subnet *to, const struct addr_prefix *net)
{
    bool is_ipv4 = addr_is_ipv4(&net->addr);
    char buf[ADDR_STRLEN];

    plan_add(cx->plan, TABLE_ROUTE, route_priority(net), row_cookie(&to->row),
             plan_text("%s,%s,%s=%s", is_ipv4 ? "ip" : "ipv6", who,
                       is_ipv4 ? "nw_dst" : "ipv6_dst",
                       addr_prefix_format(net, buf)),
             plan_text("set_field:%#"PRIx32"->"REG_VSID",move:%s,"
                       "resubmit(,%d),resubmit(,%d)",
                       to->vsid,
                       is_ipv4 ? "ip_dst->"REG_CA : "ipv6_dst->"REG_CA6,
                       TABLE_SPACE_CA, TABLE_ROUTED));
}

static void
route_subnet(struct compile_ctx *cx, const struct rules_subnet *subnet)
{
    char *who = compile_who(subnet);

    for (size_t i = 0; i < subnet->n_prefixes; i++) {
        route_to_subnet(cx, who, subnet, &subnet->prefixes[i].net);
    }
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
    plan_add(cx->plan, TABLE_ROUTE, 0, 0, xstrdup(""),
             compile_refuse(PUNT_NO_ROUTE, DROP_NO_ROUTE));
    routed(cx);
}
