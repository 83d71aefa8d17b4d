/* SPDX-License-Identifier: Apache-2.0 */

#ifndef ANSWER_ROUTER_ANSWER_H
#define ANSWER_ROUTER_ANSWER_H 1

/* What the distributed router says about packets that it cannot forward.
 *
 * It speaks as the gateway of the sender's subnet, and only to the port that
 * the packet came in on: an address that is not the sender's makes no trouble
 * for whoever has it.
 *
 * Pure; any thread may call. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "compile/punt.h"

struct ofpbuf;
struct rules;

/* Appends to 'answer' the answer to 'packet', which is 'size' bytes from its
 * Ethernet header on and came from a guest in subnet 'vsid'.  Returns false if
 * there is none. */
bool router_answer(const struct rules *, enum punt_kind kind, uint32_t vsid,
                   const void *packet, size_t size, struct ofpbuf *answer);

/* Likewise for a packet that does not fit into 'mtu' bytes, of which the
 * sender hears unless it may be cut. */
bool router_answer_too_long(const struct rules *, uint32_t vsid, uint16_t mtu,
                            const void *packet, size_t size,
                            struct ofpbuf *answer);

#endif /* answer/router-answer.h */
