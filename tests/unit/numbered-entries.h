/* SPDX-License-Identifier: Apache-2.0 */

#ifndef NUMBERED_ENTRIES_H
#define NUMBERED_ENTRIES_H 1

/* Entries with a number each: number N of any version is about the same key,
 * and all that it says follows from the key and the version, so that whoever
 * finds a piece of it can tell whether it belongs there.  Some share places,
 * but only with others of their group. */

#include <string.h>
#include "datapath-ext/space-locators.h"
#include "datapath-ext/space-query.h"
#include "datapath-ext/space-table.h"
#include "hash.h"
#include "packets.h"
#include "util.h"
#include "util/addr.h"

#define N_NUMBERED_GROUPS 97
#define N_NUMBERED_PAS 256      /* Of a group. */

static inline uint32_t
numbered_group(uint32_t n)
{
    return n % N_NUMBERED_GROUPS;
}

static inline struct in6_addr
numbered_pa(uint32_t n, uint32_t version)
{
    return addr_from_ipv4(htonl(0xc0000000
                                | numbered_group(n) * N_NUMBERED_PAS
                                | hash_2words(n, version)
                                  % N_NUMBERED_PAS));
}

/* Counts the PAs of all groups. */
static inline uint32_t
number_of_pa(const struct in6_addr *pa)
{
    return ntohl(in6_addr_get_mapped_ipv4(pa)) & 0xffffff;
}

static inline struct in6_addr
numbered_ca(uint32_t n)
{
    struct in6_addr ca = addr_from_ipv4(htonl(0x0a000000 | n / 8));

    if (n % 8 >= 4) {
        ca.s6_addr[0] = 0xfd;
    }
    return ca;
}

static inline struct eth_addr
numbered_mac(uint32_t n, uint32_t version)
{
    struct eth_addr mac;

    eth_addr_from_uint64((UINT64_C(2) << 40 | (uint64_t) (n & 0xffff) << 24
                          | (version & 0xffffff)), &mac);
    return mac;
}

static inline struct space_key
numbered_key(uint32_t n)
{
    const struct in6_addr ca = numbered_ca(n);
    uint32_t vsid = n % 2 ? SPACE_VSID_MAX : 4096 + n % 5;
    struct space_key key;

    switch (n % 8) {
    case 0:
    case 1:
    case 4:
        space_key_init_ca(&key, vsid, &ca);
        break;
    case 2:
        space_key_init_mac(&key, vsid, numbered_mac(n, 0));
        break;
    case 3:
    case 5:
        space_key_init_peer(&key, vsid, &ca);
        break;
    case 6:
        space_key_init_share(&key, vsid, &ca, n / 8 % SPACE_N_SHARES);
        break;
    default:
        space_key_init_owner(&key, vsid, &ca);
        break;
    }
    return key;
}

/* Two versions in a row have the same MAC, or one with the same upper bits, or
 * quite another. */
static inline struct space_entry
numbered_entry(uint32_t n, uint32_t version)
{
    struct space_entry e;

    memset(&e, 0, sizeof e);
    e.key = numbered_key(n);
    e.cookie = (uint64_t) n << 32 | version;
    if (e.key.kind == SPACE_PEER) {
        return e;
    }
    e.mac = (e.key.kind == SPACE_BY_MAC ? e.key.mac
             : e.key.kind == SPACE_BY_OWNER ? eth_addr_zero
             : numbered_mac(n, version / 4 << (version & 64 ? 8 : 0)));
    e.learned = version % 3 == 0;
    e.where.encap = version % 4;
    if (e.where.encap != SPACE_LOCAL) {
        e.where.pa = numbered_pa(n, version);
    }
    return e;
}

static inline struct space_query
query(const struct space_key *key)
{
    struct space_query q;

    memset(&q, 0, sizeof q);
    switch (key->kind) {
    case SPACE_BY_CA:
        space_query_ca6(&q, key->vsid, &key->ca);
        break;
    case SPACE_BY_MAC:
        space_query_mac(&q, key->vsid, key->mac);
        break;
    case SPACE_PEER:
        space_query_peer(&q, key->vsid, &key->pa);
        break;
    case SPACE_BY_SHARE:
        space_query_share(&q, key->vsid, &key->ca, key->share);
        break;
    case SPACE_BY_PA:
    case SPACE_BY_OWNER:        /* No packet asks. */
        OVS_NOT_REACHED();
    }
    return q;
}

static inline bool
can_ask(uint32_t n)
{
    return numbered_key(n).kind != SPACE_BY_OWNER;
}

static inline bool
answer_is(const struct space_table *st, const struct space_answer *a,
          const struct space_entry *e)
{
    const struct space_locator *l = space_locators_get(
        space_table_locators(st), a->locator);

    return (a->found && a->learned == e->learned
            && (e->key.kind == SPACE_BY_MAC || e->key.kind == SPACE_PEER
                || eth_addr_equals(a->mac, e->mac))
            && l->encap == e->where.encap
            && addr_equal(&l->pa, &e->where.pa));
}

/* Whether 'a' may be the answer about number 'n', whatever its version. */
static inline bool
answer_leads_right(const struct space_table *st, const struct space_answer *a,
                   uint32_t n)
{
    const struct space_locator *l = space_locators_get(
        space_table_locators(st), a->locator);

    return (l->encap == SPACE_LOCAL
            ? !ipv6_addr_is_set(&l->pa)
            : (number_of_pa(&l->pa) / N_NUMBERED_PAS == numbered_group(n)
               && l->encap <= SPACE_BALANCED));
}

#endif /* numbered-entries.h */
