/* SPDX-License-Identifier: Apache-2.0 */

#ifndef HOST_HOST_VIEW_H
#define HOST_HOST_VIEW_H 1

/* What this host has, as a plain value: the other input of the compiler.
 *
 * Invariants: ports are sorted by 'iface_id', then by 'name'; PAs by address.
 * An iface-id may occur more than once; what to make of that is the compiler's
 * business.
 *
 * Ownership: a view owns all it points to.
 * Threads: built by one thread, then constant and free to share. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include "openvswitch/types.h"
#include "openvswitch/ofp-port.h"

/* An interface on the integration bridge with an external_ids:iface-id. */
struct host_port {
    char *iface_id;             /* As addr_guid_normalize() writes it. */
    char *name;                 /* Interface.name. */
    ofp_port_t ofport;          /* OFPP_NONE until the switch has it. */
    bool has_mac;
    struct eth_addr mac;        /* external_ids:attached-mac, the guest's. */
    unsigned int mtu;           /* Interface.mtu; 0 if unknown. */
    char *port_id;              /* external_ids:vm-port-id, or 'name'. */
    char *vm_name;              /* external_ids:vm-name or vm-id, or "". */
};

/* What is known of one of the host's provider addresses. */
struct host_pa {
    struct in6_addr addr;
    char *device;               /* That has the address; NULL: none has. */
    bool up;                    /* Its uplink works, for all that is known. */
    unsigned int mtu;           /* IP packets that fit through; 0: unknown.
                                 * If no device has the address, then through
                                 * that whose network it is in. */
    bool vlan_ok;               /* Packets leave with the VLAN tag that they
                                 * are to have. */
};

struct host_view {
    struct host_port *ports;
    size_t n_ports;
    struct host_pa *pas;        /* Of those asked for. */
    size_t n_pas;
    ofp_port_t vxlan;           /* The tunnel ports; OFPP_NONE if not yet. */
    ofp_port_t nvgre;
    ofp_port_t rewrite;         /* The port into the host's stack; likewise. */
    bool userspace;             /* The bridge's datapath is Open vSwitch's
                                 * own, not the kernel's. */
    bool spaces;                /* It has our extension, which holds space
                                 * entries and knows the action "hnv". */
};

struct host_view *host_view_create(void);
struct host_view *host_view_clone(const struct host_view *);
void host_view_destroy(struct host_view *);

/* Adds a zeroed port, which the caller fills, then sorts. */
struct host_port *host_view_add_port(struct host_view *);
void host_view_sort(struct host_view *);
bool host_view_equal(const struct host_view *, const struct host_view *);

/* Adds a PA that no device has, which the caller fills before the next. */
struct host_pa *host_view_add_pa(struct host_view *,
                                 const struct in6_addr *addr);

/* NULL if nothing is known of the address: then it is as good as any. */
const struct host_pa *host_view_find_pa(const struct host_view *,
                                        const struct in6_addr *addr);

/* First of the ports with 'iface_id', '*ret_n' of them in a row; NULL if
 * there is none. */
const struct host_port *host_view_find(const struct host_view *,
                                       const char *iface_id, size_t *ret_n);

#endif /* host/host-view.h */
