/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile.h"
#include <inttypes.h>
#include <stdlib.h>
#include "compile/choose-pa.h"
#include "compile/compile-private.h"
#include "compile/firewall-parts.h"
#include "compile/firewall-zones.h"
#include "compile/mtu.h"
#include "model/firewall.h"
#include "openvswitch/util.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(compile);

static struct bound_port bind_port(const struct rules *,
                                   const struct firewall *,
                                   const struct host_view *,
                                   const struct rules_port *,
                                   struct diag_set *diags);

/* Where an active port's packets leave this host. */
static void
place_port(const struct rules *rules, const struct host_view *host,
           struct bound_port *bound, struct diag_set *diags)
{
    if (bound->tunnels) {
        choose_pas(rules, host, bound->port, bound->pas);
    }
    bound->mtu = mtu_of_port(rules, host, bound);
    mtu_diagnose(bound, diags);
}

static void
add_firewall_parts(struct compiled *out, struct firewall_parts *given)
{
    struct firewall_parts *parts = given ? given : firewall_parts_create();

    firewall_parts_add(parts, out->ports, out->n_ports, out->plan);
    if (!given) {
        firewall_parts_destroy(parts);
    }
}

struct compiled *
compile(const struct rules *rules, const struct firewall *firewall,
        const struct host_view *host, struct firewall_parts *parts)
{
    struct compiled *out = xzalloc(sizeof *out);

    diag_set_init(&out->diags);
    out->n_ports = rules->n_ports;
    out->ports = xcalloc(MAX(rules->n_ports, 1), sizeof *out->ports);
    for (size_t i = 0; i < rules->n_ports; i++) {
        out->ports[i] = bind_port(rules, firewall, host, &rules->ports[i],
                                  &out->diags);
    }

    compile_port_vlans(out, rules);
    compile_groups(out, rules, host);
    for (size_t i = 0; i < out->n_ports; i++) {
        if (out->ports[i].state == PORT_ACTIVE) {
            place_port(rules, host, &out->ports[i], &out->diags);
        }
    }
    diagnose_pas(rules, host, &out->diags);

    size_t n_zones;
    struct firewall_zone *zones = firewall_zones(out->ports, out->n_ports,
                                                 &n_zones);

    out->plan = plan_create();
    struct compile_ctx cx = {
        .rules = rules,
        .host = host,
        .ports = out->ports,
        .n_ports = out->n_ports,
        .vlans = out->vlans,
        .n_vlans = out->n_vlans,
        .zones = zones,
        .n_zones = n_zones,
        .plan = out->plan,
    };
    compile_ports(&cx);
    compile_firewall(&cx);
    compile_firewall_log(&cx);
    compile_source(&cx);
    compile_trunks(&cx);
    compile_resolve(&cx);
    compile_nd(&cx);
    compile_router(&cx);
    compile_routes(&cx);
    compile_flood(&cx);
    compile_tunnels(&cx);
    compile_peers(&cx);
    compile_spaces(&cx);
    compile_migrations(&cx);
    compile_learn(&cx);
    compile_rewrite(&cx);
    compile_punts(&cx);
    compile_pas(&cx);
    compile_balance(&cx);
    compile_mtu(&cx);
    compile_drops(&cx);
    free(zones);
    add_firewall_parts(out, parts);
    if (plan_sort(out->plan)) {
        VLOG_WARN("two flows with one match in a plan; this is a bug");
    }
    return out;
}

void
compiled_destroy(struct compiled *compiled)
{
    if (compiled) {
        plan_destroy(compiled->plan);
        free(compiled->ports);
        free(compiled->vlans);
        free(compiled->groups);
        diag_set_uninit(&compiled->diags);
        free(compiled);
    }
}

const char *
port_state_to_string(enum port_state state)
{
    switch (state) {
    case PORT_ACTIVE:
        return "active";
    case PORT_ABSENT:
        return "absent";
    case PORT_BLOCKED:
        return "blocked";
    }
    OVS_NOT_REACHED();
}

void
bound_port_block(struct bound_port *bound, const char *detail)
{
    bound->state = PORT_BLOCKED;
    bound->reason = "PolicyConfigurationFailure";
    bound->detail = detail;
}

/* Says why 'bound' gets no traffic because of its policy; true if it does. */
static bool
block_faulty_policy(struct bound_port *bound)
{
    switch (bound->port->fault) {
    case RULES_PORT_OK:
        return false;
    case RULES_PORT_BAD_NAME:
        bound_port_block(bound, "its name is no port's, or another port's; "
                         "see the Diagnostic table");
        return true;
    case RULES_PORT_UNBOUND:
        bound_port_block(bound, "vlan_bindings names no subnet");
        return true;
    case RULES_PORT_BAD_SUBNET:
        bound_port_block(bound, "its subnet is set aside or in no network; "
                         "see the Diagnostic table");
        return true;
    }
    OVS_NOT_REACHED();
}

/* Likewise, for want of firewall rules. */
static bool
block_by_firewall(struct bound_port *bound)
{
    if (!bound->firewall || !bound->firewall->any) {
        bound_port_block(bound, "no firewall rule of it is enabled");
    } else if (!bound->firewall->understood) {
        bound_port_block(bound, "a firewall rule of it is not understood; see "
                         "the Diagnostic table");
    } else {
        return false;
    }
    bound->reason = "PortBlocked";
    return true;
}

/* Returns the first of the 'n' interfaces at 'ifaces' that the switch has, and
 * in '*ret_second' the one after it, or NULL for either. */
static const struct host_port *
find_present(const struct host_port *ifaces, size_t n,
             const struct host_port **ret_second)
{
    const struct host_port *first = NULL;

    *ret_second = NULL;
    for (size_t i = 0; i < n; i++) {
        if (ifaces[i].ofport == OFPP_NONE) {
            continue;
        }
        if (first) {
            *ret_second = &ifaces[i];
            break;
        }
        first = &ifaces[i];
    }
    return first;
}

/* Finds the interface that 'port' is on this host.  Two that claim it are one
 * too many: which of them the policy means cannot be known, so neither gets
 * traffic.  What the switch does not have, for want of a device, claims
 * nothing. */
static struct bound_port
bind_port(const struct rules *rules, const struct firewall *firewall,
          const struct host_view *host, const struct rules_port *port,
          struct diag_set *diags)
{
    struct bound_port bound = { .port = port, .state = PORT_ABSENT };

    if (port->fault == RULES_PORT_BAD_NAME) {
        block_faulty_policy(&bound);
        return bound;
    }

    size_t n;
    const struct host_port *ifaces = host_view_find(host, port->name, &n);
    const struct host_port *second;
    const struct host_port *iface = find_present(ifaces, n, &second);

    if (second) {
        bound_port_block(&bound, "more than one interface has its iface-id");
        diag_set_add(diags, DIAG_IFACE_ID_DUPLICATE, &port->row,
                     "Physical_Port", "name",
                     "Interfaces %s and %s both have iface-id %s; the port "
                     "gets no traffic until only one has.",
                     iface->name, second->name, port->name);
        return bound;
    }

    bound.iface = iface ? iface : ifaces;
    if (block_faulty_policy(&bound)) {
        return bound;
    }
    if (!iface) {
        return bound;
    }
    if (!iface->has_mac) {
        bound_port_block(&bound, "its interface has no usable "
                         "external_ids:attached-mac");
        return bound;
    }
    if (eth_addr_equals(iface->mac, rules->router_mac)) {
        bound_port_block(&bound, "its MAC is the distributed router's");
        diag_set_add(diags, DIAG_MAC_IS_ROUTER, &port->row, "Physical_Port",
                     "name", "Interface %s has external_ids:attached-mac "
                     ETH_ADDR_FMT", which is the distributed router's; the "
                     "port gets no traffic until one of them has another.",
                     iface->name, ETH_ADDR_ARGS(iface->mac));
        return bound;
    }
    bound.firewall = firewall_find(firewall, port->name);
    if (block_by_firewall(&bound)) {
        return bound;
    }
    bound.state = PORT_ACTIVE;
    return bound;
}
