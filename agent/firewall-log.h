/* SPDX-License-Identifier: Apache-2.0 */

#ifndef FIREWALL_LOG_H
#define FIREWALL_LOG_H 1

/* The firewall's log: new connections that rules with logging enabled have
 * decided, one line each, see firewall-log-line.h.
 *
 * Lines are written to "firewall.log" in the folder of logs, which is moved
 * aside when it has grown large, see log-file.h.  "fw/reopen-log" on the
 * control socket is for logrotate.
 *
 * How many there may be is up to the switch, which hands over packets through
 * a meter per port.
 *
 * Threads: one, the one that runs the main loop. */

struct firewall;
struct firewall_log;
struct host_view;
struct punt;

struct firewall_log *firewall_log_create(void);
void firewall_log_destroy(struct firewall_log *);

/* Writes the line of a packet with PUNT_FIREWALL_LOG. */
void firewall_log_take(struct firewall_log *, const struct punt *,
                       const struct firewall *, const struct host_view *);

/* To be called before rules change. */
void firewall_log_forget(struct firewall_log *);

void firewall_log_register_commands(struct firewall_log *);

#endif /* firewall-log.h */
