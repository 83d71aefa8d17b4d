/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/messages.h"

#include <inttypes.h>
#include <stdlib.h>
#include "datapath-ext/text.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-msgs.h"
#include "util.h"

static void
print_entries(struct ds *s, struct space_entry *entries, size_t n,
              enum hnv_space_command command)
{
    for (size_t i = 0; i < n; i++) {
        ds_put_cstr(s, "\n  ");
        if (command == HNV_SPACE_PUT_PORT) {
            hnv_text_format_port(&entries[i].key, entries[i].cookie, s);
        } else if (command == HNV_SPACE_PUT) {
            hnv_text_format_entry(&entries[i], s);
        } else {
            hnv_text_format_key(&entries[i].key, s);
        }
    }
    free(entries);
}

static int
print_space_mod(struct ds *s, const struct ofp_header *oh)
{
    static const char *const names[N_HNV_SPACE_COMMANDS] = {
        [HNV_SPACE_PUT] = "put",
        [HNV_SPACE_DELETE] = "delete",
        [HNV_SPACE_FLUSH] = "flush",
        [HNV_SPACE_PUT_PORT] = "put_port",
        [HNV_SPACE_DELETE_PORT] = "delete_port",
    };
    enum hnv_space_command command;
    struct space_entry *entries;
    size_t n;

    int error = hnv_space_mod_decode(oh, &command, &entries, &n);
    if (!error) {
        ds_put_format(s, " %s %"PRIuSIZE" entries", names[command], n);
        print_entries(s, entries, n, command);
    }
    return error;
}

static int
print_space_request(struct ds *s, const struct ofp_header *oh)
{
    struct hnv_space_query query;

    int error = hnv_space_request_decode(oh, &query);
    if (error) {
        return error;
    }
    ds_put_format(s, " from=%"PRIu32":%"PRIu32":%#"PRIx64,
                  query.cursor.set, query.cursor.segment,
                  query.cursor.position);
    if (query.vsid != HNV_ANY_VSID) {
        ds_put_format(s, " vsid=%"PRIu32, query.vsid);
    }
    if (query.kind == HNV_KIND_PORT) {
        ds_put_cstr(s, " kind=port");
    } else if (query.kind != HNV_ANY_KIND) {
        ds_put_format(s, " kind=%s", hnv_text_kind(query.kind));
    }
    return 0;
}

static int
print_space_reply(struct ds *s, const struct ofp_header *oh)
{
    struct hnv_space_piece piece;
    struct space_entry *entries;
    size_t n;

    int error = hnv_space_reply_decode(oh, &piece, &entries, &n);
    if (!error) {
        ds_put_format(s, " generation=%"PRIu64"%s", piece.generation,
                      piece.more ? " more" : "");
        print_entries(s, entries, n, HNV_SPACE_PUT);
    }
    return error;
}

void
hnv_stats_format(const struct hnv_stats *stats, struct ds *s)
{
    ds_put_format(s, "version=%"PRIu32" generation=%"PRIu64" bytes=%"PRIu64
                  " locators=%"PRIu64"\n", stats->version,
                  stats->table.generation, stats->table.bytes,
                  stats->table.n_locators);
    ds_put_cstr(s, "entries:");
    for (size_t i = 0; i < ARRAY_SIZE(stats->table.n_entries); i++) {
        ds_put_format(s, " %s=%"PRIu64, hnv_text_kind(i),
                      stats->table.n_entries[i]);
    }
    ds_put_format(s, " port=%"PRIu64, stats->table.n_ports);
    for (size_t i = 0; i < N_HNV_KINDS; i++) {
        ds_put_format(s, "\n%s: done=%"PRIu64, hnv_kind_to_string(i),
                      stats->counts.n[i][HNV_REASON_NONE]);
        for (size_t j = HNV_REASON_NONE + 1; j < N_HNV_REASONS; j++) {
            if (stats->counts.n[i][j]) {
                ds_put_format(s, " %s=%"PRIu64, hnv_reason_to_string(j),
                              stats->counts.n[i][j]);
            }
        }
    }
    ds_put_char(s, '\n');
}

static int
print_stats_reply(struct ds *s, const struct ofp_header *oh)
{
    struct hnv_stats stats;

    int error = hnv_stats_reply_decode(oh, &stats);
    if (error) {
        return error;
    }
    if (stats.version == HNV_WIRE_VERSION) {
        ds_put_char(s, '\n');
        hnv_stats_format(&stats, s);
    } else {
        ds_put_format(s, " version=%"PRIu32" (not known here)",
                      stats.version);
    }
    return 0;
}

int
hnv_message_print(struct ds *s, const struct ofp_header *oh)
{
    enum ofpraw raw = ofpraw_decode_assert(oh);

    if (raw == OFPRAW_NXT_HNV_SPACE_MOD) {
        return print_space_mod(s, oh);
    } else if (raw == OFPRAW_NXST_HNV_SPACE_REQUEST) {
        return print_space_request(s, oh);
    } else if (raw == OFPRAW_NXST_HNV_SPACE_REPLY) {
        return print_space_reply(s, oh);
    } else if (raw == OFPRAW_NXST_HNV_STATS_REPLY) {
        return print_stats_reply(s, oh);
    }
    return 0;
}
