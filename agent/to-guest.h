/* SPDX-License-Identifier: Apache-2.0 */

#ifndef TO_GUEST_H
#define TO_GUEST_H 1

/* Packets of the agent's own for one guest of this host. */

#include <stddef.h>
#include <stdint.h>
#include "openvswitch/ofp-port.h"

struct switch_link;

/* Delivers 'packet' to 'port' as if it had come from the guest's subnet. */
void to_guest_send(struct switch_link *, ofp_port_t port, uint32_t vsid,
                   const void *packet, size_t size);

#endif /* to-guest.h */
