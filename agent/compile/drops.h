/* SPDX-License-Identifier: Apache-2.0 */

#ifndef COMPILE_DROPS_H
#define COMPILE_DROPS_H 1

/* Why a packet is dropped, for whoever counts.
 *
 * A flow that drops a packet says why and hands it to TABLE_DROP, which has
 * one flow per reason; that flow's counters are the reason's. */

#include <stdint.h>

enum drop_reason {
    DROP_UNKNOWN_PORT = 1,      /* From a port that has no policy. */
    DROP_TAGGED,                /* Of a VLAN that the port does not have, or
                                 * untagged where it has but VLANs. */
    DROP_SPOOFED_MAC,           /* From a MAC that is not the guest's. */
    DROP_SPOOFED_CA,            /* From a CA that is not the guest's. */
    DROP_SPOOFED_NEIGHBOR,      /* ARP or ND about what is not its own. */
    DROP_RESERVED_MAC,          /* To a bridge group address (802.1D). */
    DROP_TUNNEL_KEY,            /* From a tunnel, for no subnet of ours. */
    DROP_UNKNOWN_PEER,          /* From a PA that the network does not know. */
    DROP_CLAIMS_LOCAL,          /* From a tunnel, with a local guest's
                                 * address. */
    DROP_UNKNOWN_CA,            /* ARP for, or routed to, a CA nobody has. */
    DROP_NO_ROUTE,              /* To a prefix that nobody has. */
    DROP_NOT_ROUTABLE,          /* To the router, which does not route it: not
                                 * IP, multicast, link-local. */
    DROP_UNKNOWN_MAC,           /* To a MAC that nobody has. */
    DROP_NOT_HERE,              /* To a guest that should be on this host. */
    DROP_NO_TUNNEL,             /* The tunnel port is not there yet. */
    DROP_TTL,                   /* TTL or hop limit is used up. */
    DROP_TO_GATEWAY,            /* For the router itself; not a ping. */
    DROP_BY_ROUTE,              /* A static route says so. */
    DROP_SECOND_COPY,           /* By another PA of this host it came, too. */
    DROP_NOT_REWRITABLE,        /* To a guest with IP rewrite, but not IP, not
                                 * for its CA, or from a subnet without. */
};
#define N_DROP_REASONS (DROP_NOT_REWRITABLE + 1)

/* A word such as "spoofed-ca", NULL for what is no reason. */
const char *drop_reason_to_string(uint32_t reason);

#endif /* compile/drops.h */
