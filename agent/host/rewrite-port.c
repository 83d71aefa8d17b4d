/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "host/rewrite-port.h"
#include <string.h>
#include "host/bridge.h"
#include "openvswitch/vlog.h"
#include "ovsdb-idl.h"
#include "util.h"
#include "vswitch-idl.h"

VLOG_DEFINE_THIS_MODULE(rewrite_port);

#define NAME BRIDGE_REWRITE_PORT

static const struct ovsrec_port *
find_port(const struct ovsrec_bridge *bridge)
{
    for (size_t i = 0; i < bridge->n_ports; i++) {
        if (!strcmp(bridge->ports[i]->name, NAME)) {
            return bridge->ports[i];
        }
    }
    return NULL;
}

/* All but the MTU. */
static bool
is_right(const struct ovsrec_port *port, const char *mac)
{
    const struct ovsrec_interface *iface
        = port->n_interfaces == 1 ? port->interfaces[0] : NULL;

    return (iface && !strcmp(iface->name, NAME)
            && !strcmp(iface->type, "internal")
            && iface->mac && !strcmp(iface->mac, mac));
}

static bool
mtu_is_right(const struct ovsrec_interface *iface, unsigned int mtu)
{
    return !mtu || (iface->n_mtu_request == 1
                    && iface->mtu_request[0] == mtu);
}

bool
rewrite_port_is_right(const struct ovsrec_bridge *bridge,
                      const struct rewrite_port *wish)
{
    const struct ovsrec_port *port = find_port(bridge);

    return (!wish->mac ? !port
            : (port && is_right(port, wish->mac)
               && mtu_is_right(port->interfaces[0], wish->mtu)));
}

static void
set_mtu(const struct ovsrec_interface *iface, unsigned int mtu)
{
    int64_t request = mtu;

    if (mtu) {
        ovsrec_interface_set_mtu_request(iface, &request, 1);
    }
}

static struct ovsrec_interface *
insert_iface(struct ovsdb_idl_txn *txn, const struct rewrite_port *wish)
{
    struct ovsrec_interface *iface = ovsrec_interface_insert(txn);

    ovsrec_interface_set_name(iface, NAME);
    ovsrec_interface_set_type(iface, "internal");
    ovsrec_interface_set_mac(iface, wish->mac);
    set_mtu(iface, wish->mtu);
    return iface;
}

/* As with the tunnel ports, a port that was changed gets a new Interface. */
static void
put_iface_right(struct ovsdb_idl_txn *txn, const struct ovsrec_port *port,
                const struct rewrite_port *wish)
{
    struct ovsrec_interface *iface;

    if (!is_right(port, wish->mac)) {
        VLOG_WARN("port %s was changed; putting it right again", NAME);
        iface = insert_iface(txn, wish);
        ovsrec_port_set_interfaces(port, &iface, 1);
    } else if (!mtu_is_right(port->interfaces[0], wish->mtu)) {
        set_mtu(port->interfaces[0], wish->mtu);
    }
}

/* Takes the port from another bridge, as when the integration bridge becomes
 * another one: names of ports are unique.  NULL if no bridge has it. */
static const struct ovsrec_port *
take_port(struct ovsdb_idl *idl)
{
    const struct ovsrec_bridge *bridge;

    OVSREC_BRIDGE_FOR_EACH (bridge, idl) {
        const struct ovsrec_port *port = find_port(bridge);

        if (port) {
            VLOG_INFO("taking port %s from bridge %s", NAME, bridge->name);
            ovsrec_bridge_update_ports_delvalue(bridge, port);
            return port;
        }
    }
    return NULL;
}

static const struct ovsrec_port *
insert_port(struct ovsdb_idl_txn *txn, const struct rewrite_port *wish)
{
    struct ovsrec_interface *iface = insert_iface(txn, wish);
    struct ovsrec_port *port = ovsrec_port_insert(txn);

    VLOG_INFO("adding port %s, for IP rewrite", NAME);
    ovsrec_port_set_name(port, NAME);
    ovsrec_port_set_interfaces(port, &iface, 1);
    return port;
}

void
rewrite_port_put_right(struct ovsdb_idl *idl, struct ovsdb_idl_txn *txn,
                       const struct ovsrec_bridge *bridge,
                       const struct rewrite_port *wish)
{
    const struct ovsrec_port *port = find_port(bridge);

    if (!wish->mac) {
        VLOG_INFO("removing port %s: no subnet has IP rewrite any more",
                  NAME);
        ovsrec_bridge_update_ports_delvalue(bridge, port);
        return;
    }
    if (port) {
        put_iface_right(txn, port, wish);
        return;
    }
    port = take_port(idl);
    if (port) {
        put_iface_right(txn, port, wish);
    } else {
        port = insert_port(txn, wish);
    }
    ovsrec_bridge_update_ports_addvalue(bridge, port);
}
