/* SPDX-License-Identifier: Apache-2.0 */

#ifndef SWITCH_PUNT_H
#define SWITCH_PUNT_H 1

/* Messages about packets between switch and agent, and about the meters that
 * these packets go through.
 *
 * Pure; any thread may call. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openflow/openflow-common.h"
#include "openvswitch/ofp-packet.h"

struct channel;
struct ofpbuf;
struct punt;

/* What has to be said before the switch hands over packets, along with their
 * registers. */
struct ofpbuf *punt_encode_format(enum ofp_version);

/* A packet that the switch handed over, decoded from 'msg', which must outlive
 * '*ret_punt'.  False if it makes no sense. */
bool punt_decode(const struct ofp_header *msg, struct punt *ret_punt);

/* Message that has the switch do 'actions', in the syntax of ovs-ofctl(8),
 * with a packet.  NULL if they are not understood, which is a fault of the
 * caller. */
struct ofpbuf *punt_encode_packet_out(const void *packet, size_t size,
                                      ofp_port_t in_port, const char *actions,
                                      enum ofp_version);

/* Makes a meter as compile/punt.h has them, or makes it right if it is there:
 * the switch may refuse the first of two messages, which is no trouble. */
void punt_send_meter(struct channel *, uint32_t meter);
void punt_send_meter_removal(struct channel *, uint32_t meter);

#endif /* switch/punt.h */
