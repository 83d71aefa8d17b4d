/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/actions-private.h"
#include <netinet/in.h>
#include <netinet/ip6.h>
#include <string.h>
#include "csum.h"
#include "packets.h"
#include "util.h"

/* Where a packet goes: by its destination CA, from subnet to subnet, or by its
 * destination MAC, within one. */

/* Whether the packet can be routed, and if so, the question about it. */
static struct hnv_result
ask_for_ca(const struct hnv_route *action, const struct dp_packet *packet,
           struct space_query *q)
{
    bool to_next_hop = ipv6_addr_is_set(&action->next_hop);
    uint8_t ttl;

    if (hnv_is_tagged(packet)) {
        return hnv_result(HNV_SLOW, HNV_REASON_NOT_PLAIN);
    }
    if (hnv_is_ipv4(packet)) {
        const struct ip_header *ip = dp_packet_l3(packet);

        /* In the IP header of such Open vSwitch changes nothing, not even the
         * TTL. */
        if (!ip->ip_proto) {
            return hnv_result(HNV_SLOW, HNV_REASON_NOT_PLAIN);
        }
        ttl = ip->ip_ttl;
        space_query_ca4(q, action->vsid, get_16aligned_be32(&ip->ip_dst));
    } else if (hnv_is_ipv6(packet)) {
        const struct ovs_16aligned_ip6_hdr *ip6 = dp_packet_l3(packet);
        struct in6_addr dst;

        ttl = ip6->ip6_hlim;
        memcpy(&dst, &ip6->ip6_dst, sizeof dst);
        if (IN6_IS_ADDR_V4MAPPED(&dst) && !to_next_hop) {
            return hnv_result(HNV_MISS, HNV_REASON_UNKNOWN_CA);
        }
        space_query_ca6(q, action->vsid, &dst);
    } else {
        return hnv_result(HNV_SLOW, HNV_REASON_NOT_PLAIN);
    }
    if (to_next_hop) {
        space_query_ca6(q, action->vsid, &action->next_hop);
    }
    return (ttl > 1 ? hnv_result(HNV_DONE, HNV_REASON_NONE)
            : hnv_result(HNV_SLOW, HNV_REASON_TTL));
}

static void
decrement_ttl(struct dp_packet *packet)
{
    if (hnv_eth_type(packet) == htons(ETH_TYPE_IP)) {
        struct ip_header *ip = dp_packet_l3(packet);
        uint8_t ttl = ip->ip_ttl--;

        ip->ip_csum = recalc_csum16(ip->ip_csum, htons(ttl << 8),
                                    htons(ip->ip_ttl << 8));
    } else {
        struct ovs_16aligned_ip6_hdr *ip6 = dp_packet_l3(packet);

        ip6->ip6_hlim--;
    }
}

static void
route(struct dp_packet *packet, struct eth_addr router, struct eth_addr mac)
{
    struct eth_header *eth = dp_packet_data(packet);

    eth->eth_src = router;
    eth->eth_dst = mac;
    decrement_ttl(packet);
}

void
hnv_route_execute(const struct space_table *st,
                  const struct hnv_route *action,
                  struct dp_packet **packets, size_t n,
                  struct hnv_result *results, struct space_answer *answers)
{
    struct space_query q[SPACE_BATCH_MAX];
    struct space_answer found[SPACE_BATCH_MAX];
    uint8_t of[SPACE_BATCH_MAX];
    size_t n_queries = 0;

    for (size_t i = 0; i < n; i++) {
        results[i] = ask_for_ca(action, packets[i], &q[n_queries]);
        of[n_queries] = i;
        n_queries += results[i].verdict == HNV_DONE;
    }
    if (!n_queries) {
        return;
    }
    space_table_find(st, q, n_queries, found);
    for (size_t j = 0; j < n_queries; j++) {
        size_t i = of[j];

        answers[i] = found[j];
        if (found[j].found && !eth_addr_is_zero(found[j].mac)) {
            route(packets[i], action->router, found[j].mac);
        } else {
            results[i] = hnv_result(HNV_MISS, HNV_REASON_UNKNOWN_CA);
        }
    }
}

void
hnv_switch_execute(const struct space_table *st,
                   const struct hnv_switch *action,
                   struct dp_packet **packets, size_t n,
                   struct hnv_result *results, struct space_answer *answers)
{
    struct space_query q[SPACE_BATCH_MAX];

    if (!n) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const struct eth_header *eth = dp_packet_data(packets[i]);

        space_query_mac(&q[i], action->vsid, eth->eth_dst);
    }
    space_table_find(st, q, n, answers);
    for (size_t i = 0; i < n; i++) {
        results[i] = (answers[i].found
                      ? hnv_result(HNV_DONE, HNV_REASON_NONE)
                      : hnv_result(HNV_MISS, HNV_REASON_UNKNOWN_MAC));
    }
}
