/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include <stdlib.h>
#include "packets.h"
#include "util.h"

/* Neighbour discovery (RFC 4861), IPv6's ARP: what a guest may say, and what
 * the switch itself answers.
 *
 *   RESOLVE ──► ND ─┬─► ND_SOLICIT ─┬─ gateway ─────────────► ND_REPLY
 *                   │               ├─ CA ──► (SPACE_CA) ───► ND_REPLY
 *                   │               │                            ▲
 *                   │               └─► ND_LINK_LOCAL ─ router ──┘
 *                   │                      │
 *                   │                      └──► ND_SOURCE
 *                   │                              │
 *                   └─► ND_ADVERT ─► (ND_OWNER) ─► ND_PASS
 *
 * A solicitation for a CA is answered like an ARP request.  One for a
 * link-local address is not: guests choose those themselves, so no mapping
 * names them.  It goes to the subnet, where the owner answers.  What goes to
 * other guests must not put words into a neighbour's mouth.  Who looks for a
 * router is answered by the agent. */

/* In RESOLVE: before anything that looks at addresses. */
enum { PRIORITY_ND = 190 };

enum solicit_priority {
    PRIORITY_ND_GATEWAY = 200,
    PRIORITY_ND_PREFIX = 150,
    PRIORITY_ND_LINK_LOCAL = 100,
};

const struct resolution compile_by_nd = {
    .table = TABLE_ND_SOLICIT,
    .priority = PRIORITY_ND_PREFIX,
    .what = FIND_ND_TARGET,
    .ask = TABLE_ASK_ND,
    .learn = TABLE_LEARN_ND,
    .reply = TABLE_ND_REPLY,
};

/* Message types, for the texts of matches. */
enum {
    TYPE_ROUTER_SOLICIT = 133,
    TYPE_ROUTER_ADVERT = 134,
    TYPE_SOLICIT = 135,
    TYPE_ADVERT = 136,
    TYPE_REDIRECT = 137,
};

/* Of a neighbour advertisement, as its 32 bits stand in the message. */
#define FLAG_ROUTER     "0x80000000"
#define FLAG_SOLICITED  "0x40000000"
#define FLAG_OVERRIDE   "0x20000000"
#define FLAGS_UNICAST   "0x60000000"

#define LINK_LOCAL "fe80::/10"

/* All of it leaves the usual way.  Router advertisements and redirections are
 * the gateway's, not a guest's: they end here, where no flow takes them. */
static void
divert(struct compile_ctx *cx)
{
    for (int type = TYPE_ROUTER_SOLICIT; type <= TYPE_REDIRECT; type++) {
        plan_add(cx->plan, TABLE_RESOLVE, PRIORITY_ND, 0,
                 plan_text("icmp6,icmp_type=%d", type),
                 plan_text("resubmit(,%d)", TABLE_ND));
    }
}

/* A message of the guest itself, 'field' of which, the link-layer address, is
 * its own or not there. */
static void
admit_message(struct compile_ctx *cx, const struct bound_port *bound,
              int type, const char *field, enum pipeline_table next)
{
    const struct eth_addr macs[] = { bound->iface->mac, eth_addr_zero };
    uint64_t cookie = row_cookie(&bound->port->row);
    char *match = xasprintf("icmp6,in_port=%"PRIu32",icmp_type=%d,"
                            "icmp_code=0,nw_ttl=255",
                            bound->iface->ofport, type);

    if (bound->port->allow_spoof) {
        plan_add(cx->plan, TABLE_ND, 100, cookie, xstrdup(match),
                 plan_text("resubmit(,%d)", next));
    } else {
        for (size_t i = 0; i < ARRAY_SIZE(macs); i++) {
            plan_add(cx->plan, TABLE_ND, 100, cookie,
                     plan_text("%s,%s="ETH_ADDR_FMT, match, field,
                               ETH_ADDR_ARGS(macs[i])),
                     plan_text("resubmit(,%d)", next));
        }
    }
    free(match);
}

/* Lets a message pass if the CA in question, looked up before, is the guest's
 * own.  Where that is must not lead the packet. */
static void
admit_owner(struct compile_ctx *cx, const struct bound_port *bound)
{
    char *owner = (bound->port->allow_spoof ? xstrdup("")
                   : xasprintf(","REG_MAC"=%#"PRIx64"/%#"PRIx64,
                               eth_addr_to_uint64(bound->iface->mac),
                               MAC_MASK));

    plan_add(cx->plan, TABLE_ND_OWNER, 100, row_cookie(&bound->port->row),
             plan_text("in_port=%"PRIu32"%s", bound->iface->ofport, owner),
             plan_text("set_field:0->"REG_MAC",set_field:0->"REG_ENCAP","
                       "resubmit(,%d)", TABLE_ND_PASS));
    free(owner);
}

static void
admit_ports(struct compile_ctx *cx)
{
    for (size_t i = 0; i < cx->n_ports; i++) {
        const struct bound_port *bound = &cx->ports[i];

        if (bound->state == PORT_ACTIVE) {
            admit_message(cx, bound, TYPE_SOLICIT, "nd_sll",
                          TABLE_ND_SOLICIT);
            admit_message(cx, bound, TYPE_ADVERT, "nd_tll", TABLE_ND_ADVERT);
            admit_owner(cx, bound);
        }
    }
}

/* Solicitations of a subnet's guests for an address, or for all of its
 * prefix. */
static char *
solicit_for(const struct rules_subnet *subnet, const struct in6_addr *addr,
            unsigned int plen)
{
    char buf[ADDR_STRLEN];

    addr_format(addr, buf);
    return (plen == 128
            ? plan_text("icmp6,"REG_VSID"=%#"PRIx32",icmp_type=%d,"
                        "icmp_code=0,nd_target=%s", subnet->vsid,
                        TYPE_SOLICIT, buf)
            : plan_text("icmp6,"REG_VSID"=%#"PRIx32",icmp_type=%d,"
                        "icmp_code=0,nd_target=%s/%u", subnet->vsid,
                        TYPE_SOLICIT, buf, plen));
}

/* The gateway's addresses are the router's MAC, on every host. */
static void
gateway_solicited(struct compile_ctx *cx, const struct rules_subnet *subnet,
                  enum pipeline_table table, const struct in6_addr *gateway)
{
    struct eth_addr mac = cx->rules->router_mac;
    char *load = xasprintf("set_field:%#"PRIx64"->"REG_MAC","
                           "set_field:"FLAG_ROUTER"->"REG_ND_FLAGS",",
                           eth_addr_to_uint64(mac));
    char *args = xasprintf("mac="ETH_ADDR_FMT",router,", ETH_ADDR_ARGS(mac));

    compile_answer(cx, table, PRIORITY_ND_GATEWAY,
                   row_cookie(&subnet->row), solicit_for(subnet, gateway, 128),
                   load, args, TABLE_ND_REPLY);
    free(args);
    free(load);
}

/* A known CA is answered from the space; an unknown one gets silence, unless
 * the subnet learns. */
static void
prefix_solicited(struct compile_ctx *cx, const struct rules_subnet *subnet,
                 const struct addr_prefix *net)
{
    compile_answer_from_space(cx, subnet, &compile_by_nd,
                              solicit_for(subnet, &net->addr, net->plen));
}

void
compile_protect_nd(struct compile_ctx *cx, const struct rules_subnet *subnet,
                   const struct in6_addr *addr)
{
    uint64_t cookie = row_cookie(&subnet->row);
    char buf[ADDR_STRLEN];

    addr_format(addr, buf);
    plan_add(cx->plan, TABLE_ND_SOURCE, 200, cookie,
             plan_text("ipv6,"REG_VSID"=%#"PRIx32",ipv6_src=%s",
                       subnet->vsid, buf),
             compile_drop(DROP_SPOOFED_NEIGHBOR));
    plan_add(cx->plan, TABLE_ND_ADVERT, 200, cookie,
             plan_text("icmp6,"REG_VSID"=%#"PRIx32",icmp_type=%d,icmp_code=0,"
                       "nd_target=%s", subnet->vsid, TYPE_ADVERT, buf),
             compile_drop(DROP_SPOOFED_NEIGHBOR));
}

/* The answer is longer than the question, so no flow can make it. */
static void
router_solicited(struct compile_ctx *cx, const struct rules_subnet *subnet)
{
    plan_add(cx->plan, TABLE_ND, 100, row_cookie(&subnet->row),
             plan_text("icmp6,"REG_VSID"=%#"PRIx32",icmp_type=%d,icmp_code=0,"
                       "nw_ttl=255", subnet->vsid, TYPE_ROUTER_SOLICIT),
             compile_punt(PUNT_ROUTER_SOLICIT));
}

static void
resolve_subnet(struct compile_ctx *cx, const struct rules_subnet *subnet)
{
    bool has_router = !eth_addr_is_zero(cx->rules->router_mac);
    struct in6_addr link_local;
    size_t n = 0;

    for (size_t i = 0; i < subnet->n_prefixes; i++) {
        const struct rules_prefix *prefix = &subnet->prefixes[i];

        if (addr_is_ipv4(&prefix->net.addr)) {
            continue;
        }
        n++;
        prefix_solicited(cx, subnet, &prefix->net);
        if (has_router) {
            gateway_solicited(cx, subnet,
                              compile_gateway_table(cx, subnet,
                                                    &compile_by_nd),
                              &prefix->gateway);
        }
    }
    if (n && has_router) {
        in6_generate_lla(cx->rules->router_mac, &link_local);
        gateway_solicited(cx, subnet, TABLE_ND_LINK_LOCAL, &link_local);
        compile_link_local_ping(cx, subnet, &link_local);
        compile_protect_nd(cx, subnet, &link_local);
        router_solicited(cx, subnet);
    }
}

/* Solicitations for link-local addresses: the sender may look for whom it
 * wants, under an address that can be its own. */
static void
solicit_link_local(struct compile_ctx *cx)
{
    plan_add(cx->plan, TABLE_ND_SOLICIT, PRIORITY_ND_LINK_LOCAL, 0,
             plan_text("icmp6,icmp_type=%d,icmp_code=0,nd_target="LINK_LOCAL,
                       TYPE_SOLICIT),
             plan_text("resubmit(,%d)", TABLE_ND_LINK_LOCAL));
    plan_add(cx->plan, TABLE_ND_LINK_LOCAL, 0, 0, xstrdup(""),
             plan_text("resubmit(,%d)", TABLE_ND_SOURCE));
    plan_add(cx->plan, TABLE_ND_SOURCE, 100, 0,
             xstrdup("ipv6,ipv6_src="LINK_LOCAL),
             plan_text("resubmit(,%d)", TABLE_ND_PASS));
    plan_add(cx->plan, TABLE_ND_SOURCE, 100, 0, xstrdup("ipv6,ipv6_src=::"),
             plan_text("resubmit(,%d)", TABLE_ND_PASS));
    compile_find_in_all(cx, TABLE_ND_SOURCE, 0, xstrdup("ipv6"),
                        FIND_IPV6_SRC, TABLE_ND_OWNER);
}

/* Advertisements: of link-local addresses, which are anybody's, and of the
 * sender's own CAs. */
static void
advertise(struct compile_ctx *cx)
{
    plan_add(cx->plan, TABLE_ND_ADVERT, 100, 0,
             plan_text("icmp6,icmp_type=%d,icmp_code=0,nd_target="LINK_LOCAL,
                       TYPE_ADVERT),
             plan_text("resubmit(,%d)", TABLE_ND_PASS));
    compile_find_in_all(cx, TABLE_ND_ADVERT, 0,
                        plan_text("icmp6,icmp_type=%d,icmp_code=0",
                                  TYPE_ADVERT),
                        FIND_ND_TARGET, TABLE_ND_OWNER);
}

/* Makes the answer, from REG_MAC and REG_ND_FLAGS, of the question itself:
 * back to where it came from.
 *
 * Who asks from no address finds out whether it may have the one that it asks
 * for (RFC 4862 section 5.4).  That question has no option to put a MAC in,
 * and no need of one: that there is an answer is the answer.
 *
 * A field of a neighbour advertisement can be matched and set only in a packet
 * that is one, so the type changes in one table and the rest in the next.
 * Flags and type of the option are moved from registers, not set: on a
 * datapath that does not know these fields Open vSwitch refuses to set them,
 * but not to move to them, which it then does itself. */
static void
reply(struct compile_ctx *cx)
{
    const char *turn = "move:eth_src->eth_dst,"
                       "move:ipv6_src->ipv6_dst,"
                       "set_field:"FLAGS_UNICAST"/"FLAGS_UNICAST"->"
                       REG_ND_FLAGS",";
    const char *advertise = "move:"REG_MAC"[0..47]->eth_src,"
                            "move:nd_target->ipv6_src,"
                            "set_field:136->icmpv6_type,";

    plan_add(cx->plan, TABLE_ND_REPLY, 100, 0, xstrdup(REG_MAC"=0"),
             compile_drop(DROP_UNKNOWN_CA));
    plan_add(cx->plan, TABLE_ND_REPLY, 60, 0,
             plan_text("icmp6,icmp_type=%d,icmp_code=0,ipv6_src=::",
                       TYPE_SOLICIT),
             plan_text("set_field:33:33:00:00:00:01->eth_dst,"
                       "set_field:ff02::1->ipv6_dst,"
                       "set_field:"FLAG_OVERRIDE"/"FLAG_OVERRIDE"->"
                       REG_ND_FLAGS",%s"
                       "resubmit(,%d)", advertise, TABLE_ND_ANSWER));
    plan_add(cx->plan, TABLE_ND_REPLY, 55, 0,
             plan_text("icmp6,icmp_type=%d,icmp_code=0,"
                       "nd_sll=00:00:00:00:00:00", TYPE_SOLICIT),
             plan_text("%s%sresubmit(,%d)", turn, advertise,
                       TABLE_ND_ANSWER));
    plan_add(cx->plan, TABLE_ND_REPLY, 50, 0,
             plan_text("icmp6,icmp_type=%d,icmp_code=0", TYPE_SOLICIT),
             plan_text("%s%sresubmit(,%d),resubmit(,%d)", turn, advertise,
                       TABLE_ND_OPTION, TABLE_ND_ANSWER));
    compile_no_reply_to_owner(cx, TABLE_ND_REPLY);

    plan_add(cx->plan, TABLE_ND_OPTION, 0, 0,
             plan_text("icmp6,icmp_type=%d,icmp_code=0", TYPE_ADVERT),
             xstrdup("set_field:2->"REG_ND_OPTION","
                     "move:"REG_ND_OPTION"[0..7]->nd_options_type,"
                     "move:"REG_MAC"[0..47]->nd_tll"));
    plan_add(cx->plan, TABLE_ND_ANSWER, 0, 0,
             plan_text("icmp6,icmp_type=%d,icmp_code=0", TYPE_ADVERT),
             plan_text("move:"REG_ND_FLAGS"->nd_reserved,resubmit(,%d)",
                       TABLE_RETURN));
}

void
compile_nd(struct compile_ctx *cx)
{
    divert(cx);
    admit_ports(cx);
    for (size_t i = 0; i < cx->rules->n_subnets; i++) {
        resolve_subnet(cx, &cx->rules->subnets[i]);
    }
    solicit_link_local(cx);
    advertise(cx);
    reply(cx);
    compile_to_all_or_one(cx, TABLE_ND_PASS, TABLE_TO_GUEST);
}
