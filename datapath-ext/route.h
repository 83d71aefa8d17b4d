/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DATAPATH_EXT_ROUTE_H
#define DATAPATH_EXT_ROUTE_H 1

/* The router's part in a packet, once it is known where that goes. */

#include <netinet/ip6.h>
#include "datapath-ext/actions-private.h"
#include "dp-packet.h"
#include "packets.h"

/* By one.  TTL is the upper byte of its word, so the checksum grows by 0x100,
 * in ones' complement (RFC 1624). */
static inline void
hnv_decrement_ttl(struct dp_packet *packet, bool is_ipv4)
{
    if (is_ipv4) {
        struct ip_header *ip = dp_packet_l3(packet);
        uint32_t csum = (OVS_FORCE uint16_t) ip->ip_csum + htons(0x100);

        ip->ip_ttl--;
        ip->ip_csum = csum + (csum >= UINT16_MAX);
    } else {
        struct ovs_16aligned_ip6_hdr *ip6 = dp_packet_l3(packet);

        ip6->ip6_hlim--;
    }
}

/* One hop on: from 'router' to 'mac', with one less of TTL.  The packets are
 * of one protocol, and ones that hnv_route_execute() found can be routed. */
static inline void
hnv_route_packets(struct dp_packet **packets, size_t n,
                  struct eth_addr router, struct eth_addr mac)
{
    bool is_ipv4 = hnv_eth_type(packets[0]) == htons(ETH_TYPE_IP);

    for (size_t i = 0; i < n; i++) {
        struct eth_header *eth = dp_packet_data(packets[i]);

        eth->eth_src = router;
        eth->eth_dst = mac;
        hnv_decrement_ttl(packets[i], is_ipv4);
    }
}

#endif /* datapath-ext/route.h */
