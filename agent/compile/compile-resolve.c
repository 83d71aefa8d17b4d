/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include <stdlib.h>
#include "packets.h"
#include "util.h"

/* In RESOLVE. */
enum resolve_priority {
    PRIORITY_GATEWAY_ARP = 200,
    PRIORITY_ARP_REQUEST = 150,     /* For a prefix of the subnet. */
    PRIORITY_ARP_OTHER = 140,       /* Any other request: silence. */
};

/* In TO_MAC: from this one down, one for each of a MAC's bits. */
enum { PRIORITY_MULTICAST = 200, PRIORITY_BIT = 100 };

/* In TO_ROUTER. */
enum { PRIORITY_GATEWAY_PING = 200, PRIORITY_TO_ROUTER = 100 };

/* In TO_GUEST. */
enum { PRIORITY_MIGRATING = 20, PRIORITY_REWRITE = 10 };

const struct resolution compile_by_arp = {
    .table = TABLE_RESOLVE,
    .priority = PRIORITY_ARP_REQUEST,
    .what = FIND_ARP_TPA,
    .ask = TABLE_ASK_ARP,
    .learn = TABLE_LEARN_ARP,
    .reply = TABLE_ARP_REPLY,
};

/* The answer to an ARP request (RFC 826), from REG_MAC and the address that
 * was asked for: back to where the request came from. */
static void
arp_reply(struct compile_ctx *cx)
{
    plan_add(cx->plan, TABLE_ARP_REPLY, 50, 0, xstrdup("arp,arp_op=1"),
             plan_text("move:eth_src->eth_dst,"
                       "move:"REG_MAC"[0..47]->eth_src,"
                       "set_field:2->arp_op,"
                       "move:arp_sha->arp_tha,"
                       "move:"REG_MAC"[0..47]->arp_sha,"
                       "move:arp_tpa->"REG_CA","
                       "move:arp_spa->arp_tpa,"
                       "move:"REG_CA"->arp_spa,"
                       "resubmit(,%d)", TABLE_RETURN));
    plan_add(cx->plan, TABLE_ARP_REPLY, 100, 0, xstrdup(REG_MAC"=0"),
             compile_drop(DROP_UNKNOWN_CA));
}

/* A guest that asks for its own address, to find out whether somebody else has
 * it (RFC 5227, RFC 4862) or to announce it, must not hear its own MAC in
 * answer. */
void
compile_no_reply_to_owner(struct compile_ctx *cx, enum pipeline_table table)
{
    for (size_t i = 0; i < cx->n_ports; i++) {
        const struct bound_port *bound = &cx->ports[i];

        if (bound->state != PORT_ACTIVE) {
            continue;
        }
        plan_add(cx->plan, table, 90, row_cookie(&bound->port->row),
                 plan_text(REG_MAC"=%#"PRIx64"/%#"PRIx64",in_port=%"PRIu32,
                           eth_addr_to_uint64(bound->iface->mac), MAC_MASK,
                           bound->iface->ofport),
                 xstrdup("drop"));
    }
}

/* The gateway's address is the router's MAC, on every host.  No guest has it,
 * so where the datapath answers for guests it may be asked first: then a
 * question for a guest need not be told from one for the gateway, which would
 * take a megaflow for each address. */
static void
gateway_arp(struct compile_ctx *cx, const struct rules_subnet *subnet,
            ovs_be32 gateway)
{
    struct eth_addr mac = cx->rules->router_mac;
    char *load = xasprintf("set_field:%#"PRIx64"->"REG_MAC",",
                           eth_addr_to_uint64(mac));
    char *args = xasprintf("mac="ETH_ADDR_FMT",", ETH_ADDR_ARGS(mac));

    compile_answer(cx, compile_gateway_table(cx, subnet, &compile_by_arp),
                   PRIORITY_GATEWAY_ARP, row_cookie(&subnet->row),
                   plan_text("arp,"REG_VSID"=%#"PRIx32",arp_op=1,"
                             "arp_tpa="IP_FMT, subnet->vsid,
                             IP_ARGS(gateway)),
                   load, args, TABLE_ARP_REPLY);
    free(args);
    free(load);
}

/* How an echo request and its reply look, by family (RFC 792, RFC 4443).
 * Later fragments have no ICMP header to change, and in IPv6 Open vSwitch does
 * not say of which protocol they are; the guest puts the answer together
 * again. */
struct echo {
    const char *src, *dst;
    const char *request;        /* Match. */
    const char *reply;          /* Action. */
    const char *fragment;       /* Match. */
};

static const struct echo echo_ipv4 = {
    .src = "ip_src", .dst = "ip_dst",
    .request = "icmp,icmp_type=8,icmp_code=0",
    .reply = "set_field:0->icmp_type,",
    .fragment = "icmp,ip_frag=later",
};
static const struct echo echo_ipv6 = {
    .src = "ipv6_src", .dst = "ipv6_dst",
    .request = "icmp6,icmp_type=128,icmp_code=0",
    .reply = "set_field:129->icmpv6_type,",
    .fragment = "ipv6,nw_proto=44,ip_frag=later",
};

/* Turns what 'kind' matches around, for those whom 'who' matches. */
static void
turn_around(struct compile_ctx *cx, const struct rules_subnet *subnet,
            const char *who, const struct in6_addr *gateway,
            const struct echo *echo, const char *kind, const char *change)
{
    struct eth_addr mac = cx->rules->router_mac;
    char buf[ADDR_STRLEN];

    addr_format(gateway, buf);
    plan_add(cx->plan, TABLE_TO_ROUTER, PRIORITY_GATEWAY_PING,
             row_cookie(&subnet->row),
             plan_text("%s,%s,%s=%s", kind, who, echo->dst, buf),
             plan_text("move:eth_src->eth_dst,"
                       "set_field:"ETH_ADDR_FMT"->eth_src,"
                       "move:%s->%s,"
                       "set_field:%s->%s,"
                       "%s"
                       "set_field:64->nw_ttl,"
                       "resubmit(,%d)",
                       ETH_ADDR_ARGS(mac), echo->src, echo->dst, buf,
                       echo->src, change, TABLE_RETURN));
}

/* Answers an echo request. */
static void
gateway_ping(struct compile_ctx *cx, const struct rules_subnet *subnet,
             const char *who, const struct in6_addr *gateway)
{
    const struct echo *echo = (addr_is_ipv4(gateway)
                               ? &echo_ipv4 : &echo_ipv6);

    turn_around(cx, subnet, who, gateway, echo, echo->request, echo->reply);
    turn_around(cx, subnet, who, gateway, echo, echo->fragment, "");
}

void
compile_link_local_ping(struct compile_ctx *cx,
                        const struct rules_subnet *subnet,
                        const struct in6_addr *link_local)
{
    char *who = xasprintf(REG_VSID"=%#"PRIx32, subnet->vsid);

    gateway_ping(cx, subnet, who, link_local);
    free(who);
}

/* A known CA is answered from the space; an unknown one gets silence, unless
 * the subnet learns. */
static void
arp_for_prefix(struct compile_ctx *cx, const struct rules_subnet *subnet,
               const struct addr_prefix *net)
{
    char buf[ADDR_STRLEN];

    compile_answer_from_space(
        cx, subnet, &compile_by_arp,
        plan_text("arp,"REG_VSID"=%#"PRIx32",arp_op=1,arp_tpa=%s",
                  subnet->vsid, addr_prefix_format(net, buf)));
}

static void
resolve_prefix(struct compile_ctx *cx, const struct rules_subnet *subnet,
               const struct rules_prefix *prefix)
{
    bool is_ipv4 = addr_is_ipv4(&prefix->net.addr);

    if (is_ipv4) {
        arp_for_prefix(cx, subnet, &prefix->net);
    }
    if (eth_addr_is_zero(cx->rules->router_mac)) {
        return;
    }
    if (is_ipv4) {
        gateway_arp(cx, subnet, addr_to_ipv4(&prefix->gateway));
    }

    /* The gateway of each subnet answers each guest of the network. */
    char *who = compile_who(subnet);

    gateway_ping(cx, subnet, who, &prefix->gateway);
    free(who);
}

static void
to_router(struct compile_ctx *cx)
{
    uint64_t cookie = row_cookie(&cx->rules->physical_switch);

    for (int ipv6 = 0; ipv6 < 2; ipv6++) {
        plan_add(cx->plan, TABLE_TO_ROUTER, PRIORITY_TO_ROUTER, cookie,
                 xstrdup(ipv6 ? "ipv6" : "ip"),
                 plan_text("move:"REG_VSID"[0..23]->"REG_FROM",resubmit(,%d)",
                           TABLE_ROUTER));
    }
    plan_add(cx->plan, TABLE_TO_ROUTER, 0, cookie, xstrdup(""),
             compile_drop(DROP_NOT_ROUTABLE));
}

/* The multicast bit of a MAC (IEEE 802 section 8.2), as they are counted
 * here. */
#define MULTICAST_BIT 40

/* A packet is for the router if its MAC does not differ from the router's in
 * any bit.  Of one that is not, the first bit that differs is enough, so for
 * any number of guests there are at most as many megaflows as a MAC has bits.
 * MACs of guests differ most in the last ones. */
static void
tell_router_from_guests(struct compile_ctx *cx)
{
    uint64_t router = eth_addr_to_uint64(cx->rules->router_mac);

    for (int bit = 0; bit < 48; bit++) {
        struct eth_addr mask, other;

        if (bit == MULTICAST_BIT) {
            continue;
        }
        eth_addr_from_uint64(UINT64_C(1) << bit, &mask);
        eth_addr_from_uint64(~router & UINT64_C(1) << bit, &other);
        plan_add(cx->plan, TABLE_TO_MAC, PRIORITY_BIT - bit, 0,
                 plan_text("dl_dst="ETH_ADDR_FMT"/"ETH_ADDR_FMT,
                           ETH_ADDR_ARGS(other), ETH_ADDR_ARGS(mask)),
                 plan_text("resubmit(,%d)", TABLE_TO_GUEST));
    }
}

void
compile_to_all_or_one(struct compile_ctx *cx, enum pipeline_table table,
                      enum pipeline_table to_one)
{
    plan_add(cx->plan, table, PRIORITY_MULTICAST, 0,
             xstrdup("dl_dst=01:00:00:00:00:00/01:00:00:00:00:00"),
             plan_text("resubmit(,%d)", TABLE_FLOOD));
    plan_add(cx->plan, table, 0, 0, xstrdup(""),
             plan_text("resubmit(,%d)", to_one));
}

/* By the datapath if it can, but not if there is more than one place to send
 * the packet to, or not just a tunnel. */
static void
to_guest(struct compile_ctx *cx)
{
    compile_find_in_rewrite(cx, TABLE_TO_GUEST, PRIORITY_REWRITE, "",
                            FIND_MAC, TABLE_FORWARD);
    for (size_t i = 0; cx->host->spaces && i < cx->rules->n_subnets; i++) {
        compile_find_migrating(cx, &cx->rules->subnets[i], TABLE_TO_GUEST,
                               PRIORITY_MIGRATING);
    }
    plan_add(cx->plan, TABLE_TO_GUEST, 0, 0, xstrdup(""),
             (cx->host->spaces ? compile_switch_action(cx)
              : compile_find_flow(FIND_MAC, TABLE_FORWARD)));
}

void
compile_resolve(struct compile_ctx *cx)
{
    const struct rules *rules = cx->rules;

    for (size_t i = 0; i < rules->n_subnets; i++) {
        const struct rules_subnet *subnet = &rules->subnets[i];

        for (size_t j = 0; j < subnet->n_prefixes; j++) {
            resolve_prefix(cx, subnet, &subnet->prefixes[j]);
        }
    }
    arp_reply(cx);
    compile_no_reply_to_owner(cx, TABLE_ARP_REPLY);

    plan_add(cx->plan, TABLE_RESOLVE, PRIORITY_ARP_OTHER, 0,
             xstrdup("arp,arp_op=1"), compile_drop(DROP_UNKNOWN_CA));
    plan_add(cx->plan, TABLE_RESOLVE, 0, 0, xstrdup(""),
             plan_text("resubmit(,%d)", TABLE_TO_MAC));
    if (eth_addr_is_zero(rules->router_mac)) {
        compile_to_all_or_one(cx, TABLE_TO_MAC, TABLE_TO_GUEST);
    } else {
        compile_to_all_or_one(cx, TABLE_TO_MAC, TABLE_TO_ROUTER);
        tell_router_from_guests(cx);
        to_router(cx);
    }
    to_guest(cx);
}
