/* SPDX-License-Identifier: Apache-2.0 */

#ifndef COMPILE_CHOOSE_PA_H
#define COMPILE_CHOOSE_PA_H 1

/* Which of this host's PAs a port's packets leave from: one of each family.
 *
 * A port that its policy pins to a PA has that one.  The others are spread
 * over the host's PAs by a hash of the port's name and the PA, the highest of
 * which wins (rendezvous hashing): it does not matter which other ports there
 * are, a PA that goes moves its own ports and no others, and a PA that comes
 * takes its share from each.  The hash is the same in every version, so ports
 * stay where they are when the agent restarts or is upgraded.
 *
 * A PA that does not work, as far as the host can tell, is passed over as
 * long as there is a better one, also by the ports pinned to it. */

#include <stdbool.h>
#include "model/rules.h"

struct diag_set;
struct host_view;

/* True if packets in tunnels may leave from one of rules' PAs.  Where some
 * subnet has IP rewrite, the guests' PAs are among them, too, and are no
 * device's. */
bool pa_is_uplink(const struct rules *, const struct host_view *,
                  const struct in6_addr *pa);

/* Fills 'ret_pas', by enum pa_family, with PAs out of rules->pas, or NULL
 * where the host has none of the family. */
void choose_pas(const struct rules *, const struct host_view *,
                const struct rules_port *,
                const struct in6_addr *ret_pas[N_PA_FAMILIES]);

/* Returns the first of the 'n' PAs of this host at 'pas', at least one, of
 * which none works better. */
const struct in6_addr *choose_working_pa(const struct host_view *,
                                         const struct in6_addr *pas, size_t n);

/* Complains of the PAs that do not work. */
void diagnose_pas(const struct rules *, const struct host_view *,
                  struct diag_set *);

#endif /* compile/choose-pa.h */
