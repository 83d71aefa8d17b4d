/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "host/bridge.h"
#include <string.h>
#include "host/rewrite-port.h"
#include "openvswitch/vlog.h"
#include "ovsdb-idl.h"
#include "smap.h"
#include "util.h"
#include "vswitch-idl.h"

VLOG_DEFINE_THIS_MODULE(bridge);

/* The tunnel ports: one per encapsulation, whose flows say for each packet
 * where it goes, so that they stay the same whatever the policy is. */
struct tunnel_port {
    const char *name;
    const char *type;           /* Interface.type. */
};

static const struct tunnel_port tunnel_ports[] = {
    { BRIDGE_VXLAN_PORT, "vxlan" },
    { BRIDGE_NVGRE_PORT, "gre" },
};

/* OpenFlow tables that a bridge has; table 255 means all of them. */
#define N_TABLES 255

/* Options of a tunnel port that decide what is on the wire, and so are ours.
 * Flows say where a packet goes and with which key.  The rest must be as if it
 * were not there: VXLAN to the port that other hosts listen on, without
 * extensions; NVGRE, which has no checksum and no sequence number (RFC 7637
 * section 3.2); Ethernet inside.
 *
 * Other options, such as tos, ttl, df_default, egress_pkt_mark or those of
 * IPsec, are whoever's who set them. */
struct tunnel_option {
    const char *type;           /* Interface.type; NULL for all. */
    const char *key;
    const char *wanted;         /* NULL: must not be there, */
    const char *harmless;       /* unless it has this value. */
};

static const struct tunnel_option tunnel_options[] = {
    { NULL, "remote_ip", "flow", NULL },
    { NULL, "local_ip", "flow", NULL },
    { NULL, "key", "flow", NULL },
    { NULL, "in_key", NULL, "flow" },
    { NULL, "out_key", NULL, "flow" },
    { NULL, "packet_type", NULL, "legacy_l2" },
    { "vxlan", "dst_port", NULL, "4789" },
    { "vxlan", "exts", NULL, "" },
    { "gre", "csum", NULL, "false" },
    { "gre", "seq", NULL, "false" },
};

/* The kernel's rules for names of devices, and Open vSwitch's, which makes a
 * socket with this name.  Ports have their names from the same space. */
bool
bridge_name_is_usable(const char *name)
{
    if (!name[0] || strlen(name) > BRIDGE_NAME_MAX
        || name[strcspn(name, "/\\: \t\r\n\v\f")]
        || !strcmp(name, ".") || !strcmp(name, "..")) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(tunnel_ports); i++) {
        if (!strcmp(name, tunnel_ports[i].name)) {
            return false;
        }
    }
    return strcmp(name, BRIDGE_REWRITE_PORT) != 0;
}

const struct ovsrec_bridge *
bridge_find(struct ovsdb_idl *idl, const char *name)
{
    const struct ovsrec_bridge *bridge;

    OVSREC_BRIDGE_FOR_EACH (bridge, idl) {
        if (!strcmp(bridge->name, name)) {
            return bridge;
        }
    }
    return NULL;
}

static const struct ovsrec_port *
find_tunnel_port(const struct ovsrec_bridge *bridge,
                 const struct tunnel_port *tunnel)
{
    for (size_t i = 0; i < bridge->n_ports; i++) {
        const struct ovsrec_port *port = bridge->ports[i];

        if (!strcmp(port->name, tunnel->name) && port->n_interfaces == 1) {
            return port;
        }
    }
    return NULL;
}

static bool
tunnel_option_is_right(const struct ovsrec_interface *iface,
                       const struct tunnel_port *tunnel,
                       const struct tunnel_option *option)
{
    const char *value = smap_get(&iface->options, option->key);

    if (option->type && strcmp(option->type, tunnel->type)) {
        return true;
    }
    if (option->wanted) {
        return value && !strcmp(value, option->wanted);
    }
    return !value || !strcmp(value, option->harmless);
}

static bool
tunnel_iface_is_right(const struct ovsrec_interface *iface,
                      const struct tunnel_port *tunnel)
{
    if (strcmp(iface->type, tunnel->type)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(tunnel_options); i++) {
        if (!tunnel_option_is_right(iface, tunnel, &tunnel_options[i])) {
            return false;
        }
    }
    return true;
}

static bool
fail_mode_is_right(const struct ovsrec_bridge *bridge)
{
    return bridge->fail_mode && !strcmp(bridge->fail_mode, "secure");
}

static bool
datapath_type_is_right(const struct ovsrec_bridge *bridge,
                       const char *datapath_type)
{
    return !datapath_type || !strcmp(bridge->datapath_type, datapath_type);
}

/* Fields by whose prefixes the switch looks flows up, so that those for one
 * address, such as a gateway's, do not make a megaflow for each other one.
 * There may be three; the switch has the first two anyway. */
static const char *prefixes[] = { "ip_dst", "ip_src", "ipv6_dst" };

/* What 'bridge' has on OpenFlow table 'table', or NULL. */
static const struct ovsrec_flow_table *
find_table(const struct ovsrec_bridge *bridge, uint8_t table)
{
    for (size_t i = 0; i < bridge->n_flow_tables; i++) {
        if (bridge->key_flow_tables[i] == table) {
            return bridge->value_flow_tables[i];
        }
    }
    return NULL;
}

static bool
has_prefix(const struct ovsrec_flow_table *row, const char *prefix)
{
    for (size_t i = 0; i < row->n_prefixes; i++) {
        if (!strcmp(row->prefixes[i], prefix)) {
            return true;
        }
    }
    return false;
}

static bool
prefixes_are_right(const struct ovsrec_flow_table *row)
{
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        if (!has_prefix(row, prefixes[i])) {
            return false;
        }
    }
    return true;
}

static bool
table_is_right(const struct ovsrec_bridge *bridge, uint8_t table,
               const char *name)
{
    const struct ovsrec_flow_table *row = find_table(bridge, table);

    return !name || (row && row->name && !strcmp(row->name, name)
                     && prefixes_are_right(row));
}

static bool
tables_are_right(const struct ovsrec_bridge *bridge,
                 const struct bridge_wish *wish)
{
    for (int table = 0; table < N_TABLES; table++) {
        if (!table_is_right(bridge, table, wish->table_name(table))) {
            return false;
        }
    }
    return true;
}

static bool
rewrite_is_right(const struct ovsrec_bridge *bridge,
                 const struct bridge_wish *wish)
{
    return (wish->leave_rewrite
            || rewrite_port_is_right(bridge, &wish->rewrite));
}

bool
bridge_is_right(struct ovsdb_idl *idl, const struct bridge_wish *wish)
{
    const struct ovsrec_bridge *bridge = bridge_find(idl, wish->name);

    if (!bridge || !fail_mode_is_right(bridge)
        || !datapath_type_is_right(bridge, wish->datapath_type)
        || !tables_are_right(bridge, wish)
        || !rewrite_is_right(bridge, wish)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(tunnel_ports); i++) {
        const struct ovsrec_port *port = find_tunnel_port(bridge,
                                                          &tunnel_ports[i]);

        if (!port || !tunnel_iface_is_right(port->interfaces[0],
                                            &tunnel_ports[i])) {
            return false;
        }
    }
    return true;
}

static struct ovsrec_interface *
insert_iface(struct ovsdb_idl_txn *txn, const char *name, const char *type,
             const struct smap *options)
{
    struct ovsrec_interface *iface = ovsrec_interface_insert(txn);

    ovsrec_interface_set_name(iface, name);
    ovsrec_interface_set_type(iface, type);
    if (options) {
        ovsrec_interface_set_options(iface, options);
    }
    return iface;
}

static struct ovsrec_port *
insert_port(struct ovsdb_idl_txn *txn, const char *name, const char *type,
            const struct smap *options)
{
    struct ovsrec_interface *iface = insert_iface(txn, name, type, options);
    struct ovsrec_port *port = ovsrec_port_insert(txn);

    ovsrec_port_set_name(port, name);
    ovsrec_port_set_interfaces(port, &iface, 1);
    return port;
}

static struct ovsrec_port *
insert_tunnel_port(struct ovsdb_idl_txn *txn, const struct tunnel_port *tunnel)
{
    struct smap options = SMAP_INITIALIZER(&options);

    for (size_t i = 0; i < ARRAY_SIZE(tunnel_options); i++) {
        if (tunnel_options[i].wanted) {
            smap_add(&options, tunnel_options[i].key,
                     tunnel_options[i].wanted);
        }
    }
    struct ovsrec_port *port = insert_port(txn, tunnel->name, tunnel->type,
                                           &options);
    smap_destroy(&options);
    VLOG_INFO("adding tunnel port %s (%s)", tunnel->name, tunnel->type);
    return port;
}

static void
put_tunnel_options_right(const struct ovsrec_interface *iface,
                         const struct tunnel_port *tunnel,
                         struct smap *ret_options)
{
    smap_clone(ret_options, &iface->options);
    for (size_t i = 0; i < ARRAY_SIZE(tunnel_options); i++) {
        const struct tunnel_option *option = &tunnel_options[i];

        if (tunnel_option_is_right(iface, tunnel, option)) {
            continue;
        }
        smap_remove(ret_options, option->key);
        if (option->wanted) {
            smap_add(ret_options, option->key, option->wanted);
        }
    }
}

/* Gives a port that was changed a new Interface row.  If a row that the switch
 * refuses is put right within milliseconds, as we do, the switch can take the
 * port and yet leave -1 in the row's "ofport" for good: it writes what differs
 * from what it has read, and has not read its own -1 by then. */
static void
put_tunnel_port_right(struct ovsdb_idl_txn *txn,
                      const struct ovsrec_port *port,
                      const struct tunnel_port *tunnel)
{
    const struct ovsrec_interface *old = port->interfaces[0];
    struct smap options;

    if (tunnel_iface_is_right(old, tunnel)) {
        return;
    }
    VLOG_WARN("tunnel port %s was changed; putting it right again",
              tunnel->name);
    put_tunnel_options_right(old, tunnel, &options);
    struct ovsrec_interface *new = insert_iface(txn, tunnel->name,
                                                tunnel->type, &options);
    ovsrec_interface_set_external_ids(new, &old->external_ids);
    ovsrec_port_set_interfaces(port, &new, 1);
    smap_destroy(&options);
}

/* Takes the tunnel port from the bridge that it is on, or adds it.  The names
 * of ports are unique in the whole database, so when the integration bridge
 * becomes another one, they have to move. */
static const struct ovsrec_port *
obtain_tunnel_port(struct ovsdb_idl *idl, struct ovsdb_idl_txn *txn,
                   const struct tunnel_port *tunnel)
{
    const struct ovsrec_bridge *bridge;

    OVSREC_BRIDGE_FOR_EACH (bridge, idl) {
        const struct ovsrec_port *port = find_tunnel_port(bridge, tunnel);

        if (port) {
            VLOG_INFO("taking tunnel port %s from bridge %s",
                      tunnel->name, bridge->name);
            ovsrec_bridge_update_ports_delvalue(bridge, port);
            put_tunnel_port_right(txn, port, tunnel);
            return port;
        }
    }
    return insert_tunnel_port(txn, tunnel);
}

/* A bridge as ovs-vsctl's add-br makes it, with a port of its own name, and
 * with the tunnel ports. */
static void
insert_bridge(struct ovsdb_idl *idl, struct ovsdb_idl_txn *txn,
              const struct bridge_wish *wish)
{
    struct ovsrec_bridge *bridge = ovsrec_bridge_insert(txn);
    struct ovsrec_port *ports[1 + ARRAY_SIZE(tunnel_ports)];

    VLOG_INFO("adding integration bridge %s", wish->name);
    ports[0] = insert_port(txn, wish->name, "internal", NULL);
    for (size_t i = 0; i < ARRAY_SIZE(tunnel_ports); i++) {
        ports[i + 1] = CONST_CAST(struct ovsrec_port *,
                                  obtain_tunnel_port(idl, txn,
                                                     &tunnel_ports[i]));
    }
    ovsrec_bridge_set_name(bridge, wish->name);
    ovsrec_bridge_set_fail_mode(bridge, "secure");
    if (wish->datapath_type) {
        ovsrec_bridge_set_datapath_type(bridge, wish->datapath_type);
    }
    ovsrec_bridge_set_ports(bridge, ports, ARRAY_SIZE(ports));
    ovsrec_open_vswitch_update_bridges_addvalue(
        ovsrec_open_vswitch_first(idl), bridge);
}

static void
put_tunnel_right(struct ovsdb_idl *idl, struct ovsdb_idl_txn *txn,
                 const struct ovsrec_bridge *bridge,
                 const struct tunnel_port *tunnel)
{
    const struct ovsrec_port *port = find_tunnel_port(bridge, tunnel);

    if (port) {
        put_tunnel_port_right(txn, port, tunnel);
    } else {
        ovsrec_bridge_update_ports_addvalue(
            bridge, obtain_tunnel_port(idl, txn, tunnel));
    }
}

/* With names, so that "ovs-ofctl --names dump-flows" says what a table is
 * for. */
static void
describe_tables(struct ovsdb_idl_txn *txn, const struct ovsrec_bridge *bridge,
            const struct bridge_wish *wish)
{
    for (int table = 0; table < N_TABLES; table++) {
        const char *name = wish->table_name(table);

        if (!table_is_right(bridge, table, name)) {
            struct ovsrec_flow_table *row = ovsrec_flow_table_insert(txn);

            ovsrec_flow_table_set_name(row, name);
            ovsrec_flow_table_set_prefixes(row, prefixes,
                                           ARRAY_SIZE(prefixes));
            ovsrec_bridge_update_flow_tables_setkey(bridge, table, row);
        }
    }
}

void
bridge_put_right(struct ovsdb_idl *idl, struct ovsdb_idl_txn *txn,
                 const struct bridge_wish *wish)
{
    const struct ovsrec_bridge *bridge = bridge_find(idl, wish->name);

    if (!bridge) {
        insert_bridge(idl, txn, wish);
        return;
    }
    if (!fail_mode_is_right(bridge)) {
        ovsrec_bridge_set_fail_mode(bridge, "secure");
    }
    if (!datapath_type_is_right(bridge, wish->datapath_type)) {
        ovsrec_bridge_set_datapath_type(bridge, wish->datapath_type);
    }
    if (!tables_are_right(bridge, wish)) {
        describe_tables(txn, bridge, wish);
    }
    if (!rewrite_is_right(bridge, wish)) {
        rewrite_port_put_right(idl, txn, bridge, &wish->rewrite);
    }
    for (size_t i = 0; i < ARRAY_SIZE(tunnel_ports); i++) {
        put_tunnel_right(idl, txn, bridge, &tunnel_ports[i]);
    }
}
