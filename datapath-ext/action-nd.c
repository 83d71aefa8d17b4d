/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/actions-private.h"
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip6.h>
#include <string.h>
#include "csum.h"
#include "packets.h"
#include "util.h"

/* Neighbour solicitations (RFC 4861 section 4.3) without options, or with the
 * asker's MAC as the only one; anything else is for others to read.  So an
 * answer is exactly as long as its question.
 *
 * The checksum is made anew, like that of Open vSwitch's own answers, and not
 * only corrected. */

#define SOLICIT_LEN ND_MSG_LEN
#define SOLICIT_WITH_MAC_LEN (ND_MSG_LEN + ND_LLA_OPT_LEN)

static struct ovs_16aligned_ip6_hdr *
ipv6_of(const struct dp_packet *packet)
{
    return dp_packet_l3(packet);
}

static struct ovs_nd_msg *
nd_of(const struct dp_packet *packet)
{
    return (struct ovs_nd_msg *) (ipv6_of(packet) + 1);
}

static bool
has_option(const struct dp_packet *packet)
{
    return ntohs(ipv6_of(packet)->ip6_plen) == SOLICIT_WITH_MAC_LEN;
}

static bool
is_from_nobody(const struct dp_packet *packet)
{
    static const union ovs_16aligned_in6_addr nobody;

    return !memcmp(&ipv6_of(packet)->ip6_src, &nobody, sizeof nobody);
}

static bool
is_option_plain(const struct dp_packet *packet)
{
    const struct ovs_nd_lla_opt *option = nd_of(packet)->options;

    return (has_option(packet)
            ? (option->type == ND_OPT_SOURCE_LINKADDR && option->len == 1
               && !is_from_nobody(packet))
            : ntohs(ipv6_of(packet)->ip6_plen) == SOLICIT_LEN);
}

/* An IPv4-mapped address is nobody's, in IPv6. */
static bool
is_target_mapped(const struct dp_packet *packet)
{
    struct in6_addr target;

    hnv_nd_target(packet, &target);
    return IN6_IS_ADDR_V4MAPPED(&target);
}

bool
hnv_nd_is_plain(const struct dp_packet *packet)
{
    const struct ovs_16aligned_ip6_hdr *ip6 = ipv6_of(packet);
    const struct icmp6_header *icmp6 = &nd_of(packet)->icmph;
    size_t size = hnv_l3_size(packet);

    return (size >= IPV6_HEADER_LEN + SOLICIT_LEN
            && ip6->ip6_nxt == IPPROTO_ICMPV6
            && ip6->ip6_hlim == 255
            && size >= IPV6_HEADER_LEN + ntohs(ip6->ip6_plen)
            && icmp6->icmp6_type == ND_NEIGHBOR_SOLICIT
            && !icmp6->icmp6_code
            && is_option_plain(packet)
            && !is_target_mapped(packet));
}

void
hnv_nd_target(const struct dp_packet *packet, struct in6_addr *ret_target)
{
    memcpy(ret_target, &nd_of(packet)->target, sizeof *ret_target);
}

static void
set_checksum(struct dp_packet *packet)
{
    struct icmp6_header *icmp6 = &nd_of(packet)->icmph;
    uint32_t csum = packet_csum_pseudoheader6(ipv6_of(packet));

    icmp6->icmp6_cksum = 0;
    icmp6->icmp6_cksum = csum_finish(csum_continue(
        csum, icmp6, ntohs(ipv6_of(packet)->ip6_plen)));
}

/* Who asks from no address finds out whether it may have the one it asks for:
 * the answer goes to all nodes (RFC 4861 section 7.2.4). */
void
hnv_nd_reply(struct dp_packet *packet, struct eth_addr mac, bool is_router)
{
    static const struct eth_addr all_nodes_mac = {
        .ea = { 0x33, 0x33, 0, 0, 0, 1 }
    };
    static const struct in6_addr all_nodes = {
        .s6_addr = { 0xff, 2, [15] = 1 }
    };
    struct eth_header *eth = dp_packet_data(packet);
    struct ovs_16aligned_ip6_hdr *ip6 = ipv6_of(packet);
    struct ovs_nd_msg *nd = nd_of(packet);
    uint32_t flags = ND_RSO_OVERRIDE | (is_router ? ND_RSO_ROUTER : 0);

    if (is_from_nobody(packet)) {
        eth->eth_dst = all_nodes_mac;
        memcpy(&ip6->ip6_dst, &all_nodes, sizeof all_nodes);
    } else {
        flags |= ND_RSO_SOLICITED;
        eth->eth_dst = eth->eth_src;
        ip6->ip6_dst = ip6->ip6_src;
    }
    eth->eth_src = mac;
    memcpy(&ip6->ip6_src, &nd->target, sizeof ip6->ip6_src);
    nd->icmph.icmp6_type = ND_NEIGHBOR_ADVERT;
    put_16aligned_be32(&nd->rso_flags, htonl(flags));
    if (has_option(packet)) {
        nd->options->type = ND_OPT_TARGET_LINKADDR;
        nd->options->mac = mac;
    }
    set_checksum(packet);
}
