/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "util.h"

/* Broadcast and multicast of a guest: one copy to each PA that the subnet's
 * "unknown-dst" names, where the receiving host gives it to its own guests,
 * and one to each local guest.  What came from a tunnel goes to local guests
 * only, so no copy travels twice. */

/* A flow with a long list of actions, in as many parts as it takes: a message
 * holds some 800 copies.  One part is the flow itself; of more, each is a flow
 * of the same table by REG_PART, and the flow itself calls one after the
 * other. */
enum { PART_MAX_COPIES = 256 };

struct parts {
    struct compile_ctx *cx;
    enum pipeline_table table;
    const struct rules_subnet *subnet;
    const char *prefix;         /* What the copies of this part begin with. */
    struct ds actions;          /* This part's. */
    struct ds calls;            /* Of the parts before it. */
    unsigned int n_copies;
    unsigned int n_parts;
};

static void
parts_init(struct parts *parts, struct compile_ctx *cx,
           enum pipeline_table table, const struct rules_subnet *subnet)
{
    *parts = (struct parts) {
        .cx = cx, .table = table, .subnet = subnet,
        .actions = DS_EMPTY_INITIALIZER, .calls = DS_EMPTY_INITIALIZER,
    };
}

static void
parts_end(struct parts *parts)
{
    const struct rules_subnet *subnet = parts->subnet;

    parts->n_parts++;
    ds_put_format(&parts->calls, "set_field:%u->"REG_PART",resubmit(,%d),",
                  parts->n_parts, parts->table);
    ds_chomp(&parts->actions, ',');
    plan_add(parts->cx->plan, parts->table, 110, row_cookie(&subnet->row),
             plan_text(REG_VSID"=%#"PRIx32","REG_PART"=%#x",
                       subnet->vsid, parts->n_parts),
             ds_steal_cstr(&parts->actions));
    parts->prefix = NULL;
    parts->n_copies = 0;
}

/* Adds a copy, made by the actions 'format'.  Before it, and before those
 * that follow, go the actions 'prefix'. */
static void OVS_PRINTF_FORMAT(3, 4)
parts_add(struct parts *parts, const char *prefix, const char *format, ...)
{
    va_list args;

    if (parts->n_copies >= PART_MAX_COPIES) {
        parts_end(parts);
    }
    if (parts->prefix != prefix) {
        ds_put_cstr(&parts->actions, prefix);
        parts->prefix = prefix;
    }
    va_start(args, format);
    ds_put_format_valist(&parts->actions, format, args);
    va_end(args);
    parts->n_copies++;
}

/* Adds the flow, which after all copies does 'last'; none if there is nothing
 * to do. */
static void
parts_finish(struct parts *parts, const char *last)
{
    struct ds *actions = &parts->actions;

    if (parts->n_parts) {
        parts_end(parts);
        ds_put_cstr(&parts->calls, "set_field:0->"REG_PART",");
        actions = &parts->calls;
    }
    ds_put_cstr(actions, last);
    ds_chomp(actions, ',');
    if (actions->length) {
        const struct rules_subnet *subnet = parts->subnet;

        plan_add(parts->cx->plan, parts->table, 100, row_cookie(&subnet->row),
                 plan_text(REG_VSID"=%#"PRIx32, subnet->vsid),
                 xstrdup(ds_cstr(actions)));
    }
    ds_destroy(&parts->actions);
    ds_destroy(&parts->calls);
}

/* Straight to the tunnel port: a packet may only be resubmitted so often. */
static void
flood_through(struct parts *parts, enum space_encap encap, bool over_ipv6)
{
    const struct rules_subnet *subnet = parts->subnet;
    ofp_port_t port = compile_tunnel_port(parts->cx, encap);
    char *actions = compile_tunnel_actions(encap);
    char *prefix = xasprintf("set_field:%#x->"REG_ENCAP",%s",
                             over_ipv6 ? encap | ENCAP_IPV6 : encap, actions);
    char buf[ADDR_STRLEN];

    for (size_t i = 0; port != OFPP_NONE && i < subnet->n_flood; i++) {
        const struct space_where *where = &subnet->flood[i];

        if (where->encap == encap && addr_is_ipv4(&where->pa) != over_ipv6) {
            parts_add(parts, prefix, "set_field:%s->%s,output:%"PRIu32",",
                      addr_format(&where->pa, buf),
                      over_ipv6 ? "tun_ipv6_dst" : "tun_dst", port);
        }
    }
    parts->prefix = NULL;
    free(prefix);
    free(actions);
}

static bool
floods_over_ipv6(const struct rules_subnet *subnet)
{
    for (size_t i = 0; i < subnet->n_flood; i++) {
        if (!addr_is_ipv4(&subnet->flood[i].pa)) {
            return true;
        }
    }
    return false;
}

static void
flood_to_pas(struct compile_ctx *cx, const struct rules_subnet *subnet)
{
    char *to_guests = xasprintf("resubmit(,%d)", TABLE_FLOOD_LOCAL);
    struct parts parts;

    parts_init(&parts, cx, TABLE_FLOOD, subnet);
    if (floods_over_ipv6(subnet)) {
        flood_through(&parts, SPACE_VXLAN, true);
        flood_through(&parts, SPACE_NVGRE, true);
        ds_put_cstr(&parts.actions, "set_field:::->tun_ipv6_src,"
                    "set_field:::->tun_ipv6_dst,");
    }
    flood_through(&parts, SPACE_VXLAN, false);
    flood_through(&parts, SPACE_NVGRE, false);
    parts_finish(&parts, to_guests);
    free(to_guests);
}

/* The sender gets no copy: OpenFlow sends nothing back to the port that a
 * packet came in on. */
static void
flood_to_guests(struct compile_ctx *cx, const struct rules_subnet *subnet)
{
    struct parts parts;

    parts_init(&parts, cx, TABLE_FLOOD_LOCAL, subnet);
    for (size_t i = 0; i < cx->n_ports; i++) {
        if (cx->ports[i].subnet == subnet) {
            parts_add(&parts, "",
                      "set_field:%#"PRIx32"->"REG_OUT_PORT",resubmit(,%d),",
                      cx->ports[i].iface->ofport, TABLE_FW_IN);
        }
    }
    parts_finish(&parts, "");
}

void
compile_flood(struct compile_ctx *cx)
{
    for (size_t i = 0; i < cx->rules->n_subnets; i++) {
        flood_to_pas(cx, &cx->rules->subnets[i]);
        flood_to_guests(cx, &cx->rules->subnets[i]);
    }
}
