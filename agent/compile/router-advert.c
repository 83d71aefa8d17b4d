/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/router-advert.h"
#include <netinet/icmp6.h>
#include <string.h>
#include "dp-packet.h"
#include "flow.h"
#include "model/rules.h"
#include "packets.h"
#include "util.h"

/* A router solicitation: type, code, checksum, four bytes reserved. */
enum { SOLICIT_MIN_BYTES = 8 };

/* How long guests use the router without hearing of it again: as long as the
 * message can say (RFC 8319), for flows forward while the agent is away.  And
 * how long prefixes are good for, and addresses made from them preferred (RFC
 * 4861 section 6.2.1). */
enum {
    ROUTER_LIFETIME_S = 65535,
    VALID_LIFETIME_S = 30 * 86400,
    PREFERRED_LIFETIME_S = 7 * 86400,
};

enum { HOP_LIMIT = 64 };
enum { SLAAC_PREFIX_LENGTH = 64 };      /* RFC 4291 section 2.5.1. */

/* Takes 'frame' apart; false unless it is a solicitation that RFC 4861 section
 * 6.1.1 lets a router answer. */
static bool
parse_solicit(const void *frame, size_t size, struct flow *ret_flow)
{
    struct dp_packet packet;

    dp_packet_use_const(&packet, frame, size);
    flow_extract(&packet, ret_flow);
    return (ret_flow->dl_type == htons(ETH_TYPE_IPV6)
            && ret_flow->nw_proto == IPPROTO_ICMPV6
            && !ret_flow->nw_frag
            && ret_flow->nw_ttl == 255
            && ret_flow->tp_src == htons(ND_ROUTER_SOLICIT)
            && ret_flow->tp_dst == htons(0)
            && dp_packet_l4_size(&packet) >= SOLICIT_MIN_BYTES
            && !ipv6_addr_is_multicast(&ret_flow->ipv6_src));
}

static bool
has_ipv6(const struct rules_subnet *subnet)
{
    for (size_t i = 0; i < subnet->n_prefixes; i++) {
        if (!addr_is_ipv4(&subnet->prefixes[i].net.addr)) {
            return true;
        }
    }
    return false;
}

static void
put_prefix(struct dp_packet *packet, const struct addr_prefix *net,
           bool slaac)
{
    uint8_t flags = ND_OPT_PI_FLAG_ONLINK;
    ovs_be128 prefix;

    if (slaac && net->plen == SLAAC_PREFIX_LENGTH) {
        flags |= ND_OPT_PI_FLAG_AUTO;
    }
    memcpy(&prefix, &net->addr, sizeof prefix);
    packet_put_ra_prefix_opt(packet, net->plen, flags,
                             htonl(VALID_LIFETIME_S),
                             htonl(PREFERRED_LIFETIME_S), prefix);
}

static struct dp_packet *
advertise(const struct rules *rules, const struct rules_subnet *subnet,
          struct eth_addr to_mac, const struct in6_addr *to)
{
    if (eth_addr_is_zero(rules->router_mac) || !has_ipv6(subnet)) {
        return NULL;
    }

    struct dp_packet *packet = dp_packet_new(0);
    struct in6_addr source;

    in6_generate_lla(rules->router_mac, &source);
    compose_nd_ra(packet, rules->router_mac, to_mac, &source, to, HOP_LIMIT,
                  0, htons(subnet->routed ? ROUTER_LIFETIME_S : 0), 0, 0, 0);
    for (size_t i = 0; i < subnet->n_prefixes; i++) {
        const struct addr_prefix *net = &subnet->prefixes[i].net;

        if (!addr_is_ipv4(&net->addr)) {
            put_prefix(packet, net, subnet->slaac);
        }
    }
    return packet;
}

struct dp_packet *
router_advert_to_all(const struct rules *rules,
                     const struct rules_subnet *subnet)
{
    return advertise(rules, subnet,
                     (struct eth_addr) ETH_ADDR_C(33,33,00,00,00,01),
                     &in6addr_all_hosts);
}

struct dp_packet *
router_advert_answer(const struct rules *rules,
                     const struct rules_subnet *subnet,
                     const void *frame, size_t size)
{
    struct flow flow;

    if (!parse_solicit(frame, size, &flow)) {
        return NULL;
    }
    return (ipv6_addr_is_set(&flow.ipv6_src)
            ? advertise(rules, subnet, flow.dl_src, &flow.ipv6_src)
            : router_advert_to_all(rules, subnet));
}
