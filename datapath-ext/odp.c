/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/odp.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "datapath-ext/ofpact.h"
#include "datapath-ext/text.h"
#include "byte-order.h"
#include "flow.h"
#include "netlink.h"
#include "odp-netlink.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-parse.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "util.h"

static void
format_number(struct ds *s, const char *name, uint32_t number)
{
    if (number) {
        ds_put_format(s, ",%s=%#"PRIx32, name, number);
    }
}

static void
format_mac(struct ds *s, const char *name, struct eth_addr mac)
{
    if (!eth_addr_is_zero(mac)) {
        ds_put_format(s, ",%s="ETH_ADDR_FMT, name, ETH_ADDR_ARGS(mac));
    }
}

static void
format_addr(struct ds *s, const char *name, const struct in6_addr *addr)
{
    if (ipv6_addr_is_set(addr)) {
        ds_put_format(s, ",%s=", name);
        ipv6_format_mapped(addr, s);
    }
}

static void
format_question(const struct hnv_odp *hnv, struct ds *s)
{
    ds_put_format(s, ",key=%s", hnv_key_to_string(hnv->key));
    format_addr(s, "ca", &hnv->asked);
    if (hnv->share) {
        ds_put_format(s, ",share=%"PRIu32, hnv->share);
    }
}

void
hnv_odp_format(const struct hnv_odp *hnv, struct ds *s)
{
    ds_put_format(s, "hnv(%s,vsid=%"PRIu32,
                  (hnv->kind < N_HNV_KINDS
                   ? hnv_kind_to_string(hnv->kind) : "?"),
                  hnv->vsid);
    if (hnv->kind == HNV_ARP) {
        ds_put_format(s, ",reply=%"PRIu32, hnv->reply);
        format_number(s, "asker", hnv->asker);
    }
    if (hnv->kind == HNV_ADMIT) {
        ds_put_format(s, ",domain=%"PRIu32",source=%"PRIu32, hnv->domain,
                      hnv->source);
        format_addr(s, "pa", &hnv->asked);
    }
    if (hnv->kind == HNV_FIND) {
        format_question(hnv, s);
    }
    format_number(s, "rest", hnv->rest);
    format_number(s, "local", hnv->local);
    format_number(s, "vxlan", hnv->vxlan);
    format_number(s, "nvgre", hnv->nvgre);
    format_number(s, "found", hnv->found);
    format_number(s, "refused", hnv->refused);
    format_mac(s, "mac", hnv->mac);
    format_addr(s, "next_hop", &hnv->next_hop);
    format_addr(s, "src6", &hnv->src6);
    if (hnv->src) {
        ds_put_format(s, ",src="IP_FMT, IP_ARGS(hnv->src));
    }
    if (hnv->mtu) {
        ds_put_format(s, ",mtu=%"PRIu16, hnv->mtu);
    }
    if (hnv->flags & HNV_LEARNING) {
        ds_put_cstr(s, ",learning");
    }
    if (hnv->flags & HNV_ROUTER) {
        ds_put_cstr(s, ",router");
    }
    if (hnv->flags & HNV_FORWARDED) {
        ds_put_cstr(s, ",forwarded");
    }
    ds_put_char(s, ')');
}

static bool
parse_kind(const char *name, uint8_t *ret_kind)
{
    for (enum hnv_kind kind = 0; kind < N_HNV_KINDS; kind++) {
        if (!strcmp(name, hnv_kind_to_string(kind))) {
            *ret_kind = kind;
            return true;
        }
    }
    return false;
}

static bool
parse_key(const char *name, uint32_t *ret_key)
{
    enum hnv_key key;

    if (!hnv_key_from_string(name, &key)) {
        return false;
    }
    *ret_key = key;
    return true;
}

static bool
parse_arg(const char *key, const char *value, struct hnv_odp *hnv)
{
    const struct {
        const char *name;
        uint32_t *number;
    } numbers[] = {
        { "vsid", &hnv->vsid },
        { "reply", &hnv->reply },
        { "asker", &hnv->asker },
        { "domain", &hnv->domain },
        { "source", &hnv->source },
        { "rest", &hnv->rest },
        { "local", &hnv->local },
        { "vxlan", &hnv->vxlan },
        { "nvgre", &hnv->nvgre },
        { "found", &hnv->found },
        { "refused", &hnv->refused },
        { "share", &hnv->share },
    };

    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        if (!strcmp(key, numbers[i].name)) {
            return str_to_uint(value, 0, numbers[i].number);
        }
    }
    if (!strcmp(key, "mtu")) {
        return hnv_text_parse_u16(value, &hnv->mtu);
    } else if (!strcmp(key, "mac")) {
        return eth_addr_from_string(value, &hnv->mac);
    } else if (!strcmp(key, "next_hop")) {
        return hnv_text_parse_addr(value, &hnv->next_hop);
    } else if (!strcmp(key, "ca") || !strcmp(key, "pa")) {
        return hnv_text_parse_addr(value, &hnv->asked);
    } else if (!strcmp(key, "key")) {
        return parse_key(value, &hnv->key);
    } else if (!strcmp(key, "src6")) {
        return ipv6_parse(value, &hnv->src6);
    } else if (!strcmp(key, "src")) {
        return ip_parse(value, &hnv->src);
    } else if (!strcmp(key, "forwarded")) {
        hnv->flags |= HNV_FORWARDED;
        return !*value;
    } else if (!strcmp(key, "learning")) {
        hnv->flags |= HNV_LEARNING;
        return !*value;
    } else if (!strcmp(key, "router")) {
        hnv->flags |= HNV_ROUTER;
        return !*value;
    }
    return false;
}

static bool
parse_args(char *args, struct hnv_odp *ret_hnv)
{
    struct hnv_odp hnv;
    char *key, *value;

    memset(&hnv, 0, sizeof hnv);
    if (!ofputil_parse_key_value(&args, &key, &value) || *value
        || !parse_kind(key, &hnv.kind)) {
        return false;
    }
    while (ofputil_parse_key_value(&args, &key, &value)) {
        if (!parse_arg(key, value, &hnv)) {
            return false;
        }
    }
    *ret_hnv = hnv;
    return true;
}

int
hnv_odp_parse(const char *s, struct ofpbuf *actions)
{
    if (strncmp(s, "hnv(", 4)) {
        return 0;
    }

    const char *end = strchr(s, ')');
    if (!end) {
        return -EINVAL;
    }

    char *args = xmemdup0(s + 4, end - (s + 4));
    struct hnv_odp hnv;
    bool ok = parse_args(args, &hnv);

    free(args);
    if (!ok) {
        return -EINVAL;
    }
    nl_msg_put_unspec(actions, OVS_ACTION_ATTR_HNV, &hnv, sizeof hnv);
    return end + 1 - s;
}

void
hnv_tunnel_clear(struct flow_tnl *tnl)
{
    memset(tnl, 0, offsetof(struct flow_tnl, metadata));
    tnl->metadata.present.map = 0;
    tnl->metadata.tab = NULL;
}

void
hnv_odp_set_tunnel(const struct hnv_odp *hnv, bool is_vxlan,
                   const struct in6_addr *pa, struct flow_tnl *tnl)
{
    hnv_tunnel_clear(tnl);
    tnl->ip_dst = in6_addr_get_mapped_ipv4(pa);
    if (tnl->ip_dst) {
        tnl->ip_src = hnv->src;
    } else {
        tnl->ipv6_dst = *pa;
        tnl->ipv6_src = hnv->src6;
    }
    /* Megaflows cannot tell an identifier without the flag. */
    tnl->flags = FLOW_TNL_F_KEY;
    /* NVGRE's key is the VSID with a FlowID of 8 bits. */
    tnl->tun_id = htonll(is_vxlan ? hnv->vsid : (uint64_t) hnv->vsid << 8);
}
