/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/actions-private.h"
#include <netinet/in.h>
#include <netinet/ip6.h>
#include <string.h>
#include "datapath-ext/space-query.h"
#include "packets.h"
#include "util.h"

/* Where a packet goes: by its destination CA, from subnet to subnet, or by its
 * destination MAC, within one. */

/* Those headers between IPv6 and its payload that Open vSwitch reads. */
static inline bool
has_more_headers(uint8_t next)
{
    return (next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING
            || next == IPPROTO_DSTOPTS || next == IPPROTO_AH
            || next == IPPROTO_FRAGMENT);
}

/* Whether the packet can be routed, and if so, the question about it. */
static inline bool
ask_for_ca(const struct hnv_route *action, bool to_next_hop,
           const struct dp_packet *packet, struct space_query *q,
           struct hnv_result *result)
{
    uint8_t ttl;

    if (hnv_is_tagged(packet)) {
        hnv_result_set(result, HNV_SLOW, HNV_REASON_NOT_PLAIN);
        return false;
    }
    if (hnv_is_ipv4(packet)) {
        const struct ip_header *ip = dp_packet_l3(packet);

        /* In the IP header of such Open vSwitch changes nothing, not even the
         * TTL. */
        if (!ip->ip_proto) {
            hnv_result_set(result, HNV_SLOW, HNV_REASON_NOT_PLAIN);
            return false;
        }
        ttl = ip->ip_ttl;
        space_query_ca4(q, action->vsid, get_16aligned_be32(&ip->ip_dst));
    } else if (hnv_is_ipv6(packet)) {
        const struct ovs_16aligned_ip6_hdr *ip6 = dp_packet_l3(packet);
        struct in6_addr dst;

        /* Of those that do not end well flows know no hop limit. */
        if (has_more_headers(ip6->ip6_nxt)) {
            hnv_result_set(result, HNV_SLOW, HNV_REASON_NOT_PLAIN);
            return false;
        }
        ttl = ip6->ip6_hlim;
        memcpy(&dst, &ip6->ip6_dst, sizeof dst);
        if (IN6_IS_ADDR_V4MAPPED(&dst) && !to_next_hop) {
            hnv_result_set(result, HNV_MISS, HNV_REASON_UNKNOWN_CA);
            return false;
        }
        space_query_ca6(q, action->vsid, &dst);
    } else {
        hnv_result_set(result, HNV_SLOW, HNV_REASON_NOT_PLAIN);
        return false;
    }
    if (to_next_hop) {
        space_query_ca6(q, action->vsid, &action->next_hop);
    }
    if (ttl <= 1) {
        hnv_result_set(result, HNV_SLOW, HNV_REASON_TTL);
        return false;
    }
    hnv_result_set(result, HNV_DONE, HNV_REASON_NONE);
    return true;
}

/* Moves answers, the first of which are those about the packets in 'of', to
 * where their packets are. */
static void
spread(struct space_answer *answers, const uint8_t *of, size_t n)
{
    for (size_t j = n; j-- > 0; ) {
        answers[of[j]] = answers[j];
    }
}

void
hnv_route_execute(const struct space_table *st,
                  const struct hnv_route *action,
                  struct dp_packet **packets, size_t n,
                  struct hnv_result *results, struct space_answer *answers)
{
    struct space_query q[SPACE_BATCH_MAX];
    uint8_t of[SPACE_BATCH_MAX];
    bool to_next_hop = ipv6_addr_is_set(&action->next_hop);
    size_t n_queries = 0;

    for (size_t i = 0; i < n; i++) {
        of[n_queries] = i;
        n_queries += ask_for_ca(action, to_next_hop, packets[i],
                                &q[n_queries], &results[i]);
    }
    if (!n_queries) {
        return;
    }
    space_table_find(st, q, n_queries, answers);
    if (n_queries < n) {
        spread(answers, of, n_queries);
    }
    for (size_t j = 0; j < n_queries; j++) {
        size_t i = of[j];

        if (!answers[i].found || eth_addr_is_zero(answers[i].mac)) {
            hnv_result_set(&results[i], HNV_MISS, HNV_REASON_UNKNOWN_CA);
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
        if (answers[i].found) {
            hnv_result_set(&results[i], HNV_DONE, HNV_REASON_NONE);
        } else {
            hnv_result_set(&results[i], HNV_MISS, HNV_REASON_UNKNOWN_MAC);
        }
    }
}
