/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include <stdlib.h>
#include "packets.h"
#include "util.h"

/* Which subnets the active ports are in. */

static void
add_vlan(struct compiled *out, const struct rules *rules,
         struct bound_port *bound, uint16_t vlan, uint32_t vsid)
{
    const struct rules_subnet *subnet = rules_find_subnet(rules, vsid);

    bound->tunnels |= !subnet->rewrite;
    bound->rewrite |= subnet->rewrite;
    out->vlans[out->n_vlans++] = (struct port_vlan) {
        .bound = bound,
        .subnet = subnet,
        .vlan = vlan,
    };
}

static void
add_port(struct compiled *out, const struct rules *rules,
         struct bound_port *bound)
{
    const struct rules_port *port = bound->port;

    if (port->vsid) {
        add_vlan(out, rules, bound, 0, port->vsid);
    }
    for (size_t i = 0; i < port->n_trunks; i++) {
        add_vlan(out, rules, bound, port->trunks[i].vlan,
                 port->trunks[i].vsid);
    }
}

static size_t
count_vlans(const struct compiled *out)
{
    size_t n = 0;

    for (size_t i = 0; i < out->n_ports; i++) {
        n += 1 + out->ports[i].port->n_trunks;
    }
    return n;
}

/* By subnet and MAC. */
static int
compare_macs(const void *a_, const void *b_)
{
    const struct port_vlan *const *ap = a_;
    const struct port_vlan *const *bp = b_;
    const struct port_vlan *a = *ap;
    const struct port_vlan *b = *bp;

    if (a->subnet != b->subnet) {
        return a->subnet->vsid < b->subnet->vsid ? -1 : 1;
    }
    return eth_addr_compare_3way(a->bound->iface->mac, b->bound->iface->mac);
}

/* A port may share its MAC in several subnets; all of them are told in one
 * diagnostic. */
static void
diagnose_shared_mac(const struct port_vlan *vlan,
                    const struct port_vlan *other, struct diag_set *diags)
{
    const struct uuid *row = &vlan->bound->port->row;
    const struct diag *known
        = diag_set_find(diags, row, "name", DIAG_PORT_MAC_DUPLICATE);
    char *before = known ? xasprintf("%s  ", known->text) : xstrdup("");

    diag_set_add(diags, DIAG_PORT_MAC_DUPLICATE, row, "Physical_Port", "name",
                 "%sInterface %s has the MAC "ETH_ADDR_FMT" of interface %s "
                 "in the same subnet, VSID %"PRIu32"; neither gets traffic "
                 "of it until one has another.", before,
                 vlan->bound->iface->name,
                 ETH_ADDR_ARGS(vlan->bound->iface->mac),
                 other->bound->iface->name, vlan->subnet->vsid);
    free(before);
}

/* Interfaces of one subnet with one MAC: whose packets are whose cannot be
 * known, so none of them gets traffic of it: its 'subnet' becomes NULL. */
static void
find_shared_macs(struct compiled *out)
{
    struct port_vlan **sorted = xcalloc(MAX(out->n_vlans, 1), sizeof *sorted);
    size_t n = out->n_vlans;
    bool *shared = xcalloc(MAX(n, 1), sizeof *shared);

    for (size_t i = 0; i < n; i++) {
        sorted[i] = &out->vlans[i];
    }
    qsort(sorted, n, sizeof *sorted, compare_macs);
    for (size_t i = 0, end; i < n; i = end) {
        end = i + 1;
        while (end < n && !compare_macs(&sorted[i], &sorted[end])) {
            end++;
        }
        for (size_t j = i; end - i > 1 && j < end; j++) {
            diagnose_shared_mac(sorted[j], sorted[j == i ? i + 1 : i],
                                &out->diags);
            shared[j] = true;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (shared[i]) {
            sorted[i]->subnet = NULL;
        }
    }
    free(shared);
    free(sorted);
}

/* Takes out what has no subnet, and blocks the ports that have nothing
 * else. */
static void
drop_shared_macs(struct compiled *out)
{
    size_t n = 0;

    for (size_t i = 0, end; i < out->n_vlans; i = end) {
        struct bound_port *bound = out->vlans[i].bound;
        size_t n_before = n;

        for (end = i; end < out->n_vlans && out->vlans[end].bound == bound;
             end++) {
            if (out->vlans[end].subnet) {
                out->vlans[n++] = out->vlans[end];
            }
        }
        if (n == n_before) {
            bound_port_block(bound, "another port of its subnet has its MAC");
        }
    }
    out->n_vlans = n;
}

void
compile_port_vlans(struct compiled *out, const struct rules *rules)
{
    out->vlans = xcalloc(MAX(count_vlans(out), 1), sizeof *out->vlans);
    for (size_t i = 0; i < out->n_ports; i++) {
        if (out->ports[i].state == PORT_ACTIVE) {
            add_port(out, rules, &out->ports[i]);
        }
    }
    find_shared_macs(out);
    drop_shared_macs(out);
}
