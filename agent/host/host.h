/* SPDX-License-Identifier: Apache-2.0 */

#ifndef HOST_HOST_H
#define HOST_HOST_H 1

/* This host's Open vSwitch: its configuration database (Open_vSwitch); and the
 * kernel's network interfaces that have provider addresses.
 *
 * Keeps the integration bridge and the tunnel ports in it, reads which guests'
 * interfaces are there, and reads the agent's own settings from
 * Open_vSwitch.external_ids (all optional; a command-line option wins):
 *
 *   hnv-bridge         name of the integration bridge      [br-int]
 *   hnv-datapath-type  datapath_type of that bridge        [the switch's own]
 *   hnv-backend        what the switch is to hold mappings in: "stock",
 *                      flows; or "hnv", the datapath extension's spaces, if
 *                      it has any                          [hnv]
 *   hnv-remotes        OVSDB remotes, separated by white space
 *   hnv-db-dir         directory of the databases
 *
 * It changes only what it must: the bridge's fail_mode, its two tunnel ports,
 * the port that IP rewrite takes while there is such a subnet, the names of
 * its tables, the bridge itself if it is not there, and the VLAN tags of
 * internal ports with provider addresses that are to have one.
 *
 * Threads: one, the one that runs the main loop. */

#include <stdbool.h>
#include <stdint.h>
#include "host/host-view.h"

struct host;
struct pa_place;
struct rewrite_port;
struct smap;

/* Starts to follow the database at 'remote', e.g. "unix:/run/.../db.sock".
 * 'table_name' gives the bridge's OpenFlow tables their names, NULL for those
 * without. */
struct host *host_create(const char *remote,
                         const char *(*table_name)(uint8_t table));
void host_destroy(struct host *);

/* Name of the bridge regardless of hnv-bridge, which must be usable; NULL for
 * the setting's. */
void host_override_bridge(struct host *, const char *name);

/* What the port for IP rewrite is to be, if the bridge is to have one.  Until
 * the first call, it is left alone. */
void host_set_rewrite(struct host *, const struct rewrite_port *);

/* Whether the bridge's switch has our datapath extension, which only who talks
 * to it finds out.  At first not; the view tells of it at once. */
void host_set_spaces(struct host *, bool);

void host_run(struct host *);
void host_wait(struct host *);

/* Says which addresses are this host's provider addresses, with their VLANs
 * and VRF, see pa_watch_set(): the view tells of each where it is.  Once the
 * host is ready. */
void host_watch_pas(struct host *, const struct pa_place *, size_t n,
                    const char *vrf);

/* True once the database's contents are known. */
bool host_is_ready(const struct host *);

/* Settings and names.  Valid until the next host_run(). */
const char *host_system_id(const struct host *); /* NULL if it has none. */
const char *host_setting(const struct host *, const char *key); /* "hnv-..." */

/* What the host has, never NULL; valid until the next host_run().
 * host_view_seqno() changes when it does. */
const struct host_view *host_get_view(const struct host *);
unsigned int host_view_seqno(const struct host *);

/* OpenFlow connection method of the bridge, NULL while there is no bridge. */
const char *host_bridge_target(const struct host *);

#endif /* host/host.h */
