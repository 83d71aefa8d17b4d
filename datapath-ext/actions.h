/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DATAPATH_EXT_ACTIONS_H
#define DATAPATH_EXT_ACTIONS_H 1

/* What the actions do to packets.
 *
 * An action carries constants only: the subnet, MACs, flags.  What differs by
 * destination is looked up, per packet, so that one megaflow serves all
 * destinations.
 *
 *     hnv_admit    may another host send this, as from whom it says it is
 *     hnv_arp      a question about an address becomes its answer
 *     hnv_route    where a packet goes, and to which MAC, by its address
 *     hnv_switch   the same for packets that stay in their subnet: by MAC
 *     hnv_find     what is known under an address
 *
 * Each takes a batch and says of each packet what became of it.  Only hnv_arp
 * changes packets, those that are HNV_DONE.  What the others found the
 * datapath carries out (graft/in-dpif-netdev.inc), with the router's part in
 * route.h and the headers between hosts in outer.h.
 *
 * Per packet: no allocation, no lock, no log.
 *
 * Threads: any; they are readers of the space table. */

#include <stddef.h>
#include <stdint.h>
#include "datapath-ext/found.h"
#include "datapath-ext/ofpact.h"
#include "datapath-ext/space-table.h"
#include "openvswitch/types.h"

struct dp_packet;
struct hnv_odp;

enum hnv_verdict {
    HNV_DONE,
    HNV_MISS,                   /* Nobody is known under the address. */
    HNV_SLOW,                   /* Others must deal with it, see the reason. */
    HNV_DROP,
};

/* Why a packet is not HNV_DONE.  Counters are named by them. */
enum hnv_reason {
    HNV_REASON_NONE,

    /* HNV_MISS */
    HNV_REASON_UNKNOWN_CA,      /* Asked for, or routed to. */
    HNV_REASON_UNKNOWN_MAC,
    HNV_REASON_UNKNOWN_SHARE,   /* Nobody has this share of a balanced CA. */

    /* HNV_SLOW */
    HNV_REASON_LEARNED,         /* No answer, because it was learned. */
    HNV_REASON_TTL,             /* Used up. */
    HNV_REASON_TOO_LONG,        /* For the way to the other host. */
    HNV_REASON_NOT_PLAIN,       /* Not the protocol, or not in the form, that
                                 * the action knows. */

    /* HNV_DROP */
    HNV_REASON_OWN,             /* Asks for an address of its own. */
    HNV_REASON_UNKNOWN_PEER,    /* From a PA that the network does not know. */
    HNV_REASON_CLAIMS_LOCAL,    /* From a tunnel, with a local guest's
                                 * address. */
    N_HNV_REASONS
};

/* A word such as "unknown-ca". */
const char *hnv_reason_to_string(enum hnv_reason);

struct hnv_result {
    enum hnv_verdict verdict;
    enum hnv_reason reason;
};

/* Addresses in a packet, by IP or ARP. */
enum hnv_addresses {
    HNV_ADDRESSES_NONE,
    HNV_ADDRESSES_IPV4,
    HNV_ADDRESSES_IPV6,
    HNV_ADDRESSES_ARP,          /* Sender and target. */
};

struct hnv_admit {
    struct in6_addr pa;         /* Who sent the packet; IPv4 is mapped. */
    uint32_t vsid;              /* The packet's subnet, */
    uint32_t domain;            /* that subnet's routing domain, */
    uint32_t source_vsid;       /* and the subnet that the source address is
                                 * of; 0 if of none. */
    uint32_t flags;             /* enum hnv_flags */
};

struct hnv_arp {
    uint32_t vsid;              /* In which to look; */
    struct eth_addr mac;        /* or if not zero, the answer to all. */
    uint32_t asker;             /* Port of the guest whose own addresses get no
                                 * answer, as in space_table_put_port(). */
    uint32_t flags;             /* enum hnv_flags */
};

struct hnv_route {
    uint32_t vsid;              /* The destination's subnet. */
    struct in6_addr next_hop;   /* All zeros: the packet's destination. */
};

struct hnv_switch {
    uint32_t vsid;
};

struct hnv_find {
    uint32_t vsid;
    enum hnv_key key;
    struct in6_addr ca;         /* If the key is one in a register; IPv4 is
                                 * mapped. */
    uint32_t share;             /* Likewise. */
};

/* All take at most SPACE_BATCH_MAX packets, Ethernet, parsed as by
 * flow_extract(): with their offsets set. */

/* Who may send what is told in agent/compile/compile-peers.c; routing domain 0
 * has the PAs of all.  Only looks. */
void hnv_admit_execute(const struct space_table *, const struct hnv_admit *,
                       struct dp_packet **, size_t n, struct hnv_result *);

struct hnv_admit hnv_admit_from_odp(const struct hnv_odp *);

/* The same for a packet that is not at hand. */
struct hnv_claim {
    struct eth_addr mac;        /* Whom it says it is from. */
    enum hnv_addresses addresses;
    struct in6_addr ca;         /* If it has addresses. */
};

struct hnv_result hnv_admit_claim(const struct space_table *,
                                  const struct hnv_admit *,
                                  const struct hnv_claim *);

/* An ARP request or neighbour solicitation, whatever address it is about.
 * HNV_DONE: it is the answer, and is to go back where it came from. */
void hnv_arp_execute(const struct space_table *, const struct hnv_arp *,
                     struct dp_packet **, size_t n, struct hnv_result *);

/* Only looks.  HNV_DONE: the packet can be routed, by hnv_route_packets() in
 * route.h, to the answer's MAC. */
void hnv_route_execute(const struct space_table *, const struct hnv_route *,
                       struct dp_packet **, size_t n, struct hnv_result *,
                       struct space_answer *ret_answers);

/* Only looks. */
void hnv_switch_execute(const struct space_table *, const struct hnv_switch *,
                        struct dp_packet **, size_t n, struct hnv_result *,
                        struct space_answer *ret_answers);

/* Only looks.  HNV_DONE: there is an answer. */
void hnv_find_execute(const struct space_table *, const struct hnv_find *,
                      struct dp_packet **, size_t n, struct hnv_result *,
                      struct hnv_found *ret_found);

/* The one of these that the datapath's action names, unless that is "find".
 * Answers are those of "route" and "switch". */
void hnv_execute(const struct space_table *, const struct hnv_odp *,
                 struct dp_packet **, size_t n, struct hnv_result *,
                 struct space_answer *ret_answers);

#endif /* datapath-ext/actions.h */
