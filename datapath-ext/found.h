/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DATAPATH_EXT_FOUND_H
#define DATAPATH_EXT_FOUND_H 1

/* The answer of the action "find", on its way from the datapath, which knows
 * it, to the registers of the flows that go on with the packet.
 *
 * It travels as the metadata of a tunnel that there is not: that is part of a
 * packet's flow, survives recirculation, and is nobody else's meanwhile,
 * because flows see the tunnel that the packet came from as it was when they
 * said "find".
 *
 *     tunnel.ipv6_dst   always the same, and nobody's: where a packet came out
 *                       of a tunnel, Open vSwitch does not let it back in
 *     tunnel.ipv6_src   the PA or CA, IPv4 mapped; zeros if there is none
 *     tunnel.tun_id      63   56        49   48      47                  0
 *                       | encap |  0  | M | learned |        MAC          |
 *
 * M is set if there is a MAC.  All else is zero, but for the flag without
 * which megaflows cannot tell a tun_id. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include "datapath-ext/ofpact.h"
#include "model/space.h"
#include "openvswitch/types.h"

struct flow_tnl;

struct hnv_found {
    uint8_t encap;              /* As HNV_REG_ENCAP has it. */
    bool has_mac;
    uint64_t mac;               /* As HNV_XREG_MAC has it, or 0. */
    struct in6_addr addr;       /* PA; CA, with HNV_ENCAP_BALANCED; or zeros,
                                 * which is neither. */
};

/* What 'key' finds in an entry, of which only the MAC and where it is count.
 * 'asks_for_itself': in ARP, from the CA that is the entry's. */
struct hnv_found hnv_found_from_entry(const struct space_entry *,
                                      enum hnv_key key, bool asks_for_itself);

void hnv_found_to_tunnel(const struct hnv_found *, struct flow_tnl *);
struct hnv_found hnv_found_from_tunnel(const struct flow_tnl *);

/* Loads the registers as ofpact.h says. */
void hnv_found_load(const struct hnv_found *, uint32_t regs[]);

#endif /* datapath-ext/found.h */
