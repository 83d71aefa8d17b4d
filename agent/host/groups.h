/* SPDX-License-Identifier: Apache-2.0 */

#ifndef HOST_GROUPS_H
#define HOST_GROUPS_H 1

/* This host's memberships in multicast groups of PAs.
 *
 * A member of a group receives on the interfaces of its own PAs what is sent
 * to the group, and its kernel tells the routers and switches there so, by
 * IGMP or MLD.  A membership is a socket that is kept open and never read.
 *
 * Interfaces come and go, and addresses move between them: each membership is
 * asked for again every few seconds, which changes nothing if it is there.
 *
 * Threads: one. */

#include <netinet/in.h>
#include <stddef.h>

struct groups;

struct groups *groups_create(void);
void groups_destroy(struct groups *);

/* Each of 'groups' is to be joined on the interface of each of 'pas' of its
 * family, and no other. */
void groups_set(struct groups *, const struct in6_addr *groups,
                size_t n_groups, const struct in6_addr *pas, size_t n_pas);

void groups_run(struct groups *);
void groups_wait(struct groups *);

#endif /* host/groups.h */
