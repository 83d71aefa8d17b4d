/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/actions-private.h"
#include <string.h>
#include "datapath-ext/space-locators.h"
#include "datapath-ext/space-query.h"
#include "packets.h"

/* What another host may send: as the tables PEER, CLAIM and DECAP of the stock
 * backend say, but per packet. */

/* The questions about a packet. */
enum {
    ASK_HOST,                   /* Is the PA anybody's? */
    ASK_PEER,                   /* Is it one of the network's? */
    ASK_MAC,                    /* Is the source MAC one of this host's? */
    ASK_CA,                     /* Whose is the source CA? */
    N_ASKS
};
BUILD_ASSERT_DECL(SPACE_BATCH_MAX % N_ASKS == 0);

/* So many packets' questions are one batch of the space table. */
#define PACKETS_MAX (SPACE_BATCH_MAX / N_ASKS)

static struct in6_addr
tunnel_source(const struct dp_packet *packet)
{
    const struct flow_tnl *tunnel = &packet->md.tunnel;

    return (tunnel->ip_dst ? in6_addr_mapped_ipv4(tunnel->ip_src)
            : tunnel->ipv6_src);
}

/* What the packet says it is from. */
enum source { SOURCE_NONE, SOURCE_ARP, SOURCE_IP };

static enum source
get_source(const struct dp_packet *packet, struct in6_addr *ret_ca)
{
    const void *l3 = dp_packet_l3(packet);
    ovs_be16 type = hnv_eth_type(packet);
    size_t size = l3 ? hnv_l3_size(packet) : 0;

    if (type == htons(ETH_TYPE_IP) && size >= IP_HEADER_LEN) {
        const struct ip_header *ip = l3;

        *ret_ca = in6_addr_mapped_ipv4(get_16aligned_be32(&ip->ip_src));
        return SOURCE_IP;
    }
    if (type == htons(ETH_TYPE_IPV6) && size >= IPV6_HEADER_LEN) {
        const struct ovs_16aligned_ip6_hdr *ip6 = l3;

        memcpy(ret_ca, &ip6->ip6_src, sizeof *ret_ca);
        return SOURCE_IP;
    }
    if (type == htons(ETH_TYPE_ARP) && size >= ARP_ETH_HEADER_LEN) {
        const struct arp_eth_header *arp = l3;

        *ret_ca = in6_addr_mapped_ipv4(get_16aligned_be32(&arp->ar_spa));
        return SOURCE_ARP;
    }
    return SOURCE_NONE;
}

/* The question about no CA is whether subnet 0 has a CA of zeros: it has
 * not. */
static enum source
make_queries(const struct hnv_admit *action, const struct dp_packet *packet,
             struct space_query *q)
{
    const struct eth_header *eth = dp_packet_data(packet);
    const struct in6_addr pa = tunnel_source(packet);
    struct in6_addr ca = in6addr_any;
    enum source source = get_source(packet, &ca);
    bool asks = (source != SOURCE_NONE
                 && !(source == SOURCE_IP && action->flags & HNV_FORWARDED));

    space_query_peer(&q[ASK_HOST], 0, &pa);
    space_query_peer(&q[ASK_PEER], action->domain, &pa);
    space_query_port(&q[ASK_MAC], action->vsid, eth->eth_src);
    space_query_ca6(&q[ASK_CA], asks ? action->source_vsid : 0, &ca);
    return source;
}

/* A guest of this host that runs, that is, has a port. */
static bool
is_local(const struct space_table *st, uint32_t vsid,
         const struct space_answer *a)
{
    struct space_query q;
    struct space_answer port;

    if (!a->found || a->locator != SPACE_LOCATOR_LOCAL) {
        return false;
    }
    space_query_port(&q, vsid, a->mac);
    return space_table_find(st, &q, 1, &port);
}

static struct hnv_result
judge(const struct space_table *st, const struct hnv_admit *action,
      enum source source, const struct space_answer *a)
{
    bool is_forwarded = (source == SOURCE_IP
                         && action->flags & HNV_FORWARDED);
    bool is_elsewhere = (a[ASK_CA].found
                         && a[ASK_CA].locator != SPACE_LOCATOR_LOCAL);

    if (!a[ASK_HOST].found) {
        return hnv_result(HNV_DROP, HNV_REASON_UNKNOWN_PEER);
    }
    if (is_local(st, action->source_vsid, &a[ASK_CA])) {
        return hnv_result(HNV_DROP, HNV_REASON_CLAIMS_LOCAL);
    }
    if (!a[ASK_PEER].found && !is_forwarded && !is_elsewhere) {
        return hnv_result(HNV_DROP, HNV_REASON_UNKNOWN_PEER);
    }
    if (a[ASK_MAC].found) {
        return hnv_result(HNV_DROP, HNV_REASON_CLAIMS_LOCAL);
    }
    return hnv_result(HNV_DONE, HNV_REASON_NONE);
}

/* At least one. */
static void
admit_some(const struct space_table *st, const struct hnv_admit *action,
           struct dp_packet **packets, size_t n, struct hnv_result *results)
{
    struct space_query q[SPACE_BATCH_MAX];
    struct space_answer a[SPACE_BATCH_MAX];
    enum source sources[PACKETS_MAX];
    size_t i = 0;

    do {
        sources[i] = make_queries(action, packets[i], &q[i * N_ASKS]);
    } while (++i < n);
    space_table_find(st, q, n * N_ASKS, a);
    for (i = 0; i < n; i++) {
        results[i] = judge(st, action, sources[i], &a[i * N_ASKS]);
    }
}

void
hnv_admit_execute(const struct space_table *st,
                  const struct hnv_admit *action, struct dp_packet **packets,
                  size_t n, struct hnv_result *results)
{
    for (size_t i = 0; i < n; i += PACKETS_MAX) {
        admit_some(st, action, packets + i, MIN(n - i, PACKETS_MAX),
                   results + i);
    }
}
