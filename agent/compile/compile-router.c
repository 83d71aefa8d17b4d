/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include <stdlib.h>
#include "model/prefix.h"
#include "packets.h"
#include "util.h"

/* What the router does with a packet before it looks for a route.  What it has
 * to say about a packet it does not say itself, the agent does. */

enum router_priority {
    PRIORITY_UNROUTABLE = 300,
    PRIORITY_TO_GATEWAY = 200,
    PRIORITY_ANY = 0,
};

static const char *
family(const struct in6_addr *addr)
{
    return addr_is_ipv4(addr) ? "ip" : "ipv6";
}

static const char *
dst_field(const struct in6_addr *addr)
{
    return addr_is_ipv4(addr) ? "nw_dst" : "ipv6_dst";
}

/* Multicast stays in its subnet, and so does what means somebody else
 * elsewhere, as link-local addresses do (RFC 3927 section 7, RFC 4291 section
 * 2.5.6). */
static void
drop_unroutable(struct compile_ctx *cx)
{
    uint64_t cookie = row_cookie(&cx->rules->physical_switch);
    struct addr_prefix net;

    for (size_t i = 0; prefix_get_reserved(i, &net); i++) {
        char buf[ADDR_STRLEN];

        plan_add(cx->plan, TABLE_ROUTER, PRIORITY_UNROUTABLE, cookie,
                 plan_text("%s,%s=%s", family(&net.addr),
                           dst_field(&net.addr),
                           addr_prefix_format(&net, buf)),
                 compile_drop(DROP_NOT_ROUTABLE));
    }
    plan_add(cx->plan, TABLE_ROUTER, PRIORITY_UNROUTABLE, cookie,
             xstrdup("ipv6,ipv6_src=fe80::/10"),
             compile_drop(DROP_NOT_ROUTABLE));
}

/* A packet for the router itself has arrived, whatever its TTL.  Pings never
 * get here. */
static void
to_gateways(struct compile_ctx *cx, const struct rules_subnet *subnet)
{
    char *who = compile_who(subnet);

    for (size_t i = 0; i < subnet->n_prefixes; i++) {
        const struct in6_addr *gateway = &subnet->prefixes[i].gateway;
        char buf[ADDR_STRLEN];

        plan_add(cx->plan, TABLE_ROUTER, PRIORITY_TO_GATEWAY,
                 row_cookie(&subnet->row),
                 plan_text("%s,%s,%s=%s", family(gateway), who,
                           dst_field(gateway), addr_format(gateway, buf)),
                 compile_refuse(PUNT_TO_ROUTER, DROP_TO_GATEWAY));
    }
    free(who);
}

void
compile_router(struct compile_ctx *cx)
{
    if (eth_addr_is_zero(cx->rules->router_mac)) {
        return;
    }
    drop_unroutable(cx);
    for (size_t i = 0; i < cx->rules->n_subnets; i++) {
        to_gateways(cx, &cx->rules->subnets[i]);
    }
    plan_add(cx->plan, TABLE_ROUTER, PRIORITY_ANY, 0, xstrdup(""),
             plan_text("resubmit(,%d)", TABLE_ROUTE));
}
