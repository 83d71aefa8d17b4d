/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/found.h"
#include <string.h>
#include "byte-order.h"
#include "datapath-ext/odp.h"
#include "flow.h"
#include "packets.h"

/* Of the prefix for what is to be discarded (RFC 6666). */
static const struct in6_addr found_dst = {
    .s6_addr = { 1, [12] = 'h', 'n', 'v', 1 }
};

#define ENCAP_SHIFT 56
#define HAS_MAC (UINT64_C(1) << 49)
#define MAC_BITS (HNV_MAC_LEARNED | (HNV_MAC_LEARNED - 1))

static uint8_t
encap_of(const struct space_where *where)
{
    switch (where->encap) {
    case SPACE_LOCAL:
        return HNV_ENCAP_LOCAL;
    case SPACE_BALANCED:
        return HNV_ENCAP_BALANCED;
    case SPACE_VXLAN:
    case SPACE_NVGRE:
    case SPACE_REWRITE:
        break;
    }
    return (where->encap
            | (IN6_IS_ADDR_V4MAPPED(&where->pa) ? 0 : HNV_ENCAP_IPV6));
}

struct hnv_found
hnv_found_from_entry(const struct space_entry *entry, enum hnv_key key,
                     bool asks_for_itself)
{
    struct hnv_found found = { .encap = encap_of(&entry->where) };
    bool by_ca = (key != HNV_KEY_MAC && key != HNV_KEY_SHARE4
                  && key != HNV_KEY_SHARE6);

    if (entry->where.encap == SPACE_BALANCED && by_ca && asks_for_itself) {
        return found;
    }
    found.addr = entry->where.pa;
    if (key != HNV_KEY_MAC) {
        found.has_mac = true;
        found.mac = (eth_addr_to_uint64(entry->mac)
                     | (entry->learned ? HNV_MAC_LEARNED : 0));
    }
    return found;
}

void
hnv_found_to_tunnel(const struct hnv_found *found, struct flow_tnl *tnl)
{
    hnv_tunnel_clear(tnl);
    tnl->ipv6_dst = found_dst;
    tnl->ipv6_src = found->addr;
    tnl->flags = FLOW_TNL_F_KEY;
    tnl->tun_id = htonll((uint64_t) found->encap << ENCAP_SHIFT
                         | (found->has_mac ? HAS_MAC : 0) | found->mac);
}

struct hnv_found
hnv_found_from_tunnel(const struct flow_tnl *tnl)
{
    uint64_t id = ntohll(tnl->tun_id);

    return (struct hnv_found) {
        .encap = id >> ENCAP_SHIFT,
        .has_mac = (id & HAS_MAC) != 0,
        .mac = id & MAC_BITS,
        .addr = tnl->ipv6_src,
    };
}

static void
load_ipv6(const struct in6_addr *addr, uint32_t *regs)
{
    ovs_be32 words[4];

    memcpy(words, addr, sizeof words);
    for (int i = 0; i < 4; i++) {
        regs[i] = ntohl(words[i]);
    }
}

void
hnv_found_load(const struct hnv_found *found, uint32_t regs[])
{
    bool is_balanced = found->encap == HNV_ENCAP_BALANCED;

    regs[HNV_REG_ENCAP] = found->encap;
    if (found->has_mac) {
        regs[HNV_XREG_MAC * 2] = found->mac >> 32;
        regs[HNV_XREG_MAC * 2 + 1] = found->mac;
    }
    if (IN6_IS_ADDR_V4MAPPED(&found->addr)) {
        regs[is_balanced ? HNV_REG_CA : HNV_REG_PA]
            = ntohl(in6_addr_get_mapped_ipv4(&found->addr));
    } else if (ipv6_addr_is_set(&found->addr)) {
        load_ipv6(&found->addr, &regs[HNV_XXREG_ADDR * 4]);
    }
}
