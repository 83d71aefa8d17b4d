/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "util/addr.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "openvswitch/util.h"
#include "packets.h"
#include "util.h"

bool
addr_is_ipv4(const struct in6_addr *addr)
{
    return IN6_IS_ADDR_V4MAPPED(addr);
}

ovs_be32
addr_to_ipv4(const struct in6_addr *addr)
{
    return in6_addr_get_mapped_ipv4(addr);
}

struct in6_addr
addr_from_ipv4(ovs_be32 ip)
{
    return in6_addr_mapped_ipv4(ip);
}

bool
addr_equal(const struct in6_addr *a, const struct in6_addr *b)
{
    return !addr_compare(a, b);
}

int
addr_compare(const struct in6_addr *a, const struct in6_addr *b)
{
    return memcmp(a, b, sizeof *a);
}

bool
addr_parse(const char *s, struct in6_addr *ret_addr)
{
    struct in6_addr addr6;
    struct in_addr addr4;

    if (inet_pton(AF_INET, s, &addr4) == 1) {
        *ret_addr = addr_from_ipv4(addr4.s_addr);
        return true;
    }
    if (inet_pton(AF_INET6, s, &addr6) == 1) {
        *ret_addr = addr6;
        return true;
    }
    return false;
}

bool
addr_prefix_parse(const char *s, struct addr_prefix *ret_prefix)
{
    const char *slash = strchr(s, '/');
    char buf[ADDR_STRLEN];

    if (!slash || slash - s >= sizeof buf) {
        return false;
    }
    memcpy(buf, s, slash - s);
    buf[slash - s] = '\0';

    size_t n_digits = strspn(slash + 1, "0123456789");
    unsigned int plen;
    struct in6_addr addr;
    if (!n_digits || n_digits > 3 || slash[1 + n_digits]
        || !str_to_uint(slash + 1, 10, &plen)
        || !addr_parse(buf, &addr)
        || plen > (addr_is_ipv4(&addr) ? 32 : 128)) {
        return false;
    }
    *ret_prefix = (struct addr_prefix) { .addr = addr, .plen = plen };
    return true;
}

bool
addr_mac_parse(const char *s, struct eth_addr *ret_mac)
{
    struct eth_addr mac;

    for (int i = 0; i < ETH_ADDR_LEN; i++) {
        if (i && strchr(":-.", *s) && *s) {
            s++;
        }
        if (!isxdigit((unsigned char) s[0])
            || !isxdigit((unsigned char) s[1])) {
            return false;
        }
        mac.ea[i] = hexit_value(s[0]) << 4 | hexit_value(s[1]);
        s += 2;
    }
    if (*s || eth_addr_is_multicast(mac) || eth_addr_is_zero(mac)) {
        return false;
    }
    *ret_mac = mac;
    return true;
}

const char *
addr_format(const struct in6_addr *addr, char buf[ADDR_STRLEN])
{
    if (addr_is_ipv4(addr)) {
        ovs_be32 ip = addr_to_ipv4(addr);
        inet_ntop(AF_INET, &ip, buf, ADDR_STRLEN);
    } else {
        inet_ntop(AF_INET6, addr, buf, ADDR_STRLEN);
    }
    return buf;
}

const char *
addr_prefix_format(const struct addr_prefix *prefix, char buf[ADDR_STRLEN])
{
    addr_format(&prefix->addr, buf);
    size_t n = strlen(buf);
    snprintf(buf + n, ADDR_STRLEN - n, "/%u", prefix->plen);
    return buf;
}

/* Length of the prefix within the 128-bit form. */
static unsigned int
plen128(const struct addr_prefix *prefix)
{
    return prefix->plen + (addr_is_ipv4(&prefix->addr) ? 96 : 0);
}

struct addr_prefix
addr_prefix_network(const struct addr_prefix *prefix)
{
    struct in6_addr mask = ipv6_create_mask(plen128(prefix));

    return (struct addr_prefix) {
        .addr = ipv6_addr_bitand(&prefix->addr, &mask),
        .plen = prefix->plen,
    };
}

bool
addr_prefix_contains(const struct addr_prefix *prefix,
                     const struct in6_addr *addr)
{
    if (addr_is_ipv4(&prefix->addr) != addr_is_ipv4(addr)) {
        return false;
    }

    struct addr_prefix other = { .addr = *addr, .plen = prefix->plen };
    struct addr_prefix a = addr_prefix_network(prefix);
    struct addr_prefix b = addr_prefix_network(&other);
    return addr_equal(&a.addr, &b.addr);
}

bool
addr_prefix_overlaps(const struct addr_prefix *a, const struct addr_prefix *b)
{
    return (a->plen <= b->plen
            ? addr_prefix_contains(a, &b->addr)
            : addr_prefix_contains(b, &a->addr));
}

bool
addr_guid_normalize(const char *name, char *buf, size_t size)
{
    size_t n = strlen(name);

    if (n >= 2 && name[0] == '{' && name[n - 1] == '}') {
        name++;
        n -= 2;
    }
    if (!n || n >= size) {
        buf[0] = '\0';
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        buf[i] = tolower((unsigned char) name[i]);
    }
    buf[n] = '\0';
    return true;
}
