/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/space.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "hash.h"
#include "util.h"
#include "util/addr.h"

static bool
mac_equal(struct eth_addr a, struct eth_addr b)
{
    return !memcmp(&a, &b, sizeof a);
}

static void
init_with_ca(struct space_key *key, enum space_kind kind, uint32_t vsid,
             const struct in6_addr *ca, uint32_t share)
{
    memset(key, 0, sizeof *key);
    key->kind = kind;
    key->vsid = vsid;
    key->share = share;
    key->ca = *ca;
}

void
space_key_init_ca(struct space_key *key, uint32_t vsid,
                  const struct in6_addr *ca)
{
    init_with_ca(key, SPACE_BY_CA, vsid, ca, 0);
}

void
space_key_init_share(struct space_key *key, uint32_t vsid,
                     const struct in6_addr *ca, uint32_t share)
{
    init_with_ca(key, SPACE_BY_SHARE, vsid, ca, share);
}

void
space_key_init_owner(struct space_key *key, uint32_t vsid,
                     const struct in6_addr *ca)
{
    init_with_ca(key, SPACE_BY_OWNER, vsid, ca, 0);
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

void
space_key_init_peer(struct space_key *key, uint32_t domain,
                    const struct in6_addr *pa)
{
    memset(key, 0, sizeof *key);
    key->kind = SPACE_PEER;
    key->vsid = domain;
    key->pa = *pa;
}

struct eth_addr
space_balanced_mac(uint32_t vsid, const struct in6_addr *ca)
{
    char buf[ADDR_STRLEN];
    char *name = xasprintf("balanced %"PRIu32" %s", vsid,
                           addr_format(ca, buf));
    struct eth_addr mac = addr_mac_from_name(name);

    free(name);
    return mac;
}

uint32_t
space_key_hash(const struct space_key *key)
{
    uint32_t basis = hash_int(key->vsid, key->kind | key->share << 8);

    switch (key->kind) {
    case SPACE_BY_CA:
    case SPACE_BY_SHARE:
    case SPACE_BY_OWNER:
        return hash_bytes(&key->ca, sizeof key->ca, basis);
    case SPACE_BY_MAC:
        return hash_bytes(&key->mac, sizeof key->mac, basis);
    case SPACE_BY_PA:
    case SPACE_PEER:
        return hash_bytes(&key->pa, sizeof key->pa, basis);
    }
    OVS_NOT_REACHED();
}

bool
space_key_equal(const struct space_key *a, const struct space_key *b)
{
    if (a->kind != b->kind || a->vsid != b->vsid || a->share != b->share) {
        return false;
    }
    switch (a->kind) {
    case SPACE_BY_CA:
    case SPACE_BY_SHARE:
    case SPACE_BY_OWNER:
        return addr_equal(&a->ca, &b->ca);
    case SPACE_BY_MAC:
        return mac_equal(a->mac, b->mac);
    case SPACE_BY_PA:
    case SPACE_PEER:
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
           && a->cookie == b->cookie
           && a->learned == b->learned;
}
