/* SPDX-License-Identifier: Apache-2.0 */

#ifndef HOST_ANNOUNCE_H
#define HOST_ANNOUNCE_H 1

#include <netinet/in.h>

/* Tells the neighbours on a device that 'addr' is at it now (gratuitous ARP,
 * RFC 5227 section 3), so that those who knew it elsewhere learn of it at
 * once.  Does nothing for IPv6, and where it does not work: they will find
 * out. */
void announce_address(const struct in6_addr *addr, unsigned int ifindex);

#endif /* host/announce.h */
