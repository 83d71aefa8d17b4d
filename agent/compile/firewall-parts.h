/* SPDX-License-Identifier: Apache-2.0 */

#ifndef COMPILE_FIREWALL_PARTS_H
#define COMPILE_FIREWALL_PARTS_H 1

/* The flows of sets of firewall rules, kept from one compilation to the next:
 * a set is constant, so its flows are made once.  What is kept changes no
 * result, only the time it takes.
 *
 * Threads: one. */

#include <stddef.h>

struct bound_port;
struct firewall_parts;
struct plan;

struct firewall_parts *firewall_parts_create(void);
void firewall_parts_destroy(struct firewall_parts *);

/* Adds to 'plan' the flows of each set that one of the 'n' ports is active
 * with, and forgets those of all others. */
void firewall_parts_add(struct firewall_parts *, const struct bound_port *,
                        size_t n, struct plan *);

#endif /* compile/firewall-parts.h */
