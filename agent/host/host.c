/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "host/host.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "dirs.h"
#include "host/bridge.h"
#include "host/pa-vlan.h"
#include "host/pa-watch.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovsdb-idl.h"
#include "smap.h"
#include "timeval.h"
#include "util.h"
#include "util/addr.h"
#include "vswitch-idl.h"

VLOG_DEFINE_THIS_MODULE(host);

/* How long the database or the bridge may be away before a person is told. */
#define COMPLAIN_AFTER_MS 5000

/* How long to wait after a transaction that failed. */
#define RETRY_MS 1000

/* Since when something has not been there. */
struct absence {
    long long int since_ms;     /* LLONG_MAX while it is there. */
    bool told;
};

struct host {
    char *remote;
    const char *(*table_name)(uint8_t table);
    struct ovsdb_idl *idl;
    struct ovsdb_idl_txn *txn;  /* In flight, or NULL. */
    long long int retry_ms;     /* No transaction before this time. */

    bool ready;                 /* The contents were known once. */
    struct absence no_database;
    struct absence no_bridge;

    char *bridge_override;
    char *bad_bridge;           /* Value of hnv-bridge told of, or NULL. */
    char *bridge;               /* In use now. */
    char *target;               /* Of 'bridge', NULL while it is not there. */
    char *system_id;
    bool spaces;                /* See host_set_spaces(). */
    bool rewrite_known;         /* host_set_rewrite() was called. */
    struct rewrite_port rewrite;
    struct smap settings;       /* Open_vSwitch.external_ids, "hnv-...". */
    struct smap bad_macs;       /* Of interfaces by name, told already. */

    unsigned int idl_seqno;     /* Of the contents last looked at. */
    struct host_view *view;
    unsigned int view_seqno;
    struct pa_watch *pas;
};

static void monitor_columns(struct ovsdb_idl *);
static void host_check_connection(struct host *);
static void host_check_bridge(struct host *);
static void absence_wait(const struct absence *);
static void host_read(struct host *);
static void host_update_view(struct host *);
static void host_finish_txn(struct host *);
static void host_keep_bridge(struct host *);

struct host *
host_create(const char *remote, const char *(*table_name)(uint8_t table))
{
    struct host *host = xzalloc(sizeof *host);

    host->remote = xstrdup(remote);
    host->table_name = table_name;
    host->idl = ovsdb_idl_create(remote, &ovsrec_idl_class, false, true);
    monitor_columns(host->idl);
    host->no_database.since_ms = time_msec();
    host->no_bridge.since_ms = LLONG_MAX;
    host->retry_ms = LLONG_MIN;
    host->bridge = xstrdup(BRIDGE_DEFAULT_NAME);
    smap_init(&host->settings);
    smap_init(&host->bad_macs);
    host->view = host_view_create();
    host->pas = pa_watch_create();
    return host;
}

void
host_destroy(struct host *host)
{
    if (host) {
        if (host->txn) {
            ovsdb_idl_txn_destroy(host->txn);
        }
        ovsdb_idl_destroy(host->idl);
        host_view_destroy(host->view);
        pa_watch_destroy(host->pas);
        smap_destroy(&host->settings);
        smap_destroy(&host->bad_macs);
        free(host->remote);
        free(host->bridge_override);
        free(host->bad_bridge);
        free(host->bridge);
        free(host->target);
        free(host->system_id);
        free(host);
    }
}

void
host_override_bridge(struct host *host, const char *name)
{
    free(host->bridge_override);
    host->bridge_override = nullable_xstrdup(name);
}

void
host_set_rewrite(struct host *host, const struct rewrite_port *rewrite)
{
    if (!host->rewrite_known || host->rewrite.mac != rewrite->mac
        || host->rewrite.mtu != rewrite->mtu) {
        host->rewrite_known = true;
        host->rewrite = *rewrite;
        poll_immediate_wake();
    }
}

void
host_set_spaces(struct host *host, bool spaces)
{
    if (host->spaces != spaces) {
        host->spaces = spaces;
        host_update_view(host);
    }
}

void
host_run(struct host *host)
{
    bool pas_changed = pa_watch_run(host->pas);

    ovsdb_idl_run(host->idl);
    host_check_connection(host);
    host_finish_txn(host);
    if (!ovsdb_idl_has_ever_connected(host->idl)
        || !ovsrec_open_vswitch_first(host->idl)) {
        return;
    }
    if (!host->ready || host->idl_seqno != ovsdb_idl_get_seqno(host->idl)) {
        host_read(host);
    } else if (pas_changed) {
        host_update_view(host);
    }
    host_check_bridge(host);
    host_keep_bridge(host);
}

void
host_wait(struct host *host)
{
    ovsdb_idl_wait(host->idl);
    pa_watch_wait(host->pas);
    if (host->txn) {
        ovsdb_idl_txn_wait(host->txn);
    } else if (host->retry_ms > time_msec()) {
        poll_timer_wait_until(host->retry_ms);
    }
    absence_wait(&host->no_database);
    absence_wait(&host->no_bridge);
}

void
host_watch_pas(struct host *host, const struct pa_place *pas, size_t n,
               const char *vrf)
{
    if (pa_watch_set(host->pas, pas, n, vrf)) {
        host_update_view(host);
    }
}

bool
host_is_ready(const struct host *host)
{
    return host->ready;
}

const char *
host_system_id(const struct host *host)
{
    return host->system_id;
}

const char *
host_setting(const struct host *host, const char *key)
{
    return smap_get(&host->settings, key);
}

const struct host_view *
host_get_view(const struct host *host)
{
    return host->view;
}

unsigned int
host_view_seqno(const struct host *host)
{
    return host->view_seqno;
}

const char *
host_bridge_target(const struct host *host)
{
    return host->target;
}

/* Columns that are read; of those that only the agent writes, changes need not
 * wake it. */
static void
monitor_columns(struct ovsdb_idl *idl)
{
    static const struct ovsdb_idl_column *const columns[] = {
        &ovsrec_open_vswitch_col_external_ids,
        &ovsrec_open_vswitch_col_bridges,
        &ovsrec_bridge_col_name,
        &ovsrec_bridge_col_datapath_id,
        &ovsrec_bridge_col_ports,
        &ovsrec_bridge_col_fail_mode,
        &ovsrec_bridge_col_datapath_type,
        &ovsrec_bridge_col_flow_tables,
        &ovsrec_flow_table_col_name,
        &ovsrec_flow_table_col_prefixes,
        &ovsrec_port_col_name,
        &ovsrec_port_col_interfaces,
        &ovsrec_port_col_tag,
        &ovsrec_port_col_external_ids,
        &ovsrec_interface_col_name,
        &ovsrec_interface_col_type,
        &ovsrec_interface_col_mac,
        &ovsrec_interface_col_ofport,
        &ovsrec_interface_col_external_ids,
        &ovsrec_interface_col_options,
        &ovsrec_interface_col_link_state,
        &ovsrec_interface_col_mtu,
        &ovsrec_interface_col_mtu_request,
    };
    static const struct ovsdb_idl_table_class *const tables[] = {
        &ovsrec_table_open_vswitch,
        &ovsrec_table_bridge,
        &ovsrec_table_port,
        &ovsrec_table_interface,
        &ovsrec_table_flow_table,
    };

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        ovsdb_idl_add_table(idl, tables[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        ovsdb_idl_add_column(idl, columns[i]);
    }
}

/* Notes whether the thing is there.  Returns true once each time that it has
 * been away for too long. */
static bool
absence_update(struct absence *absence, bool present)
{
    if (present) {
        *absence = (struct absence) { .since_ms = LLONG_MAX };
    } else if (absence->since_ms == LLONG_MAX) {
        absence->since_ms = time_msec();
    } else if (!absence->told
               && time_msec() >= absence->since_ms + COMPLAIN_AFTER_MS) {
        absence->told = true;
        return true;
    }
    return false;
}

static void
absence_wait(const struct absence *absence)
{
    if (!absence->told && absence->since_ms != LLONG_MAX) {
        poll_timer_wait_until(absence->since_ms + COMPLAIN_AFTER_MS);
    }
}

/* Tells a person when the database is away for long, and when it is back. */
static void
host_check_connection(struct host *host)
{
    bool connected = ovsdb_idl_is_connected(host->idl);

    if (connected && host->no_database.told) {
        VLOG_INFO("%s: connected to Open vSwitch's database", host->remote);
    }
    if (absence_update(&host->no_database, connected)) {
        VLOG_WARN("%s: Open vSwitch's database cannot be reached; start Open "
                  "vSwitch, or name its socket with --ovsdb.  Until then no "
                  "port and no bridge change is seen", host->remote);
    }
}

/* Likewise for the bridge, which the switch may be unable to make. */
static void
host_check_bridge(struct host *host)
{
    if (host->target && host->no_bridge.told) {
        VLOG_INFO("bridge %s: Open vSwitch has made it", host->bridge);
    }
    if (absence_update(&host->no_bridge, host->target != NULL)) {
        VLOG_WARN("bridge %s: Open vSwitch does not make it; ovs-vswitchd's "
                  "log says why, if that is running.  Without its kernel "
                  "module the bridge needs "
                  "external_ids:hnv-datapath-type=netdev", host->bridge);
    }
}

/* Tells once of a value of hnv-bridge that cannot be used. */
static void
complain_of_bridge(struct host *host, const char *name)
{
    if (!host->bad_bridge || strcmp(host->bad_bridge, name)) {
        VLOG_WARN("external_ids:hnv-bridge \"%s\" cannot be the name of a "
                  "bridge (at most %d characters, no slash, colon or blank, "
                  "not that of a tunnel port); the integration bridge is "
                  "still %s", name, BRIDGE_NAME_MAX, host->bridge);
        free(host->bad_bridge);
        host->bad_bridge = xstrdup(name);
    }
}

/* Name of the integration bridge as the settings have it; while they have one
 * that cannot be, that of now. */
static const char *
choose_bridge(struct host *host)
{
    const char *name = host_setting(host, "hnv-bridge");

    if (host->bridge_override) {
        return host->bridge_override;
    }
    if (name && !bridge_name_is_usable(name)) {
        complain_of_bridge(host, name);
        return host->bridge;
    }
    free(host->bad_bridge);
    host->bad_bridge = NULL;
    return name ? name : BRIDGE_DEFAULT_NAME;
}

/* Reads the settings; the system's name, the bridge's name. */
static void
host_read_settings(struct host *host)
{
    const struct ovsrec_open_vswitch *cfg
        = ovsrec_open_vswitch_first(host->idl);
    const char *system_id = smap_get(&cfg->external_ids, "system-id");
    const struct smap_node *node;

    free(host->system_id);
    host->system_id = nullable_xstrdup(system_id);

    smap_clear(&host->settings);
    SMAP_FOR_EACH (node, &cfg->external_ids) {
        if (!strncmp(node->key, "hnv-", 4) && node->value[0]) {
            smap_add(&host->settings, node->key, node->value);
        }
    }

    const char *bridge = choose_bridge(host);
    if (strcmp(bridge, host->bridge)) {
        if (host->ready) {
            VLOG_INFO("integration bridge is now %s; %s is left as it is",
                      bridge, host->bridge);
        }
        free(host->bridge);
        host->bridge = xstrdup(bridge);
    }
}

/* Folder of Open vSwitch's sockets: where its database's is, if that is a
 * Unix socket, for then its switch's are there, too. */
static char *
bridge_rundir(const struct host *host)
{
    const char *path = host->remote;

    if (!strncmp(path, "unix:/", 6)) {
        return dir_name(path + 5);
    }
    return xstrdup(ovs_rundir());
}

/* A bridge that the switch has made, and so has a socket for, has a
 * datapath_id. */
static void
host_update_target(struct host *host, const struct ovsrec_bridge *bridge)
{
    free(host->target);
    host->target = NULL;
    if (bridge && bridge->datapath_id) {
        char *rundir = bridge_rundir(host);

        host->target = xasprintf("unix:%s/%s.mgmt", rundir, host->bridge);
        free(rundir);
    }
}

static ofp_port_t
iface_ofport(const struct ovsrec_interface *iface)
{
    return (iface->n_ofport && iface->ofport[0] > 0
            ? OFP_PORT_C(iface->ofport[0]) : OFPP_NONE);
}

/* Tells once of each value of external_ids:attached-mac that is bad. */
static void
complain_of_mac(struct smap *bad_macs, const struct ovsrec_interface *iface,
                const char *mac)
{
    if (strcmp(smap_get_def(bad_macs, iface->name, ""), mac)) {
        VLOG_WARN("interface %s: external_ids:attached-mac \"%s\" is no MAC "
                  "address of a guest; its port is blocked",
                  iface->name, mac);
        smap_replace(bad_macs, iface->name, mac);
    }
}

/* Adds the guest's interface 'iface', if it is one. */
static void
read_guest_iface(const struct ovsrec_interface *iface, struct smap *bad_macs,
                 struct host_view *view)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);
    const struct smap *ids = &iface->external_ids;
    const char *iface_id = smap_get(ids, "iface-id");
    char guid[256];

    if (!iface_id) {
        return;
    }
    if (!addr_guid_normalize(iface_id, guid, sizeof guid)) {
        VLOG_WARN_RL(&rl, "interface %s: external_ids:iface-id is empty or "
                     "too long; ignored", iface->name);
        return;
    }

    struct host_port *port = host_view_add_port(view);
    const char *mac = smap_get(ids, "attached-mac");
    port->iface_id = xstrdup(guid);
    port->name = xstrdup(iface->name);
    port->port_id = xstrdup(smap_get_def(ids, "vm-port-id", iface->name));
    port->vm_name = xstrdup(smap_get_def(ids, "vm-name",
                                         smap_get_def(ids, "vm-id", "")));
    port->ofport = iface_ofport(iface);
    port->mtu = iface->n_mtu && iface->mtu[0] > 0 ? iface->mtu[0] : 0;
    port->has_mac = mac && addr_mac_parse(mac, &port->mac);
    if (mac && !port->has_mac) {
        complain_of_mac(bad_macs, iface, mac);
    } else {
        smap_remove(bad_macs, iface->name);
    }
}

static void
read_iface(const struct ovsrec_interface *iface, struct smap *bad_macs,
           struct host_view *view)
{
    if (!strcmp(iface->name, BRIDGE_VXLAN_PORT)) {
        view->vxlan = iface_ofport(iface);
    } else if (!strcmp(iface->name, BRIDGE_NVGRE_PORT)) {
        view->nvgre = iface_ofport(iface);
    } else if (!strcmp(iface->name, BRIDGE_REWRITE_PORT)) {
        view->rewrite = iface_ofport(iface);
    } else {
        read_guest_iface(iface, bad_macs, view);
    }
}

static struct host_view *
read_view(const struct ovsrec_bridge *bridge, struct smap *bad_macs)
{
    struct host_view *view = host_view_create();

    view->userspace = bridge && !strcmp(bridge->datapath_type, "netdev");
    for (size_t i = 0; bridge && i < bridge->n_ports; i++) {
        const struct ovsrec_port *port = bridge->ports[i];

        for (size_t j = 0; j < port->n_interfaces; j++) {
            read_iface(port->interfaces[j], bad_macs, view);
        }
    }
    host_view_sort(view);
    return view;
}

static void
host_update_view(struct host *host)
{
    const struct ovsrec_bridge *bridge = bridge_find(host->idl, host->bridge);
    struct host_view *view = read_view(bridge, &host->bad_macs);

    view->spaces = host->spaces;
    pa_watch_fill(host->pas, host->idl, view);
    if (!host->ready || !host_view_equal(view, host->view)) {
        host_view_destroy(host->view);
        host->view = view;
        host->view_seqno++;
    } else {
        host_view_destroy(view);
    }
}

/* Takes over what the database says now. */
static void
host_read(struct host *host)
{
    host->idl_seqno = ovsdb_idl_get_seqno(host->idl);
    host_read_settings(host);
    host_update_target(host, bridge_find(host->idl, host->bridge));
    host_update_view(host);
    host->ready = true;
}

static void
host_finish_txn(struct host *host)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

    if (!host->txn) {
        return;
    }
    enum ovsdb_idl_txn_status status = ovsdb_idl_txn_commit(host->txn);
    if (status == TXN_INCOMPLETE) {
        return;
    }
    if (status != TXN_SUCCESS && status != TXN_UNCHANGED
        && status != TXN_TRY_AGAIN) {
        VLOG_WARN_RL(&rl, "changing bridge %s failed (%s: %s); trying again",
                     host->bridge, ovsdb_idl_txn_status_to_string(status),
                     ovsdb_idl_txn_get_error(host->txn));
    }
    if (status != TXN_SUCCESS) {
        host->retry_ms = time_msec() + RETRY_MS;
    }
    ovsdb_idl_txn_destroy(host->txn);
    host->txn = NULL;
}

/* One transaction at a time, and none that would change nothing. */
static void
host_keep_bridge(struct host *host)
{
    const struct bridge_wish wish = {
        .name = host->bridge,
        .datapath_type = host_setting(host, "hnv-datapath-type"),
        .leave_rewrite = !host->rewrite_known,
        .rewrite = host->rewrite,
        .table_name = host->table_name,
    };
    size_t n;
    const struct pa_place *places = pa_watch_places(host->pas, &n);

    if (host->txn || time_msec() < host->retry_ms
        || !ovsdb_idl_is_connected(host->idl)
        || (bridge_is_right(host->idl, &wish)
            && (!places || pa_vlans_are_right(host->idl, places, n)))) {
        return;
    }
    host->txn = ovsdb_idl_txn_create(host->idl);
    ovsdb_idl_txn_add_comment(host->txn, "hnv-agent: integration bridge %s",
                              host->bridge);
    bridge_put_right(host->idl, host->txn, &wish);
    if (places) {
        pa_vlans_put_right(host->idl, places, n);
    }
    host_finish_txn(host);
}
