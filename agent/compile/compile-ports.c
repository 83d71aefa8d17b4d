/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include <stdlib.h>
#include "openvswitch/types.h"
#include "packets.h"
#include "util.h"

/* A port's own packets of one of its subnets: without a tag, or no longer with
 * the VLAN's, and, unless it may do as it likes, only from its guest's MAC. */
static void
admit_port(struct compile_ctx *cx, const struct port_vlan *vlan)
{
    const struct bound_port *bound = vlan->bound;
    bool free_source = bound->port->allow_spoof;
    char *source = free_source ? xstrdup("")
                   : xasprintf(",dl_src="ETH_ADDR_FMT,
                               ETH_ADDR_ARGS(bound->iface->mac));
    char *was_tagged
        = (vlan->vlan
           ? xasprintf(",metadata=%#"PRIx32"/%#x", port_vlan_tag(vlan),
                       METADATA_TAG)
           : xstrdup(""));

    plan_add(cx->plan, TABLE_ADMIT, vlan->vlan ? 110 : 100,
             row_cookie(&bound->port->row),
             plan_text("in_port=%"PRIu32"%s,vlan_tci=0x0000%s",
                       bound->iface->ofport, was_tagged, source),
             plan_text("set_field:%#"PRIx32"->"REG_VSID","
                       "set_field:%#"PRIx32"->"REG_DOMAIN","
                       "set_field:%#"PRIx32"->"REG_LOCAL_PA","
                       "resubmit(,%d)",
                       vlan->subnet->vsid, vlan->subnet->domain,
                       compile_local_pa(cx, bound),
                       free_source ? TABLE_RESOLVE : TABLE_SOURCE));
    free(was_tagged);
    free(source);
}

/* What else comes from a port. */
static void
refuse_port(struct compile_ctx *cx, const struct bound_port *bound)
{
    uint64_t cookie = row_cookie(&bound->port->row);
    uint32_t ofport = bound->iface->ofport;

    plan_add(cx->plan, TABLE_ADMIT, 90, cookie,
             plan_text("in_port=%"PRIu32",vlan_tci=0x1000/0x1000", ofport),
             compile_drop(DROP_TAGGED));
    if (!bound->port->allow_spoof) {
        plan_add(cx->plan, TABLE_ADMIT, 80, cookie,
                 plan_text("in_port=%"PRIu32, ofport),
                 compile_drop(DROP_SPOOFED_MAC));
    }
    if (!bound->port->vsid) {
        plan_add(cx->plan, TABLE_ADMIT, 85, cookie,
                 plan_text("in_port=%"PRIu32",metadata=0/%#x", ofport,
                           METADATA_TAG),
                 compile_drop(DROP_TAGGED));
    }
}

/* Packets to the port, wherever they come from. */
static void
deliver_to_port(struct compile_ctx *cx, const struct port_vlan *vlan)
{
    const struct bound_port *bound = vlan->bound;

    plan_add(cx->plan, TABLE_LOCAL, 100, row_cookie(&bound->port->row),
             plan_text(REG_VSID"=%#"PRIx32",dl_dst="ETH_ADDR_FMT,
                       vlan->subnet->vsid, ETH_ADDR_ARGS(bound->iface->mac)),
             plan_text("set_field:%#"PRIx32"->"REG_OUT_PORT","
                       "resubmit(,%d)",
                       bound->iface->ofport, TABLE_DELIVER));
}

void
compile_ports(struct compile_ctx *cx)
{
    for (size_t i = 0; i < cx->n_ports; i++) {
        if (cx->ports[i].state == PORT_ACTIVE) {
            refuse_port(cx, &cx->ports[i]);
        }
    }
    for (size_t i = 0; i < cx->n_vlans; i++) {
        admit_port(cx, &cx->vlans[i]);
        deliver_to_port(cx, &cx->vlans[i]);
    }
}
