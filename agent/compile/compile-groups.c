/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include <stdlib.h>
#include "util.h"

/* Subnets that replicate to a multicast group of PAs.
 *
 * The outer packet is the host stack's business: it finds the uplink by the
 * packet's source, makes the MAC from the group's address, and takes in what
 * comes for a group of which the host is a member.  Open vSwitch's userspace
 * datapath does tunnels without that stack: it asks ARP for the group's MAC
 * and takes tunnel packets for the host's own addresses only.  There such
 * subnets replicate per PA. */

static void
diagnose_userspace(const struct rules_subnet *subnet, struct diag_set *diags)
{
    char group[ADDR_STRLEN];

    diag_set_add(diags, DIAG_NO_MULTICAST, &subnet->row, "Logical_Switch",
                 "other_config", "other_config:replication \"multicast\" "
                 "to %s: the userspace datapath (datapath_type=netdev) sends "
                 "no tunnel packets to a group; until the bridge has the "
                 "kernel's, \"per_pa\" is used.",
                 addr_format(&subnet->group_pa, group));
}

static int
compare_groups(const void *a, const void *b)
{
    return addr_compare(a, b);
}

void
compile_groups(struct compiled *out, const struct rules *rules,
               const struct host_view *host)
{
    size_t n = 0;

    out->groups = xcalloc(MAX(rules->n_subnets, 1), sizeof *out->groups);
    for (size_t i = 0; i < rules->n_subnets; i++) {
        const struct rules_subnet *subnet = &rules->subnets[i];

        if (replicates_to_group(subnet, host)) {
            out->groups[n++] = subnet->group_pa;
        } else if (subnet->replication == RULES_MULTICAST) {
            diagnose_userspace(subnet, &out->diags);
        }
    }
    qsort(out->groups, n, sizeof *out->groups, compare_groups);
    for (size_t i = 0; i < n; i++) {
        if (!i || !addr_equal(&out->groups[i], &out->groups[i - 1])) {
            out->groups[out->n_groups++] = out->groups[i];
        }
    }
}

static void
drop_echo(struct compile_ctx *cx, ofp_port_t port, const struct in6_addr *pa)
{
    char buf[ADDR_STRLEN];

    if (port != OFPP_NONE) {
        plan_add(cx->plan, TABLE_ADMIT, 200, 0,
                 plan_text("in_port=%"PRIu32",%s=%s", port,
                           addr_is_ipv4(pa) ? "tun_src" : "tun_ipv6_src",
                           addr_format(pa, buf)),
                 xstrdup("drop"));
    }
}

/* A member of a group hears what it sends to it. */
void
compile_echoes(struct compile_ctx *cx)
{
    for (size_t i = 0; i < cx->rules->n_pas; i++) {
        drop_echo(cx, cx->host->vxlan, &cx->rules->pas[i]);
        drop_echo(cx, cx->host->nvgre, &cx->rules->pas[i]);
    }
}
