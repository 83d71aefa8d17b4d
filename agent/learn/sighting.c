/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "learn/sighting.h"

#include <netinet/icmp6.h>
#include <netinet/ip6.h>
#include <string.h>
#include "packets.h"
#include "unaligned.h"
#include "util/addr.h"

/* What is left of a packet. */
struct reader {
    const uint8_t *data;
    size_t size;
};

/* Takes 'n' bytes; NULL if there are not so many. */
static const void *
take(struct reader *r, size_t n)
{
    const void *data = r->data;

    if (r->size < n) {
        return NULL;
    }
    r->data += n;
    r->size -= n;
    return data;
}

/* What 'mac' says of 'ca', or of nothing if that is no host's. */
static bool
see(struct sighting *s, enum sighting_kind kind, const struct in6_addr *ca,
    struct eth_addr mac)
{
    *s = (struct sighting) { .kind = kind, .ca = *ca, .mac = mac };
    return !eth_addr_is_multicast(mac) && !eth_addr_is_zero(mac);
}

/* ARP (RFC 826, RFC 5227). */

static bool
parse_arp(struct reader *r, struct eth_addr src, struct sighting *s)
{
    const struct arp_eth_header *arp = take(r, ARP_ETH_HEADER_LEN);

    if (!arp || arp->ar_hrd != htons(ARP_HRD_ETHERNET)
        || arp->ar_pro != htons(ARP_PRO_IP)
        || arp->ar_hln != ETH_ADDR_LEN || arp->ar_pln != 4
        || !eth_addr_equals(arp->ar_sha, src)) {
        return false;
    }

    bool request = arp->ar_op == htons(ARP_OP_REQUEST);
    ovs_be32 spa = get_16aligned_be32(&arp->ar_spa);
    ovs_be32 tpa = get_16aligned_be32(&arp->ar_tpa);

    if (!request && arp->ar_op != htons(ARP_OP_REPLY)) {
        return false;
    }
    if (!spa && (!request || !tpa)) {
        return false;
    }

    struct in6_addr ca = addr_from_ipv4(spa ? spa : tpa);

    return see(s, spa ? SIGHTING_CLAIM : SIGHTING_HINT, &ca, src);
}

/* Neighbour discovery (RFC 4861, RFC 4862). */

/* False if an option of 'type' says another MAC than 'mac'. */
static bool
nd_option_agrees(struct reader r, uint8_t type, struct eth_addr mac)
{
    const uint8_t *option;

    while (r.size >= 8) {
        size_t n = r.data[1] * 8;

        option = n ? take(&r, n) : NULL;
        if (!option) {
            return false;
        }
        if (option[0] == type && memcmp(option + 2, &mac, ETH_ADDR_LEN)) {
            return false;
        }
    }
    return true;
}

static bool
parse_nd(struct reader *r, const struct in6_addr *ip_src,
         struct eth_addr src, struct sighting *s)
{
    const uint8_t *icmp = take(r, sizeof(struct nd_neighbor_advert));
    struct in6_addr target;

    if (!icmp || icmp[1]) {
        return false;
    }
    memcpy(&target, icmp + sizeof(struct icmp6_hdr), sizeof target);
    if (icmp[0] == ND_NEIGHBOR_ADVERT) {
        return nd_option_agrees(*r, ND_OPT_TARGET_LINKADDR, src)
               && see(s, SIGHTING_CLAIM, &target, src);
    }
    if (icmp[0] != ND_NEIGHBOR_SOLICIT
        || !nd_option_agrees(*r, ND_OPT_SOURCE_LINKADDR, src)) {
        return false;
    }
    return (IN6_IS_ADDR_UNSPECIFIED(ip_src)
            ? see(s, SIGHTING_HINT, &target, src)
            : see(s, SIGHTING_CLAIM, ip_src, src));
}

/* A hop limit of 255 says that the packet comes from the link. */
static bool
parse_ipv6(struct reader *r, struct eth_addr src, struct sighting *s)
{
    const uint8_t *ip = take(r, sizeof(struct ip6_hdr));
    struct in6_addr ip_src;

    if (!ip || ip[0] >> 4 != 6 || ip[6] != IPPROTO_ICMPV6 || ip[7] != 255
        || r->size < (ip[4] << 8 | ip[5])) {
        return false;
    }
    r->size = ip[4] << 8 | ip[5];
    memcpy(&ip_src, ip + 8, sizeof ip_src);
    return parse_nd(r, &ip_src, src, s);
}

/* DHCP (RFC 2131, RFC 2132). */

enum {
    DHCP_SERVER = 67, DHCP_CLIENT = 68,
    DHCP_FIXED_BYTES = 236, DHCP_BOOTREPLY = 2,
    DHCP_OPTION_PAD = 0, DHCP_OPTION_TYPE = 53, DHCP_OPTION_END = 255,
    DHCP_ACK = 5,
};

static bool
dhcp_is_ack(struct reader *r)
{
    static const uint8_t cookie[] = { 99, 130, 83, 99 };
    const uint8_t *p = take(r, sizeof cookie);

    if (!p || memcmp(p, cookie, sizeof cookie)) {
        return false;
    }
    while ((p = take(r, 1)) != NULL && *p != DHCP_OPTION_END) {
        uint8_t type = *p;
        const uint8_t *length, *value;

        if (type == DHCP_OPTION_PAD) {
            continue;
        }
        length = take(r, 1);
        value = length ? take(r, *length) : NULL;
        if (!value) {
            return false;
        }
        if (type == DHCP_OPTION_TYPE) {
            return *length == 1 && *value == DHCP_ACK;
        }
    }
    return false;
}

static bool
parse_dhcp(struct reader *r, struct sighting *s)
{
    const uint8_t *bootp = take(r, DHCP_FIXED_BYTES);
    struct eth_addr mac;
    ovs_be32 yiaddr;

    if (!bootp || bootp[0] != DHCP_BOOTREPLY || bootp[1] != ARP_HRD_ETHERNET
        || bootp[2] != ETH_ADDR_LEN || !dhcp_is_ack(r)) {
        return false;
    }
    memcpy(&yiaddr, bootp + 16, sizeof yiaddr);
    memcpy(&mac, bootp + 28, sizeof mac);

    struct in6_addr ca = addr_from_ipv4(yiaddr);

    return yiaddr && see(s, SIGHTING_HINT, &ca, mac);
}

/* A whole datagram: a fragment of one tells nothing that can be checked. */
static bool
parse_ipv4(struct reader *r, struct sighting *s)
{
    const uint8_t *ip = take(r, IP_HEADER_LEN);
    const uint8_t *udp;

    if (!ip || ip[0] >> 4 != 4 || ip[9] != IPPROTO_UDP
        || (ip[6] & 0x3f) || ip[7]
        || !take(r, MAX(ip[0] & 15, 5) * 4 - IP_HEADER_LEN)) {
        return false;
    }
    udp = take(r, UDP_HEADER_LEN);
    return udp && (udp[0] << 8 | udp[1]) == DHCP_SERVER
           && (udp[2] << 8 | udp[3]) == DHCP_CLIENT && parse_dhcp(r, s);
}

bool
sighting_parse(const void *frame, size_t size, struct sighting *s)
{
    struct reader r = { frame, size };
    const struct eth_header *eth = take(&r, ETH_HEADER_LEN);

    if (!eth) {
        return false;
    }
    switch (ntohs(eth->eth_type)) {
    case ETH_TYPE_ARP:
        return parse_arp(&r, eth->eth_src, s);
    case ETH_TYPE_IP:
        return parse_ipv4(&r, s);
    case ETH_TYPE_IPV6:
        return parse_ipv6(&r, eth->eth_src, s);
    default:
        return false;
    }
}
