/* SPDX-License-Identifier: Apache-2.0 */

#ifndef FIREWALL_FEED_H
#define FIREWALL_FEED_H 1

/* Rows of FW_Rules, as a controller would write them. */

#include "db/rows.h"

/* A rule of the controller's layer that lets everything through; others are
 * made from it. */
static inline struct row_fw_rule
fw_rule_for_all(const char *vnic_id, const char *direction)
{
    return (struct row_fw_rule) {
        .rule_id = direction, .vnic_id = vnic_id, .priority = 65000,
        .direction = direction, .action = "Allow", .protocols = "*",
        .src_ip_addresses = "*", .dst_ip_addresses = "*",
        .src_ports = "*", .dst_ports = "*",
        .rule_type = "RuleWithControllerPriority",
        .rule_state = "Enabled", .logging_state = "Disabled",
    };
}

/* The change that makes row 'n' of FW_Rules be 'rule'. */
static inline struct row_change
fw_rule_change(int n, struct row_fw_rule rule)
{
    return (struct row_change) {
        .row = { .table = ROW_FW_RULE,
                 .uuid = { .parts = { n, n, ROW_FW_RULE, 1 } },
                 .fw_rule = rule },
    };
}

#endif /* firewall-feed.h */
