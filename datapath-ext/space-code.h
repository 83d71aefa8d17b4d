/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DATAPATH_EXT_SPACE_CODE_H
#define DATAPATH_EXT_SPACE_CODE_H 1

/* How keys and values stand in the words of a slot.
 *
 *               63 62      39 38                         7 6          0
 *   CA, peer   | 1 |  VSID   |        IPv4 address        | MAC, low   |
 *   others     | 1 |  VSID   | kind(3) share(7)  0        | MAC, low   |
 *   MAC, port  | 1 |  VSID   |      MAC, upper 39 bits                 |
 *
 *               63           55 54           23    22     21          0
 *   value      |  MAC, upper 41 bits           | learned |  locator    |
 *   of a MAC   | MAC, low 9    |      0        | learned |  locator    |
 *   of a port  | MAC, low 9    |    0    |          port              |
 *
 * The words between, of the others, are the address. */

#include <string.h>
#include "datapath-ext/space-set.h"
#include "datapath-ext/space-table.h"
#include "packets.h"

enum space_set_id {
    SPACE_SET_CA4,
    SPACE_SET_MAC,
    SPACE_SET_PEER4,
    SPACE_SET_OTHERS,           /* IPv6; shares and owners of any family. */
    SPACE_SET_PORT,
};
#define N_SPACE_SETS (SPACE_SET_PORT + 1)
#define N_SPACE_KINDS (SPACE_BY_OWNER + 1)

/* Of a MAC, in the first word. */
#define SPACE_CODE_MAC_LOW 7

/* Of a MAC that is the key, in the last word. */
#define SPACE_CODE_KEY_LOW 9

static const struct space_layout space_layouts[N_SPACE_SETS] = {
    [SPACE_SET_CA4] = { 2, UINT64_MAX << SPACE_CODE_MAC_LOW, 0 },
    [SPACE_SET_PEER4] = { 2, UINT64_MAX << SPACE_CODE_MAC_LOW, 0 },
    [SPACE_SET_MAC] = { 2, UINT64_MAX,
                        UINT64_MAX << (64 - SPACE_CODE_KEY_LOW) },
    [SPACE_SET_PORT] = { 2, UINT64_MAX,
                         UINT64_MAX << (64 - SPACE_CODE_KEY_LOW) },
    [SPACE_SET_OTHERS] = { 4, UINT64_MAX << SPACE_CODE_MAC_LOW, 0 },
};

static inline uint64_t
space_code_subnet(uint32_t vsid)
{
    return SPACE_SET_VALID | (uint64_t) vsid << 39;
}

/* Each of these makes a key, with a value of zero, word by word in place: to
 * copy what was just written piecemeal makes processors wait. */

static inline void
space_code_mac(struct space_slot *slot, uint32_t vsid, struct eth_addr mac)
{
    uint64_t mac64 = ((uint64_t) ntohs(mac.be16[0]) << 32
                      | (uint64_t) ntohs(mac.be16[1]) << 16
                      | ntohs(mac.be16[2]));

    slot->first = space_code_subnet(vsid) | mac64 >> SPACE_CODE_KEY_LOW;
    slot->last = mac64 << (64 - SPACE_CODE_KEY_LOW);
}

static inline void
space_code_ipv4(struct space_slot *slot, uint32_t vsid, ovs_be32 addr)
{
    slot->first = (space_code_subnet(vsid)
                   | (uint64_t) ntohl(addr) << SPACE_CODE_MAC_LOW);
    slot->last = 0;
}

static inline void
space_code_other(struct space_slot *slot, enum space_kind kind,
                 uint32_t vsid, const struct in6_addr *addr, uint32_t share)
{
    slot->first = (space_code_subnet(vsid) | (uint64_t) kind << 36
                   | (uint64_t) share << 29);
    memcpy(slot->middle, addr, sizeof *addr);
    slot->last = 0;
}

/* All of an entry, or its key alone.  Both return which set it is in. */
enum space_set_id space_encode_key(struct space_slot *,
                                   const struct space_key *);
enum space_set_id space_encode(struct space_slot *,
                               const struct space_entry *, uint32_t locator);

/* All but 'where' and 'cookie'. */
struct space_entry space_decode(enum space_set_id, const struct space_slot *);

static inline uint32_t
space_decode_locator(const struct space_slot *slot)
{
    return slot->last & ((UINT32_C(1) << 22) - 1);
}

static inline bool
space_decode_learned(const struct space_slot *slot)
{
    return slot->last >> 22 & 1;
}

/* Unless the MAC is the key. */
static inline struct eth_addr
space_decode_mac(const struct space_slot *slot)
{
    ovs_be64 mac64 = htonll((slot->last >> 23 << SPACE_CODE_MAC_LOW
                             | (slot->first
                                & ((1 << SPACE_CODE_MAC_LOW) - 1))) << 16);
    struct eth_addr mac;

    memcpy(&mac, &mac64, sizeof mac);
    return mac;
}

#endif /* datapath-ext/space-code.h */
