/* SPDX-License-Identifier: Apache-2.0 */

#ifndef UTIL_ADDR_H
#define UTIL_ADDR_H 1

/* Addresses as people and controllers write them.
 *
 * An IP address of either family is held as "struct in6_addr", IPv4 as an
 * IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2).  Reading is lenient,
 * blanks around anything do not count; writing is canonical (RFC 5952 for
 * IPv6, lower case and colons for MACs).
 *
 * What might mean two things is refused: a decimal number with a leading zero,
 * be it in an IPv4 address or a prefix length, is octal to some.
 *
 * All functions are pure; any thread may call them. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include "openvswitch/types.h"

struct ds;

/* An address with the length of its prefix, counted within its own family:
 * 0 to 32 or 0 to 128.  Host bits may be set. */
struct addr_prefix {
    struct in6_addr addr;
    unsigned int plen;
};

#define ADDR_STRLEN 48          /* Longest text of any of these, with '\0'. */

bool addr_is_ipv4(const struct in6_addr *);
ovs_be32 addr_to_ipv4(const struct in6_addr *);
struct in6_addr addr_from_ipv4(ovs_be32);
bool addr_equal(const struct in6_addr *, const struct in6_addr *);
int addr_compare(const struct in6_addr *, const struct in6_addr *);

/* Parses an IPv4 or IPv6 address; false if 's' is something else. */
bool addr_parse(const char *s, struct in6_addr *ret_addr);

/* Parses "ADDRESS/LENGTH". */
bool addr_prefix_parse(const char *s, struct addr_prefix *ret_prefix);

/* Parses twelve hexadecimal digits of either case: in six, three or two equal
 * groups with ":" or "-" or "." between them, always the same, or in one.  A
 * group of two may lack its leading zero.  Refuses multicast and all-zeros. */
bool addr_mac_parse(const char *s, struct eth_addr *ret_mac);

/* A MAC address that is locally administered, unicast, and the same whenever
 * 'name' is. */
struct eth_addr addr_mac_from_name(const char *name);

/* Both return 'buf'. */
const char *addr_format(const struct in6_addr *, char buf[ADDR_STRLEN]);
const char *addr_prefix_format(const struct addr_prefix *,
                               char buf[ADDR_STRLEN]);

/* The prefix with its host bits zero. */
struct addr_prefix addr_prefix_network(const struct addr_prefix *);
bool addr_prefix_contains(const struct addr_prefix *, const struct in6_addr *);
bool addr_prefix_overlaps(const struct addr_prefix *,
                          const struct addr_prefix *);

/* Copies 'name', a GUID as a port profile or an iface-id has it, to 'buf' in
 * the one form that is compared: lower case, without braces.  False if it is
 * empty or does not fit; 'buf' is then an empty string. */
bool addr_guid_normalize(const char *name, char *buf, size_t size);

#endif /* util/addr.h */
