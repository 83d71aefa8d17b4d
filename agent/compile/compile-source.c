/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include "packets.h"
#include "util.h"

/* A guest sends from its own addresses only.
 *
 * SOURCE_ARP sees to what ARP says of MACs; for ND see compile-nd.c.
 * SOURCE_IP asks the space whose the source address is, like any other CA,
 * and SOURCE_OWNER has a flow per port that recognizes its guest's MAC in the
 * answer.  So a guest with a thousand addresses takes no more flows than one
 * with one.  A guest that forwards may send IP packets from any. */

enum {
    PRIORITY_UNICAST = 310,
    PRIORITY_RESERVED = 300,
    PRIORITY_LINK_LOCAL = 210,
    PRIORITY_NOT_YET = 200,     /* From no address, to find one. */
    PRIORITY_OWN = 200,         /* What the guest says of itself is right. */
    PRIORITY_OTHER = 190,       /* It is not. */
    PRIORITY_NEIGHBOR = 160,    /* A forwarding guest, as one of the subnet. */
    PRIORITY_FORWARDED = 150,   /* A forwarding guest, as any other. */
    PRIORITY_LOOK_UP_ALL = 110,
    PRIORITY_LOOK_UP = 100,
};

#define TO_MULTICAST "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00"

static char *
go_to(enum pipeline_table table)
{
    return xasprintf("resubmit(,%d)", table);
}

/* What has a source address, and the question whose it is. */
struct sender {
    const char *match;
    enum find_what what;
};
static const struct sender senders[] = {
    { "arp", FIND_ARP_SPA },
    { "ip", FIND_IP_SRC },
    { "ipv6", FIND_IPV6_SRC },
};

/* Neighbours. */

/* What 'bound' may say of itself: that it has its guest's MAC. */
static void
own_neighbor(struct compile_ctx *cx, const struct bound_port *bound)
{
    plan_add(cx->plan, TABLE_SOURCE_ARP, PRIORITY_OWN,
             row_cookie(&bound->port->row),
             plan_text("in_port=%"PRIu32",arp,arp_sha="ETH_ADDR_FMT,
                       bound->iface->ofport,
                       ETH_ADDR_ARGS(bound->iface->mac)),
             go_to(TABLE_SOURCE_IP));
}

/* Spanning tree, LLDP, LACP and their like are spoken between bridges, never
 * by a guest (IEEE 802.1Q table 8-1).  To find that out of a packet to a guest
 * one bit is enough, and no megaflow is for one MAC alone. */
static void
refuse_reserved(struct compile_ctx *cx)
{
    plan_add(cx->plan, TABLE_SOURCE, PRIORITY_UNICAST, 0,
             xstrdup("dl_dst=00:00:00:00:00:00/01:00:00:00:00:00"),
             go_to(TABLE_SOURCE_ARP));
    plan_add(cx->plan, TABLE_SOURCE, PRIORITY_RESERVED, 0,
             xstrdup("dl_dst=01:80:c2:00:00:00/ff:ff:ff:ff:ff:f0"),
             compile_drop(DROP_RESERVED_MAC));
    plan_add(cx->plan, TABLE_SOURCE, 0, 0, xstrdup(""),
             go_to(TABLE_SOURCE_ARP));
}

static void
source_rules(struct compile_ctx *cx)
{
    refuse_reserved(cx);
    plan_add(cx->plan, TABLE_SOURCE_ARP, PRIORITY_OTHER, 0, xstrdup("arp"),
             compile_drop(DROP_SPOOFED_NEIGHBOR));
    plan_add(cx->plan, TABLE_SOURCE_ARP, 0, 0, xstrdup(""),
             go_to(TABLE_SOURCE_IP));
}

/* Addresses. */

static void
add_source_ip(struct compile_ctx *cx, uint16_t priority, const char *match,
              char *actions)
{
    plan_add(cx->plan, TABLE_SOURCE_IP, priority, 0, xstrdup(match), actions);
}

static void
source_ip(struct compile_ctx *cx)
{
    /* A guest that looks for an address: a probe (RFC 5227), DHCP; duplicate
     * address detection (RFC 4862), MLD. */
    add_source_ip(cx, PRIORITY_NOT_YET, "arp,arp_spa=0.0.0.0",
                  go_to(TABLE_FW_OUT));
    add_source_ip(cx, PRIORITY_NOT_YET, "ip,nw_src=0.0.0.0,"TO_MULTICAST,
                  go_to(TABLE_FW_OUT));
    add_source_ip(cx, PRIORITY_NOT_YET, "ipv6,ipv6_src=::,"TO_MULTICAST,
                  go_to(TABLE_FW_OUT));

    /* Link-local addresses are the guest's to make; policy knows none. */
    add_source_ip(cx, PRIORITY_LINK_LOCAL, "ipv6,ipv6_src=fe80::/10",
                  go_to(TABLE_FW_OUT));

    /* The flows of this host's CAs are enough for that on any switch. */
    for (size_t i = 0; i < ARRAY_SIZE(senders); i++) {
        add_source_ip(cx, PRIORITY_LOOK_UP, senders[i].match,
                      compile_find_flow(senders[i].what, TABLE_SOURCE_OWNER));
    }
    add_source_ip(cx, 0, "", go_to(TABLE_FW_OUT));
}

/* But not where it matters whether nobody has an address or a guest
 * elsewhere. */
static void
source_where_learned(struct compile_ctx *cx, const struct rules_subnet *subnet)
{
    for (size_t i = 0; i < ARRAY_SIZE(senders); i++) {
        plan_add(cx->plan, TABLE_SOURCE_IP, PRIORITY_LOOK_UP_ALL,
                 row_cookie(&subnet->row),
                 plan_text("%s,"REG_VSID"=%#"PRIx32, senders[i].match,
                           subnet->vsid),
                 compile_find(cx, senders[i].what, TABLE_SOURCE_OWNER));
    }
}

char *
compile_pass_source(void)
{
    return xasprintf("set_field:0->"REG_CA",set_field:0->"REG_PA6","
                     "set_field:0->"REG_MAC",set_field:0->"REG_ENCAP","
                     "resubmit(,%d)", TABLE_FW_OUT);
}

/* The address is this guest's: local, with its MAC. */
static void
owner(struct compile_ctx *cx, const struct bound_port *bound)
{
    plan_add(cx->plan, TABLE_SOURCE_OWNER, 100,
             row_cookie(&bound->port->row),
             plan_text("in_port=%"PRIu32","REG_ENCAP"=%#x,"
                       REG_MAC"=%#"PRIx64"/%#"PRIx64,
                       bound->iface->ofport, ENCAP_LOCAL,
                       eth_addr_to_uint64(bound->iface->mac), MAC_MASK),
             compile_pass_source());
}

/* Which guests share a CA the space does not say in one answer; any guest of
 * the subnet may send from it. */
static void
shared_owner(struct compile_ctx *cx)
{
    plan_add(cx->plan, TABLE_SOURCE_OWNER, 100, 0,
             plan_text(REG_ENCAP"=%#x", ENCAP_BALANCED),
             compile_pass_source());
}

/* A guest that forwards sends packets of others, but does not speak for its
 * neighbours: an ARP message from an address of the subnet must be from its
 * own.  It asks from addresses that it has elsewhere, too, as Linux does when
 * it looks for the gateway to send from such an address. */
static void
forwarded(struct compile_ctx *cx, const struct bound_port *bound)
{
    static const char *const kinds[] = { "ip", "ipv6", "arp,arp_op=1" };
    uint64_t cookie = row_cookie(&bound->port->row);
    uint32_t ofport = bound->iface->ofport;

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        plan_add(cx->plan, TABLE_SOURCE_IP, PRIORITY_FORWARDED, cookie,
                 plan_text("%s,in_port=%"PRIu32, kinds[i], ofport),
                 go_to(TABLE_FW_OUT));
    }
}

static void
neighbor_of(struct compile_ctx *cx, const struct port_vlan *vlan)
{
    const struct bound_port *bound = vlan->bound;

    for (size_t i = 0; i < vlan->subnet->n_prefixes; i++) {
        const struct addr_prefix *net = &vlan->subnet->prefixes[i].net;
        char buf[ADDR_STRLEN];

        if (addr_is_ipv4(&net->addr)) {
            plan_add(cx->plan, TABLE_SOURCE_IP, PRIORITY_NEIGHBOR,
                     row_cookie(&bound->port->row),
                     plan_text("arp,in_port=%"PRIu32","REG_VSID"=%#"PRIx32","
                               "arp_spa=%s", bound->iface->ofport,
                               vlan->subnet->vsid,
                               addr_prefix_format(net, buf)),
                     (vlan->subnet->learning.enabled
                      ? compile_find(cx, FIND_ARP_SPA, TABLE_SOURCE_OWNER)
                      : compile_find_flow(FIND_ARP_SPA, TABLE_SOURCE_OWNER)));
        }
    }
}

void
compile_source(struct compile_ctx *cx)
{
    for (size_t i = 0; i < cx->n_ports; i++) {
        const struct bound_port *bound = &cx->ports[i];

        if (bound->state == PORT_ACTIVE && !bound->port->allow_spoof) {
            own_neighbor(cx, bound);
            owner(cx, bound);
            if (bound->port->forwards) {
                forwarded(cx, bound);
            }
        }
    }
    for (size_t i = 0; i < cx->n_vlans; i++) {
        const struct rules_port *port = cx->vlans[i].bound->port;

        if (port->forwards && !port->allow_spoof) {
            neighbor_of(cx, &cx->vlans[i]);
        }
    }
    for (size_t i = 0; cx->host->spaces && i < cx->rules->n_subnets; i++) {
        if (cx->rules->subnets[i].learning.enabled) {
            source_where_learned(cx, &cx->rules->subnets[i]);
        }
    }
    source_rules(cx);
    source_ip(cx);
    shared_owner(cx);
}
