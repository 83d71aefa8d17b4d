/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/messages.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "datapath-ext/text.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "util.h"

BUILD_ASSERT_DECL(ARRAY_SIZE(((struct hnv_stats_reply *) NULL)->n_entries)
                  == SPACE_BY_OWNER + 1);
BUILD_ASSERT_DECL(HNV_SPACE_MOD_MAX
                  == (UINT16_MAX - 16 - sizeof(struct hnv_space_mod))
                     / sizeof(struct hnv_wire_entry));

void
hnv_entry_encode(const struct space_entry *entry, struct hnv_wire_entry *wire)
{
    const struct space_key *key = &entry->key;

    memset(wire, 0, sizeof *wire);
    wire->kind = key->kind;
    wire->encap = entry->where.encap;
    wire->learned = entry->learned;
    wire->share = key->share;
    wire->vsid = htonl(key->vsid);
    if (key->kind == SPACE_BY_MAC) {
        wire->mac = key->mac;
    } else {
        memcpy(wire->addr, &key->ca, sizeof wire->addr);
        wire->mac = entry->mac;
    }
    memcpy(wire->pa, &entry->where.pa, sizeof wire->pa);
    wire->cookie = htonll(entry->cookie);
}

static bool
key_decode(const struct hnv_wire_entry *wire, struct space_key *key)
{
    uint32_t vsid = ntohl(wire->vsid);
    struct in6_addr addr;

    memcpy(&addr, wire->addr, sizeof addr);
    if (vsid > SPACE_VSID_MAX || wire->kind > SPACE_BY_OWNER
        || (wire->share && wire->kind != SPACE_BY_SHARE)) {
        return false;
    }
    switch ((enum space_kind) wire->kind) {
    case SPACE_BY_CA:
        space_key_init_ca(key, vsid, &addr);
        return true;
    case SPACE_BY_MAC:
        space_key_init_mac(key, vsid, wire->mac);
        return !ipv6_addr_is_set(&addr);
    case SPACE_BY_PA:
        return false;
    case SPACE_PEER:
        space_key_init_peer(key, vsid, &addr);
        return true;
    case SPACE_BY_SHARE:
        space_key_init_share(key, vsid, &addr, wire->share);
        return wire->share < SPACE_N_SHARES;
    case SPACE_BY_OWNER:
        space_key_init_owner(key, vsid, &addr);
        return true;
    }
    return false;
}

int
hnv_entry_decode(const struct hnv_wire_entry *wire, bool key_only,
                 struct space_entry *entry)
{
    memset(entry, 0, sizeof *entry);
    if (!key_decode(wire, &entry->key)
        || !is_all_zeros(wire->zeros, sizeof wire->zeros)) {
        return OFPERR_OFPBAC_BAD_ARGUMENT;
    }
    if (key_only) {
        return 0;
    }

    bool has_pa = wire->encap == SPACE_VXLAN || wire->encap == SPACE_NVGRE;

    entry->mac = wire->mac;
    entry->where.encap = wire->encap;
    memcpy(&entry->where.pa, wire->pa, sizeof wire->pa);
    entry->cookie = ntohll(wire->cookie);
    entry->learned = wire->learned;
    return (wire->encap <= SPACE_BALANCED && wire->learned <= 1
            && (!has_pa || ipv6_addr_is_set(&entry->where.pa))
            ? 0 : OFPERR_OFPBAC_BAD_ARGUMENT);
}

static void
entries_put(struct ofpbuf *msg, const struct space_entry *entries, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        hnv_entry_encode(&entries[i],
                         ofpbuf_put_uninit(msg,
                                           sizeof(struct hnv_wire_entry)));
    }
}

/* The rest of 'b' as entries. */
static int
entries_pull(struct ofpbuf *b, bool key_only,
             struct space_entry **ret_entries, size_t *ret_n)
{
    if (b->size % sizeof(struct hnv_wire_entry)) {
        return OFPERR_OFPBRC_BAD_LEN;
    }

    size_t n = b->size / sizeof(struct hnv_wire_entry);
    struct space_entry *entries = xmalloc(MAX(n, 1) * sizeof *entries);

    for (size_t i = 0; i < n; i++) {
        struct hnv_wire_entry wire;

        memcpy(&wire, ofpbuf_pull(b, sizeof wire), sizeof wire);
        int error = hnv_entry_decode(&wire, key_only, &entries[i]);
        if (error) {
            free(entries);
            return error;
        }
    }
    *ret_entries = entries;
    *ret_n = n;
    return 0;
}

/* The body of 'oh', whose kind is known. */
static struct ofpbuf
body_of(const struct ofp_header *oh)
{
    struct ofpbuf b = ofpbuf_const_initializer(oh, ntohs(oh->length));

    ofpraw_pull_assert(&b);
    return b;
}

struct ofpbuf *
hnv_space_mod_encode(uint8_t ofp_version, enum hnv_space_command command,
                     const struct space_entry *entries, size_t n)
{
    ovs_assert(n <= HNV_SPACE_MOD_MAX);

    struct ofpbuf *msg = ofpraw_alloc(OFPRAW_NXT_HNV_SPACE_MOD, ofp_version,
                                      n * sizeof(struct hnv_wire_entry));
    struct hnv_space_mod *mod = ofpbuf_put_zeros(msg, sizeof *mod);

    mod->command = command;
    entries_put(msg, entries, n);
    return msg;
}

/* Ports are told by MAC. */
static bool
are_fit_for(enum hnv_space_command command, const struct space_entry *entries,
            size_t n)
{
    if (command == HNV_SPACE_PUT_PORT || command == HNV_SPACE_DELETE_PORT) {
        for (size_t i = 0; i < n; i++) {
            if (entries[i].key.kind != SPACE_BY_MAC
                || entries[i].cookie > UINT32_MAX) {
                return false;
            }
        }
    }
    return true;
}

int
hnv_space_mod_decode(const struct ofp_header *oh,
                     enum hnv_space_command *ret_command,
                     struct space_entry **ret_entries, size_t *ret_n)
{
    struct ofpbuf b = body_of(oh);
    const struct hnv_space_mod *mod = ofpbuf_pull(&b, sizeof *mod);

    if (mod->command >= N_HNV_SPACE_COMMANDS
        || !is_all_zeros(mod->zeros, sizeof mod->zeros)) {
        return OFPERR_OFPBAC_BAD_ARGUMENT;
    }
    if (mod->command == HNV_SPACE_FLUSH && b.size) {
        return OFPERR_OFPBRC_BAD_LEN;
    }

    enum hnv_space_command command = mod->command;
    struct space_entry *entries;
    size_t n;

    int error = entries_pull(&b, command == HNV_SPACE_DELETE, &entries, &n);
    if (error) {
        return error;
    }
    if (!are_fit_for(command, entries, n)) {
        free(entries);
        return OFPERR_OFPBAC_BAD_ARGUMENT;
    }
    *ret_command = command;
    *ret_entries = entries;
    *ret_n = n;
    return 0;
}

static void
cursor_encode(const struct space_cursor *cursor, struct hnv_wire_cursor *wire)
{
    wire->set = htonl(cursor->set);
    wire->segment = htonl(cursor->segment);
    wire->position = htonll(cursor->position);
}

static void
cursor_decode(const struct hnv_wire_cursor *wire, struct space_cursor *cursor)
{
    cursor->set = ntohl(wire->set);
    cursor->segment = ntohl(wire->segment);
    cursor->position = ntohll(wire->position);
}

struct ofpbuf *
hnv_space_request_encode(uint8_t ofp_version,
                         const struct hnv_space_query *query)
{
    struct ofpbuf *msg = ofpraw_alloc(OFPRAW_NXST_HNV_SPACE_REQUEST,
                                      ofp_version, 0);
    struct hnv_space_request *req = ofpbuf_put_zeros(msg, sizeof *req);

    cursor_encode(&query->cursor, &req->cursor);
    req->vsid = htonl(query->vsid);
    req->kind = query->kind;
    return msg;
}

int
hnv_space_request_decode(const struct ofp_header *oh,
                         struct hnv_space_query *query)
{
    struct ofpbuf b = body_of(oh);
    struct hnv_space_request req;

    memcpy(&req, ofpbuf_pull(&b, sizeof req), sizeof req);
    cursor_decode(&req.cursor, &query->cursor);
    query->vsid = ntohl(req.vsid);
    query->kind = req.kind;
    return ((query->kind <= SPACE_BY_OWNER || query->kind == HNV_KIND_PORT
             || query->kind == HNV_ANY_KIND)
            && is_all_zeros(req.zeros, sizeof req.zeros)
            ? 0 : OFPERR_OFPBAC_BAD_ARGUMENT);
}

struct ofpbuf *
hnv_space_reply_encode(const struct ofp_header *request,
                       const struct hnv_space_piece *piece,
                       const struct space_entry *entries, size_t n)
{
    struct ofpbuf *msg = ofpraw_alloc_stats_reply(
        request, (sizeof(struct hnv_space_reply)
                  + n * sizeof(struct hnv_wire_entry)));
    struct hnv_space_reply *reply = ofpbuf_put_zeros(msg, sizeof *reply);

    cursor_encode(&piece->cursor, &reply->cursor);
    reply->generation = htonll(piece->generation);
    reply->more = piece->more;
    entries_put(msg, entries, n);
    return msg;
}

int
hnv_space_reply_decode(const struct ofp_header *oh,
                       struct hnv_space_piece *piece,
                       struct space_entry **ret_entries, size_t *ret_n)
{
    struct ofpbuf b = body_of(oh);
    struct hnv_space_reply reply;

    memcpy(&reply, ofpbuf_pull(&b, sizeof reply), sizeof reply);
    cursor_decode(&reply.cursor, &piece->cursor);
    piece->generation = ntohll(reply.generation);
    piece->more = reply.more;
    return entries_pull(&b, false, ret_entries, ret_n);
}

struct ofpbuf *
hnv_stats_request_encode(uint8_t ofp_version)
{
    return ofpraw_alloc(OFPRAW_NXST_HNV_STATS_REQUEST, ofp_version, 0);
}

struct ofpbuf *
hnv_stats_reply_encode(const struct ofp_header *request,
                       const struct hnv_stats *stats)
{
    struct ofpbuf *msg = ofpraw_alloc_stats_reply(request, 0);
    struct hnv_stats_reply *reply = ofpbuf_put_zeros(msg, sizeof *reply);

    reply->version = htonl(stats->version);
    reply->n_kinds = htons(N_HNV_KINDS);
    reply->n_reasons = htons(N_HNV_REASONS);
    reply->generation = htonll(stats->table.generation);
    reply->bytes = htonll(stats->table.bytes);
    reply->n_locators = htonll(stats->table.n_locators);
    for (size_t i = 0; i < ARRAY_SIZE(reply->n_entries); i++) {
        reply->n_entries[i] = htonll(stats->table.n_entries[i]);
    }
    reply->n_ports = htonll(stats->table.n_ports);
    for (size_t i = 0; i < N_HNV_KINDS; i++) {
        for (size_t j = 0; j < N_HNV_REASONS; j++) {
            ovs_be64 n = htonll(stats->counts.n[i][j]);

            ofpbuf_put(msg, &n, sizeof n);
        }
    }
    return msg;
}

int
hnv_stats_reply_decode(const struct ofp_header *oh, struct hnv_stats *stats)
{
    struct ofpbuf b = body_of(oh);
    struct hnv_stats_reply reply;

    memcpy(&reply, ofpbuf_pull(&b, sizeof reply), sizeof reply);
    memset(stats, 0, sizeof *stats);
    stats->version = ntohl(reply.version);
    if (stats->version != HNV_WIRE_VERSION) {
        return 0;
    }
    stats->table.generation = ntohll(reply.generation);
    stats->table.bytes = ntohll(reply.bytes);
    stats->table.n_locators = ntohll(reply.n_locators);
    for (size_t i = 0; i < ARRAY_SIZE(reply.n_entries); i++) {
        stats->table.n_entries[i] = ntohll(reply.n_entries[i]);
    }

    stats->table.n_ports = ntohll(reply.n_ports);
    if (ntohs(reply.n_kinds) != N_HNV_KINDS
        || ntohs(reply.n_reasons) != N_HNV_REASONS
        || b.size != N_HNV_KINDS * N_HNV_REASONS * sizeof(ovs_be64)) {
        return OFPERR_OFPBRC_BAD_LEN;
    }
    for (size_t i = 0; i < N_HNV_KINDS; i++) {
        for (size_t j = 0; j < N_HNV_REASONS; j++) {
            ovs_be64 n;

            memcpy(&n, ofpbuf_pull(&b, sizeof n), sizeof n);
            stats->counts.n[i][j] = ntohll(n);
        }
    }
    return 0;
}
