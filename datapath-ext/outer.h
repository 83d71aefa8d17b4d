/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DATAPATH_EXT_OUTER_H
#define DATAPATH_EXT_OUTER_H 1

/* The header around packets between hosts, prepared once for many of them.
 *
 *     Ethernet  IPv4 or IPv6  UDP  VXLAN     RFC 7348
 *                             GRE with key   RFC 7637 (NVGRE)
 *
 * Per packet there remain: the lengths, the VSID, the entropy (VXLAN's source
 * port, NVGRE's FlowID), ECN, and the checksums.  All of it is as Open vSwitch
 * itself would do it, but for the FlowID, which it leaves zero. */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "dp-packet.h"
#include "model/space.h"
#include "netdev-native-tnl.h"
#include "openvswitch/types.h"
#include "packets.h"
#include "util.h"

/* The longest: IPv6, VXLAN. */
#define OUTER_MAX_LEN 70

/* IPv4, VXLAN. */
#define OUTER_FIXED_LEN 50

struct outer_params {
    enum space_encap encap;     /* SPACE_VXLAN or SPACE_NVGRE. */
    struct eth_addr eth_src;
    struct eth_addr eth_dst;
    struct in6_addr ip_src;     /* This host's PA; both of one family. */
    struct in6_addr ip_dst;
    uint8_t tos;                /* Without ECN. */
    uint8_t ttl;
    bool dont_fragment;         /* IPv4. */
    bool udp_csum;              /* IPv6 always has one here. */
    ovs_be16 udp_dst;           /* VXLAN. */
    uint32_t out_port;          /* Whatever the caller calls its ports. */
};

/* Private, but for the first two. */
struct outer_header {
    uint32_t out_port;
    uint8_t len;
    uint8_t encap;              /* enum space_encap */
    bool is_ipv6;
    bool udp_csum;
    uint8_t tos;
    uint32_t ip_sum;            /* IPv4: of all that is the same in every
                                 * packet, for csum_add16(). */
    bool is_fixed;              /* See outer_header_fix(). */
    uint32_t fixed_sum;
    uint8_t bytes[OUTER_MAX_LEN];
};

/* False if the parameters make no sense together. */
bool outer_header_init(struct outer_header *, const struct outer_params *);

/* VXLAN's source port. */
static inline ovs_be16
outer_udp_src(uint32_t hash)
{
    uint32_t n_ports = tnl_udp_port_max - tnl_udp_port_min;

    return htons(((uint64_t) hash * n_ports >> 32) + tnl_udp_port_min);
}

/* Puts the header around 'packet', for subnet 'vsid'.  'hash' is that of the
 * packet's flow.  The packet's offsets are those of the outer headers then;
 * its metadata are the caller's.  Allocates if the packet lacks headroom. */
void outer_push(struct dp_packet *packet, const struct outer_header *,
                uint32_t vsid, uint32_t hash);

/* The most frequent header, IPv4 and VXLAN without checksum, for packets that
 * are all of subnet 'vsid' and have the same ECN ('ecn'): puts that into the
 * header, too.  Other headers are left as they are. */
void outer_header_fix(struct outer_header *, uint32_t vsid, uint8_t ecn);

/* As outer_push(), of a packet of those that the header was fixed for. */
static inline void
outer_push_fixed(struct dp_packet *packet, const struct outer_header *h,
                 uint32_t vsid, uint32_t hash)
{
    enum {
        LEN = OUTER_FIXED_LEN,
        L3 = ETH_HEADER_LEN,
        L4 = L3 + IP_HEADER_LEN
    };

    if (OVS_UNLIKELY(!h->is_fixed || dp_packet_headroom(packet) < LEN)) {
        outer_push(packet, h, vsid, hash);
        return;
    }

    uint8_t *bytes = (uint8_t *) dp_packet_data(packet) - LEN;
    struct ip_header *ip = (void *) (bytes + L3);
    struct udp_header *udp = (void *) (bytes + L4);
    uint32_t size = dp_packet_size(packet) + LEN;
    uint32_t sum = h->fixed_sum + htons(size - L3);

    memcpy(bytes, h->bytes, LEN);
    ip->ip_tot_len = htons(size - L3);
    sum = (sum & 0xffff) + (sum >> 16);
    ip->ip_csum = ~((sum & 0xffff) + (sum >> 16));
    udp->udp_src = outer_udp_src(hash);
    udp->udp_len = htons(size - L4);

    dp_packet_set_data(packet, bytes);
    dp_packet_set_size(packet, size);
    packet->packet_type = htonl(PT_ETH);
    dp_packet_reset_offsets(packet);
    packet->l3_ofs = L3;
    packet->l4_ofs = L4;
}

#endif /* datapath-ext/outer.h */
