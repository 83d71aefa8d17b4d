/* SPDX-License-Identifier: Apache-2.0 */

#ifndef MODEL_FIREWALL_H
#define MODEL_FIREWALL_H 1

/* The firewall's rules, by port.
 *
 * A port has a list of rules for each layer and direction.  A packet passes if
 * it passes each layer that has a rule for the port, in whichever direction.
 * Within a list the first rule that fits decides, in the order of
 * fw_rule_compare(); if none fits, the packet is blocked.
 *
 * Lists that are equal are one set, whatever port, layer or direction they are
 * of.  A set is constant: what changes is another set.  Its number, unique at
 * any time, passes on from a set that nobody uses any more to the one that
 * takes its place, and does not depend on the order in which rows came; so do
 * the numbers of rules within a set, which follow from what each says.  This
 * is for the flows: what a rule became keeps its form while it does not
 * change.
 *
 * A changed row costs as much as its port has rules; other ports are not
 * looked at.
 *
 * Rules that are disabled are not there.  A port with an enabled rule that is
 * not understood is marked.
 *
 * Pure.  Threads: one. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "model/fw-rule.h"
#include "openvswitch/hmap.h"

struct firewall;
struct policy_sink;
struct row_change;

/* More rules in one list are not understood. */
#define FW_MAX_RULES 30000

/* Rules in the order in which they are asked, each once. */
struct fw_set {
    struct hmap_node content_node;  /* In struct firewall's 'sets'. */
    struct hmap_node number_node;   /* In its 'numbers'. */
    unsigned int refs;
    uint32_t number;            /* Not 0. */
    uint64_t serial;            /* No other set ever has it. */
    const struct fw_rule **rules;
    uint32_t *ids;              /* Of each rule, in the set; below
                                 * FW_MAX_ID, not 0. */
    size_t n;                   /* At least 1. */
    bool logs;                  /* What a rule of it decides is logged. */
};
#define FW_MAX_ID (UINT32_C(1) << 30)

/* What a port's rules come to. */
struct fw_port {
    bool understood;            /* All of them are. */
    bool any;                   /* At least one is enabled. */
    bool open;                  /* All packets pass, in both directions, and
                                 * nothing is logged. */
    bool layers[N_FW_LAYERS];   /* The layer has rules for this port. */
    const struct fw_set *sets[N_FW_LAYERS][N_FW_DIRECTIONS]; /* NULL: none of
                                 * them for that direction. */
};

struct firewall *firewall_create(void);
void firewall_destroy(struct firewall *);

/* Takes in a change of an FW_Rules row. */
void firewall_apply(struct firewall *, const struct row_change *);

bool firewall_is_unsettled(const struct firewall *);

/* Brings what follows up to date, and tells of diagnostics.  Returns true if
 * any port's rules changed. */
bool firewall_settle(struct firewall *, const struct policy_sink *);

/* The rules of the port 'name', as addr_guid_normalize() writes it; NULL if
 * there never was one.  Valid until the next firewall_settle(). */
const struct fw_port *firewall_find(const struct firewall *, const char *name);

/* An enabled rule that is understood, as its row has it. */
struct fw_row_view {
    const char *rule_id;
    const char *port;           /* Its name. */
    enum fw_layer layer;
    enum fw_direction direction;
    const struct fw_rule *rule;
    const struct fw_set *set;
    uint32_t id;                /* Of the rule in the set. */
};

/* Walks them, port by port in no particular order, and within a port by
 * nothing either. */
void firewall_for_each_row(const struct firewall *,
                           void (*cb)(const struct fw_row_view *, void *aux),
                           void *aux);

size_t firewall_count_rows(const struct firewall *);

#endif /* model/firewall.h */
