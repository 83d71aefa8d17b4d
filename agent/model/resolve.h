/* SPDX-License-Identifier: Apache-2.0 */

#ifndef MODEL_RESOLVE_H
#define MODEL_RESOLVE_H 1

/* Rows -> rules, and what is wrong with the rows.
 *
 * Every call starts from nothing: what comes out depends on the rows and the
 * order in which they arrived, not on what was resolved before.  One file per
 * kind of policy, each of which reads the rows of its tables and fills in its
 * part of the rules, in this order: host (PAs), subnets, IP rewrite, routes,
 * flooding, SLAAC, migrations, learning, replication, ports, forwarding. */

#include "model/row-store.h"
#include "openvswitch/compiler.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "util/diag.h"

struct draft_network;
struct locators;
struct rules;
struct rules_port;
struct rules_prefix;
struct shash;

/* Makes the rules, for the caller to destroy, and fills 'diags'.
 * 'host_name', NULL if unknown, is what this host calls itself. */
struct rules *resolve(const struct row_store *, const struct locators *,
                      const char *host_name, struct diag_set *diags);

/* Within resolve*.c. */

/* A Logical_Switch on its way to a subnet. */
struct draft_subnet {
    struct hmap_node node;      /* In struct resolver's 'drafts'. */
    const struct stored_row *row;
    bool vsid_ok;
    bool active;                /* It has become a subnet of the rules. */
    bool bound;                 /* Some router names it, rightly or not. */
    struct draft_network *network;  /* NULL if it is in none. */
    struct ovs_list network_node;   /* In the network's 'drafts' if not. */
    struct rules_prefix *prefixes;
    size_t n_prefixes;
    size_t allocated_prefixes;
};

/* What the resolving functions share. */
struct resolver {
    const struct row_store *rows;
    const struct locators *locators;
    const char *host_name;      /* NULL if unknown. */
    struct rules *rules;
    struct diag_set *diags;
    struct hmap drafts;         /* "struct draft_subnet"s, by UUID. */
};

void resolve_host(struct resolver *);
void resolve_subnets(struct resolver *);
void resolve_rewrite(struct resolver *);
void resolve_routes(struct resolver *);
void resolve_flood(struct resolver *);
void resolve_slaac(struct resolver *);
void resolve_migrations(struct resolver *);
void resolve_learning(struct resolver *);
void resolve_replication(struct resolver *);
void resolve_ports(struct resolver *);
void resolve_forwarding(struct resolver *);

/* Fills in what 'port' has of its row's vlan_bindings: subnets, VLANs, and
 * whether it is at fault. */
void resolve_vlans(struct resolver *, const struct stored_row *,
                   struct rules_port *port);

struct draft_subnet *resolver_find_draft(const struct resolver *,
                                         const struct uuid *logical_switch);

/* Returns the active subnet of 'logical_switch', or NULL. */
struct rules_subnet *resolver_find_subnet(const struct resolver *,
                                          const struct uuid *logical_switch);

/* Has 'stored', a row of 'table' that is named for a port, claim its name.
 * Returns the name as it is compared, which 'names' owns, or NULL if it is
 * none that can be used or another row's, and complains. */
const char *resolver_claim_port_name(struct resolver *, struct shash *names,
                                     const struct stored_row *stored,
                                     const char *table);

/* Like diag_set_add(), but adds a sentence to a diagnostic of the same row,
 * column and code, where several values of one column are at fault. */
void resolver_complain(struct resolver *, enum diag_code,
                       const struct stored_row *, const char *table,
                       const char *column, const char *format, ...)
    OVS_PRINTF_FORMAT(6, 7);

#endif /* model/resolve.h */
