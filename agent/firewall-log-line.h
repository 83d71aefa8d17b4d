/* SPDX-License-Identifier: Apache-2.0 */

#ifndef FIREWALL_LOG_LINE_H
#define FIREWALL_LOG_LINE_H 1

/* A line of the firewall's log: one JSON object.
 *
 *   {"time":"2026-01-31T12:00:00.250Z","port":"...","rule_id":"...",
 *    "direction":"Inbound","verdict":"Allow","protocol":6,
 *    "src_ip":"10.1.1.11","dst_ip":"10.1.1.12","src_port":40000,
 *    "dst_port":80}
 *
 * In the place of the ports ICMP has "icmp_type" and "icmp_code", and other
 * protocols and later fragments have nothing.  A packet that is not IP has an
 * "eth_type" instead of all from "protocol" on.
 *
 * Any thread may call. */

#include <stddef.h>
#include "model/fw-rule.h"

struct ds;

struct firewall_log_event {
    long long int wall_ms;      /* Since 1970. */
    const char *port;
    const char *rule_id;
    enum fw_direction direction;
    bool allow;
    const void *packet;         /* From its Ethernet header on. */
    size_t size;
};

/* Adds the line, without a line feed. */
void firewall_log_line(const struct firewall_log_event *, struct ds *);

#endif /* firewall-log-line.h */
