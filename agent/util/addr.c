/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "util/addr.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "openvswitch/util.h"
#include "packets.h"
#include "sha1.h"
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

/* Returns 's' without the blanks at its start; '*ret_n' is its length without
 * those at its end. */
static const char *
trim(const char *s, size_t *ret_n)
{
    static const char blanks[] = " \t\r\n";
    size_t n;

    s += strspn(s, blanks);
    n = strlen(s);
    while (n && strchr(blanks, s[n - 1])) {
        n--;
    }
    *ret_n = n;
    return s;
}

/* Parses the 'n' bytes at 's'.  Decimal numbers with a leading zero, which
 * some would read as octal, are refused by inet_pton(). */
static bool
parse_address(const char *s, size_t n, struct in6_addr *ret_addr)
{
    char buf[ADDR_STRLEN];
    struct in6_addr addr6;
    struct in_addr addr4;

    if (n >= sizeof buf) {
        return false;
    }
    memcpy(buf, s, n);
    buf[n] = '\0';
    if (inet_pton(AF_INET, buf, &addr4) == 1) {
        *ret_addr = addr_from_ipv4(addr4.s_addr);
        return true;
    }
    if (inet_pton(AF_INET6, buf, &addr6) == 1) {
        *ret_addr = addr6;
        return true;
    }
    return false;
}

/* Parses the 'n' bytes at 's': up to three digits, no leading zero. */
static bool
parse_length(const char *s, size_t n, unsigned int *ret_length)
{
    unsigned int length = 0;

    if (!n || n > 3 || (n > 1 && s[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!isdigit((unsigned char) s[i])) {
            return false;
        }
        length = 10 * length + (s[i] - '0');
    }
    *ret_length = length;
    return true;
}

bool
addr_parse(const char *s, struct in6_addr *ret_addr)
{
    size_t n;

    s = trim(s, &n);
    return parse_address(s, n, ret_addr);
}

bool
addr_prefix_parse(const char *s, struct addr_prefix *ret_prefix)
{
    size_t n;

    s = trim(s, &n);

    const char *slash = memchr(s, '/', n);
    struct in6_addr addr;
    unsigned int plen;
    if (!slash || !parse_address(s, slash - s, &addr)
        || !parse_length(slash + 1, s + n - (slash + 1), &plen)
        || plen > (addr_is_ipv4(&addr) ? 32 : 128)) {
        return false;
    }
    *ret_prefix = (struct addr_prefix) { .addr = addr, .plen = plen };
    return true;
}

/* Number of times that 'c' is among the 'n' bytes at 's'. */
static int
count_char(const char *s, size_t n, char c)
{
    int count = 0;

    for (size_t i = 0; i < n; i++) {
        count += s[i] == c;
    }
    return count;
}

/* Parses a group of hexadecimal digits, 'width' of them, or one or two where
 * two are usual.  Returns how many there are, 0 if that is wrong, and moves
 * them into 'value'. */
static int
parse_mac_group(const char *s, int width, uint64_t *value)
{
    int n = 0;

    while (isxdigit((unsigned char) s[n])) {
        if (++n > width) {
            return 0;
        }
    }
    if (n < (width == 2 ? 1 : width)) {
        return 0;
    }
    *value <<= 4 * (width - n);
    for (int i = 0; i < n; i++) {
        *value = *value << 4 | hexit_value(s[i]);
    }
    return n;
}

bool
addr_mac_parse(const char *s, struct eth_addr *ret_mac)
{
    /* Digits in a group, by the number of groups. */
    static const int widths[] = { [1] = 12, [2] = 6, [3] = 4, [6] = 2 };
    size_t n;

    s = trim(s, &n);

    const char *end = s + n;
    char separator = s[strspn(s, "0123456789abcdefABCDEF")];
    int n_groups = 1;
    if (separator && strchr(":-.", separator)) {
        n_groups += count_char(s, n, separator);
    }
    if (n_groups >= ARRAY_SIZE(widths) || !widths[n_groups]) {
        return false;
    }

    uint64_t value = 0;
    for (int i = 0; i < n_groups; i++) {
        int n_digits = parse_mac_group(s, widths[n_groups], &value);

        s += n_digits;
        if (!n_digits || (i < n_groups - 1 && *s++ != separator)) {
            return false;
        }
    }

    struct eth_addr mac;
    eth_addr_from_uint64(value, &mac);
    if (s != end || eth_addr_is_multicast(mac) || eth_addr_is_zero(mac)) {
        return false;
    }
    *ret_mac = mac;
    return true;
}

struct eth_addr
addr_mac_from_name(const char *name)
{
    uint8_t digest[SHA1_DIGEST_SIZE];
    struct eth_addr mac;

    sha1_bytes(name, strlen(name), digest);
    memcpy(mac.ea, digest, sizeof mac.ea);
    mac.ea[0] = (mac.ea[0] & ~0x01) | 0x02;
    return mac;
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
    size_t n;

    name = trim(name, &n);
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
