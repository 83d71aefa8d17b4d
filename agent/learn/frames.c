/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "learn/frames.h"

#include <netinet/icmp6.h>
#include "csum.h"
#include "dp-packet.h"
#include "packets.h"
#include "util/addr.h"

static struct dp_packet *
arp(uint16_t op, struct eth_addr sha, struct eth_addr dst,
    const struct in6_addr *spa, const struct in6_addr *tpa)
{
    struct dp_packet *p = dp_packet_new(0);
    ovs_be32 sender = spa ? addr_to_ipv4(spa) : 0;

    compose_arp(p, op, sha, dst, false, sender, addr_to_ipv4(tpa));
    return p;
}

struct dp_packet *
frame_probe(const struct in6_addr *ca, struct eth_addr mac,
            const struct in6_addr *gateway, struct eth_addr router_mac)
{
    if (addr_is_ipv4(ca)) {
        return arp(ARP_OP_REQUEST, router_mac, mac, gateway, ca);
    }

    struct dp_packet *p = dp_packet_new(0);

    compose_nd_ns(p, router_mac, gateway, ca);
    return p;
}

/* Who has no address does not say his MAC either (RFC 4861 section 4.3). */
static void
drop_nd_option(struct dp_packet *p)
{
    struct ovs_16aligned_ip6_hdr *ip6 = dp_packet_l3(p);
    struct ovs_nd_msg *ns = dp_packet_l4(p);

    dp_packet_set_size(p, dp_packet_size(p) - ND_LLA_OPT_LEN);
    ip6->ip6_ctlun.ip6_un1.ip6_un1_plen = htons(ND_MSG_LEN);
    ns->icmph.icmp6_cksum = 0;
    ns->icmph.icmp6_cksum = csum_finish(
        csum_continue(packet_csum_pseudoheader6(ip6), ns, ND_MSG_LEN));
}

struct dp_packet *
frame_solicit(const struct in6_addr *ca, struct eth_addr router_mac)
{
    if (addr_is_ipv4(ca)) {
        return arp(ARP_OP_REQUEST, router_mac, eth_addr_broadcast, NULL, ca);
    }

    struct dp_packet *p = dp_packet_new(0);

    compose_nd_ns(p, router_mac, &in6addr_any, ca);
    drop_nd_option(p);
    return p;
}

/* An answer that nobody has asked for: unlike a request it is a statement of
 * its sender's, to all. */
struct dp_packet *
frame_announce(const struct in6_addr *ca, struct eth_addr mac)
{
    if (addr_is_ipv4(ca)) {
        return arp(ARP_OP_REPLY, mac, eth_addr_broadcast, ca, ca);
    }

    static const struct in6_addr all_nodes
        = { .s6_addr = { 0xff, 0x02, [15] = 1 } };
    static const struct eth_addr all_nodes_mac
        = ETH_ADDR_C(33,33,00,00,00,01);
    struct dp_packet *p = dp_packet_new(0);

    compose_nd_na(p, mac, all_nodes_mac, ca, &all_nodes,
                  htonl(ND_RSO_OVERRIDE));
    return p;
}
