/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include <stdlib.h>
#include "openvswitch/types.h"
#include "packets.h"
#include "util.h"

/* The port's own packets: only untagged and, unless it may do as it likes,
 * only from its guest's MAC. */
static void
admit_port(struct compile_ctx *cx, const struct bound_port *bound)
{
    uint64_t cookie = row_cookie(&bound->port->row);
    uint32_t ofport = bound->iface->ofport;
    bool free_source = bound->port->allow_spoof;
    char *source = free_source ? xstrdup("")
                   : xasprintf(",dl_src="ETH_ADDR_FMT,
                               ETH_ADDR_ARGS(bound->iface->mac));

    plan_add(cx->plan, TABLE_ADMIT, 100, cookie,
             plan_text("in_port=%"PRIu32",vlan_tci=0x0000%s", ofport, source),
             plan_text("set_field:%#"PRIx32"->"REG_VSID","
                       "set_field:%#"PRIx32"->"REG_DOMAIN","
                       "set_field:%#"PRIx32"->"REG_LOCAL_PA","
                       "resubmit(,%d)",
                       bound->subnet->vsid, bound->subnet->domain,
                       compile_local_pa(cx, bound),
                       free_source ? TABLE_FW_OUT : TABLE_SOURCE));
    plan_add(cx->plan, TABLE_ADMIT, 90, cookie,
             plan_text("in_port=%"PRIu32",vlan_tci=0x1000/0x1000", ofport),
             compile_drop(DROP_TAGGED));
    if (!free_source) {
        plan_add(cx->plan, TABLE_ADMIT, 80, cookie,
                 plan_text("in_port=%"PRIu32, ofport),
                 compile_drop(DROP_SPOOFED_MAC));
    }
    free(source);
}

/* Packets to the port, wherever they come from. */
static void
deliver_to_port(struct compile_ctx *cx, const struct bound_port *bound)
{
    plan_add(cx->plan, TABLE_LOCAL, 100, row_cookie(&bound->port->row),
             plan_text(REG_VSID"=%#"PRIx32",dl_dst="ETH_ADDR_FMT,
                       bound->subnet->vsid, ETH_ADDR_ARGS(bound->iface->mac)),
             plan_text("set_field:%#"PRIx32"->"REG_OUT_PORT","
                       "resubmit(,%d)",
                       bound->iface->ofport, TABLE_FW_IN));
}

void
compile_ports(struct compile_ctx *cx)
{
    for (size_t i = 0; i < cx->n_ports; i++) {
        const struct bound_port *bound = &cx->ports[i];

        if (bound->state == PORT_ACTIVE) {
            admit_port(cx, bound);
            deliver_to_port(cx, bound);
        }
    }
    ADD(cx, TABLE_DELIVER, 0, 0, "", "output:"REG_OUT_PORT);
}
