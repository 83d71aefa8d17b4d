/* SPDX-License-Identifier: Apache-2.0 */

#ifndef COMPILE_FIREWALL_SET_H
#define COMPILE_FIREWALL_SET_H 1

/* One set of firewall rules as flows of TABLE_FW_RULES, a lookup: REG_FW_SET
 * is the set's number, and FW_SAYS_SET of REG_FW_SAYS says afterwards whether
 * the packet may pass.
 *
 * Rules are matched against the connection that a packet is of, as it was
 * opened (ct_nw_src and so on).  So one set of flows does for both directions
 * of a connection and for every packet of it, and what is decided about a
 * connection is decided anew when the rules change.  Packets that are of no
 * connection (ICMP that asks nothing) are matched by themselves, which takes
 * flows of their own, but only for rules that are about such packets.
 *
 * A rule with lists in several fields is a conjunctive match, so that it takes
 * as many flows as its lists are long together, and not the product.
 *
 * Flows of rules with one policy priority and action have one priority.  It
 * follows from the policy's number, so that a rule that comes or goes leaves
 * the others' flows alone.
 *
 * A rule whose decisions are logged goes through FW_LOG with its number in
 * REG_FW_RULE.
 *
 * Pure. */

#include <stdint.h>

struct fw_set;
struct plan;

/* Cookie of the flows of a rule; those that decide for it have the counters of
 * what it decided.  'id' 0 is of what several rules have in common. */
static inline uint64_t
firewall_set_cookie(uint32_t set, uint32_t id)
{
    return (uint64_t) set << 32 | id;
}

/* Returns the flows, sorted, for the caller to destroy. */
struct plan *firewall_set_compile(const struct fw_set *);

#endif /* compile/firewall-set.h */
