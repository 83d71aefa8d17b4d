/* SPDX-License-Identifier: Apache-2.0 */

#ifndef COMPILE_FIREWALL_KIND_H
#define COMPILE_FIREWALL_KIND_H 1

/* Which ICMP is of connections: what asks and what answers, and errors, which
 * are about the packets of a connection.  This is what Open vSwitch tracks; of
 * other types it can only say that they are invalid. */

#include <stdbool.h>
#include <stdint.h>

/* The types, of which 'n' is the number, in no particular order. */
const uint8_t *firewall_kind_tracked(bool ipv6, unsigned int *ret_n);

bool firewall_kind_is_tracked(bool ipv6, uint8_t type);

#endif /* compile/firewall-kind.h */
