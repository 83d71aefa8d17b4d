/* SPDX-License-Identifier: Apache-2.0 */

#ifndef LEARN_FRAMES_H
#define LEARN_FRAMES_H 1

/* The packets with which a host asks and tells about addresses.
 *
 * All return an untagged Ethernet frame, which the caller deletes.  Pure. */

#include <netinet/in.h>
#include "openvswitch/types.h"

struct dp_packet;

/* Asks guest 'mac' whether it has 'ca', as the router with 'router_mac' and
 * address 'gateway' would.  The answer goes to the router, hence comes to the
 * host that the guest is on. */
struct dp_packet *frame_probe(const struct in6_addr *ca, struct eth_addr mac,
                              const struct in6_addr *gateway,
                              struct eth_addr router_mac);

/* Asks whoever hears it.  The asker has no address, so nobody takes him for
 * the gateway. */
struct dp_packet *frame_solicit(const struct in6_addr *ca,
                                struct eth_addr router_mac);

/* Tells whoever hears it that 'ca' is that of 'mac'. */
struct dp_packet *frame_announce(const struct in6_addr *ca,
                                 struct eth_addr mac);

#endif /* learn/frames.h */
