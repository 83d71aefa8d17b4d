/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "answer/router-answer.h"
#include "answer/icmp-error.h"
#include "model/prefix.h"
#include "model/rules.h"
#include "packets.h"
#include "util.h"
#include "util/addr.h"

static const struct rules_prefix *
find_prefix(const struct rules_subnet *subnet, const struct in6_addr *addr)
{
    for (size_t i = 0; i < subnet->n_prefixes; i++) {
        if (addr_prefix_contains(&subnet->prefixes[i].net, addr)) {
            return &subnet->prefixes[i];
        }
    }
    return NULL;
}

/* The gateway that a packet from 'src' reached: that of the prefix that it is
 * in, or, as somebody else may have sent it on, the first of its family. */
static const struct in6_addr *
find_gateway(const struct rules_subnet *subnet, const struct in6_addr *src)
{
    const struct rules_prefix *prefix = find_prefix(subnet, src);

    for (size_t i = 0; !prefix && i < subnet->n_prefixes; i++) {
        if (addr_is_ipv4(&subnet->prefixes[i].net.addr) == addr_is_ipv4(src)) {
            prefix = &subnet->prefixes[i];
        }
    }
    return prefix ? &prefix->gateway : NULL;
}

/* True if 'addr' stands for all the hosts of a subnet of the network. */
static bool
is_many(const struct rules *rules, uint32_t domain,
        const struct in6_addr *addr)
{
    for (size_t i = 0; i < rules->n_subnets; i++) {
        const struct rules_subnet *subnet = &rules->subnets[i];
        const struct rules_prefix *prefix
            = subnet->domain == domain ? find_prefix(subnet, addr) : NULL;

        if (prefix && !prefix_can_be_guest(&prefix->net, addr)) {
            return true;
        }
    }
    return false;
}

/* Returns false for a kind of packet that the router is not asked about. */
static bool
find_error(enum punt_kind punt, enum icmp_error_kind *ret_kind)
{
    static const struct {
        enum punt_kind punt;
        enum icmp_error_kind error;
    } errors[] = {
        { PUNT_TTL, ICMP_ERROR_TTL },
        { PUNT_NO_ROUTE, ICMP_ERROR_NO_ROUTE },
        { PUNT_NO_HOST, ICMP_ERROR_NO_HOST },
        { PUNT_TO_ROUTER, ICMP_ERROR_NO_PORT },
    };

    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        if (errors[i].punt == punt) {
            *ret_kind = errors[i].error;
            return true;
        }
    }
    return false;
}

/* Makes 'error', which lacks the router's addresses, the answer to 'packet'.
 * The router answers as 'from', or if that is NULL as what it is for the
 * sender. */
static bool
answer_with(const struct rules *rules, struct icmp_error *error, uint32_t vsid,
            const struct in6_addr *from, const void *packet, size_t size,
            struct ofpbuf *answer)
{
    const struct rules_subnet *subnet = rules_find_subnet(rules, vsid);
    struct in6_addr src, dst;

    if (!subnet || !icmp_error_is_allowed(packet, size, &src, &dst)
        || is_many(rules, subnet->domain, &src)
        || is_many(rules, subnet->domain, &dst)) {
        return false;
    }
    from = from ? from : find_gateway(subnet, &src);
    if (!from) {
        return false;
    }
    error->mac = rules->router_mac;
    error->from = *from;
    icmp_error_compose(error, packet, size, answer);
    return true;
}

bool
router_answer(const struct rules *rules, enum punt_kind kind, uint32_t vsid,
              const void *packet, size_t size, struct ofpbuf *answer)
{
    struct icmp_error error = { .mtu = 0 };
    struct in6_addr src, dst;

    return (find_error(kind, &error.kind)
            && icmp_error_is_allowed(packet, size, &src, &dst)
            && answer_with(rules, &error, vsid,
                           kind == PUNT_TO_ROUTER ? &dst : NULL,
                           packet, size, answer));
}

/* True for an IPv4 packet that whoever sends it on may cut into fragments. */
static bool
may_be_cut(const void *packet, size_t size)
{
    const struct eth_header *eth = packet;
    const struct ip_header *ip = (const void *) (eth + 1);

    return (size >= sizeof *eth + sizeof *ip
            && eth->eth_type == htons(ETH_TYPE_IP)
            && !(ip->ip_frag_off & htons(IP_DONT_FRAGMENT)));
}

bool
router_answer_too_long(const struct rules *rules, uint32_t vsid, uint16_t mtu,
                       const void *packet, size_t size, struct ofpbuf *answer)
{
    struct icmp_error error = { .kind = ICMP_ERROR_TOO_BIG, .mtu = mtu };

    return (!may_be_cut(packet, size)
            && answer_with(rules, &error, vsid, NULL, packet, size, answer));
}
