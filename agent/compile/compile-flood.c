/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include <stdlib.h>
#include "compile/choose-pa.h"
#include "compile/parts.h"
#include "util.h"

/* Broadcast and multicast of a guest: one copy to each PA that the subnet's
 * "unknown-dst" names, where the receiving host gives it to its own guests,
 * and one to each local guest.  What came from a tunnel goes to local guests
 * only, so no copy travels twice.  Subnets with a copy per guest are in
 * compile-copies.c; what other hosts send their guests here comes as to one
 * guest, or from a host that does not know yet as to all. */

/* In TABLE_DECAP, after the guards and before the agent learns. */
enum { PRIORITY_SECOND_COPY = 160 };

/* The PAs that copies go to. */
struct targets {
    const struct space_where *items;
    size_t n;
};

/* Straight to the tunnel port: a packet may only be resubmitted so often. */
static void
flood_through(struct parts *parts, const struct targets *targets,
              enum space_encap encap, bool over_ipv6)
{
    ofp_port_t port = compile_tunnel_port(parts->cx, encap);
    char *actions = compile_tunnel_actions(encap);
    char *prefix = xasprintf("set_field:%#x->"REG_ENCAP",%s",
                             over_ipv6 ? encap | ENCAP_IPV6 : encap, actions);
    char buf[ADDR_STRLEN];

    for (size_t i = 0; port != OFPP_NONE && i < targets->n; i++) {
        const struct space_where *where = &targets->items[i];

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
any_over_ipv6(const struct targets *targets)
{
    for (size_t i = 0; i < targets->n; i++) {
        if (!addr_is_ipv4(&targets->items[i].pa)) {
            return true;
        }
    }
    return false;
}

static void
flood_to(struct compile_ctx *cx, const struct rules_subnet *subnet,
         const struct targets *targets)
{
    char *to_guests = xasprintf("resubmit(,%d)", TABLE_FLOOD_LOCAL);
    struct parts parts;

    parts_init(&parts, cx, TABLE_FLOOD, subnet, "");
    if (any_over_ipv6(targets)) {
        flood_through(&parts, targets, SPACE_VXLAN, true);
        flood_through(&parts, targets, SPACE_NVGRE, true);
        ds_put_cstr(&parts.actions, "set_field:::->tun_ipv6_src,"
                    "set_field:::->tun_ipv6_dst,");
    }
    flood_through(&parts, targets, SPACE_VXLAN, false);
    flood_through(&parts, targets, SPACE_NVGRE, false);
    parts_finish(&parts, to_guests);
    free(to_guests);
}

static bool
has_encap(const struct rules_subnet *subnet, enum space_encap encap)
{
    for (size_t i = 0; i < subnet->n_flood; i++) {
        if (subnet->flood[i].encap == encap) {
            return true;
        }
    }
    return false;
}

/* A copy to the group by each encapsulation that one of the PAs has. */
static void
flood_to_group(struct compile_ctx *cx, const struct rules_subnet *subnet)
{
    struct space_where items[2];
    struct targets targets = { .items = items };

    for (enum space_encap e = SPACE_VXLAN; e <= SPACE_NVGRE; e++) {
        if (has_encap(subnet, e)) {
            items[targets.n++] = (struct space_where) {
                .encap = e, .pa = subnet->group_pa,
            };
        }
    }
    flood_to(cx, subnet, &targets);
}

static void
flood_to_pas(struct compile_ctx *cx, const struct rules_subnet *subnet)
{
    flood_to(cx, subnet, &(struct targets) {
        .items = subnet->flood, .n = subnet->n_flood,
    });
}

/* The sender gets no copy: OpenFlow sends nothing back to the port that a
 * packet came in on. */
static void
flood_to_guests(struct compile_ctx *cx, const struct rules_subnet *subnet)
{
    struct parts parts;

    parts_init(&parts, cx, TABLE_FLOOD_LOCAL, subnet, "");
    for (size_t i = 0; i < cx->n_vlans; i++) {
        if (cx->vlans[i].subnet == subnet) {
            parts_add(&parts, "",
                      "set_field:%#"PRIx32"->"REG_OUT_PORT",resubmit(,%d),",
                      cx->vlans[i].bound->iface->ofport, TABLE_DELIVER);
        }
    }
    parts_finish(&parts, "");
}

/* Other hosts cannot know which PAs are of one host: to each that the subnet
 * names they send a copy, and the guests here shall hear of one.  That is of
 * one PA of this host, which works as far as the host can tell. */
static void
hear_once(struct compile_ctx *cx, const struct rules_subnet *subnet)
{
    const struct in6_addr *pas = subnet->flood_here;
    const struct in6_addr *heard
        = (subnet->n_flood_here > 1
           ? choose_working_pa(cx->host, pas, subnet->n_flood_here) : NULL);
    char buf[ADDR_STRLEN];

    for (size_t i = 0; heard && i < subnet->n_flood_here; i++) {
        if (&pas[i] != heard) {
            plan_add(cx->plan, TABLE_DECAP, PRIORITY_SECOND_COPY,
                     row_cookie(&subnet->row),
                     plan_text(REG_VSID"=%#"PRIx32",%s=%s,"
                               "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00",
                               subnet->vsid,
                               (addr_is_ipv4(&pas[i])
                                ? "tun_dst" : "tun_ipv6_dst"),
                               addr_format(&pas[i], buf)),
                     compile_drop(DROP_SECOND_COPY));
        }
    }
}

void
compile_flood(struct compile_ctx *cx)
{
    bool any_per_vm = false;
    bool any_group = false;

    for (size_t i = 0; i < cx->rules->n_subnets; i++) {
        const struct rules_subnet *subnet = &cx->rules->subnets[i];

        if (subnet->replication == RULES_PER_VM) {
            compile_copies(cx, subnet);
            any_per_vm = true;
        } else if (replicates_to_group(subnet, cx->host)) {
            flood_to_group(cx, subnet);
            any_group = true;
        } else {
            flood_to_pas(cx, subnet);
        }
        flood_to_guests(cx, subnet);
        hear_once(cx, subnet);
    }
    if (any_per_vm) {
        compile_copies_of_all(cx);
    }
    if (any_group) {
        compile_echoes(cx);
    }
}
