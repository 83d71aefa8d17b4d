/* SPDX-License-Identifier: Apache-2.0 */

#ifndef RANDOM_ENTRY_H
#define RANDOM_ENTRY_H 1

/* Space entries drawn at random: either with all that an entry can say, so
 * that none of it gets lost anywhere, or from a few, so that they meet again.
 *
 * Draws from Open vSwitch's random numbers: random_set_seed() says which. */

#include <string.h>
#include "model/space.h"
#include "packets.h"
#include "random.h"
#include "util.h"
#include "util/addr.h"

static inline struct eth_addr
random_mac(void)
{
    struct eth_addr mac;

    random_bytes(&mac, sizeof mac);
    return mac;
}

/* IPv4 half of the time. */
static inline struct in6_addr
random_addr(void)
{
    struct in6_addr addr;

    random_bytes(&addr, sizeof addr);
    addr.s6_addr[0] |= 1;
    return random_range(2) ? addr : in6_addr_mapped_ipv4(random_uint32() | 1);
}

/* An entry of 'kind', of those that the datapath holds: not SPACE_BY_PA. */
static inline struct space_entry
random_entry_of(enum space_kind kind, uint32_t vsid)
{
    const struct in6_addr addr = random_addr();
    struct space_entry entry;

    memset(&entry, 0, sizeof entry);
    entry.mac = random_mac();
    switch (kind) {
    case SPACE_BY_CA:
        space_key_init_ca(&entry.key, vsid, &addr);
        break;
    case SPACE_BY_MAC:
        space_key_init_mac(&entry.key, vsid, entry.mac);
        break;
    case SPACE_BY_PA:
        OVS_NOT_REACHED();
    case SPACE_PEER:
        space_key_init_peer(&entry.key, vsid, &addr);
        break;
    case SPACE_BY_SHARE:
        space_key_init_share(&entry.key, vsid, &addr,
                             random_range(SPACE_N_SHARES));
        break;
    case SPACE_BY_OWNER:
        space_key_init_owner(&entry.key, vsid, &addr);
        break;
    }
    entry.where.encap = random_range(SPACE_BALANCED + 1);
    if (entry.where.encap != SPACE_LOCAL) {
        entry.where.pa = random_addr();
    }
    entry.cookie = random_uint64();
    entry.learned = random_range(2);
    return entry;
}

/* The address that ends in 'last', of either family. */
static inline struct in6_addr
random_addr_with(uint32_t last)
{
    struct in6_addr addr = addr_from_ipv4(htonl(last));

    if (random_range(2)) {
        addr.s6_addr[0] = 0x20;
    }
    return addr;
}

/* An entry of any kind but SPACE_PEER, as policies have them, with or without
 * IP rewrite.  In each of two VSIDs there are 'range' MACs and, of either
 * family, as many CAs. */
static inline struct space_entry
random_entry_among(uint32_t range)
{
    struct space_entry e = { .cookie = random_uint32() };
    uint32_t host = random_range(range);
    uint32_t vsid = 5000 + random_range(2);

    e.mac = (struct eth_addr) ETH_ADDR_C(0a,00,00,00,00,00);
    e.mac.be16[2] = htons(random_range(range));
    struct in6_addr ca = random_addr_with(0x0a000000 + host);
    struct in6_addr pa = random_addr_with(0xc0a80000 + random_range(5));
    bool rewrite = !random_range(3);

    switch (random_range(8)) {
    case 0:
        space_key_init_share(&e.key, vsid, &ca,
                             random_range(SPACE_N_SHARES));
        rewrite = false;
        break;
    case 1:
        if (addr_is_ipv4(&ca)) {
            space_key_init_owner(&e.key, vsid, &ca);
            memset(&e.mac, 0, sizeof e.mac);
            return e;
        }
        /* Fall through. */
    case 2: case 3: case 4:
        space_key_init_ca(&e.key, vsid, &ca);
        break;
    case 5:
        e.vsid = vsid;
        e.ca = ca;
        do {
            pa = random_addr_with(0xc0a80000 + host);
        } while (addr_is_ipv4(&pa) != addr_is_ipv4(&ca));
        space_key_init_pa(&e.key, &pa);
        rewrite = true;
        break;
    default:
        e.mac.be16[2] = htons(host);
        space_key_init_mac(&e.key, vsid, e.mac);
        break;
    }
    if (rewrite) {
        e.where.encap = random_range(2) ? SPACE_REWRITE : SPACE_LOCAL;
        if (e.key.kind == SPACE_BY_CA) {
            e.where.pa = pa;
        }
    } else {
        e.where.encap = random_range(4);
        if (e.where.encap != SPACE_LOCAL) {
            e.where.pa = pa;
        }
    }
    return e;
}

#endif /* random-entry.h */
