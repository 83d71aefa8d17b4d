/* SPDX-License-Identifier: Apache-2.0 */

#ifndef MODEL_SPACE_H
#define MODEL_SPACE_H 1

/* Where customer addresses and MACs live: one entry per question.
 *
 * A space answers two questions.  By CA: in this subnet, which MAC has this
 * customer address, and where is it?  By MAC: in this subnet, where is this
 * MAC?  "Where" is this host, or a provider address (PA) and the
 * encapsulation that it takes to get there.
 *
 * In subnets with IP rewrite every CA has a PA of its own, and there is a
 * third question.  By PA: whose is it, that is, which CA in which subnet?  By
 * CA the answer has the CA's PA even if it is on this host; by MAC it has
 * none, for a MAC may have several CAs.
 *
 * Entries are keyed by the subnet's VSID, not by its network: the router picks
 * the subnet from the prefix (of which there are few) before it asks, and
 * then a subnet that joins or leaves a network touches no entry.
 *
 * An entry for this host does not name a port.  The port is found by MAC in a
 * table with one entry per port, so that a guest that starts or stops changes
 * one entry no matter how many addresses it has.
 *
 * Threads: one writer that is also the only reader. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/types.h"

/* How a packet gets to a PA. */
enum space_encap {
    SPACE_LOCAL,                /* Not at all: the guest is on this host. */
    SPACE_VXLAN,                /* RFC 7348. */
    SPACE_NVGRE,                /* RFC 7637. */
    SPACE_REWRITE,              /* Not in a tunnel: with PAs for CAs. */
};

struct space_where {
    enum space_encap encap;
    struct in6_addr pa;         /* All zeros with SPACE_LOCAL, but for a CA
                                 * with IP rewrite. */
};

enum space_kind {
    SPACE_BY_CA,
    SPACE_BY_MAC,
    SPACE_BY_PA,
};

/* No padding is compared: use space_key_init_*(). */
struct space_key {
    enum space_kind kind;
    uint32_t vsid;              /* 0 with SPACE_BY_PA. */
    union {
        struct in6_addr ca;     /* SPACE_BY_CA. */
        struct eth_addr mac;    /* SPACE_BY_MAC. */
        struct in6_addr pa;     /* SPACE_BY_PA. */
    };
};

struct space_entry {
    struct space_key key;
    struct eth_addr mac;        /* The CA's MAC; key.mac with SPACE_BY_MAC. */
    uint32_t vsid;              /* SPACE_BY_PA: the CA's subnet, else 0. */
    struct in6_addr ca;         /* SPACE_BY_PA: the CA, else zeros. */
    struct space_where where;
    uint64_t cookie;            /* Names the row behind it: row_cookie(). */
};

void space_key_init_ca(struct space_key *, uint32_t vsid,
                       const struct in6_addr *ca);
void space_key_init_mac(struct space_key *, uint32_t vsid, struct eth_addr);
void space_key_init_pa(struct space_key *, const struct in6_addr *pa);
uint32_t space_key_hash(const struct space_key *);
bool space_key_equal(const struct space_key *, const struct space_key *);
bool space_where_equal(const struct space_where *, const struct space_where *);

/* True if both say the same, that is, need the same flow. */
bool space_entry_equal(const struct space_entry *, const struct space_entry *);

#endif /* model/space.h */
