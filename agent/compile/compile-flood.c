/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "util.h"

/* Broadcast and multicast of a guest: one copy to each PA that the subnet's
 * "unknown-dst" names, where the receiving host gives it to its own guests,
 * and one to each local guest.  What came from a tunnel goes to local guests
 * only, so no copy travels twice. */

static void
flood_to_pas(struct compile_ctx *cx, const struct rules_subnet *subnet)
{
    struct ds actions = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < subnet->n_flood; i++) {
        const struct space_where *where = &subnet->flood[i];

        if (addr_is_ipv4(&where->pa)) {
            ds_put_format(&actions,
                          "set_field:%#"PRIx32"->"REG_PA","
                          "set_field:%d->"REG_ENCAP",resubmit(,%d),",
                          ntohl(addr_to_ipv4(&where->pa)),
                          where->encap, TABLE_ENCAP);
        }
    }
    ds_put_format(&actions, "resubmit(,%d)", TABLE_FLOOD_LOCAL);
    plan_add(cx->plan, TABLE_FLOOD, 100, row_cookie(&subnet->row),
             plan_text(REG_VSID"=%#"PRIx32, subnet->vsid),
             ds_steal_cstr(&actions));
}

/* The sender gets no copy: OpenFlow sends nothing back to the port that a
 * packet came in on. */
static void
flood_to_guests(struct compile_ctx *cx, const struct rules_subnet *subnet)
{
    struct ds actions = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < cx->n_ports; i++) {
        if (cx->ports[i].subnet == subnet) {
            ds_put_format(&actions,
                          "set_field:%#"PRIx32"->"REG_OUT_PORT","
                          "resubmit(,%d),",
                          cx->ports[i].iface->ofport, TABLE_DELIVER);
        }
    }
    if (actions.length) {
        ds_chomp(&actions, ',');
        plan_add(cx->plan, TABLE_FLOOD_LOCAL, 100, row_cookie(&subnet->row),
                 plan_text(REG_VSID"=%#"PRIx32, subnet->vsid),
                 ds_steal_cstr(&actions));
    }
}

void
compile_flood(struct compile_ctx *cx)
{
    for (size_t i = 0; i < cx->rules->n_subnets; i++) {
        flood_to_pas(cx, &cx->rules->subnets[i]);
        flood_to_guests(cx, &cx->rules->subnets[i]);
    }
}
