/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DATAPATH_EXT_ACTIONS_PRIVATE_H
#define DATAPATH_EXT_ACTIONS_PRIVATE_H 1

/* What the files of the actions share with each other. */

#include <netinet/ip6.h>
#include "datapath-ext/actions.h"
#include "dp-packet.h"
#include "packets.h"
#include "unaligned.h"

static inline struct hnv_result
hnv_result(enum hnv_verdict verdict, enum hnv_reason reason)
{
    return (struct hnv_result) { .verdict = verdict, .reason = reason };
}

/* Member by member: to copy what was just written so makes processors wait. */
static inline void
hnv_result_set(struct hnv_result *result, enum hnv_verdict verdict,
               enum hnv_reason reason)
{
    result->verdict = verdict;
    result->reason = reason;
}

/* As csum_finish(), of a sum of a few words. */
static inline ovs_be16
hnv_csum_finish(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return ~sum;
}

/* The protocol above Ethernet and its tags, zero if it is not parsed. */
static inline ovs_be16
hnv_eth_type(const struct dp_packet *packet)
{
    const uint8_t *l3 = dp_packet_l3(packet);

    return (l3 && packet->l2_5_ofs == UINT16_MAX
            ? get_unaligned_be16((const ovs_be16 *) (l3 - 2)) : 0);
}

static inline bool
hnv_is_tagged(const struct dp_packet *packet)
{
    return packet->l3_ofs != ETH_HEADER_LEN;
}

/* From the network header on, without padding that is known of. */
static inline size_t
hnv_l3_size(const struct dp_packet *packet)
{
    return (dp_packet_size(packet) - packet->l3_ofs
            - dp_packet_l2_pad_size(packet));
}

/* What a packet is, as flows see it: one that is cut off, or that Open vSwitch
 * finds wrong, is none of these. */

static inline bool
hnv_is_ipv4(const struct dp_packet *packet)
{
    const struct ip_header *ip = dp_packet_l3(packet);

    if (hnv_eth_type(packet) != htons(ETH_TYPE_IP)
        || hnv_l3_size(packet) < IP_HEADER_LEN) {
        return false;
    }

    size_t header_len = IP_IHL(ip->ip_ihl_ver) * 4;
    size_t len = ntohs(ip->ip_tot_len);

    return (header_len >= IP_HEADER_LEN && len >= header_len
            && len <= hnv_l3_size(packet));
}

static inline bool
hnv_is_ipv6(const struct dp_packet *packet)
{
    const struct ovs_16aligned_ip6_hdr *ip6 = dp_packet_l3(packet);

    return (hnv_eth_type(packet) == htons(ETH_TYPE_IPV6)
            && hnv_l3_size(packet) >= IPV6_HEADER_LEN
            && (ntohs(ip6->ip6_plen) + IPV6_HEADER_LEN
                <= hnv_l3_size(packet)));
}

static inline bool
hnv_is_arp(const struct dp_packet *packet)
{
    const struct arp_eth_header *arp = dp_packet_l3(packet);

    return (hnv_eth_type(packet) == htons(ETH_TYPE_ARP)
            && hnv_l3_size(packet) >= ARP_ETH_HEADER_LEN
            && arp->ar_hrd == htons(ARP_HRD_ETHERNET)
            && arp->ar_pro == htons(ARP_PRO_IP)
            && arp->ar_hln == ETH_ADDR_LEN
            && arp->ar_pln == 4);
}

/* Where a packet says it is from and where it goes, by IP or ARP; IPv4 is
 * mapped. */
enum hnv_addresses hnv_get_addresses(const struct dp_packet *,
                                     struct in6_addr *ret_src,
                                     struct in6_addr *ret_dst);

/* Neighbour solicitations, for hnv_arp_execute(): whether 'packet' is one in
 * the form that hnv_nd_reply() can turn into its answer. */
bool hnv_nd_is_plain(const struct dp_packet *packet);
void hnv_nd_target(const struct dp_packet *, struct in6_addr *ret_target);
void hnv_nd_reply(struct dp_packet *, struct eth_addr mac, bool is_router);

#endif /* datapath-ext/actions-private.h */
