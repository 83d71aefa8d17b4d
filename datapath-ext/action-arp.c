/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/actions-private.h"
#include "datapath-ext/space-locators.h"
#include "datapath-ext/space-query.h"
#include "packets.h"

/* Questions become their own answers: RFC 826, and RFC 4861 in action-nd.c. */

static struct arp_eth_header *
arp_of(const struct dp_packet *packet)
{
    return dp_packet_l3(packet);
}

static bool
is_arp_request(const struct dp_packet *packet)
{
    const struct arp_eth_header *arp = arp_of(packet);

    return hnv_is_arp(packet) && arp->ar_op == htons(ARP_OP_REQUEST);
}

static void
arp_reply(struct dp_packet *packet, struct eth_addr mac)
{
    struct eth_header *eth = dp_packet_data(packet);
    struct arp_eth_header *arp = arp_of(packet);
    ovs_be32 asked_for = get_16aligned_be32(&arp->ar_tpa);

    eth->eth_dst = eth->eth_src;
    eth->eth_src = mac;
    arp->ar_op = htons(ARP_OP_REPLY);
    arp->ar_tha = arp->ar_sha;
    arp->ar_sha = mac;
    put_16aligned_be32(&arp->ar_tpa, get_16aligned_be32(&arp->ar_spa));
    put_16aligned_be32(&arp->ar_spa, asked_for);
}

/* From no address, or from the one it is about: a guest finds out whether it
 * may have the address (RFC 5227), or tells that it has. */
static bool
is_about_itself(const struct dp_packet *packet)
{
    ovs_be32 spa = get_16aligned_be32(&arp_of(packet)->ar_spa);

    return !spa || spa == get_16aligned_be32(&arp_of(packet)->ar_tpa);
}

enum question { QUESTION_NONE, QUESTION_ARP, QUESTION_ND };

static enum question
classify(const struct dp_packet *packet)
{
    ovs_be16 type = hnv_eth_type(packet);

    if (hnv_is_tagged(packet)) {
        return QUESTION_NONE;
    }
    return (is_arp_request(packet) ? QUESTION_ARP
            : type == htons(ETH_TYPE_IPV6) && hnv_nd_is_plain(packet)
            ? QUESTION_ND : QUESTION_NONE);
}

static void
make_query(struct space_query *q, uint32_t vsid,
           const struct dp_packet *packet, enum question question)
{
    if (question == QUESTION_ARP) {
        space_query_ca4(q, vsid, get_16aligned_be32(&arp_of(packet)->ar_tpa));
    } else {
        struct in6_addr target;

        hnv_nd_target(packet, &target);
        space_query_ca6(q, vsid, &target);
    }
}

/* Several owners are no reason to be told that an address is taken. */
static bool
is_shared_with_asker(const struct space_table *st,
                     const struct space_answer *a,
                     const struct dp_packet *packet, enum question question)
{
    return (question == QUESTION_ARP && is_about_itself(packet)
            && a->locator != SPACE_LOCATOR_LOCAL
            && space_locators_get(space_table_locators(st),
                                  a->locator)->encap == SPACE_BALANCED);
}

/* Whatever MAC it calls itself by. */
static bool
is_askers_own(const struct space_table *st, const struct hnv_arp *action,
              struct eth_addr mac)
{
    struct space_query q;
    struct space_answer a;

    space_query_port(&q, action->vsid, mac);
    return space_table_find(st, &q, 1, &a) && a.port == action->asker;
}

/* 'a' is what was found. */
static struct hnv_result
reply(const struct space_table *st, const struct hnv_arp *action,
      struct dp_packet *packet, enum question question,
      const struct space_answer *a)
{
    if (!a->found || eth_addr_is_zero(a->mac)) {
        return hnv_result(HNV_MISS, HNV_REASON_UNKNOWN_CA);
    }
    if (a->learned && action->flags & HNV_LEARNING) {
        return hnv_result(HNV_SLOW, HNV_REASON_LEARNED);
    }
    if (is_shared_with_asker(st, a, packet, question)
        || is_askers_own(st, action, a->mac)) {
        return hnv_result(HNV_DROP, HNV_REASON_OWN);
    }
    if (question == QUESTION_ARP) {
        arp_reply(packet, a->mac);
    } else {
        hnv_nd_reply(packet, a->mac, action->flags & HNV_ROUTER);
    }
    return hnv_result(HNV_DONE, HNV_REASON_NONE);
}

void
hnv_arp_execute(const struct space_table *st, const struct hnv_arp *action,
                struct dp_packet **packets, size_t n,
                struct hnv_result *results)
{
    const struct space_answer fixed = { .found = true, .mac = action->mac };
    bool is_fixed = !eth_addr_is_zero(action->mac);
    enum question questions[SPACE_BATCH_MAX];
    struct space_query q[SPACE_BATCH_MAX];
    struct space_answer found[SPACE_BATCH_MAX];
    size_t n_queries = 0;

    for (size_t i = 0; i < n; i++) {
        questions[i] = classify(packets[i]);
        if (questions[i] != QUESTION_NONE && !is_fixed) {
            make_query(&q[n_queries++], action->vsid, packets[i],
                       questions[i]);
        }
    }
    if (n_queries) {
        space_table_find(st, q, n_queries, found);
    }

    const struct space_answer *a = found;
    for (size_t i = 0; i < n; i++) {
        if (questions[i] == QUESTION_NONE) {
            results[i] = hnv_result(HNV_SLOW, HNV_REASON_NOT_PLAIN);
        } else {
            results[i] = reply(st, action, packets[i], questions[i],
                               is_fixed ? &fixed : a++);
        }
    }
}
