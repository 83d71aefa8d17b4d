/* SPDX-License-Identifier: Apache-2.0 */

#ifndef COMPILE_ROUTER_ADVERT_H
#define COMPILE_ROUTER_ADVERT_H 1

/* Router advertisements (RFC 4861): what a subnet's gateway tells its guests
 * of itself and of their prefixes.
 *
 * The one packet of the pipeline that OpenFlow cannot make of another: it is
 * longer than the question.  Pure. */

#include <stddef.h>

struct dp_packet;
struct rules;
struct rules_subnet;

/* Returns what all guests of 'subnet' are told, for the caller to
 * dp_packet_delete(); NULL if they have no IPv6 router. */
struct dp_packet *router_advert_to_all(const struct rules *,
                                       const struct rules_subnet *subnet);

/* Likewise, the answer to 'frame', a router solicitation of one of them.  NULL
 * also if it asks in a way that nobody should. */
struct dp_packet *router_advert_answer(const struct rules *,
                                       const struct rules_subnet *subnet,
                                       const void *frame, size_t size);

#endif /* compile/router-advert.h */
