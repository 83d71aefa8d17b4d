/* SPDX-License-Identifier: Apache-2.0 */

#ifndef LEARN_CHECK_H
#define LEARN_CHECK_H 1

/* What may be learned, and what may stay.
 *
 * The policy always wins: what it says of a CA or of a MAC is not learned to
 * be otherwise.  What it says, too, is learned all the same, so that this host
 * can report its own guests' addresses.
 *
 * Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "learn/table.h"

struct policy;
struct rules;

/* A guest's port on this host.  A trunk has one per subnet. */
struct learner_port {
    uint32_t vsid;
    struct eth_addr mac;
    ofp_port_t ofport;
    uint16_t vlan;              /* Of what it sends into it; 0: untagged. */
};

/* What there is to check against. */
struct learner_facts {
    const struct policy *policy;
    const struct rules *rules;
    const struct learner_port *ports;   /* By learner_ports_sort(). */
    size_t n_ports;
};

enum learner_verdict {
    LEARN_OK,
    LEARN_NO_SENSE,             /* Not a packet that tells of an address. */
    LEARN_OFF,                  /* The subnet does not learn. */
    LEARN_BAD_MAC,              /* The router's, or not the port's own. */
    LEARN_BAD_PLACE,            /* From here, or a guest's MAC from afar. */
    LEARN_BAD_CA,               /* In no prefix, or no guest's address. */
    LEARN_POLICY,               /* The policy says otherwise. */
    LEARN_FIXED,                /* The guest's mapping is learning_disabled. */
    LEARN_LIMIT,                /* At the limit of its port or host. */
};
#define N_LEARN_VERDICTS (LEARN_LIMIT + 1)

/* For people. */
const char *learner_verdict_to_string(enum learner_verdict);

/* Sorts and finds the ports by subnet and MAC. */
void learner_ports_sort(struct learner_port *, size_t n);
const struct learner_port *learner_ports_find(const struct learner_facts *,
                                          uint32_t vsid, struct eth_addr mac);

/* May it be learned that 'ca' is that of 'mac' at 'place'?  If so, stores the
 * subnet in '*ret_subnet'. */
enum learner_verdict learner_check(const struct learner_facts *, uint32_t vsid,
                                   const struct in6_addr *ca,
                                   struct eth_addr mac,
                                   const struct learner_place *place,
                                   const struct rules_subnet **ret_subnet);

#endif /* learn/check.h */
