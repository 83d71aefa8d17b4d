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

static bool
is_right(const struct ovsrec_port *port, const char *mac)
{
    const struct ovsrec_interface *iface
        = port->n_interfaces == 1 ? port->interfaces[0] : NULL;

    return (iface && !strcmp(iface->name, NAME)
            && !strcmp(iface->type, "internal")
            && iface->mac && !strcmp(iface->mac, mac));
}

bool
rewrite_port_is_right(const struct ovsrec_bridge *bridge, const char *mac)
{
    const struct ovsrec_port *port = find_port(bridge);

    return mac ? port && is_right(port, mac) : !port;
}

static struct ovsrec_interface *
insert_iface(struct ovsdb_idl_txn *txn, const char *mac)
{
    struct ovsrec_interface *iface = ovsrec_interface_insert(txn);

    ovsrec_interface_set_name(iface, NAME);
    ovsrec_interface_set_type(iface, "internal");
    ovsrec_interface_set_mac(iface, mac);
    return iface;
}

/* As with the tunnel ports, a port that was changed gets a new Interface. */
static void
put_iface_right(struct ovsdb_idl_txn *txn, const struct ovsrec_port *port,
                const char *mac)
{
    struct ovsrec_interface *iface;

    if (!is_right(port, mac)) {
        VLOG_WARN("port %s was changed; putting it right again", NAME);
        iface = insert_iface(txn, mac);
        ovsrec_port_set_interfaces(port, &iface, 1);
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
insert_port(struct ovsdb_idl_txn *txn, const char *mac)
{
    struct ovsrec_interface *iface = insert_iface(txn, mac);
    struct ovsrec_port *port = ovsrec_port_insert(txn);

    VLOG_INFO("adding port %s, for IP rewrite", NAME);
    ovsrec_port_set_name(port, NAME);
    ovsrec_port_set_interfaces(port, &iface, 1);
    return port;
}

void
rewrite_port_put_right(struct ovsdb_idl *idl, struct ovsdb_idl_txn *txn,
                       const struct ovsrec_bridge *bridge, const char *mac)
{
    const struct ovsrec_port *port = find_port(bridge);

    if (!mac) {
        VLOG_INFO("removing port %s: no subnet has IP rewrite any more",
                  NAME);
        ovsrec_bridge_update_ports_delvalue(bridge, port);
        return;
    }
    if (port) {
        put_iface_right(txn, port, mac);
        return;
    }
    port = take_port(idl);
    if (port) {
        put_iface_right(txn, port, mac);
    } else {
        port = insert_port(txn, mac);
    }
    ovsrec_bridge_update_ports_addvalue(bridge, port);
}
