/* SPDX-License-Identifier: Apache-2.0 */

#ifndef HOST_REWRITE_PORT_H
#define HOST_REWRITE_PORT_H 1

/* The integration bridge's port into the host's stack, BRIDGE_REWRITE_PORT, as
 * rows of Open_vSwitch.  It is there only while some subnet has IP rewrite. */

#include <stdbool.h>

struct ovsdb_idl;
struct ovsdb_idl_txn;
struct ovsrec_bridge;

/* What the port shall be. */
struct rewrite_port {
    const char *mac;            /* Of the device on the host's side, constant;
                                 * NULL if there is to be no port. */
    unsigned int mtu;           /* Likewise: what comes in by the uplinks must
                                 * fit.  By default Open vSwitch gives it that
                                 * of the smallest guest.  0 to leave it. */
};

bool rewrite_port_is_right(const struct ovsrec_bridge *,
                           const struct rewrite_port *);

/* To be called if it is not. */
void rewrite_port_put_right(struct ovsdb_idl *, struct ovsdb_idl_txn *,
                            const struct ovsrec_bridge *,
                            const struct rewrite_port *);

#endif /* host/rewrite-port.h */
