/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/actions-private.h"
#include <netinet/ip6.h>
#include <string.h>
#include "packets.h"
#include "util.h"

static const char *const reason_names[N_HNV_REASONS] = {
    [HNV_REASON_NONE] = "none",
    [HNV_REASON_UNKNOWN_CA] = "unknown-ca",
    [HNV_REASON_UNKNOWN_MAC] = "unknown-mac",
    [HNV_REASON_UNKNOWN_SHARE] = "unknown-share",
    [HNV_REASON_NOT_HERE] = "not-here",
    [HNV_REASON_LEARNED] = "learned",
    [HNV_REASON_TTL] = "ttl",
    [HNV_REASON_TOO_LONG] = "too-long",
    [HNV_REASON_NO_HEADER] = "no-header",
    [HNV_REASON_NOT_PLAIN] = "not-plain",
    [HNV_REASON_OWN] = "own",
    [HNV_REASON_UNKNOWN_PEER] = "unknown-peer",
    [HNV_REASON_CLAIMS_LOCAL] = "claims-local",
    [HNV_REASON_LOOP] = "loop",
    [HNV_REASON_OFFLOAD] = "offload",
};

const char *
hnv_reason_to_string(enum hnv_reason reason)
{
    return reason < N_HNV_REASONS ? reason_names[reason] : "unknown";
}

static bool
is_ipv4_sound(const struct ip_header *ip, size_t size)
{
    return (size >= IP_HEADER_LEN
            && IP_IHL(ip->ip_ihl_ver) * 4 >= IP_HEADER_LEN
            && ntohs(ip->ip_tot_len) >= IP_IHL(ip->ip_ihl_ver) * 4
            && ntohs(ip->ip_tot_len) <= size);
}

static bool
is_ipv6_sound(const struct ovs_16aligned_ip6_hdr *ip6, size_t size)
{
    return (size >= IPV6_HEADER_LEN
            && ntohs(ip6->ip6_plen) + IPV6_HEADER_LEN <= size);
}

static bool
is_arp_sound(const struct arp_eth_header *arp, size_t size)
{
    return (size >= ARP_ETH_HEADER_LEN
            && arp->ar_hrd == htons(ARP_HRD_ETHERNET)
            && arp->ar_pro == htons(ARP_PRO_IP)
            && arp->ar_hln == ETH_ADDR_LEN
            && arp->ar_pln == 4);
}

enum hnv_addresses
hnv_get_addresses(const struct dp_packet *packet, struct in6_addr *src,
                  struct in6_addr *dst)
{
    const void *l3 = dp_packet_l3(packet);
    ovs_be16 type = hnv_eth_type(packet);
    size_t size = l3 ? hnv_l3_size(packet) : 0;

    if (type == htons(ETH_TYPE_IP) && is_ipv4_sound(l3, size)) {
        const struct ip_header *ip = l3;

        *src = in6_addr_mapped_ipv4(get_16aligned_be32(&ip->ip_src));
        *dst = in6_addr_mapped_ipv4(get_16aligned_be32(&ip->ip_dst));
        return HNV_ADDRESSES_IPV4;
    }
    if (type == htons(ETH_TYPE_IPV6) && is_ipv6_sound(l3, size)) {
        const struct ovs_16aligned_ip6_hdr *ip6 = l3;

        memcpy(src, &ip6->ip6_src, sizeof *src);
        memcpy(dst, &ip6->ip6_dst, sizeof *dst);
        return HNV_ADDRESSES_IPV6;
    }
    if (type == htons(ETH_TYPE_ARP) && is_arp_sound(l3, size)) {
        const struct arp_eth_header *arp = l3;

        *src = in6_addr_mapped_ipv4(get_16aligned_be32(&arp->ar_spa));
        *dst = in6_addr_mapped_ipv4(get_16aligned_be32(&arp->ar_tpa));
        return HNV_ADDRESSES_ARP;
    }
    return HNV_ADDRESSES_NONE;
}
