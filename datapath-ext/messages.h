/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DATAPATH_EXT_MESSAGES_H
#define DATAPATH_EXT_MESSAGES_H 1

/* The extension's OpenFlow messages, see wire.h: to and from bytes, and as
 * text. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "datapath-ext/actions.h"
#include "datapath-ext/ofpact.h"
#include "datapath-ext/space-table.h"
#include "datapath-ext/wire.h"
#include "model/space.h"

struct ds;
struct ofp_header;
struct ofpbuf;

/* Packets by what an action did with them. */
struct hnv_counts {
    uint64_t n[N_HNV_KINDS][N_HNV_REASONS];
};

void hnv_entry_encode(const struct space_entry *, struct hnv_wire_entry *);

/* Returns 0, or an OFPERR_* if it makes no sense.  'key_only': the rest need
 * not make any. */
int hnv_entry_decode(const struct hnv_wire_entry *, bool key_only,
                     struct space_entry *);

/* HNV_SPACE_MOD.  'n' is at most HNV_SPACE_MOD_MAX. */
struct ofpbuf *hnv_space_mod_encode(uint8_t ofp_version,
                                    enum hnv_space_command,
                                    const struct space_entry *, size_t n);

/* Sets '*ret_entries' to an array of '*ret_n' for the caller to free.  Returns
 * 0 or an OFPERR_*, and then sets nothing. */
int hnv_space_mod_decode(const struct ofp_header *,
                         enum hnv_space_command *ret_command,
                         struct space_entry **ret_entries, size_t *ret_n);

/* HNV_SPACE. */
struct hnv_space_query {
    struct space_cursor cursor;
    uint32_t vsid;              /* Or HNV_ANY_VSID. */
    uint8_t kind;               /* enum space_kind, HNV_KIND_PORT or
                                 * HNV_ANY_KIND */
};

struct hnv_space_piece {
    struct space_cursor cursor;
    uint64_t generation;
    bool more;
};

struct ofpbuf *hnv_space_request_encode(uint8_t ofp_version,
                                        const struct hnv_space_query *);
int hnv_space_request_decode(const struct ofp_header *,
                             struct hnv_space_query *);
struct ofpbuf *hnv_space_reply_encode(const struct ofp_header *request,
                                      const struct hnv_space_piece *,
                                      const struct space_entry *, size_t n);
int hnv_space_reply_decode(const struct ofp_header *,
                           struct hnv_space_piece *,
                           struct space_entry **ret_entries, size_t *ret_n);

/* HNV_STATS. */
struct hnv_stats {
    uint32_t version;
    struct space_table_stats table;
    struct hnv_counts counts;
};

struct ofpbuf *hnv_stats_request_encode(uint8_t ofp_version);
struct ofpbuf *hnv_stats_reply_encode(const struct ofp_header *request,
                                      const struct hnv_stats *);

/* Of a version that is not HNV_WIRE_VERSION, decodes no more than that. */
int hnv_stats_reply_decode(const struct ofp_header *, struct hnv_stats *);

void hnv_stats_format(const struct hnv_stats *, struct ds *);

/* Prints any of them.  Returns 0 or an OFPERR_*. */
int hnv_message_print(struct ds *, const struct ofp_header *);

#endif /* datapath-ext/messages.h */
