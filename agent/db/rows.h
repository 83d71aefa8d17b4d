/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DB_ROWS_H
#define DB_ROWS_H 1

/* Rows of our databases as plain C: what the change feed hands out.
 *
 * A row here is what the controller wrote, unchecked: strings are strings.
 * Turning them into addresses and numbers, and complaining where that fails,
 * is the policy model's work.  Only columns that the agent reads are here.
 *
 * Ownership: strings and arrays are borrowed from the database and are valid
 * only during the callback that received the row.
 *
 * Names of columns and their meaning: the databases' own schemas. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/uuid.h"

/* The databases the agent serves. */
enum db_id {
    DB_MS_VTEP,
    DB_MS_FIREWALL,
    DB_MS_SERVICE_INSERTION,
    DB_MS_DARV,
};
#define N_DBS (DB_MS_DARV + 1)

/* The tables that the agent reads. */
enum row_table {
    ROW_GLOBAL,                 /* The Global, FW_Global, SI_Global row. */
    ROW_PHYSICAL_SWITCH,
    ROW_LOCATOR,                /* Physical_Locator. */
    ROW_LOCATOR_SET,            /* Physical_Locator_Set. */
    ROW_LOGICAL_SWITCH,
    ROW_LOGICAL_ROUTER,
    ROW_PHYSICAL_PORT,
    ROW_MCAST_REMOTE,           /* Mcast_Macs_Remote. */
    ROW_UCAST_REMOTE,           /* Ucast_Macs_Remote. */
    ROW_DARV_PORT,              /* Ports of ms_darv. */
    ROW_FW_RULE,                /* FW_Rules. */
};
#define N_ROW_TABLES (ROW_FW_RULE + 1)

/* Columns of type map: string to string. */
struct row_pair {
    const char *key;
    const char *value;
};
struct row_map {
    const struct row_pair *pairs;
    size_t n;
};

/* Map with row references as values; 'key' or 'number', by the column. */
struct row_binding {
    const char *key;            /* switch_binding: subnet prefix. */
    int64_t number;             /* vlan_bindings: VLAN, 0 for untagged. */
    struct uuid target;         /* A Logical_Switch. */
};

/* Global of ms_vtep and ms_darv, FW_Global, SI_Global. */
struct row_global {
    enum db_id db;
    int64_t next_cfg;
    int64_t cur_cfg;
};

struct row_physical_switch {
    const char *name;
    const char *const *tunnel_ips;
    size_t n_tunnel_ips;
    const char *distributed_router_mac;
    struct row_map other_config;
};

struct row_locator {
    const char *dst_ip;
    const char *encapsulation_type;
};

struct row_locator_set {
    const struct uuid *locators; /* Physical_Locator rows. */
    size_t n_locators;
};

struct row_logical_switch {
    const char *name;
    const char *description;
    bool has_tunnel_key;
    int64_t tunnel_key;
    struct row_map static_routes;
    struct row_map other_config;
};

struct row_logical_router {
    const char *name;
    bool enable_logical_router;
    const struct row_binding *switch_binding; /* By 'key'. */
    size_t n_switch_binding;
    struct row_map static_routes;
    struct row_map other_config;
};

struct row_physical_port {
    const char *name;
    const struct row_binding *vlan_bindings;  /* By 'number'. */
    size_t n_vlan_bindings;
    struct row_map other_config;
};

struct row_mcast {
    const char *mac;            /* "unknown-dst" or a multicast MAC. */
    const char *ipaddr;
    struct uuid logical_switch;
    struct uuid locator_set;
};

struct row_ucast {
    const char *mac;
    const char *ipaddr;
    struct uuid logical_switch;
    struct uuid locator;
    const char *mapping_type;
};

struct row_darv_port {
    const char *name;           /* As in row_physical_port. */
    bool enable_ip_forwarding;
};

struct row_fw_rule {
    const char *rule_id;
    const char *vnic_id;        /* The name of a row_physical_port. */
    int64_t priority;
    const char *direction;
    const char *action;
    const char *protocols;
    const char *src_ip_addresses;
    const char *dst_ip_addresses;
    const char *src_ports;
    const char *dst_ports;
    const char *rule_type;
    const char *rule_state;
    const char *logging_state;
};

struct row {
    enum row_table table;
    struct uuid uuid;
    union {
        struct row_global global;
        struct row_physical_switch physical_switch;
        struct row_locator locator;
        struct row_locator_set locator_set;
        struct row_logical_switch logical_switch;
        struct row_logical_router logical_router;
        struct row_physical_port physical_port;
        struct row_mcast mcast;
        struct row_ucast ucast;
        struct row_darv_port darv_port;
        struct row_fw_rule fw_rule;
    };
};

/* One change of one row, after the transaction that made it committed. */
struct row_change {
    bool deleted;               /* Then only row.table and row.uuid count. */
    struct row row;             /* The row as it is now. */
};

/* Receives each committed change.  The rows of one transaction come in the
 * order of enum row_table, so a row that refers to another usually follows it,
 * but a receiver must not rely on it: a transaction may delete and add in any
 * combination.  Of one kind, deletions come before what was added or modified,
 * so a row that takes another's place always follows it.
 *
 * The initial contents of the databases arrive the same way.  In them, rows
 * that by a stored Diagnostic lost a conflict come last, after all others of
 * all tables, so that a receiver that gives precedence to what came first
 * decides a conflict after a restart as it did before.  A Logical_Router comes
 * twice then: first without the bindings that lost, whose keys the Diagnostic
 * quotes.
 *
 * Called within a database transaction's commit: must not write to the
 * databases. */
typedef void row_change_cb(const struct row_change *, void *aux);

#endif /* db/rows.h */
