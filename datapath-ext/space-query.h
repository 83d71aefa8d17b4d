/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DATAPATH_EXT_SPACE_QUERY_H
#define DATAPATH_EXT_SPACE_QUERY_H 1

/* Questions for space_table_find(), made per packet: hence in line. */

#include "datapath-ext/space-code.h"
#include "datapath-ext/space-table.h"

static inline void
space_query_ca4(struct space_query *q, uint32_t vsid, ovs_be32 ca)
{
    space_code_ipv4(&q->slot, vsid, ca);
    q->set = SPACE_SET_CA4;
}

static inline void
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

static inline void
space_query_share(struct space_query *q, uint32_t vsid,
                  const struct in6_addr *ca, uint32_t share)
{
    space_code_other(&q->slot, SPACE_BY_SHARE, vsid, ca, share);
    q->set = SPACE_SET_OTHERS;
}

static inline void
space_query_mac(struct space_query *q, uint32_t vsid, struct eth_addr mac)
{
    space_code_mac(&q->slot, vsid, mac);
    q->set = SPACE_SET_MAC;
}

static inline void
space_query_port(struct space_query *q, uint32_t vsid, struct eth_addr mac)
{
    space_code_mac(&q->slot, vsid, mac);
    q->set = SPACE_SET_PORT;
}

static inline void
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

#endif /* datapath-ext/space-query.h */
