/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/text.h"

#include <inttypes.h>
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "util.h"

bool
hnv_text_parse_addr(const char *s, struct in6_addr *ret_addr)
{
    struct in6_addr ipv6;
    ovs_be32 ipv4;

    if (ip_parse(s, &ipv4)) {
        *ret_addr = in6_addr_mapped_ipv4(ipv4);
        return true;
    } else if (ipv6_parse(s, &ipv6)) {
        *ret_addr = ipv6;
        return true;
    }
    return false;
}

bool
hnv_text_parse_u16(const char *s, uint16_t *ret_number)
{
    unsigned int number;

    if (!str_to_uint(s, 10, &number) || number > UINT16_MAX) {
        return false;
    }
    *ret_number = number;
    return true;
}

const char *
hnv_text_kind(enum space_kind kind)
{
    switch (kind) {
    case SPACE_BY_CA:
        return "ca";
    case SPACE_BY_MAC:
        return "mac";
    case SPACE_BY_PA:
        return "pa";
    case SPACE_PEER:
        return "peer";
    case SPACE_BY_SHARE:
        return "share";
    case SPACE_BY_OWNER:
        return "owner";
    }
    return "?";
}

void
hnv_text_format_key(const struct space_key *key, struct ds *s)
{
    ds_put_format(s, "%s,%s=%"PRIu32",", hnv_text_kind(key->kind),
                  key->kind == SPACE_PEER ? "domain" : "vsid", key->vsid);
    if (key->kind == SPACE_BY_MAC) {
        ds_put_format(s, "mac="ETH_ADDR_FMT, ETH_ADDR_ARGS(key->mac));
    } else {
        ds_put_cstr(s, key->kind == SPACE_PEER ? "pa=" : "ca=");
        ipv6_format_mapped(&key->ca, s);
    }
    if (key->kind == SPACE_BY_SHARE) {
        ds_put_format(s, ",share=%"PRIu32, key->share);
    }
}

static void
format_where(const struct space_where *where, struct ds *s)
{
    switch (where->encap) {
    case SPACE_LOCAL:
        ds_put_cstr(s, "local");
        break;
    case SPACE_BALANCED:
        ds_put_cstr(s, "balanced");
        break;
    case SPACE_REWRITE:
        ds_put_cstr(s, "rewrite");
        break;
    case SPACE_VXLAN:
    case SPACE_NVGRE:
        ds_put_cstr(s, "pa=");
        ipv6_format_mapped(&where->pa, s);
        ds_put_cstr(s, where->encap == SPACE_VXLAN ? ",vxlan" : ",nvgre");
        break;
    }
}

void
hnv_text_format_entry(const struct space_entry *entry, struct ds *s)
{
    hnv_text_format_key(&entry->key, s);
    if (entry->key.kind == SPACE_PEER || entry->key.kind == SPACE_BY_OWNER) {
        return;
    }
    ds_put_char(s, ' ');
    if (entry->key.kind != SPACE_BY_MAC) {
        ds_put_format(s, "mac="ETH_ADDR_FMT",", ETH_ADDR_ARGS(entry->mac));
    }
    format_where(&entry->where, s);
    if (entry->learned) {
        ds_put_cstr(s, ",learned");
    }
}

void
hnv_text_format_port(const struct space_key *key, uint32_t port, struct ds *s)
{
    ds_put_format(s, "port=%"PRIu32",vsid=%"PRIu32",mac="ETH_ADDR_FMT, port,
                  key->vsid, ETH_ADDR_ARGS(key->mac));
}
