/* SPDX-License-Identifier: Apache-2.0 */

#ifndef COMPILE_MTU_H
#define COMPILE_MTU_H 1

/* How long a guest's packets may be.
 *
 * MTUs are those of IP: without the Ethernet header.  What a tunnel adds to a
 * packet is that header, which it carries along, and its own headers. */

#include "model/rules.h"

struct bound_port;
struct diag_set;
struct host_view;

/* Bytes that lie around a guest's IP packet within a packet between hosts. */
unsigned int mtu_overhead(enum space_encap, enum pa_family);

/* The longest packets that guests with IP rewrite can send: there is nothing
 * around them, but which uplink they leave by is for the host's routes to say.
 * So it is what all carry that have such a guest's PA in their network, or
 * else all that are known.  Zero if it is not known. */
unsigned int mtu_of_rewrite(const struct host_view *);

/* The longest packets that 'port' can send to every other host: by what the
 * uplinks of its PAs carry, and the encapsulation with the largest overhead
 * among those in use; or as above.  Zero if it is not known. */
unsigned int mtu_of_port(const struct rules *, const struct host_view *,
                         const struct bound_port *);

/* The longest packets that every port can send into any tunnel in use; zero if
 * it is not known.  What is longer may fit, too. */
unsigned int mtu_of_tunnels(const struct rules *, const struct host_view *);

/* Complains if the port's guest may send longer ones. */
void mtu_diagnose(const struct bound_port *, struct diag_set *);

#endif /* compile/mtu.h */
