/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include <stdlib.h>
#include "util.h"

/* How a VSID stands in the tunnel key.  VXLAN: the VNI is the VSID.  NVGRE
 * (RFC 7637 section 3.2): the upper 24 bits of the GRE key, the lower 8 are
 * the FlowID, which receivers ignore. */

/* From another host: untagged (RFC 7348 section 6.1, RFC 7637 section 3.2: an
 * inner tag means nothing here), and from a MAC that a host can have. */
#define INNER_MATCH "vlan_tci=0x0000," \
                    "dl_src=00:00:00:00:00:00/01:00:00:00:00:00"

/* Whether the other host may send it is asked next. */
static char *
from_tunnel(const struct compile_ctx *cx, const struct rules_subnet *subnet)
{
    return (cx->host->spaces
            ? xasprintf("set_field:%#"PRIx32"->"REG_VSID","
                        "set_field:%#"PRIx32"->"REG_DOMAIN",resubmit(,%d)",
                        subnet->vsid, subnet->domain, TABLE_TUNNEL)
            : xasprintf("set_field:%#"PRIx32"->"REG_VSID",resubmit(,%d),"
                        "set_field:%#"PRIx32"->"REG_DOMAIN",resubmit(,%d)",
                        subnet->vsid, TABLE_PEER, subnet->domain,
                        TABLE_PEER_GATE));
}

static void
unknown_key(struct compile_ctx *cx, ofp_port_t tunnel)
{
    if (tunnel != OFPP_NONE) {
        plan_add(cx->plan, TABLE_ADMIT, 80, 0,
                 plan_text("in_port=%"PRIu32, tunnel),
                 compile_drop(DROP_TUNNEL_KEY));
    }
}

static void
admit_vxlan(struct compile_ctx *cx, const struct rules_subnet *subnet)
{
    plan_add(cx->plan, TABLE_ADMIT, 100, row_cookie(&subnet->row),
             plan_text("in_port=%"PRIu32",tun_id=%#"PRIx32","INNER_MATCH,
                       cx->host->vxlan, subnet->vsid),
             from_tunnel(cx, subnet));
}

/* A FlowID says nothing, but would have each of a packet's fragments wait for
 * the others by itself if the datapath goes on with it. */
static void
admit_nvgre(struct compile_ctx *cx, const struct rules_subnet *subnet)
{
    char *go = from_tunnel(cx, subnet);

    plan_add(cx->plan, TABLE_ADMIT, 100, row_cookie(&subnet->row),
             plan_text("in_port=%"PRIu32",tun_id=%#"PRIx32
                       "/0xffffffffffffff00,"INNER_MATCH,
                       cx->host->nvgre, subnet->vsid << 8),
             plan_text("%s%s", (cx->host->spaces
                                ? "load:0->NXM_NX_TUN_ID[0..7]," : ""), go));
    free(go);
}

/* What came from another host ends here: a guest's own or everybody's, and
 * never out of a tunnel again. */
static void
decap(struct compile_ctx *cx)
{
    plan_add(cx->plan, TABLE_DECAP, 100, 0,
             xstrdup("dl_dst=01:00:00:00:00:00/01:00:00:00:00:00"),
             plan_text("resubmit(,%d)", TABLE_FLOOD_LOCAL));
    plan_add(cx->plan, TABLE_DECAP, 0, 0, xstrdup(""),
             plan_text("resubmit(,%d)", TABLE_LOCAL));
}

ofp_port_t
compile_tunnel_port(const struct compile_ctx *cx, enum space_encap encap)
{
    return encap == SPACE_VXLAN ? cx->host->vxlan : cx->host->nvgre;
}

/* See the top for the key. */
char *
compile_tunnel_actions(enum space_encap encap)
{
    return xasprintf("set_field:0->tun_id,"
                     "move:"REG_VSID"[0..23]->tun_id[%s],"
                     "resubmit(,%d),",
                     encap == SPACE_VXLAN ? "0..23" : "8..31",
                     TABLE_ENCAP_SOURCE);
}

static void
encap(struct compile_ctx *cx, enum space_encap encap)
{
    ofp_port_t port = compile_tunnel_port(cx, encap);

    for (int over_ipv6 = 0; port != OFPP_NONE && over_ipv6 < 2; over_ipv6++) {
        char *actions = compile_tunnel_actions(encap);

        plan_add(cx->plan, TABLE_ENCAP, 100, 0,
                 plan_text(REG_ENCAP"=%#x",
                           over_ipv6 ? encap | ENCAP_IPV6 : encap),
                 plan_text("%smove:%s,output:%"PRIu32, actions,
                           (over_ipv6 ? REG_PA6"->tun_ipv6_dst"
                            : REG_PA"->tun_dst"), port));
        free(actions);
    }
}

static void
forward(struct compile_ctx *cx)
{
    plan_add(cx->plan, TABLE_FORWARD, 100, 0,
             plan_text(REG_ENCAP"=%#x", ENCAP_LOCAL),
             plan_text("resubmit(,%d)", TABLE_LOCAL));
    plan_add(cx->plan, TABLE_FORWARD, 100, 0, xstrdup(REG_ENCAP"=0"),
             compile_drop(DROP_UNKNOWN_MAC));
    plan_add(cx->plan, TABLE_FORWARD, 0, 0, xstrdup(""),
             plan_text("resubmit(,%d)", TABLE_MTU));
}

void
compile_tunnels(struct compile_ctx *cx)
{
    for (size_t i = 0; i < cx->rules->n_subnets; i++) {
        const struct rules_subnet *subnet = &cx->rules->subnets[i];

        if (cx->host->vxlan != OFPP_NONE && !subnet->rewrite) {
            admit_vxlan(cx, subnet);
        }
        if (cx->host->nvgre != OFPP_NONE && !subnet->rewrite) {
            admit_nvgre(cx, subnet);
        }
    }
    unknown_key(cx, cx->host->vxlan);
    unknown_key(cx, cx->host->nvgre);
    decap(cx);
    forward(cx);
    encap(cx, SPACE_VXLAN);
    encap(cx, SPACE_NVGRE);
}
