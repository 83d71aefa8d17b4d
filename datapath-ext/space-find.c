/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/space-table.h"
#include <string.h>
#include "datapath-ext/space-code.h"
#include "datapath-ext/space-set.h"
#include "datapath-ext/space-table-private.h"

/* What readers ask. */

void
space_query_ca4(struct space_query *q, uint32_t vsid, ovs_be32 ca)
{
    space_code_ipv4(&q->slot, vsid, ca);
    q->set = SPACE_SET_CA4;
}

void
space_query_ca6(struct space_query *q, uint32_t vsid,
                const struct in6_addr *ca)
{
    if (IN6_IS_ADDR_V4MAPPED(ca)) {
        space_query_ca4(q, vsid, in6_addr_get_mapped_ipv4(ca));
    } else {
        space_code_other(&q->slot, SPACE_BY_CA, vsid, ca, 0);
        q->set = SPACE_SET_OTHERS;
    }
}

void
space_query_share(struct space_query *q, uint32_t vsid,
                  const struct in6_addr *ca, uint32_t share)
{
    space_code_other(&q->slot, SPACE_BY_SHARE, vsid, ca, share);
    q->set = SPACE_SET_OTHERS;
}

void
space_query_mac(struct space_query *q, uint32_t vsid, struct eth_addr mac)
{
    space_code_mac(&q->slot, vsid, mac);
    q->set = SPACE_SET_MAC;
}

void
space_query_port(struct space_query *q, uint32_t vsid, struct eth_addr mac)
{
    space_code_mac(&q->slot, vsid, mac);
    q->set = SPACE_SET_PORT;
}

void
space_query_peer(struct space_query *q, uint32_t domain,
                 const struct in6_addr *pa)
{
    if (IN6_IS_ADDR_V4MAPPED(pa)) {
        space_code_ipv4(&q->slot, domain, in6_addr_get_mapped_ipv4(pa));
        q->set = SPACE_SET_PEER4;
    } else {
        space_code_other(&q->slot, SPACE_PEER, domain, pa, 0);
        q->set = SPACE_SET_OTHERS;
    }
}

/* All first buckets are asked for before the first one is read, so that the
 * memory's answers overlap. */

/* Makes a version of 'FUNCTION' for each layout. */
#define WITH_LAYOUT(SET, FUNCTION, ...)                                     \
    ((SET) == SPACE_SET_OTHERS                                              \
     ? FUNCTION(__VA_ARGS__, &space_layouts[SPACE_SET_OTHERS])              \
     : (SET) == SPACE_SET_MAC || (SET) == SPACE_SET_PORT                    \
     ? FUNCTION(__VA_ARGS__, &space_layouts[SPACE_SET_MAC])                 \
     : FUNCTION(__VA_ARGS__, &space_layouts[SPACE_SET_CA4]))

static inline struct space_probe
begin(const struct space_set *set, const struct space_query *q,
      const struct space_layout *layout)
{
    struct space_probe probe = space_set_probe(set, layout, &q->slot);

    space_set_prefetch(&probe, layout);
    return probe;
}

static inline bool
finish(struct space_probe probe, const struct space_query *q,
       struct space_slot *slot, const struct space_layout *layout)
{
    return space_set_find(probe, layout, &q->slot, slot) != NULL;
}

static inline void
answer(const struct space_query *q, const struct space_slot *slot,
       struct space_answer *a)
{
    a->found = true;
    a->learned = false;
    if (q->set == SPACE_SET_PORT) {
        a->port = slot->last;
        return;
    }
    a->learned = space_decode_learned(slot);
    a->locator = space_decode_locator(slot);
    if (q->set != SPACE_SET_MAC) {
        a->mac = space_decode_mac(slot);
    }
}

uint32_t
space_table_find(const struct space_table *st, const struct space_query *q,
                 size_t n, struct space_answer *answers)
{
    struct space_probe probes[SPACE_BATCH_MAX];
    uint32_t found = 0;

    for (size_t i = 0; i < n; i++) {
        probes[i] = WITH_LAYOUT(q[i].set, begin, &st->sets[q[i].set], &q[i]);
    }
    for (size_t i = 0; i < n; i++) {
        struct space_slot slot;

        if (WITH_LAYOUT(q[i].set, finish, probes[i], &q[i], &slot)) {
            found |= UINT32_C(1) << i;
            answer(&q[i], &slot, &answers[i]);
        } else {
            memset(&answers[i], 0, sizeof answers[i]);
        }
    }
    return found;
}
