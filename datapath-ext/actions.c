/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/actions-private.h"
#include <string.h>
#include "datapath-ext/odp.h"
#include "packets.h"
#include "util.h"

static const char *const reason_names[N_HNV_REASONS] = {
    [HNV_REASON_NONE] = "none",
    [HNV_REASON_UNKNOWN_CA] = "unknown-ca",
    [HNV_REASON_UNKNOWN_MAC] = "unknown-mac",
    [HNV_REASON_UNKNOWN_SHARE] = "unknown-share",
    [HNV_REASON_LEARNED] = "learned",
    [HNV_REASON_TTL] = "ttl",
    [HNV_REASON_TOO_LONG] = "too-long",
    [HNV_REASON_NOT_PLAIN] = "not-plain",
    [HNV_REASON_OWN] = "own",
    [HNV_REASON_UNKNOWN_PEER] = "unknown-peer",
    [HNV_REASON_CLAIMS_LOCAL] = "claims-local",
};

const char *
hnv_reason_to_string(enum hnv_reason reason)
{
    return reason < N_HNV_REASONS ? reason_names[reason] : "unknown";
}

enum hnv_addresses
hnv_get_addresses(const struct dp_packet *packet, struct in6_addr *src,
                  struct in6_addr *dst)
{
    if (hnv_is_ipv4(packet)) {
        const struct ip_header *ip = dp_packet_l3(packet);

        *src = in6_addr_mapped_ipv4(get_16aligned_be32(&ip->ip_src));
        *dst = in6_addr_mapped_ipv4(get_16aligned_be32(&ip->ip_dst));
        return HNV_ADDRESSES_IPV4;
    }
    if (hnv_is_ipv6(packet)) {
        const struct ovs_16aligned_ip6_hdr *ip6 = dp_packet_l3(packet);

        memcpy(src, &ip6->ip6_src, sizeof *src);
        memcpy(dst, &ip6->ip6_dst, sizeof *dst);
        return HNV_ADDRESSES_IPV6;
    }
    if (hnv_is_arp(packet)) {
        const struct arp_eth_header *arp = dp_packet_l3(packet);

        *src = in6_addr_mapped_ipv4(get_16aligned_be32(&arp->ar_spa));
        *dst = in6_addr_mapped_ipv4(get_16aligned_be32(&arp->ar_tpa));
        return HNV_ADDRESSES_ARP;
    }
    return HNV_ADDRESSES_NONE;
}

static struct hnv_arp
arp_from_odp(const struct hnv_odp *hnv)
{
    return (struct hnv_arp) {
        .vsid = hnv->vsid,
        .mac = hnv->mac,
        .asker = hnv->asker,
        .flags = hnv->flags,
    };
}

static struct hnv_route
route_from_odp(const struct hnv_odp *hnv)
{
    return (struct hnv_route) {
        .vsid = hnv->vsid,
        .next_hop = hnv->next_hop,
    };
}

void
hnv_execute(const struct space_table *st, const struct hnv_odp *hnv,
            struct dp_packet **packets, size_t n, struct hnv_result *results,
            struct space_answer *answers)
{
    if (hnv->kind == HNV_ROUTE) {
        const struct hnv_route route = route_from_odp(hnv);

        hnv_route_execute(st, &route, packets, n, results, answers);
    } else if (hnv->kind == HNV_SWITCH) {
        const struct hnv_switch sw = { .vsid = hnv->vsid };

        hnv_switch_execute(st, &sw, packets, n, results, answers);
    } else if (hnv->kind == HNV_ARP) {
        const struct hnv_arp arp = arp_from_odp(hnv);

        hnv_arp_execute(st, &arp, packets, n, results);
    } else {
        const struct hnv_admit admit = hnv_admit_from_odp(hnv);

        ovs_assert(hnv->kind == HNV_ADMIT);
        hnv_admit_execute(st, &admit, packets, n, results);
    }
}
