/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DATAPATH_EXT_OUTER_H
#define DATAPATH_EXT_OUTER_H 1

/* The header around a packet between hosts, prepared once per destination.
 *
 *     Ethernet [802.1Q]  IPv4 or IPv6  UDP  VXLAN     RFC 7348
 *                                      GRE with key   RFC 7637 (NVGRE)
 *
 * Per packet there remain: the lengths, the VSID, the entropy (VXLAN's source
 * port, NVGRE's FlowID), ECN, and the checksums.  All of it is as Open vSwitch
 * itself would do it, but for the FlowID, which it leaves zero. */

#include <stdbool.h>
#include <stdint.h>
#include "model/space.h"
#include "openvswitch/types.h"

struct dp_packet;

/* The longest: 802.1Q, IPv6, VXLAN. */
#define OUTER_MAX_LEN 76

struct outer_params {
    enum space_encap encap;     /* SPACE_VXLAN or SPACE_NVGRE. */
    struct eth_addr eth_src;
    struct eth_addr eth_dst;
    bool tagged;                /* 802.1Q with 'vid'. */
    uint16_t vid;
    struct in6_addr ip_src;     /* This host's PA; both of one family. */
    struct in6_addr ip_dst;
    uint8_t tos;                /* Without ECN. */
    uint8_t ttl;
    bool dont_fragment;         /* IPv4. */
    bool udp_csum;              /* IPv6 always has one here. */
    ovs_be16 udp_dst;           /* VXLAN. */
    uint32_t out_port;          /* Whatever the caller calls its ports. */
    uint16_t mtu;               /* Of guests' IP packets that fit; 0: all. */
};

/* Private, but for the first two. */
struct outer_header {
    uint32_t out_port;
    uint16_t mtu;
    uint8_t len;
    uint8_t l3_ofs;
    uint8_t encap;              /* enum space_encap */
    bool is_ipv6;
    bool udp_csum;
    uint8_t tos;
    uint32_t ip_sum;            /* IPv4: of all that is the same in every
                                 * packet, for csum_add16(). */
    uint8_t bytes[OUTER_MAX_LEN];
};

/* False if the parameters make no sense together. */
bool outer_header_init(struct outer_header *, const struct outer_params *);

/* Puts the header around 'packet', for subnet 'vsid'.  'hash' is that of the
 * packet's flow.  The packet's offsets are those of the outer headers then;
 * its metadata are the caller's.  Allocates if the packet lacks headroom. */
void outer_push(struct dp_packet *packet, const struct outer_header *,
                uint32_t vsid, uint32_t hash);

#endif /* datapath-ext/outer.h */
