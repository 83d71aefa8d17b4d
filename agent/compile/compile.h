/* SPDX-License-Identifier: Apache-2.0 */

#ifndef COMPILE_COMPILE_H
#define COMPILE_COMPILE_H 1

/* The compiler: rules + host facts -> the flows wanted, and what became of
 * each port.
 *
 * Pure: no state, no files, no clock.  Every call starts from nothing, so
 * what comes out depends on what goes in and on nothing else. */

#include <netinet/in.h>
#include <stdint.h>
#include "model/rules.h"
#include "util/diag.h"
#include "openvswitch/types.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/uuid.h"

struct host_port;
struct host_view;
struct plan;

/* What became of a Physical_Port. */
enum port_state {
    PORT_ACTIVE,                /* Its guest has traffic. */
    PORT_ABSENT,                /* No interface on this host claims it. */
    PORT_BLOCKED,               /* Something is wrong: no traffic. */
};

/* A port of the policy, matched with the host's interface. */
struct bound_port {
    const struct rules_port *port;
    const struct host_port *iface;      /* NULL if there is none. */
    bool tunnels, rewrite;      /* Some of its subnets have tunnels, IP
                                 * rewrite; false unless PORT_ACTIVE. */
    const struct in6_addr *pas[N_PA_FAMILIES]; /* Of rules' 'pas', those that
                                 * its packets leave from, by enum pa_family;
                                 * NULL unless PORT_ACTIVE, and without one of
                                 * the family. */
    unsigned int mtu;           /* Its packets may be as long; 0: unknown. */
    enum port_state state;
    const char *reason;         /* Constant word, for PORT_BLOCKED. */
    const char *detail;         /* Constant sentence, or NULL. */
};

/* A subnet that an active port is in, by its untagged traffic or by a VLAN.
 * A port is in a subnet at most once. */
struct port_vlan {
    struct bound_port *bound;
    const struct rules_subnet *subnet;
    uint16_t vlan;              /* 0: untagged. */
};

struct compiled {
    struct plan *plan;          /* Sorted. */
    struct bound_port *ports;   /* One per port in the rules, same order. */
    size_t n_ports;
    struct port_vlan *vlans;    /* Of active ports, by port, then by VLAN;
                                 * each of these ports has at least one. */
    size_t n_vlans;
    struct in6_addr *groups;    /* That subnets replicate to: for the host to
                                 * be a member of.  Ascending, each once. */
    size_t n_groups;
    struct diag_set diags;      /* Faults seen only with the host in view. */
};

/* 'rules' and 'host' must outlive the result's 'ports'. */
struct compiled *compile(const struct rules *, const struct host_view *);
void compiled_destroy(struct compiled *);

const char *port_state_to_string(enum port_state);

#endif /* compile/compile.h */
