/* SPDX-License-Identifier: Apache-2.0 */

#ifndef FIREWALL_COUNTERS_H
#define FIREWALL_COUNTERS_H 1

/* "fw/rules" on the control socket: the firewall's rules that are enabled and
 * understood, and how many packets each has decided, as the switch counts
 * them.  Packets of a connection count for the rule that lets the connection
 * pass, those of the other direction, too.
 *
 * The switch has the rules of ports only once if they are the very same; then
 * it counts for all of them together, and "shared" says how many lists of
 * rules those are.  It does not ask the rules of a port that let everything
 * through, so these have no figures. */

struct policy;
struct switch_link;

void firewall_counters_register(struct switch_link *, const struct policy *);

#endif /* firewall-counters.h */
