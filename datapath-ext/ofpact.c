/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/ofpact.h"

#include <inttypes.h>
#include <string.h>
#include "datapath-ext/text.h"
#include "datapath-ext/wire.h"
#include "model/space.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-parse.h"
#include "openvswitch/ofp-port.h"
#include "packets.h"
#include "util.h"

/* VSIDs have 24 bits. */
#define VSID_MAX 0xffffff

static const char *const kind_names[N_HNV_ALL_KINDS] = {
    [HNV_ARP] = "arp",
    [HNV_ROUTE] = "route",
    [HNV_SWITCH] = "switch",
    [HNV_ADMIT] = "admit",
    [HNV_FIND] = "find",
    [HNV_OUTPUT] = "output",
    [HNV_LOAD] = "load",
};

static const char *const key_names[N_HNV_KEYS] = {
    [HNV_KEY_MAC] = "mac",
    [HNV_KEY_DST] = "dst",
    [HNV_KEY_SRC] = "src",
    [HNV_KEY_TARGET] = "target",
    [HNV_KEY_CA4] = "ca4",
    [HNV_KEY_CA6] = "ca6",
    [HNV_KEY_SHARE4] = "share4",
    [HNV_KEY_SHARE6] = "share6",
};

const char *
hnv_kind_to_string(enum hnv_kind kind)
{
    return kind_names[kind];
}

const char *
hnv_key_to_string(enum hnv_key key)
{
    return key != HNV_KEY_NONE && key < N_HNV_KEYS ? key_names[key] : "?";
}

bool
hnv_key_from_string(const char *name, enum hnv_key *ret_key)
{
    for (enum hnv_key key = HNV_KEY_NONE + 1; key < N_HNV_KEYS; key++) {
        if (!strcmp(name, key_names[key])) {
            *ret_key = key;
            return true;
        }
    }
    return false;
}

static uint8_t
flags_of(enum hnv_kind kind)
{
    return (kind == HNV_ARP ? HNV_LEARNING | HNV_ROUTER
            : kind == HNV_ADMIT ? HNV_FORWARDED : 0);
}

/* What is wrong with 'args', for people; NULL if they go together. */
static const char *
args_check(const struct ofpact_hnv_args *args)
{
    bool to_places = (args->local != HNV_NO_TABLE
                      || args->vxlan != OFPP_NONE
                      || args->nvgre != OFPP_NONE
                      || args->mtu);
    bool forwards = args->kind == HNV_ROUTE || args->kind == HNV_SWITCH;
    bool has_mac = !eth_addr_is_zero(args->mac);

    if (args->kind >= N_HNV_KINDS) {
        return "no such kind";
    } else if (args->vsid >= (args->flags & HNV_REG ? FLOW_N_REGS
                              : VSID_MAX + 1)) {
        return "vsid is out of range";
    } else if (to_places && !forwards) {
        return "only route and switch send packets elsewhere";
    } else if (args->flags & ~(flags_of(args->kind) | HNV_REG)) {
        return "a flag that is not known";
    } else if (args->kind == HNV_ROUTE && !has_mac) {
        return "route needs the router's mac";
    } else if (has_mac && args->kind != HNV_ROUTE && args->kind != HNV_ARP) {
        return "only arp and route have a mac";
    } else if (args->domain > VSID_MAX || args->source > VSID_MAX
               || (args->kind != HNV_ADMIT
                   && (args->domain || args->source))) {
        return "domain or source is out of range, or not for admit";
    } else if (args->kind != HNV_ROUTE
               && ipv6_addr_is_set(&args->next_hop)) {
        return "only route has a next_hop";
    } else if ((args->kind == HNV_FIND) != (args->key != HNV_KEY_NONE)
               || args->key >= N_HNV_KEYS) {
        return "find, and nothing else, has a key";
    } else if (args->kind == HNV_FIND && args->table == HNV_NO_TABLE) {
        return "find needs a table";
    } else if (args->kind != HNV_ADMIT && args->refused != HNV_NO_TABLE) {
        return "only admit refuses packets";
    }
    return NULL;
}

int
hnv_args_decode(const struct nx_action_hnv *nah, struct ofpact_hnv_args *args)
{
    args->kind = nah->kind;
    args->flags = nah->flags;
    args->table = nah->table;
    args->local = nah->local;
    args->vsid = ntohl(nah->vsid);
    args->mac = nah->mac;
    args->mtu = ntohs(nah->mtu);
    args->domain = ntohl(nah->domain);
    args->source = ntohl(nah->source);
    args->key = nah->key;
    args->refused = nah->refused;
    memcpy(&args->next_hop, nah->next_hop, sizeof args->next_hop);

    enum ofperr error = ofputil_port_from_ofp11(nah->vxlan, &args->vxlan);
    if (!error) {
        error = ofputil_port_from_ofp11(nah->nvgre, &args->nvgre);
    }
    if (!error && (args_check(args)
                   || !is_all_zeros(nah->zeros, sizeof nah->zeros))) {
        error = OFPERR_OFPBAC_BAD_ARGUMENT;
    }
    return error;
}

void
hnv_args_encode(const struct ofpact_hnv_args *args, struct nx_action_hnv *nah)
{
    nah->kind = args->kind;
    nah->flags = args->flags;
    nah->vsid = htonl(args->vsid);
    nah->vxlan = ofputil_port_to_ofp11(args->vxlan);
    nah->nvgre = ofputil_port_to_ofp11(args->nvgre);
    nah->table = args->table;
    nah->local = args->local;
    nah->mac = args->mac;
    nah->mtu = htons(args->mtu);
    nah->domain = htonl(args->domain);
    nah->source = htonl(args->source);
    nah->key = args->key;
    nah->refused = args->refused;
    memcpy(nah->next_hop, &args->next_hop, sizeof nah->next_hop);
}

static bool
parse_kind(const char *name, enum hnv_kind *ret_kind)
{
    for (enum hnv_kind kind = 0; kind < N_HNV_KINDS; kind++) {
        if (!strcmp(name, kind_names[kind])) {
            *ret_kind = kind;
            return true;
        }
    }
    return false;
}

static bool
parse_vsid(const char *value, struct ofpact_hnv_args *args)
{
    if (!strncmp(value, "reg", 3)) {
        args->flags |= HNV_REG;
        return str_to_uint(value + 3, 10, &args->vsid);
    }
    args->flags &= ~HNV_REG;
    return str_to_uint(value, 0, &args->vsid);
}

static bool
parse_table(const char *value, uint8_t *ret_table)
{
    unsigned int table;

    if (!str_to_uint(value, 10, &table) || table >= HNV_NO_TABLE) {
        return false;
    }
    *ret_table = table;
    return true;
}

static bool
parse_arg(const char *key, const char *value, struct ofpact_hnv_args *args)
{
    if (!strcmp(key, "vsid")) {
        return parse_vsid(value, args);
    } else if (!strcmp(key, "table")) {
        return parse_table(value, &args->table);
    } else if (!strcmp(key, "refused")) {
        return parse_table(value, &args->refused);
    } else if (!strcmp(key, "local")) {
        return parse_table(value, &args->local);
    } else if (!strcmp(key, "vxlan")) {
        return ofputil_port_from_string(value, NULL, &args->vxlan);
    } else if (!strcmp(key, "nvgre")) {
        return ofputil_port_from_string(value, NULL, &args->nvgre);
    } else if (!strcmp(key, "mtu")) {
        return hnv_text_parse_u16(value, &args->mtu);
    } else if (!strcmp(key, "mac")) {
        return eth_addr_from_string(value, &args->mac);
    } else if (!strcmp(key, "next_hop")) {
        return hnv_text_parse_addr(value, &args->next_hop);
    } else if (!strcmp(key, "domain")) {
        return str_to_uint(value, 0, &args->domain);
    } else if (!strcmp(key, "source")) {
        return str_to_uint(value, 0, &args->source);
    } else if (!strcmp(key, "key")) {
        return hnv_key_from_string(value, &args->key);
    } else if (!strcmp(key, "forwarded")) {
        args->flags |= HNV_FORWARDED;
        return !*value;
    } else if (!strcmp(key, "learning")) {
        args->flags |= HNV_LEARNING;
        return !*value;
    } else if (!strcmp(key, "router")) {
        args->flags |= HNV_ROUTER;
        return !*value;
    }
    return false;
}

char *
hnv_args_parse(char *str, struct ofpact_hnv_args *args)
{
    bool has_vsid = false;
    char *key, *value;

    *args = (struct ofpact_hnv_args) {
        .table = HNV_NO_TABLE,
        .local = HNV_NO_TABLE,
        .refused = HNV_NO_TABLE,
        .vxlan = OFPP_NONE,
        .nvgre = OFPP_NONE,
    };
    if (!ofputil_parse_key_value(&str, &key, &value) || *value
        || !parse_kind(key, &args->kind)) {
        return xstrdup("hnv: arp, route, switch, admit or find comes first");
    }
    while (ofputil_parse_key_value(&str, &key, &value)) {
        if (!parse_arg(key, value, args)) {
            return xasprintf("hnv: invalid argument: %s=%s", key, value);
        }
        has_vsid |= !strcmp(key, "vsid");
    }

    const char *wrong = has_vsid ? args_check(args) : "vsid is missing";

    return wrong ? xasprintf("hnv: %s", wrong) : NULL;
}

static void
format_port(struct ds *s, const char *name, ofp_port_t port)
{
    if (port != OFPP_NONE) {
        ds_put_format(s, ",%s=", name);
        ofputil_format_port(port, NULL, s);
    }
}

static void
format_table(struct ds *s, const char *name, uint8_t table)
{
    if (table != HNV_NO_TABLE) {
        ds_put_format(s, ",%s=%"PRIu8, name, table);
    }
}

void
hnv_args_format(const struct ofpact_hnv_args *args, struct ds *s)
{
    ds_put_format(s, "hnv(%s,vsid=%s%"PRIu32, hnv_kind_to_string(args->kind),
                  args->flags & HNV_REG ? "reg" : "", args->vsid);
    if (args->kind == HNV_ADMIT) {
        ds_put_format(s, ",domain=%"PRIu32",source=%"PRIu32, args->domain,
                      args->source);
    }
    if (args->kind == HNV_FIND) {
        ds_put_format(s, ",key=%s", hnv_key_to_string(args->key));
    }
    if (!eth_addr_is_zero(args->mac)) {
        ds_put_format(s, ",mac="ETH_ADDR_FMT, ETH_ADDR_ARGS(args->mac));
    }
    if (ipv6_addr_is_set(&args->next_hop)) {
        ds_put_cstr(s, ",next_hop=");
        ipv6_format_mapped(&args->next_hop, s);
    }
    format_table(s, "table", args->table);
    format_table(s, "local", args->local);
    format_table(s, "refused", args->refused);
    format_port(s, "vxlan", args->vxlan);
    format_port(s, "nvgre", args->nvgre);
    if (args->mtu) {
        ds_put_format(s, ",mtu=%"PRIu16, args->mtu);
    }
    if (args->flags & HNV_LEARNING) {
        ds_put_cstr(s, ",learning");
    }
    if (args->flags & HNV_ROUTER) {
        ds_put_cstr(s, ",router");
    }
    if (args->flags & HNV_FORWARDED) {
        ds_put_cstr(s, ",forwarded");
    }
    ds_put_char(s, ')');
}
