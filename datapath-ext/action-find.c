/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/actions-private.h"
#include "datapath-ext/space-locators.h"
#include "datapath-ext/space-query.h"
#include "flow.h"
#include "packets.h"
#include "util.h"

/* What is known under an address that a packet has, or that its flow says. */

/* What a question is about. */
struct subject {
    struct in6_addr ca;         /* Unless it is a MAC. */
    bool asks_for_itself;       /* In ARP, from the CA. */
};

/* Of neighbour solicitations and advertisements in all their forms, which
 * flows know best. */
static bool
get_nd_target(struct dp_packet *packet, struct in6_addr *ret_ca)
{
    struct flow flow;

    flow_extract(packet, &flow);
    *ret_ca = flow.nd_target;
    return ipv6_addr_is_set(&flow.nd_target);
}

/* A CA in the packet.  'src' and 'dst' are its addresses. */
static bool
get_ca_inside(enum hnv_key key, struct dp_packet *packet,
              enum hnv_addresses addresses, const struct in6_addr *src,
              const struct in6_addr *dst, struct in6_addr *ret_ca)
{
    if (addresses == HNV_ADDRESSES_NONE) {
        return false;
    }
    if (key == HNV_KEY_TARGET && addresses == HNV_ADDRESSES_IPV6) {
        return get_nd_target(packet, ret_ca);
    }

    bool is_arp = addresses == HNV_ADDRESSES_ARP;
    bool is_right = (key == HNV_KEY_DST ? !is_arp
                     : key == HNV_KEY_TARGET ? is_arp
                     : key == HNV_KEY_SRC);

    *ret_ca = key == HNV_KEY_SRC ? *src : *dst;
    return is_right;
}

/* In IPv6, IPv4-mapped addresses are nobody's. */
static bool
has_subject(const struct hnv_find *action, struct dp_packet *packet,
            struct subject *ret_subject)
{
    struct in6_addr src, dst;
    enum hnv_addresses addresses = hnv_get_addresses(packet, &src, &dst);
    bool is_ipv4 = addresses != HNV_ADDRESSES_IPV6;
    bool is_there = true;

    switch (action->key) {
    case HNV_KEY_MAC:
        ret_subject->asks_for_itself = false;
        return true;
    case HNV_KEY_DST:
    case HNV_KEY_SRC:
    case HNV_KEY_TARGET:
        is_there = get_ca_inside(action->key, packet, addresses, &src, &dst,
                                 &ret_subject->ca);
        break;
    case HNV_KEY_CA4:
    case HNV_KEY_SHARE4:
        ret_subject->ca = action->ca;
        is_ipv4 = true;
        break;
    case HNV_KEY_CA6:
    case HNV_KEY_SHARE6:
        ret_subject->ca = action->ca;
        is_ipv4 = false;
        break;
    case HNV_KEY_NONE:
    case N_HNV_KEYS:
        return false;
    }
    if (!is_there || is_ipv4 != IN6_IS_ADDR_V4MAPPED(&ret_subject->ca)) {
        return false;
    }
    ret_subject->asks_for_itself
        = (addresses == HNV_ADDRESSES_ARP
           && ipv6_addr_equals(&src, &ret_subject->ca));
    return true;
}

static bool
make_query(const struct hnv_find *action, struct dp_packet *packet,
           struct subject *subject, struct space_query *q)
{
    const struct eth_header *eth = dp_packet_data(packet);

    if (!has_subject(action, packet, subject)) {
        return false;
    }
    if (action->key == HNV_KEY_MAC) {
        space_query_mac(q, action->vsid, eth->eth_dst);
    } else if (action->key == HNV_KEY_SHARE4
               || action->key == HNV_KEY_SHARE6) {
        if (action->share >= SPACE_N_SHARES) {
            return false;
        }
        space_query_share(q, action->vsid, &subject->ca, action->share);
    } else {
        space_query_ca6(q, action->vsid, &subject->ca);
    }
    return true;
}

static struct hnv_found
make_answer(const struct space_table *st, enum hnv_key key,
            const struct subject *subject, const struct space_answer *a)
{
    const struct space_locator *where
        = space_locators_get(space_table_locators(st), a->locator);
    const struct space_entry entry = {
        .mac = a->mac,
        .learned = a->learned,
        .where = { .encap = where->encap, .pa = where->pa },
    };

    return hnv_found_from_entry(&entry, key, subject->asks_for_itself);
}

static struct hnv_result
miss(enum hnv_key key)
{
    return hnv_result(HNV_MISS,
                      (key == HNV_KEY_MAC ? HNV_REASON_UNKNOWN_MAC
                       : key == HNV_KEY_SHARE4 || key == HNV_KEY_SHARE6
                       ? HNV_REASON_UNKNOWN_SHARE
                       : HNV_REASON_UNKNOWN_CA));
}

void
hnv_find_execute(const struct space_table *st, const struct hnv_find *action,
                 struct dp_packet **packets, size_t n,
                 struct hnv_result *results, struct hnv_found *found)
{
    struct subject subjects[SPACE_BATCH_MAX];
    struct space_query q[SPACE_BATCH_MAX];
    struct space_answer a[SPACE_BATCH_MAX];
    uint8_t of[SPACE_BATCH_MAX];
    size_t n_queries = 0;

    for (size_t i = 0; i < n; i++) {
        if (make_query(action, packets[i], &subjects[i], &q[n_queries])) {
            of[n_queries++] = i;
        } else {
            results[i] = hnv_result(HNV_SLOW, HNV_REASON_NOT_PLAIN);
        }
    }
    if (!n_queries) {
        return;
    }
    space_table_find(st, q, n_queries, a);
    for (size_t j = 0; j < n_queries; j++) {
        size_t i = of[j];

        if (a[j].found) {
            found[i] = make_answer(st, action->key, &subjects[i], &a[j]);
            results[i] = hnv_result(HNV_DONE, HNV_REASON_NONE);
        } else {
            results[i] = miss(action->key);
        }
    }
}
