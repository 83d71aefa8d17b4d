/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/pipeline.h"
#include <stddef.h>
#include "datapath-ext/ofpact.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

/* The datapath extension answers as the flows of the SPACE tables do. */
BUILD_ASSERT_DECL((int) HNV_REG_CA == REG_IDX_CA);
BUILD_ASSERT_DECL((int) HNV_REG_PA == REG_IDX_PA);
BUILD_ASSERT_DECL((int) HNV_REG_ENCAP == REG_IDX_ENCAP);
BUILD_ASSERT_DECL((int) HNV_REG_SHARE == REG_IDX_SHARE);
BUILD_ASSERT_DECL((int) HNV_XREG_MAC == XREG_IDX_MAC);
BUILD_ASSERT_DECL((int) HNV_XXREG_ADDR == XXREG_IDX_CA6);
BUILD_ASSERT_DECL((int) HNV_XXREG_ADDR == XXREG_IDX_PA6);
BUILD_ASSERT_DECL((int) HNV_ENCAP_IPV6 == ENCAP_IPV6);
BUILD_ASSERT_DECL((int) HNV_ENCAP_LOCAL == ENCAP_LOCAL);
BUILD_ASSERT_DECL((int) HNV_ENCAP_BALANCED == ENCAP_BALANCED);
BUILD_ASSERT_DECL(HNV_MAC_LEARNED == MAC_LEARNED);

static const char *const table_names[] = {
    [TABLE_ADMIT] = "ADMIT",
    [TABLE_SOURCE] = "SOURCE",
    [TABLE_SOURCE_IP] = "SOURCE_IP",
    [TABLE_SOURCE_OWNER] = "SOURCE_OWNER",
    [TABLE_TUNNEL] = "TUNNEL",
    [TABLE_DECAP] = "DECAP",
    [TABLE_PEER] = "PEER",
    [TABLE_PEER_GATE] = "PEER_GATE",
    [TABLE_CLAIM] = "CLAIM",
    [TABLE_CLAIM_OWNER] = "CLAIM_OWNER",
    [TABLE_FW_OUT] = "FW_OUT",
    [TABLE_FW_KIND] = "FW_KIND",
    [TABLE_FW_LAYERS] = "FW_LAYERS",
    [TABLE_FW_RULES] = "FW_RULES",
    [TABLE_FW_VERDICT] = "FW_VERDICT",
    [TABLE_FW_PASS] = "FW_PASS",
    [TABLE_CLAIM_FOUND] = "CLAIM_FOUND",
    [TABLE_CLAIM_VERDICT] = "CLAIM_VERDICT",
    [TABLE_TUNNEL_ASK] = "TUNNEL_ASK",
    [TABLE_SOURCE_ARP] = "SOURCE_ARP",
    [TABLE_RESOLVE] = "RESOLVE",
    [TABLE_ND] = "ND",
    [TABLE_ND_SOLICIT] = "ND_SOLICIT",
    [TABLE_ND_ADVERT] = "ND_ADVERT",
    [TABLE_ND_SOURCE] = "ND_SOURCE",
    [TABLE_ND_OWNER] = "ND_OWNER",
    [TABLE_ND_PASS] = "ND_PASS",
    [TABLE_TO_MAC] = "TO_MAC",
    [TABLE_TO_ROUTER] = "TO_ROUTER",
    [TABLE_TO_GUEST] = "TO_GUEST",
    [TABLE_ROUTE] = "ROUTE",
    [TABLE_ROUTER] = "ROUTER",
    [TABLE_ROUTED] = "ROUTED",
    [TABLE_ND_LINK_LOCAL] = "ND_LINK_LOCAL",
    [TABLE_PUNT] = "PUNT",
    [TABLE_SPACE_CA] = "SPACE_CA",
    [TABLE_ASK_CA] = "ASK_CA",
    [TABLE_SPACE_MAC] = "SPACE_MAC",
    [TABLE_ASK_MAC] = "ASK_MAC",
    [TABLE_LEARN_ARP] = "LEARN_ARP",
    [TABLE_LEARN_ASKER] = "LEARN_ASKER",
    [TABLE_UNKNOWN_MAC] = "UNKNOWN_MAC",
    [TABLE_LEARN_ND] = "LEARN_ND",
    [TABLE_LEARN_ND_ASKER] = "LEARN_ND_ASKER",
    [TABLE_ARP_REPLY] = "ARP_REPLY",
    [TABLE_ND_REPLY] = "ND_REPLY",
    [TABLE_ND_OPTION] = "ND_OPTION",
    [TABLE_ND_ANSWER] = "ND_ANSWER",
    [TABLE_ASK_ARP] = "ASK_ARP",
    [TABLE_ASK_ND] = "ASK_ND",
    [TABLE_FLOOD] = "FLOOD",
    [TABLE_FLOOD_LOCAL] = "FLOOD_LOCAL",
    [TABLE_COPY_IP] = "COPY_IP",
    [TABLE_COPY] = "COPY",
    [TABLE_FORWARD] = "FORWARD",
    [TABLE_BALANCE] = "BALANCE",
    [TABLE_SPACE_SHARE] = "SPACE_SHARE",
    [TABLE_MTU] = "MTU",
    [TABLE_TOO_LONG] = "TOO_LONG",
    [TABLE_BALANCED] = "BALANCED",
    [TABLE_LOCAL] = "LOCAL",
    [TABLE_FW_IN] = "FW_IN",
    [TABLE_FW_TRACKED] = "FW_TRACKED",
    [TABLE_FW_LOG] = "FW_LOG",
    [TABLE_DELIVER] = "DELIVER",
    [TABLE_RETURN] = "RETURN",
    [TABLE_ENCAP] = "ENCAP",
    [TABLE_ENCAP_SOURCE] = "ENCAP_SOURCE",
    [TABLE_TUN_SOURCE] = "TUN_SOURCE",
    [TABLE_REWRITE_OUT] = "REWRITE_OUT",
    [TABLE_REWRITE_DST] = "REWRITE_DST",
    [TABLE_REWRITE_SRC] = "REWRITE_SRC",
    [TABLE_REWRITE_SEND] = "REWRITE_SEND",
    [TABLE_SPACE_PA] = "SPACE_PA",
    [TABLE_REWRITE_FROM] = "REWRITE_FROM",
    [TABLE_REWRITE_TO] = "REWRITE_TO",
    [TABLE_DROP] = "DROP",
};

const char *
pipeline_table_name(uint8_t table)
{
    return table < ARRAY_SIZE(table_names) ? table_names[table] : NULL;
}

/* A register's value has no other notation. */
char *
pipeline_addr6(const struct in6_addr *addr)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    ds_put_cstr(&s, "0x");
    for (size_t i = 0; i < sizeof addr->s6_addr; i++) {
        ds_put_format(&s, "%02x", addr->s6_addr[i]);
    }
    return ds_steal_cstr(&s);
}
