/* SPDX-License-Identifier: Apache-2.0 */

#ifndef ANSWER_ICMP_ERROR_H
#define ANSWER_ICMP_ERROR_H 1

/* What a router says about a packet that it does not forward: ICMP errors
 * (RFC 792, RFC 1812 section 4.3) and ICMPv6 errors (RFC 4443).
 *
 * Pure; any thread may call. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/types.h"

struct ofpbuf;

enum icmp_error_kind {
    ICMP_ERROR_TTL,             /* Time exceeded in transit. */
    ICMP_ERROR_NO_ROUTE,        /* Nobody has such addresses. */
    ICMP_ERROR_NO_HOST,         /* Nobody has this address. */
    ICMP_ERROR_NO_PORT,         /* The router itself is meant, and has no such
                                 * port or protocol. */
    ICMP_ERROR_TOO_BIG,         /* Longer than the MTU of the way. */
};

struct icmp_error {
    enum icmp_error_kind kind;
    uint16_t mtu;               /* For ICMP_ERROR_TOO_BIG. */
    struct eth_addr mac;        /* The router's. */
    struct in6_addr from;       /* The router's, of the packet's family. */
};

/* Says from where to where 'packet' goes, which is 'size' bytes from its
 * Ethernet header on, untagged, and whatever its sender wanted.
 *
 * Returns false if nothing may be said about it: it is an error itself, or a
 * later fragment; it was sent to many, or does not say by whom (RFC 1122
 * section 3.2.2, RFC 4443 section 2.4). */
bool icmp_error_is_allowed(const void *packet, size_t size,
                           struct in6_addr *ret_src,
                           struct in6_addr *ret_dst);

/* Appends to 'answer' an Ethernet frame to the sender of 'packet', about which
 * something may be said. */
void icmp_error_compose(const struct icmp_error *, const void *packet,
                        size_t size, struct ofpbuf *answer);

#endif /* answer/icmp-error.h */
