/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "host/uplink.h"
#include <stddef.h>
#include <string.h>
#include "smap.h"
#include "util.h"
#include "vswitch-idl.h"

bool
uplink_port_has_device(const struct ovsrec_port *port, const char *device)
{
    for (size_t i = 0; i < port->n_interfaces; i++) {
        if (!strcmp(port->interfaces[i]->name, device)
            && !strcmp(port->interfaces[i]->type, "internal")) {
            return true;
        }
    }
    return false;
}

/* The bridge of which 'device' is an internal port, or NULL. */
static const struct ovsrec_bridge *
find_bridge_of(struct ovsdb_idl *idl, const char *device)
{
    const struct ovsrec_bridge *bridge;

    OVSREC_BRIDGE_FOR_EACH (bridge, idl) {
        for (size_t i = 0; i < bridge->n_ports; i++) {
            if (uplink_port_has_device(bridge->ports[i], device)) {
                return bridge;
            }
        }
    }
    return NULL;
}

bool
uplink_is_internal(struct ovsdb_idl *idl, const char *device)
{
    return find_bridge_of(idl, device) != NULL;
}

static bool
iface_is_physical(const struct ovsrec_interface *iface)
{
    static const char *const types[] = {
        "", "system", "dpdk", "afxdp", "afxdp-nonpmd",
    };

    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (!strcmp(iface->type, types[i])) {
            return !smap_get(&iface->external_ids, "iface-id");
        }
    }
    return false;
}

/* What Open vSwitch says nothing about is up. */
static bool
iface_is_up(const struct ovsrec_interface *iface)
{
    if (iface->n_ofport && iface->ofport[0] < 0) {
        return false;           /* There is no such device. */
    }
    return !iface->link_state || strcmp(iface->link_state, "down");
}

static void
add_iface(const struct ovsrec_interface *iface, struct uplink *uplink)
{
    uplink->up |= iface_is_up(iface);
    if (iface->n_mtu && iface->mtu[0] > 0
        && (!uplink->mtu || iface->mtu[0] < uplink->mtu)) {
        uplink->mtu = iface->mtu[0];
    }
}

bool
uplink_find(struct ovsdb_idl *idl, const char *device,
            struct uplink *ret_uplink)
{
    const struct ovsrec_bridge *bridge = find_bridge_of(idl, device);
    struct uplink uplink = { .up = false };
    bool any = false;

    for (size_t i = 0; bridge && i < bridge->n_ports; i++) {
        const struct ovsrec_port *port = bridge->ports[i];

        for (size_t j = 0; j < port->n_interfaces; j++) {
            if (iface_is_physical(port->interfaces[j])) {
                add_iface(port->interfaces[j], &uplink);
                any = true;
            }
        }
    }
    if (any) {
        *ret_uplink = uplink;
    }
    return any;
}
