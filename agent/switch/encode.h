/* SPDX-License-Identifier: Apache-2.0 */

#ifndef SWITCH_ENCODE_H
#define SWITCH_ENCODE_H 1

/* Flows of a plan as OpenFlow messages.
 *
 * Pure; any thread may call. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openflow/openflow-common.h"
#include "openvswitch/ofp-flow.h"

struct ofpbuf;
struct plan_flow;

/* Returns the message that adds 'flow' or replaces its actions.  NULL if the
 * text of the flow is not understood, which is a fault of the compiler:
 * '*ret_error' is then a sentence about it, which the caller frees. */
struct ofpbuf *encode_plan_put(const struct plan_flow *, enum ofp_version,
                               char **ret_error);

/* Likewise, a message that removes the flow. */
struct ofpbuf *encode_plan_remove(const struct plan_flow *, enum ofp_version,
                                  char **ret_error);

/* Message that removes just the flow with this match. */
struct ofpbuf *encode_remove(uint8_t table, uint16_t priority,
                             const struct minimatch *, enum ofp_version);

/* A switch left to itself lets no flow see the ports or the ICMP type of a
 * first fragment, and hands this kind of connection no packets; this makes it
 * do both. */
struct ofpbuf *encode_config(enum ofp_version);

/* Asks to be told when somebody else changes or deletes flows.  Not when flows
 * are added: the switch would tell of each of ours, too, if only in brief. */
struct ofpbuf *encode_watch(enum ofp_version);

/* Forgets all connections of a conntrack zone. */
struct ofpbuf *encode_flush_zone(uint16_t zone, enum ofp_version);

/* One message of a bundle. */
struct ofpbuf *encode_bundle_control(uint32_t bundle_id, uint16_t type,
                                     enum ofp_version);
struct ofpbuf *encode_bundle_add(uint32_t bundle_id, const struct ofpbuf *msg,
                                 enum ofp_version);

/* A flow_mod, decoded. */
struct encode_decoded {
    struct ofputil_flow_mod fm;
    struct ofpbuf *ofpacts;     /* What 'fm.ofpacts' points into. */
};

/* Decodes 'msg', a flow_mod that was encoded here.  This is how to get at
 * what a switch reports for that flow: the text has more than one way to say
 * the same thing, the message has one.  False, with nothing to uninit, if
 * this library cannot read back what it wrote. */
bool encode_decode(const struct ofpbuf *msg, struct encode_decoded *);
void encode_decoded_uninit(struct encode_decoded *);

/* The actions as they are on the wire.  In memory they have gaps with
 * arbitrary contents between them, so this is the form to compare. */
struct ofpbuf *encode_actions(const struct ofpact *, size_t len,
                              enum ofp_version);

#endif /* switch/encode.h */
