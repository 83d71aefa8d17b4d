/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include <stdlib.h>
#include "openvswitch/types.h"
#include "packets.h"
#include "util.h"

/* IP rewrite: on the way out the PAs of sender and receiver take the place of
 * their CAs in the IP header, and on the way in the CAs are put back.  What is
 * between hosts is plain IP, which the host's stack routes; it and the switch
 * meet at a port.  The switch mends the checksums, of TCP and UDP as well.
 *
 * Only the addresses tell whose a packet is, so a frame that is not IP, or
 * whose destination address is not its receiver's, is not carried.  What
 * comes in is from the PA of a guest on another host, in the receiver's subnet
 * or, by way of the router, network; its CA and MAC are those that the mapping
 * says, so nobody claims another's. */

/* The words for one version of IP. */
struct family {
    const char *kind;           /* Match. */
    const char *src, *dst;      /* Fields of the header. */
    const char *ca, *pa;        /* Registers. */
};

static const struct family families[] = {
    { "ip", "ip_src", "ip_dst", REG_CA, REG_PA },
    { "ipv6", "ipv6_src", "ipv6_dst", REG_CA6, REG_PA6 },
};

/* The destination.  Found it must be, and on another host: what is on this one
 * does not come here. */
static void
rewrite_dst(struct compile_ctx *cx, const struct family *f)
{
    plan_add(cx->plan, TABLE_REWRITE_OUT, 100, 0, xstrdup(f->kind),
             plan_text("set_field:0->"REG_ENCAP",move:%s->%s,"
                       "resubmit(,%d),resubmit(,%d)",
                       f->dst, f->ca,
                       TABLE_SPACE_CA, TABLE_REWRITE_DST));
    plan_add(cx->plan, TABLE_REWRITE_DST, 100, 0,
             plan_text("%s,"REG_ENCAP"=%d", f->kind, SPACE_REWRITE),
             plan_text("move:%s->%s,resubmit(,%d)", f->pa, f->dst,
                       TABLE_REWRITE_SRC));
}

/* The source, which must be the guest's own.  The packet has its destination's
 * VSID by now, so its guest's is told by port and tag. */
static void
rewrite_src(struct compile_ctx *cx, const struct family *f,
            const struct port_vlan *vlan)
{
    const struct bound_port *bound = vlan->bound;
    uint64_t cookie = row_cookie(&bound->port->row);

    plan_add(cx->plan, TABLE_REWRITE_SRC, 100, cookie,
             plan_text("%s,in_port=%"PRIu32",metadata=%#"PRIx32"/%#x",
                       f->kind, bound->iface->ofport, port_vlan_tag(vlan),
                       METADATA_TAG),
             plan_text("set_field:%#"PRIx32"->"REG_VSID",move:%s->%s,"
                       "resubmit(,%d),resubmit(,%d)",
                       vlan->subnet->vsid, f->src, f->ca,
                       TABLE_SPACE_CA, TABLE_REWRITE_SEND));
    plan_add(cx->plan, TABLE_REWRITE_SEND, 100, cookie,
             plan_text("%s,in_port=%"PRIu32","REG_VSID"=%#"PRIx32","
                       REG_ENCAP"=%#x,"REG_MAC"=%#"PRIx64"/%#"PRIx64,
                       f->kind, bound->iface->ofport, vlan->subnet->vsid,
                       ENCAP_LOCAL, eth_addr_to_uint64(bound->iface->mac),
                       MAC_MASK),
             plan_text("move:%s->%s,set_field:%d->"REG_ENCAP","
                       "resubmit(,%d)",
                       f->pa, f->src, SPACE_REWRITE, TABLE_MTU));
}

/* A packet that turns out to be too long is handed back as its sender had
 * it. */
char *
compile_take_back_rewrite(bool is_ipv6)
{
    const struct family *f = &families[is_ipv6];

    return xasprintf("move:%s->%s,resubmit(,%d),move:%s->%s,"
                     "move:%s->%s,resubmit(,%d),move:%s->%s,",
                     f->dst, f->pa, TABLE_SPACE_PA, f->ca, f->dst,
                     f->src, f->pa, TABLE_SPACE_PA, f->ca, f->src);
}

static void
from_host(struct compile_ctx *cx, const struct family *f)
{
    plan_add(cx->plan, TABLE_ADMIT, 100, 0,
             plan_text("%s,in_port=%"PRIu32",vlan_tci=0x0000",
                       f->kind, cx->host->rewrite),
             plan_text("move:%s->%s,resubmit(,%d),resubmit(,%d)",
                       f->src, f->pa, TABLE_SPACE_PA, TABLE_REWRITE_FROM));
}

/* Puts back the addresses of a sender in 'subnet', who must be on another
 * host, and looks for the receiver. */
static void
restore_src(struct compile_ctx *cx, const struct family *f,
            const struct rules_subnet *subnet)
{
    plan_add(cx->plan, TABLE_REWRITE_FROM, 100, row_cookie(&subnet->row),
             plan_text("%s,"REG_VSID"=%#"PRIx32","REG_ENCAP"=%d",
                       f->kind, subnet->vsid, SPACE_REWRITE),
             plan_text("set_field:%#"PRIx32"->"REG_SENDER","
                       "set_field:%#"PRIx32"->"REG_DOMAIN","
                       "move:%s->%s,move:"REG_MAC"[0..47]->eth_src,"
                       "move:%s->%s,resubmit(,%d),resubmit(,%d)",
                       subnet->vsid, subnet->routed ? subnet->domain : 0,
                       f->ca, f->src, f->dst, f->pa,
                       TABLE_SPACE_PA, TABLE_REWRITE_TO));
}

static void
restore_dst(struct compile_ctx *cx, const struct family *f,
            const struct rules_subnet *subnet, uint16_t priority,
            const char *from, const char *eth_src)
{
    plan_add(cx->plan, TABLE_REWRITE_TO, priority, row_cookie(&subnet->row),
             plan_text("%s,"REG_VSID"=%#"PRIx32","REG_ENCAP"=%#x,%s",
                       f->kind, subnet->vsid, ENCAP_LOCAL, from),
             plan_text("move:%s->%s,move:"REG_MAC"[0..47]->eth_dst,%s"
                       "resubmit(,%d)",
                       f->ca, f->dst, eth_src, TABLE_LOCAL));
}

/* A receiver in 'subnet' hears its own subnet and, through the router, those
 * of its network; nobody else, whatever addresses they use. */
static void
restore_to_subnet(struct compile_ctx *cx, const struct family *f,
                  const struct rules_subnet *subnet)
{
    char *neighbour = xasprintf(REG_SENDER"=%#"PRIx32, subnet->vsid);
    char *network = xasprintf(REG_DOMAIN"=%#"PRIx32, subnet->domain);
    char *router = xasprintf("set_field:"ETH_ADDR_FMT"->eth_src,",
                             ETH_ADDR_ARGS(cx->rules->router_mac));

    restore_dst(cx, f, subnet, 110, neighbour, "");
    if (subnet->routed && !eth_addr_is_zero(cx->rules->router_mac)) {
        restore_dst(cx, f, subnet, 100, network, router);
    }
    free(neighbour);
    free(network);
    free(router);
}

static void
rewrite_family(struct compile_ctx *cx, const struct family *f)
{
    rewrite_dst(cx, f);
    from_host(cx, f);
    for (size_t i = 0; i < cx->n_vlans; i++) {
        if (cx->vlans[i].subnet->rewrite) {
            rewrite_src(cx, f, &cx->vlans[i]);
        }
    }
    for (size_t i = 0; i < cx->rules->n_subnets; i++) {
        const struct rules_subnet *subnet = &cx->rules->subnets[i];

        if (subnet->rewrite) {
            restore_src(cx, f, subnet);
            restore_to_subnet(cx, f, subnet);
        }
    }
}

void
compile_rewrite(struct compile_ctx *cx)
{
    if (cx->host->rewrite == OFPP_NONE || !cx->rules->rewrite) {
        return;
    }
    plan_add(cx->plan, TABLE_FORWARD, 100, 0,
             plan_text(REG_ENCAP"=%d", SPACE_REWRITE),
             plan_text("resubmit(,%d)", TABLE_REWRITE_OUT));
    plan_add(cx->plan, TABLE_ENCAP, 100, 0,
             plan_text(REG_ENCAP"=%d", SPACE_REWRITE),
             plan_text("set_field:"REWRITE_OUR_MAC"->eth_src,"
                       "set_field:"REWRITE_HOST_MAC"->eth_dst,"
                       "output:%"PRIu32, cx->host->rewrite));
    plan_add(cx->plan, TABLE_REWRITE_FROM, 100, 0,
             plan_text(REG_ENCAP"=%#x", ENCAP_LOCAL),
             compile_drop(DROP_CLAIMS_LOCAL));
    plan_add(cx->plan, TABLE_REWRITE_TO, 90, 0,
             plan_text(REG_ENCAP"=%#x", ENCAP_LOCAL),
             compile_drop(DROP_UNKNOWN_PEER));
    for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
        rewrite_family(cx, &families[i]);
    }
}
