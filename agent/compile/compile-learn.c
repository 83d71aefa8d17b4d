/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include <stdlib.h>
#include "packets.h"
#include "util.h"

/* Subnets that learn.
 *
 * What tells of addresses, from guests or from tunnels, is handed to the agent
 * on the way and goes on as it would.  A question for an address that nobody
 * knows, and a packet to a MAC that nobody knows, go to all of the subnet.
 *
 * A question for an address that was learned is answered by the switch, but
 * not if the asker is unknown himself: he may be about to take that address,
 * and must hear from the one who has it, not from us, or may just have taken
 * it.  So that he is heard by all, his question goes to all. */

/* In TABLE_RESOLVE, before all else; in TABLE_DECAP, after the guards. */
enum { PRIORITY_LEARN = 300, PRIORITY_LEARN_REMOTE = 150 };

/* In TABLE_FORWARD and TABLE_ROUTED, before what is true of any subnet. */
enum { PRIORITY_UNKNOWN = 110 };

/* Marks a packet as handed over in METADATA_SEEN, so that it is once. */
static void
hand_over(struct compile_ctx *cx, const struct rules_subnet *subnet,
          enum pipeline_table table, const char *match)
{
    char *punt = compile_punt(PUNT_LEARN);

    plan_add(cx->plan, table,
             (table == TABLE_DECAP ? PRIORITY_LEARN_REMOTE : PRIORITY_LEARN),
             row_cookie(&subnet->row),
             plan_text("%s,"REG_VSID"=%#"PRIx32",metadata=0/%#x",
                       match, subnet->vsid, METADATA_SEEN),
             plan_text("set_field:%#x/%#x->metadata,%s,resubmit(,%d)",
                       METADATA_SEEN, METADATA_SEEN, punt, table));
    free(punt);
}

/* All that sighting_parse() in learn/sighting.h reads. */
static void
hand_over_from(struct compile_ctx *cx, const struct rules_subnet *subnet,
               enum pipeline_table table)
{
    hand_over(cx, subnet, table, "arp");
    hand_over(cx, subnet, table, "icmp6,icmp_type=135");
    hand_over(cx, subnet, table, "icmp6,icmp_type=136");
    hand_over(cx, subnet, table, "udp,tp_src=67,tp_dst=68");
}

/* A packet to an unknown MAC may be for a guest here after all; or for one
 * that any host may have. */
static void
unknown_mac(struct compile_ctx *cx, const struct rules_subnet *subnet)
{
    plan_add(cx->plan, TABLE_FORWARD, PRIORITY_UNKNOWN,
             row_cookie(&subnet->row),
             plan_text(REG_VSID"=%#"PRIx32","REG_ENCAP"=0", subnet->vsid),
             plan_text("set_field:0->"REG_PART",resubmit(,%d)",
                       TABLE_UNKNOWN_MAC));
}

/* The agent asks for the address that a routed packet is for. */
static void
unknown_routed(struct compile_ctx *cx, const struct rules_subnet *subnet)
{
    plan_add(cx->plan, TABLE_ROUTED, PRIORITY_UNKNOWN,
             row_cookie(&subnet->row),
             plan_text(REG_VSID"=%#"PRIx32","REG_MAC"=0,"REG_ENCAP"=0",
                       subnet->vsid),
             compile_punt(PUNT_SOLICIT));
}

/* Questions of a guest, in whichever of its subnets that learn. */
static void
questions_of(struct compile_ctx *cx, const struct bound_port *bound)
{
    uint64_t cookie = row_cookie(&bound->port->row);
    uint32_t port = bound->iface->ofport;
    struct eth_addr mac = bound->iface->mac;

    plan_add(cx->plan, TABLE_LEARN_ARP, 100, cookie,
             plan_text("in_port=%"PRIu32","REG_MAC"=0,"REG_ENCAP"=0", port),
             plan_text("meter:%"PRIu32",resubmit(,%d)", port, TABLE_FLOOD));
    plan_add(cx->plan, TABLE_LEARN_ASKER, 100, cookie,
             plan_text("arp,in_port=%"PRIu32","REG_MAC"=%#"PRIx64"/%#"PRIx64,
                       port, eth_addr_to_uint64(mac), MAC_MASK),
             compile_find(cx, FIND_ARP_TPA, TABLE_ARP_REPLY));
    plan_add(cx->plan, TABLE_LEARN_ASKER, 50, cookie,
             plan_text("in_port=%"PRIu32, port),
             plan_text("meter:%"PRIu32",resubmit(,%d)", port, TABLE_FLOOD));
    compile_learn_nd_port(cx, bound);
}

static void
local_mac(struct compile_ctx *cx, const struct port_vlan *vlan)
{
    const struct bound_port *bound = vlan->bound;

    plan_add(cx->plan, TABLE_UNKNOWN_MAC, 100, row_cookie(&bound->port->row),
             plan_text(REG_VSID"=%#"PRIx32",dl_dst="ETH_ADDR_FMT,
                       vlan->subnet->vsid, ETH_ADDR_ARGS(bound->iface->mac)),
             plan_text("resubmit(,%d)", TABLE_LOCAL));
}

/* Each port once, however many of its subnets learn: they follow each other
 * in 'vlans'. */
static void
ports_that_learn(struct compile_ctx *cx)
{
    const struct bound_port *last = NULL;

    for (size_t i = 0; i < cx->n_vlans; i++) {
        const struct port_vlan *vlan = &cx->vlans[i];

        if (!vlan->subnet->learning.enabled) {
            continue;
        }
        local_mac(cx, vlan);
        if (vlan->bound != last) {
            questions_of(cx, vlan->bound);
            last = vlan->bound;
        }
    }
}

/* What is the same for all guests. */
static void
questions(struct compile_ctx *cx)
{
    char *find = compile_find(cx, FIND_ARP_SPA, TABLE_LEARN_ASKER);

    plan_add(cx->plan, TABLE_LEARN_ARP, 90, 0,
             plan_text("arp,"REG_MAC"=%#"PRIx64"/%#"PRIx64, MAC_LEARNED,
                       MAC_LEARNED),
             plan_text("set_field:0->"REG_MAC",set_field:0->"REG_ENCAP",%s",
                       find));
    free(find);
    plan_add(cx->plan, TABLE_LEARN_ARP, 0, 0, xstrdup(""),
             plan_text("resubmit(,%d)", TABLE_ARP_REPLY));
    plan_add(cx->plan, TABLE_UNKNOWN_MAC, 110, 0,
             plan_text("dl_dst="ETH_ADDR_FMT,
                       ETH_ADDR_ARGS(cx->rules->router_mac)),
             compile_drop(DROP_NOT_ROUTABLE));
    plan_add(cx->plan, TABLE_UNKNOWN_MAC, 0, 0, xstrdup(""),
             plan_text("resubmit(,%d)", TABLE_FLOOD));
    compile_learn_nd(cx);
}

void
compile_learn(struct compile_ctx *cx)
{
    bool any = false;

    for (size_t i = 0; i < cx->rules->n_subnets; i++) {
        const struct rules_subnet *subnet = &cx->rules->subnets[i];

        if (subnet->learning.enabled) {
            hand_over_from(cx, subnet, TABLE_RESOLVE);
            hand_over_from(cx, subnet, TABLE_DECAP);
            unknown_mac(cx, subnet);
            compile_learn_nd_subnet(cx, subnet);
            compile_learn_source_subnet(cx, subnet);
            if (!eth_addr_is_zero(cx->rules->router_mac)) {
                unknown_routed(cx, subnet);
            }
            any = true;
        }
    }
    ports_that_learn(cx);
    if (any) {
        questions(cx);
    }
}
