/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/space.h"

#include <string.h>
#include "hash.h"
#include "util/addr.h"

static bool
mac_equal(struct eth_addr a, struct eth_addr b)
{
    return !memcmp(&a, &b, sizeof a);
}

void
space_key_init_ca(struct space_key *key, uint32_t vsid,
                  const struct in6_addr *ca)
{
    memset(key, 0, sizeof *key);
    key->kind = SPACE_BY_CA;
    key->vsid = vsid;
    key->ca = *ca;
}

void
space_key_init_mac(struct space_key *key, uint32_t vsid, struct eth_addr mac)
{
    memset(key, 0, sizeof *key);
    key->kind = SPACE_BY_MAC;
    key->vsid = vsid;
    key->mac = mac;
}

void
space_key_init_pa(struct space_key *key, const struct in6_addr *pa)
{
    memset(key, 0, sizeof *key);
    key->kind = SPACE_BY_PA;
    key->pa = *pa;
}

uint32_t
space_key_hash(const struct space_key *key)
{
    uint32_t basis = hash_int(key->vsid, key->kind);

    switch (key->kind) {
    case SPACE_BY_CA:
        return hash_bytes(&key->ca, sizeof key->ca, basis);
    case SPACE_BY_MAC:
        return hash_bytes(&key->mac, sizeof key->mac, basis);
    case SPACE_BY_PA:
        return hash_bytes(&key->pa, sizeof key->pa, basis);
    }
    OVS_NOT_REACHED();
}

bool
space_key_equal(const struct space_key *a, const struct space_key *b)
{
    if (a->kind != b->kind || a->vsid != b->vsid) {
        return false;
    }
    switch (a->kind) {
    case SPACE_BY_CA:
        return addr_equal(&a->ca, &b->ca);
    case SPACE_BY_MAC:
        return mac_equal(a->mac, b->mac);
    case SPACE_BY_PA:
        return addr_equal(&a->pa, &b->pa);
    }
    OVS_NOT_REACHED();
}

bool
space_where_equal(const struct space_where *a, const struct space_where *b)
{
    return a->encap == b->encap && addr_equal(&a->pa, &b->pa);
}

bool
space_entry_equal(const struct space_entry *a, const struct space_entry *b)
{
    return space_key_equal(&a->key, &b->key)
           && mac_equal(a->mac, b->mac)
           && a->vsid == b->vsid
           && addr_equal(&a->ca, &b->ca)
           && space_where_equal(&a->where, &b->where)
           && a->cookie == b->cookie;
}
