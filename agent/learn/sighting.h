/* SPDX-License-Identifier: Apache-2.0 */

#ifndef LEARN_SIGHTING_H
#define LEARN_SIGHTING_H 1

/* What a packet tells about who has which address.
 *
 * A claim is somebody who says that an address is his: any ARP packet or
 * neighbour advertisement or solicitation says so of its sender.  A hint is a
 * reason to think that somebody is about to have an address: he asks whether
 * another has it (RFC 5227, RFC 4862), or a DHCP server gives it to him.
 * Nobody is believed a hint; it is a reason to ask.
 *
 * Pure; any thread may call. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include "openvswitch/types.h"

enum sighting_kind {
    SIGHTING_CLAIM,
    SIGHTING_HINT,
};

struct sighting {
    enum sighting_kind kind;
    struct in6_addr ca;
    struct eth_addr mac;        /* Who has or will have it. */
};

/* Reads an untagged Ethernet frame: ARP, neighbour discovery or a DHCP ACK.
 * Returns false if it is something else, is cut off, contradicts itself or
 * tells nothing of the kind. */
bool sighting_parse(const void *frame, size_t size, struct sighting *);

#endif /* learn/sighting.h */
