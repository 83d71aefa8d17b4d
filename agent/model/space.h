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
 * A CA that several guests share (load balancing) has a MAC of its own, which
 * is no guest's, and asks again: a connection belongs to a share of the CA,
 * and a share to one of the guests.
 *
 * One more kind of entry answers another question: may this PA send packets of
 * this network?  See model/peers.h; being there is all that it says.
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
    SPACE_BALANCED,             /* To whichever of a CA's owners has the
                                 * connection's share. */
    SPACE_REWRITE,              /* Not in a tunnel: with PAs for CAs. */
};

struct space_where {
    enum space_encap encap;
    struct in6_addr pa;         /* All zeros with SPACE_LOCAL, but for a CA
                                 * with IP rewrite; the CA itself with
                                 * SPACE_BALANCED. */
};

enum space_kind {
    SPACE_BY_CA,
    SPACE_BY_MAC,
    SPACE_BY_PA,                /* With IP rewrite. */
    SPACE_PEER,

    /* Of a CA that several guests share. */
    SPACE_BY_SHARE,             /* Who has this share of its connections? */
    SPACE_BY_OWNER,             /* Who has it, one of its owners asks by ARP,
                                 * as guests do to announce themselves.  The
                                 * answer is silence. */
};

/* A CA's connections are dealt out in so many shares: enough to be fair to ten
 * owners, give or take a quarter. */
#define SPACE_N_SHARES 128

/* No padding is compared: use space_key_init_*(). */
struct space_key {
    enum space_kind kind;
    uint32_t vsid;              /* 0 with SPACE_BY_PA. */
    uint32_t share;             /* SPACE_BY_SHARE: below SPACE_N_SHARES. */
    union {
        struct in6_addr ca;     /* Unless it is one of the others. */
        struct eth_addr mac;    /* SPACE_BY_MAC. */
        struct in6_addr pa;     /* SPACE_BY_PA; SPACE_PEER, whose 'vsid' is a
                                 * routing domain. */
    };
};

struct space_entry {
    struct space_key key;
    struct eth_addr mac;        /* The CA's MAC; key.mac with SPACE_BY_MAC;
                                 * zero with SPACE_BY_OWNER. */
    uint32_t vsid;              /* SPACE_BY_PA: the CA's subnet, else 0. */
    struct in6_addr ca;         /* SPACE_BY_PA: the CA, else zeros. */
    struct space_where where;
    uint64_t cookie;            /* Names the row behind it: row_cookie(). */
    bool learned;               /* Seen by this host, told by no policy. */
};

void space_key_init_ca(struct space_key *, uint32_t vsid,
                       const struct in6_addr *ca);
void space_key_init_share(struct space_key *, uint32_t vsid,
                          const struct in6_addr *ca, uint32_t share);
void space_key_init_owner(struct space_key *, uint32_t vsid,
                          const struct in6_addr *ca);
void space_key_init_mac(struct space_key *, uint32_t vsid, struct eth_addr);
void space_key_init_pa(struct space_key *, const struct in6_addr *pa);
void space_key_init_peer(struct space_key *, uint32_t domain,
                         const struct in6_addr *pa);

/* The MAC of a CA that several guests share, the same on every host. */
struct eth_addr space_balanced_mac(uint32_t vsid, const struct in6_addr *ca);

uint32_t space_key_hash(const struct space_key *);
bool space_key_equal(const struct space_key *, const struct space_key *);
bool space_where_equal(const struct space_where *, const struct space_where *);

/* True if both say the same, that is, need the same flow. */
bool space_entry_equal(const struct space_entry *, const struct space_entry *);

#endif /* model/space.h */
