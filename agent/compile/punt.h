/* SPDX-License-Identifier: Apache-2.0 */

#ifndef COMPILE_PUNT_H
#define COMPILE_PUNT_H 1

/* Packets that a flow hands to the agent, because no flow can answer them.
 *
 * A flow says what is to be done with the packet in REG_PUNT and goes to
 * TABLE_PUNT.  That has a flow per port, with a meter of its own: one guest's
 * packets keep nobody else's from being answered.  Registers come along. */

#include <stdint.h>
#include "openvswitch/ofp-port.h"

/* The "userdata" of these "controller" actions, to tell them from others'. */
#define PUNT_USERDATA 0x68

/* What is to be done with the packet, in REG_PUNT. */
enum punt_kind {
    PUNT_NONE,                  /* Of a flow that is none of ours. */
    PUNT_ROUTER_SOLICIT,        /* Answer it; see router-advert.h. */

    /* For the router to say that it does not forward them, to the guest in
     * subnet REG_FROM: */
    PUNT_TTL,                   /* They have come as far as they may. */
    PUNT_NO_ROUTE,              /* No route leads to where they want. */
    PUNT_NO_HOST,               /* There is no such guest there. */
    PUNT_TO_ROUTER,             /* They want the router itself. */
    PUNT_TOO_LONG,              /* They do not fit REG_MTU. */

    PUNT_LEARN,                 /* It tells of an address; it goes on, too. */
    PUNT_SOLICIT,               /* It is routed to an unknown address. */

    PUNT_FIREWALL_LOG,          /* A rule has decided its connection; it goes
                                 * on.  See compile-firewall-log.c. */
};
#define N_PUNT_KINDS (PUNT_FIREWALL_LOG + 1)

/* A word for people; never NULL. */
const char *punt_kind_to_string(enum punt_kind);

/* Rate of a guest port's meter, whose number is that of the port.  What is
 * over it the switch drops and counts. */
enum {
    PUNT_PACKETS_PER_SECOND = 100,
    PUNT_BURST_PACKETS = 100,
};

/* What is logged has meters of its own, so that a guest that opens many
 * connections has the router's answers still.  There is no port of such a
 * number in life; if there were, the two would share. */
static inline uint32_t
punt_log_meter(ofp_port_t port)
{
    return (OVS_FORCE uint32_t) port ^ 0x8000;
}

#endif /* compile/punt.h */
