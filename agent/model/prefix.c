/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/prefix.h"

#include "util.h"
#include "util/addr.h"

/* Addresses that no guest of a routed subnet can have. */
static const struct {
    const char *prefix;
    const char *fault;
} reserved[] = {
    { "0.0.0.0/8", "covers addresses that mean \"this network\"" },
    { "127.0.0.0/8", "covers loopback addresses" },
    { "169.254.0.0/16", "covers link-local addresses" },
    { "224.0.0.0/4", "covers multicast addresses" },
    { "240.0.0.0/4", "covers reserved addresses" },
    { "::/127", "covers the unspecified and the loopback address" },
    { "fe80::/10", "covers link-local addresses" },
    { "ff00::/8", "covers multicast addresses" },
};

bool
prefix_get_reserved(size_t i, struct addr_prefix *ret_net)
{
    if (i >= ARRAY_SIZE(reserved)) {
        return false;
    }
    ovs_assert(addr_prefix_parse(reserved[i].prefix, ret_net));
    return true;
}

static const char *
find_reserved(const struct addr_prefix *net)
{
    struct addr_prefix other;

    for (size_t i = 0; prefix_get_reserved(i, &other); i++) {
        if (addr_prefix_overlaps(&other, net)) {
            return reserved[i].fault;
        }
    }
    return NULL;
}

/* Returns the lowest usable address: the one after the network's own, which is
 * not for guests (in IPv6 it means "any router", RFC 4291 section 2.6.1).
 * Where there are only two addresses, both are usable (RFC 3021, 6164). */
static struct in6_addr
lowest_usable(const struct addr_prefix *net, unsigned int max_plen)
{
    struct in6_addr addr = net->addr;

    if (net->plen < max_plen - 1) {
        addr.s6_addr[15] |= 1;
    }
    return addr;
}

static bool
is_broadcast(const struct addr_prefix *prefix)
{
    uint32_t hosts;

    if (!addr_is_ipv4(&prefix->addr) || prefix->plen > 30) {
        return false;
    }
    hosts = UINT32_MAX >> prefix->plen;
    return (ntohl(addr_to_ipv4(&prefix->addr)) & hosts) == hosts;
}

bool
prefix_can_be_guest(const struct addr_prefix *net,
                    const struct in6_addr *addr)
{
    struct addr_prefix given = { .addr = *addr, .plen = net->plen };
    unsigned int max_plen = addr_is_ipv4(addr) ? 32 : 128;

    return (net->plen >= max_plen - 1
            || (!addr_equal(addr, &net->addr) && !is_broadcast(&given)));
}

const char *
prefix_from_key(const char *key, struct rules_prefix *ret_prefix)
{
    struct addr_prefix given, net;
    unsigned int max_plen;
    const char *fault;

    if (!addr_prefix_parse(key, &given)) {
        return "is not of the form ADDRESS/LENGTH";
    }
    max_plen = addr_is_ipv4(&given.addr) ? 32 : 128;
    if (!given.plen) {
        return "covers all addresses";
    }
    if (given.plen >= max_plen) {
        return "has no room for a guest beside the gateway";
    }
    net = addr_prefix_network(&given);
    fault = find_reserved(&net);
    if (fault) {
        return fault;
    }
    if (is_broadcast(&given)) {
        return "gives the broadcast address as the gateway";
    }
    ret_prefix->net = net;
    ret_prefix->gateway = (addr_equal(&given.addr, &net.addr)
                           ? lowest_usable(&net, max_plen) : given.addr);
    return NULL;
}
