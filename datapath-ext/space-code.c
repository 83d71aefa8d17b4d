/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/space-code.h"
#include <string.h>
#include "util.h"

static bool
is_ipv4(const struct in6_addr *addr)
{
    return IN6_IS_ADDR_V4MAPPED(addr);
}

enum space_set_id
space_encode_key(struct space_slot *slot, const struct space_key *key)
{
    switch (key->kind) {
    case SPACE_BY_CA:
        if (is_ipv4(&key->ca)) {
            space_code_ipv4(slot, key->vsid,
                            in6_addr_get_mapped_ipv4(&key->ca));
            return SPACE_SET_CA4;
        }
        break;
    case SPACE_PEER:
        if (is_ipv4(&key->pa)) {
            space_code_ipv4(slot, key->vsid,
                            in6_addr_get_mapped_ipv4(&key->pa));
            return SPACE_SET_PEER4;
        }
        break;
    case SPACE_BY_MAC:
        space_code_mac(slot, key->vsid, key->mac);
        return SPACE_SET_MAC;
    case SPACE_BY_PA:
    case SPACE_BY_SHARE:
    case SPACE_BY_OWNER:
        break;
    }
    space_code_other(slot, key->kind, key->vsid, &key->ca, key->share);
    return SPACE_SET_OTHERS;
}

enum space_set_id
space_encode(struct space_slot *slot, const struct space_entry *e,
             uint32_t locator)
{
    enum space_set_id set = space_encode_key(slot, &e->key);
    uint64_t mac = eth_addr_to_uint64(e->mac);

    if (set != SPACE_SET_MAC) {
        slot->first |= mac & ((1 << SPACE_CODE_MAC_LOW) - 1);
        slot->last |= mac >> SPACE_CODE_MAC_LOW << 23;
    }
    slot->last |= (uint64_t) e->learned << 22 | locator;
    return set;
}

static void
decode_other(const struct space_slot *slot, struct space_key *key)
{
    key->kind = slot->first >> 36 & 7;
    key->share = slot->first >> 29 & (SPACE_N_SHARES - 1);
    memcpy(&key->ca, slot->middle, sizeof key->ca);
}

static void
decode_ipv4(const struct space_slot *slot, struct space_key *key)
{
    in6_addr_set_mapped_ipv4(&key->ca, htonl(slot->first
                                             >> SPACE_CODE_MAC_LOW));
}

struct space_entry
space_decode(enum space_set_id set, const struct space_slot *slot)
{
    struct space_entry e;
    uint64_t mac;

    memset(&e, 0, sizeof e);
    e.mac = space_decode_mac(slot);
    e.key.vsid = slot->first >> 39 & SPACE_VSID_MAX;
    e.learned = space_decode_learned(slot);
    switch (set) {
    case SPACE_SET_CA4:
        e.key.kind = SPACE_BY_CA;
        decode_ipv4(slot, &e.key);
        break;
    case SPACE_SET_PEER4:
        e.key.kind = SPACE_PEER;
        decode_ipv4(slot, &e.key);
        break;
    case SPACE_SET_OTHERS:
        decode_other(slot, &e.key);
        break;
    case SPACE_SET_MAC:
    case SPACE_SET_PORT:
        e.key.kind = SPACE_BY_MAC;
        mac = ((slot->first << SPACE_CODE_KEY_LOW
                | slot->last >> (64 - SPACE_CODE_KEY_LOW))
               & ((UINT64_C(1) << 48) - 1));
        eth_addr_from_uint64(mac, &e.key.mac);
        e.mac = e.key.mac;
        break;
    }
    return e;
}
