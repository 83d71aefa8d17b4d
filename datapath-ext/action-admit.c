/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/actions-private.h"
#include <string.h>
#include "datapath-ext/odp.h"
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

static struct hnv_claim
get_claim(const struct dp_packet *packet)
{
    const struct eth_header *eth = dp_packet_data(packet);
    struct hnv_claim claim = { .mac = eth->eth_src, .ca = in6addr_any };
    struct in6_addr dst;

    claim.addresses = hnv_get_addresses(packet, &claim.ca, &dst);
    return claim;
}

/* From any IP address, as far as that says anything. */
static bool
is_forwarded(const struct hnv_admit *action, const struct hnv_claim *claim)
{
    return ((claim->addresses == HNV_ADDRESSES_IPV4
             || claim->addresses == HNV_ADDRESSES_IPV6)
            && action->flags & HNV_FORWARDED);
}

/* The question about no CA is whether subnet 0 has a CA of zeros: it has
 * not. */
static void
make_queries(const struct hnv_admit *action, const struct hnv_claim *claim,
             struct space_query *q)
{
    bool asks = (claim->addresses != HNV_ADDRESSES_NONE
                 && !is_forwarded(action, claim)
                 && !(claim->addresses == HNV_ADDRESSES_IPV6
                      && IN6_IS_ADDR_V4MAPPED(&claim->ca)));

    space_query_peer(&q[ASK_HOST], 0, &action->pa);
    space_query_peer(&q[ASK_PEER], action->domain, &action->pa);
    space_query_port(&q[ASK_MAC], action->vsid, claim->mac);
    space_query_ca6(&q[ASK_CA], asks ? action->source_vsid : 0,
                    asks ? &claim->ca : &in6addr_any);
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
      const struct hnv_claim *claim, const struct space_answer *a)
{
    bool is_elsewhere = (a[ASK_CA].found
                         && a[ASK_CA].locator != SPACE_LOCATOR_LOCAL);

    if (!a[ASK_HOST].found) {
        return hnv_result(HNV_DROP, HNV_REASON_UNKNOWN_PEER);
    }
    if (is_local(st, action->source_vsid, &a[ASK_CA])) {
        return hnv_result(HNV_DROP, HNV_REASON_CLAIMS_LOCAL);
    }
    if (!a[ASK_PEER].found && !is_forwarded(action, claim)
        && !is_elsewhere) {
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
    struct hnv_claim claims[PACKETS_MAX];
    size_t i = 0;

    do {
        claims[i] = get_claim(packets[i]);
        make_queries(action, &claims[i], &q[i * N_ASKS]);
    } while (++i < n);
    space_table_find(st, q, n * N_ASKS, a);
    for (i = 0; i < n; i++) {
        results[i] = judge(st, action, &claims[i], &a[i * N_ASKS]);
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

struct hnv_admit
hnv_admit_from_odp(const struct hnv_odp *hnv)
{
    return (struct hnv_admit) {
        .pa = hnv->asked,
        .vsid = hnv->vsid,
        .domain = hnv->domain,
        .source_vsid = hnv->source,
        .flags = hnv->flags,
    };
}

struct hnv_result
hnv_admit_claim(const struct space_table *st, const struct hnv_admit *action,
                const struct hnv_claim *claim)
{
    struct space_query q[N_ASKS];
    struct space_answer a[N_ASKS];

    make_queries(action, claim, q);
    space_table_find(st, q, N_ASKS, a);
    return judge(st, action, claim, a);
}
