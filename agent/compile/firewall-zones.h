/* SPDX-License-Identifier: Apache-2.0 */

#ifndef COMPILE_FIREWALL_ZONES_H
#define COMPILE_FIREWALL_ZONES_H 1

/* Conntrack zones: one for each subnet that a port is in.
 *
 * A port's subnets may be of different networks, which have the same addresses
 * for different guests.  So what one of them sends must not pass for an answer
 * to what went to the other, nor fragments of both make one packet.
 *
 * The zone of untagged traffic has the number of the OpenFlow port.  That of a
 * VLAN has one that follows from port and subnet, above those that Open
 * vSwitch gives to ports by itself; where two would have one number, the later
 * port's, or VLAN's, is the next that is free.  So numbers do not depend on
 * what was before. */

#include <stddef.h>
#include <stdint.h>

struct bound_port;

struct firewall_zone {
    const struct bound_port *bound;     /* It has an OpenFlow port. */
    uint32_t vsid;              /* Of the subnet; 0 if the port has no VLANs,
                                 * so that all is in one subnet. */
    uint16_t number;            /* 0 if none is left: no traffic. */
};

/* Returns the zones of 'n' ports, in their order, for the caller to free. */
struct firewall_zone *firewall_zones(const struct bound_port *, size_t n,
                                     size_t *ret_n);

#endif /* compile/firewall-zones.h */
