/* SPDX-License-Identifier: Apache-2.0 */

#ifndef MODEL_RULES_H
#define MODEL_RULES_H 1

/* Policy, checked and typed: networks, subnets, ports; not the mappings.
 *
 * What could not be understood is not in here; a diagnostic tells why.  All
 * that refers to something refers to something that is there.
 *
 * Invariants: subnets are sorted by VSID, each VSID occurs once; routes are
 * sorted by scope, id and prefix, which together occur once; ports are
 * sorted by name, each name occurs once, and after them come those with
 * RULES_PORT_BAD_NAME; PAs are in ascending order.
 *
 * Ownership: a rules object owns all it points to.
 * Threads: built by one thread, then constant and free to share. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "model/space.h"
#include "openvswitch/types.h"
#include "openvswitch/uuid.h"
#include "util/addr.h"

/* Range of Logical_Switch.tunnel_key: 24 bits, the first 4096 and the last
 * value reserved (RFC 7637 section 3.2, databases' reference). */
#define VSID_MIN 4096
#define VSID_MAX 0xfffffe

/* One prefix of a subnet, from Logical_Router.switch_binding. */
struct rules_prefix {
    struct addr_prefix net;     /* Host bits are zero. */
    struct in6_addr gateway;    /* The router's address in it. */
};

/* A guest's address on its way to another host, where packets for it go as
 * well as where its mapping says: Logical_Switch.other_config:migrating. */
struct rules_migration {
    struct in6_addr ca;         /* In a prefix of the subnet. */
    struct space_where to;      /* The encapsulation is for when the mapping
                                 * names none, being this host. */
};

/* Whether this host learns the subnet's addresses from what it sees. */
struct rules_learning {
    bool enabled;
    unsigned int limit;         /* Addresses per port. */
    unsigned int aging_s;       /* Idle time after which one is forgotten. */
};

/* How broadcasts and multicasts reach a subnet's guests. */
enum rules_replication {
    RULES_PER_PA,               /* A copy to each PA of 'flood', whose host
                                 * gives it to its guests. */
    RULES_PER_VM,               /* A copy made out to each of 'guests'. */
    RULES_MULTICAST,            /* A copy to 'group_pa'. */
};

/* A guest by its MAC, with one address of each family. */
struct rules_guest {
    struct eth_addr mac;
    ovs_be32 ca4;               /* Lowest of its CAs; zero if it has none. */
    struct in6_addr ca6;        /* Likewise. */
    struct space_where where;
};

/* A virtual subnet: a Logical_Switch that is bound in a Logical_Router. */
struct rules_subnet {
    struct uuid row;            /* Logical_Switch. */
    struct uuid network;        /* Logical_Router. */
    char *name;
    uint32_t vsid;
    uint32_t domain;            /* Routing domain: the lowest VSID of its
                                 * network's subnets, which is unique on the
                                 * host and the same after a restart. */
    bool routed;                /* The network's enable_logical_router. */
    bool rewrite;               /* IP rewrite instead of tunnels. */
    struct rules_prefix *prefixes;  /* In ascending order. */
    size_t n_prefixes;
    struct space_where *flood;  /* "unknown-dst": remote PAs, ascending. */
    size_t n_flood;
    struct in6_addr *flood_here;    /* Likewise, this host's own PAs. */
    size_t n_flood_here;
    bool slaac;                 /* Guests may make addresses of their own from
                                 * the IPv6 prefixes. */
    struct rules_migration *migrations; /* In ascending order of CA. */
    size_t n_migrations;
    struct rules_learning learning;
    enum rules_replication replication;
    struct in6_addr group_pa;   /* With RULES_MULTICAST, else zero. */

    /* With RULES_PER_VM, from its mappings: those that have a space entry, by
     * MAC in ascending order.  Empty as resolve() makes the rules; part of
     * them as policy_rules() gives them. */
    struct rules_guest *guests;
    size_t n_guests;
};

/* Whose packets a user's route is for. */
enum route_scope {
    ROUTE_OF_NETWORK,           /* Those of all guests of a network. */
    ROUTE_OF_SUBNET,            /* Those of a subnet's guests. */
};

/* A route that the user wants, in a network with a router. */
struct rules_route {
    struct uuid row;            /* Logical_Router or Logical_Switch. */
    enum route_scope scope;
    uint32_t id;                /* By scope: routing domain or VSID. */
    struct addr_prefix net;     /* Host bits are zero. */
    bool drop;                  /* If so, the rest does not count. */
    struct in6_addr next_hop;   /* A CA of the same family ... */
    uint32_t vsid;              /* ... in this subnet of the network. */
};

/* Why a port gets no traffic. */
enum rules_port_fault {
    RULES_PORT_OK,
    RULES_PORT_BAD_NAME,        /* No name, or another port's. */
    RULES_PORT_UNBOUND,         /* vlan_bindings is empty. */
    RULES_PORT_BAD_SUBNET,      /* All its subnets are set aside or in no
                                 * network. */
};

/* A VLAN of a port, 1 to 4094, and the subnet of what is tagged with it. */
struct rules_trunk {
    uint16_t vlan;
    uint32_t vsid;
};

/* The families of provider addresses.  A port has a PA of each. */
enum pa_family { PA_IPV4, PA_IPV6 };
#define N_PA_FAMILIES (PA_IPV6 + 1)

static inline enum pa_family
pa_family(const struct in6_addr *pa)
{
    return addr_is_ipv4(pa) ? PA_IPV4 : PA_IPV6;
}

/* A vNIC's port profile: a Physical_Port row. */
struct rules_port {
    struct uuid row;
    char *name;                 /* As addr_guid_normalize() writes it; with
                                 * RULES_PORT_BAD_NAME as it is. */
    enum rules_port_fault fault;
    uint32_t vsid;              /* Subnet of untagged traffic; 0 if it has
                                 * none that can be used. */
    struct rules_trunk *trunks; /* In ascending order of VLANs; no subnet
                                 * twice, nor that of untagged traffic. */
    size_t n_trunks;            /* 0, and 'vsid' 0, with any 'fault'. */
    bool allow_spoof;           /* May send from any address. */
    bool forwards;              /* May send IP packets of others. */
    struct in6_addr pinned[N_PA_FAMILIES]; /* other_config:pa, by enum
                                            * pa_family; zero for none. */
};

/* Encapsulations, over one family of PAs. */
struct rules_tunnels {
    bool vxlan;
    bool nvgre;
};

struct rules {
    struct rules_subnet *subnets;
    size_t n_subnets;
    size_t n_migrations;        /* Of all subnets. */
    bool rewrite;               /* Some subnet has IP rewrite. */
    struct rules_route *routes;
    size_t n_routes;
    struct rules_port *ports;
    size_t n_ports;
    struct in6_addr *pas;       /* This host's provider addresses, ascending;
                                 * with IP rewrite those of guests, too. */
    uint16_t *pa_vlans;         /* The outer VLAN tag of each, 0 for none. */
    size_t n_pas;
    char *pa_vrf;               /* The VRF that they are in, or NULL. */
    struct rules_tunnels tunnels[N_PA_FAMILIES]; /* Those by which there are
                                 * other hosts, by enum pa_family. */
    struct uuid physical_switch; /* Row, zero if there is none. */
    struct eth_addr router_mac; /* Zero if there is none: no gateway. */
};

void rules_destroy(struct rules *);
const struct rules_subnet *rules_find_subnet(const struct rules *,
                                             uint32_t vsid);
bool rules_owns_pa(const struct rules *, const struct in6_addr *pa);

/* Comparison: all there is but for guests; the PAs alone; guests alone; one
 * subnet's prefixes alone. */
bool rules_equal(const struct rules *, const struct rules *);
bool rules_pas_equal(const struct rules *, const struct rules *);
bool rules_guests_equal(const struct rules_guest *a, size_t n_a,
                        const struct rules_guest *b, size_t n_b);
bool rules_prefixes_equal(const struct rules_subnet *,
                          const struct rules_subnet *);

/* Cookie of a flow that comes from 'row': its first 64 bits, so that a flow
 * in "ovs-ofctl dump-flows" shows which row to look for. */
uint64_t row_cookie(const struct uuid *row);

#endif /* model/rules.h */
