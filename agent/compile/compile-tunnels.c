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

static void
admit_vxlan(struct compile_ctx *cx, const struct rules_subnet *subnet)
{
    plan_add(cx->plan, TABLE_ADMIT, 100, row_cookie(&subnet->row),
             plan_text("in_port=%"PRIu32",tun_id=%#"PRIx32","INNER_MATCH,
                       cx->host->vxlan, subnet->vsid),
             plan_text("set_field:%#"PRIx32"->"REG_VSID",resubmit(,%d)",
                       subnet->vsid, TABLE_DECAP));
}

static void
admit_nvgre(struct compile_ctx *cx, const struct rules_subnet *subnet)
{
    plan_add(cx->plan, TABLE_ADMIT, 100, row_cookie(&subnet->row),
             plan_text("in_port=%"PRIu32",tun_id=%#"PRIx32
                       "/0xffffffffffffff00,"INNER_MATCH,
                       cx->host->nvgre, subnet->vsid << 8),
             plan_text("set_field:%#"PRIx32"->"REG_VSID",resubmit(,%d)",
                       subnet->vsid, TABLE_DECAP));
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

/* The first of this host's IPv6 PAs, or NULL: then its routes choose. */
static const struct in6_addr *
find_local_pa6(const struct rules *rules)
{
    for (size_t i = 0; i < rules->n_pas; i++) {
        if (!addr_is_ipv4(&rules->pas[i])) {
            return &rules->pas[i];
        }
    }
    return NULL;
}

/* See the top for the key. */
char *
compile_tunnel_actions(const struct compile_ctx *cx, enum space_encap encap,
                       bool over_ipv6)
{
    const struct in6_addr *pa6 = find_local_pa6(cx->rules);
    char buf[ADDR_STRLEN];
    char *source;

    if (!over_ipv6) {
        source = xstrdup("move:"REG_LOCAL_PA"->tun_src,");
    } else if (pa6) {
        source = xasprintf("set_field:%s->tun_ipv6_src,",
                           addr_format(pa6, buf));
    } else {
        source = xstrdup("");
    }

    char *actions = xasprintf("set_field:0->tun_id,"
                              "move:"REG_VSID"[0..23]->tun_id[%s],%s",
                              encap == SPACE_VXLAN ? "0..23" : "8..31",
                              source);

    free(source);
    return actions;
}

static void
encap(struct compile_ctx *cx, enum space_encap encap)
{
    ofp_port_t port = compile_tunnel_port(cx, encap);

    for (int over_ipv6 = 0; port != OFPP_NONE && over_ipv6 < 2; over_ipv6++) {
        char *actions = compile_tunnel_actions(cx, encap, over_ipv6);

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
    plan_add(cx->plan, TABLE_FORWARD, 0, 0, xstrdup(""),
             plan_text("resubmit(,%d)", TABLE_ENCAP));
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
    decap(cx);
    forward(cx);
    encap(cx, SPACE_VXLAN);
    encap(cx, SPACE_NVGRE);
}
