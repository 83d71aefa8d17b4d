/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DATAPATH_EXT_OFPROTO_SPACES_H
#define DATAPATH_EXT_OFPROTO_SPACES_H 1

/* A bridge's part in the extension's messages. */

#include <stdbool.h>

struct ofconn;
struct ofp_header;
struct ofproto;

/* Whether the bridge's datapath has spaces, hence the action "hnv". */
bool ofproto_hnv_is_supported(const struct ofproto *);

/* Each handles a message of a session.  Returns 0 or an OFPERR_*.  The main
 * thread calls. */
int ofproto_hnv_handle_space_mod(struct ofconn *, const struct ofp_header *);
int ofproto_hnv_handle_space_request(struct ofconn *,
                                     const struct ofp_header *);
int ofproto_hnv_handle_stats_request(struct ofconn *,
                                     const struct ofp_header *);

#endif /* datapath-ext/ofproto-spaces.h */
