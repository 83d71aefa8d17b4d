/* SPDX-License-Identifier: Apache-2.0 */

#ifndef MODEL_PEERS_H
#define MODEL_PEERS_H 1

/* Peers: which PAs may send packets of a network.
 *
 * That is any PA to which a mapping, a replication list or a migration of one
 * of the network's subnets leads: a host with a guest in one subnet may route
 * packets into each of the others.  A (routing domain, PA) pair is a space
 * entry of kind SPACE_PEER, no matter how many mappings stand for it.
 *
 * A host may have several PAs, of which a mapping names one, and another may
 * have to stand in for that.  So PAs of other networks are told as well, as
 * those of domain PEER_ANY_DOMAIN.
 *
 * Each subnet counts what leads to a PA; each routing domain counts the
 * subnets that have it.  So a mapping costs two lookups, and a subnet that
 * changes its network costs its PAs, not its mappings.
 *
 * Threads: one. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "model/space.h"
#include "openvswitch/hmap.h"

struct policy_sink;
struct rules_subnet;

/* No VSID, and so no routing domain. */
#define PEER_ANY_DOMAIN 0

struct peers {
    struct hmap by_key;         /* "struct peer"s. */
    struct peer **dirty;        /* What they say may have changed. */
    size_t n_dirty, allocated_dirty;
    size_t n_entries;           /* Peers that are told. */
};

/* One subnet's part. */
struct subnet_peers {
    struct hmap pas;            /* "struct subnet_pa"s. */
    uint32_t domain;            /* 0 while the subnet is not active. */
};

void peers_init(struct peers *);
void peers_uninit(struct peers *);
void subnet_peers_init(struct subnet_peers *);
void subnet_peers_uninit(struct subnet_peers *);

/* Something more, or less, of the subnet leads to 'pa'. */
void peers_ref(struct peers *, struct subnet_peers *,
               const struct in6_addr *pa);
void peers_unref(struct peers *, struct subnet_peers *,
                 const struct in6_addr *pa);

/* The subnet goes over to other rules.  Either may be NULL: it is not
 * active. */
void peers_adopt_rules(struct peers *, struct subnet_peers *,
                       const struct rules_subnet *old,
                       const struct rules_subnet *next);

/* Reports what is so now and was not before. */
void peers_report(struct peers *, const struct policy_sink *);

/* What was reported last. */
bool peers_find(const struct peers *, const struct space_key *,
                struct space_entry *ret_entry);
void peers_for_each(const struct peers *,
                    void (*cb)(const struct space_entry *, void *aux),
                    void *aux);

#endif /* model/peers.h */
