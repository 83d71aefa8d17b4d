/* SPDX-License-Identifier: Apache-2.0 */

#ifndef HOST_UPLINK_H
#define HOST_UPLINK_H 1

/* What is behind a device that has a provider address.
 *
 * A network card, a bond or a VLAN device is the uplink itself.  An internal
 * port of an Open vSwitch bridge is not: it is up as long as Open vSwitch
 * runs.  Its uplinks are those of the bridge's interfaces that are physical,
 * not a guest's, and it works while one of them does. */

#include <stdbool.h>

struct ovsdb_idl;
struct ovsrec_port;

struct uplink {
    bool up;
    unsigned int mtu;           /* The smallest; 0 if unknown. */
};

/* Looks through 'device' in the Open_vSwitch database.  Returns false if it
 * is no internal port, or nothing is known of what is behind it. */
bool uplink_find(struct ovsdb_idl *, const char *device,
                 struct uplink *ret_uplink);

/* True if 'device' is an internal port of Open vSwitch, and 'port' is it; or
 * some port is. */
bool uplink_port_has_device(const struct ovsrec_port *port,
                            const char *device);
bool uplink_is_internal(struct ovsdb_idl *, const char *device);

#endif /* host/uplink.h */
