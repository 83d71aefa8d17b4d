/* SPDX-License-Identifier: Apache-2.0 */

#ifndef HOST_REWRITE_NET_H
#define HOST_REWRITE_NET_H 1

/* The host's stack as the way of packets with IP rewrite.
 *
 *   guests - br-int - hnv-rewrite ~~ host's routes ~~ uplink ==== underlay
 *
 * A rewritten packet is one of the host's own network: from the PA of a guest
 * here to that of one elsewhere.  The switch gives it to the host through the
 * port BRIDGE_REWRITE_PORT, and the host forwards it as its routes have it;
 * what comes back for the PA of a guest here, it forwards to that port.  For
 * this, while there are such PAs, the agent keeps
 *
 *   - that device on, without ARP and ND;
 *   - a route to each PA of a guest here through it;
 *   - ARP or ND answers for it on each other device whose own network, by one
 *     of its addresses, has the PA, and one announcement when it came;
 *   - these devices' "forwarding" on, with a fence around it: unless the host
 *     is a router anyway (net.ipv4.ip_forward), what comes in by them is
 *     forwarded to these PAs and nowhere else.  For IPv6 there is no such
 *     thing per device: whoever runs the host decides
 *     (net.ipv6.conf.all.forwarding).
 *
 * What it has changed it takes back when it is of no use any more, even after
 * a restart.  When the agent ends, all stays, and so does the traffic.
 *
 * A PA of a guest must be no address of the host, who would keep the packets
 * for itself.
 *
 * Threads: one, the one that runs the main loop. */

#include <netinet/in.h>
#include <stdbool.h>

struct rewrite_net;

struct rewrite_net *rewrite_net_create(void);
void rewrite_net_destroy(struct rewrite_net *);

/* 'pa' is, or is no longer, that of a guest on this host. */
void rewrite_net_set(struct rewrite_net *, const struct in6_addr *pa,
                     bool here);

void rewrite_net_run(struct rewrite_net *);
void rewrite_net_wait(struct rewrite_net *);

#endif /* host/rewrite-net.h */
