/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/ofproto-spaces.h"

#include <errno.h>
#include <stdlib.h>
#include "datapath-ext/dp.h"
#include "datapath-ext/messages.h"
#include "ofproto/connmgr.h"
#include "ofproto/ofproto-dpif.h"
#include "openvswitch/ofp-errors.h"
#include "util.h"

static const struct dpif *
dpif_of(const struct ofproto *ofproto)
{
    return CONTAINER_OF(ofproto, struct ofproto_dpif, up)->backer->dpif;
}

static struct hnv_dp *
get_hnv(const struct ofproto *ofproto)
{
    return (ofproto->ofproto_class == &ofproto_dpif_class
            ? hnv_dp_from_dpif(dpif_of(ofproto))
            : NULL);
}

bool
ofproto_hnv_is_supported(const struct ofproto *ofproto)
{
    return get_hnv(ofproto) != NULL;
}

/* A message's entries were checked when they were decoded: no port fails. */
static void
apply_one(struct space_table *spaces, enum hnv_space_command command,
          const struct space_entry *entry)
{
    const struct space_key *key = &entry->key;

    if (command == HNV_SPACE_DELETE) {
        space_table_remove(spaces, key);
    } else if (command == HNV_SPACE_PUT_PORT) {
        space_table_put_port(spaces, key->vsid, key->mac, entry->cookie);
    } else if (command == HNV_SPACE_DELETE_PORT) {
        space_table_remove_port(spaces, key->vsid, key->mac);
    }
}

static int
put_entries(struct space_table *spaces, const struct space_entry *entries,
            size_t n)
{
    int error = space_table_put_all(spaces, entries, n);

    return (!error ? 0 : error == ENOSPC ? OFPERR_OFPFMFC_TABLE_FULL
            : OFPERR_OFPBAC_BAD_ARGUMENT);
}

static int
apply(struct space_table *spaces, enum hnv_space_command command,
      const struct space_entry *entries, size_t n)
{
    if (command == HNV_SPACE_PUT) {
        return put_entries(spaces, entries, n);
    }
    if (command == HNV_SPACE_FLUSH) {
        space_table_clear(spaces);
        space_table_clear_ports(spaces);
    }
    for (size_t i = 0; i < n; i++) {
        apply_one(spaces, command, &entries[i]);
    }
    return 0;
}

int
ofproto_hnv_handle_space_mod(struct ofconn *ofconn,
                             const struct ofp_header *oh)
{
    struct hnv_dp *hnv = get_hnv(ofconn_get_ofproto(ofconn));
    enum hnv_space_command command;
    struct space_entry *entries;
    size_t n;

    if (!hnv) {
        return OFPERR_OFPBRC_BAD_SUBTYPE;
    }

    int error = hnv_space_mod_decode(oh, &command, &entries, &n);
    if (!error) {
        error = apply(hnv_dp_spaces(hnv), command, entries, n);
        free(entries);
    }
    return error;
}

/* Entries of a reply: what a piece of a dump has beyond this fits the message
 * all the same. */
#define REPLY_ENTRIES 512

/* Pieces looked through for one request, so that a rare kind of entry does not
 * keep the thread from its other work. */
#define REPLY_PIECES 4096

struct collector {
    const struct hnv_space_query *query;
    struct space_entry *entries;
    size_t n;
    size_t allocated;
};

static void
add_entry(struct collector *c, const struct space_entry *entry)
{
    if (c->n >= c->allocated) {
        c->entries = x2nrealloc(c->entries, &c->allocated,
                                sizeof *c->entries);
    }
    c->entries[c->n++] = *entry;
}

static void
collect(const struct space_entry *entry, void *collector_)
{
    struct collector *c = collector_;

    if ((c->query->kind == HNV_ANY_KIND || c->query->kind == entry->key.kind)
        && (c->query->vsid == HNV_ANY_VSID
            || c->query->vsid == entry->key.vsid)) {
        add_entry(c, entry);
    }
}

static void
collect_port(const struct space_key *key, uint32_t port, void *collector_)
{
    struct collector *c = collector_;

    if (c->query->vsid == HNV_ANY_VSID || c->query->vsid == key->vsid) {
        add_entry(c, &(struct space_entry) { .key = *key, .mac = key->mac,
                                             .cookie = port });
    }
}

/* The next piece of what is asked for. */
static bool
dump(const struct space_table *spaces, struct hnv_space_query *query,
     struct collector *c)
{
    return (query->kind == HNV_KIND_PORT
            ? space_table_dump_ports(spaces, &query->cursor, collect_port, c)
            : space_table_dump(spaces, &query->cursor, collect, c));
}

int
ofproto_hnv_handle_space_request(struct ofconn *ofconn,
                                 const struct ofp_header *oh)
{
    struct hnv_dp *hnv = get_hnv(ofconn_get_ofproto(ofconn));
    struct hnv_space_query query;

    if (!hnv) {
        return OFPERR_OFPBRC_BAD_SUBTYPE;
    }

    int error = hnv_space_request_decode(oh, &query);
    if (error) {
        return error;
    }

    struct collector c = { .query = &query };
    struct space_table_stats stats;
    bool more = true;

    space_table_get_stats(hnv_dp_spaces(hnv), &stats);
    for (int i = 0; more && i < REPLY_PIECES && c.n < REPLY_ENTRIES; i++) {
        more = dump(hnv_dp_spaces(hnv), &query, &c);
    }
    /* A piece is a few entries. */
    ovs_assert(c.n <= HNV_SPACE_MOD_MAX - 1);

    const struct hnv_space_piece piece = {
        .cursor = query.cursor,
        .generation = stats.generation,
        .more = more,
    };

    ofconn_send_reply(ofconn, hnv_space_reply_encode(oh, &piece, c.entries,
                                                     c.n));
    free(c.entries);
    return 0;
}

int
ofproto_hnv_handle_stats_request(struct ofconn *ofconn,
                                 const struct ofp_header *oh)
{
    struct hnv_dp *hnv = get_hnv(ofconn_get_ofproto(ofconn));
    struct hnv_stats stats;

    if (!hnv) {
        return OFPERR_OFPBRC_BAD_SUBTYPE;
    }
    hnv_dp_get_stats(hnv, &stats);
    ofconn_send_reply(ofconn, hnv_stats_reply_encode(oh, &stats));
    return 0;
}
