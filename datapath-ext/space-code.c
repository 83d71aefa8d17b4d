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

struct space_code
space_encode_key(const struct space_key *key)
{
    switch (key->kind) {
    case SPACE_BY_CA:
        if (is_ipv4(&key->ca)) {
            return space_code_ipv4(SPACE_SET_CA4, key->vsid,
                                   in6_addr_get_mapped_ipv4(&key->ca));
        }
        break;
    case SPACE_PEER:
        if (is_ipv4(&key->pa)) {
            return space_code_ipv4(SPACE_SET_PEER4, key->vsid,
                                   in6_addr_get_mapped_ipv4(&key->pa));
        }
        break;
    case SPACE_BY_MAC:
        return space_code_mac(SPACE_SET_MAC, key->vsid, key->mac);
    case SPACE_BY_SHARE:
    case SPACE_BY_OWNER:
        break;
    }
    return space_code_other(key->kind, key->vsid, &key->ca, key->share);
}

struct space_code
space_encode_port(uint32_t vsid, struct eth_addr mac, uint32_t port)
{
    struct space_code code = space_code_mac(SPACE_SET_PORT, vsid, mac);

    code.slot.last |= port;
    return code;
}

void
space_encode_value(struct space_code *code, const struct space_entry *e,
                   uint32_t locator)
{
    uint64_t mac = eth_addr_to_uint64(e->mac);

    if (e->key.kind != SPACE_BY_MAC) {
        code->slot.first |= mac & ((1 << SPACE_CODE_MAC_LOW) - 1);
        code->slot.last |= mac >> SPACE_CODE_MAC_LOW << 23;
    }
    code->slot.last |= (uint64_t) e->learned << 22 | locator;
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
    uint64_t mac = space_decode_mac(slot);

    memset(&e, 0, sizeof e);
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
        break;
    }
    eth_addr_from_uint64(mac, &e.mac);
    return e;
}
