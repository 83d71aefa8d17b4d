/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/actions-private.h"
#include "datapath-ext/outer.h"
#include "datapath-ext/space-locators.h"
#include "datapath-ext/space-query.h"
#include "flow.h"
#include "packets.h"
#include "util.h"

/* In rounds over the whole batch, each of which asks for the memory that the
 * next one reads: where to; local port, or header; push. */

struct batch {
    const struct space_table *st;
    const struct space_locators *locators;
    const struct hnv_encap *action;
    struct dp_packet **packets;
    struct hnv_result *results;
    struct space_answer *answers;
};

/* The share of a connection, as the stock backend's flows have it: the same on
 * all hosts, and for both directions.  Fragments lack ports. */
static uint32_t
share_of(struct dp_packet *packet)
{
    struct flow flow;

    flow_extract(packet, &flow);
    return flow_hash_fields(&flow,
                            (flow.nw_frag & FLOW_NW_FRAG_ANY
                             ? NX_HASH_FIELDS_SYMMETRIC_L3
                             : NX_HASH_FIELDS_SYMMETRIC_L3L4_UDP), 0)
           % SPACE_N_SHARES;
}

/* Of those who share the CA, finds the one whom the packet belongs to. */
static struct hnv_result
find_owner(const struct batch *b, size_t i, const struct in6_addr *ca)
{
    struct eth_header *eth = dp_packet_data(b->packets[i]);
    struct space_answer owner;
    struct space_query q;

    space_query_share(&q, b->action->vsid, ca, share_of(b->packets[i]));
    if (!space_table_find(b->st, &q, 1, &owner)) {
        return hnv_result(HNV_MISS, HNV_REASON_UNKNOWN_SHARE);
    }
    if (space_locators_get(b->locators, owner.locator)->encap
        == SPACE_BALANCED) {
        return hnv_result(HNV_DROP, HNV_REASON_LOOP);
    }
    eth->eth_dst = owner.mac;
    b->answers[i] = owner;
    return hnv_result(HNV_DONE, HNV_REASON_NONE);
}

/* To another host. */

static const struct outer_header *
find_header(const struct batch *b, size_t i)
{
    uint32_t locator = b->answers[i].locator;
    const struct space_locator *l = space_locators_get(b->locators, locator);
    bool is_ipv6 = !IN6_IS_ADDR_V4MAPPED(&l->pa);

    return space_locators_get_header(b->locators, locator,
                                     b->action->local_pa[is_ipv6]);
}

static bool
is_too_long(const struct dp_packet *packet, const struct outer_header *header)
{
    ovs_be16 type = hnv_eth_type(packet);

    return (header->mtu
            && dp_packet_size(packet) > header->mtu + ETH_HEADER_LEN
            && (type == htons(ETH_TYPE_IP) || type == htons(ETH_TYPE_IPV6)));
}

/* What the datapath has computed already, as a rule. */
static uint32_t
flow_hash_of(struct dp_packet *packet)
{
    struct flow flow;

    if (dp_packet_rss_valid(packet)) {
        return dp_packet_get_rss_hash(packet);
    }
    flow_extract(packet, &flow);
    return flow_hash_5tuple(&flow, 0);
}

static struct hnv_result
push(const struct batch *b, size_t i, const struct outer_header *header)
{
    struct dp_packet *packet = b->packets[i];
    struct hnv_result result = { .verdict = HNV_DONE };

    if (!header) {
        return hnv_result(HNV_SLOW, HNV_REASON_NO_HEADER);
    }
    if (is_too_long(packet, header)) {
        return hnv_result(HNV_SLOW, HNV_REASON_TOO_LONG);
    }
    if (dp_packet_hwol_is_tso(packet) || dp_packet_hwol_l4_mask(packet)) {
        return hnv_result(HNV_DROP, HNV_REASON_OFFLOAD);
    }
    outer_push(packet, header, b->action->vsid, flow_hash_of(packet));
    result.port = header->out_port;
    return result;
}

/* The rounds. */

static bool
is_live(const struct batch *b, size_t i)
{
    return b->results[i].verdict == HNV_DONE;
}

static bool
is_local(const struct batch *b, size_t i)
{
    return (b->action->flags & HNV_LOCAL_ONLY
            || b->answers[i].locator == SPACE_LOCATOR_LOCAL);
}

static void
find_owners(const struct batch *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (is_live(b, i) && !is_local(b, i)) {
            const struct space_locator *l = space_locators_get(
                b->locators, b->answers[i].locator);

            if (OVS_UNLIKELY(l->encap == SPACE_BALANCED)) {
                b->results[i] = find_owner(b, i, &l->pa);
            } else {
                space_locators_prefetch_header(b->locators,
                                               b->answers[i].locator);
            }
        }
    }
}

static void
ask_for_locators(const struct batch *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (is_live(b, i)) {
            space_locators_prefetch(b->locators, b->answers[i].locator);
        }
    }
}

static void
find_ports(const struct batch *b, size_t n)
{
    struct space_query q[SPACE_BATCH_MAX];
    struct space_answer found[SPACE_BATCH_MAX];
    uint8_t of[SPACE_BATCH_MAX];
    size_t n_queries = 0;

    for (size_t i = 0; i < n; i++) {
        if (is_live(b, i) && is_local(b, i)) {
            const struct eth_header *eth = dp_packet_data(b->packets[i]);

            of[n_queries] = i;
            space_query_port(&q[n_queries++], b->action->vsid, eth->eth_dst);
        }
    }
    if (!n_queries) {
        return;
    }
    space_table_find(b->st, q, n_queries, found);
    for (size_t j = 0; j < n_queries; j++) {
        if (found[j].found) {
            b->results[of[j]].port = found[j].port;
        } else {
            b->results[of[j]] = hnv_result(HNV_MISS, HNV_REASON_NOT_HERE);
        }
    }
}

static void
push_headers(const struct batch *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (is_live(b, i) && !is_local(b, i)) {
            b->results[i] = push(b, i, find_header(b, i));
        }
    }
}

void
hnv_encap_execute(const struct space_table *st,
                  const struct hnv_encap *action, struct dp_packet **packets,
                  size_t n, struct hnv_result *results,
                  struct space_answer *answers)
{
    const struct batch b = {
        .st = st, .locators = space_table_locators(st), .action = action,
        .packets = packets, .results = results, .answers = answers,
    };

    if (action->flags & HNV_LOCAL_ONLY) {
        find_ports(&b, n);
        return;
    }
    ask_for_locators(&b, n);
    find_owners(&b, n);
    find_ports(&b, n);
    push_headers(&b, n);
}
