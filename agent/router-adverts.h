/* SPDX-License-Identifier: Apache-2.0 */

#ifndef ROUTER_ADVERTS_H
#define ROUTER_ADVERTS_H 1

/* Who gets router advertisements, and when: each guest of a subnet with IPv6
 * that asks, at once, and all of this host's from time to time.
 *
 * Threads: the main loop's. */

struct punt;
struct rules;
struct switch_link;

struct router_adverts {
    long long int next_ms;      /* When all are told; 0 is at once. */
};

/* Answers a PUNT_ROUTER_SOLICIT. */
void router_adverts_answer(const struct punt *, const struct rules *,
                           struct switch_link *);

/* Tells all guests if it is time.  Call only while the switch holds the flows
 * that belong to 'rules', and only then wait. */
void router_adverts_run(struct router_adverts *, const struct rules *,
                        struct switch_link *);
void router_adverts_wait(const struct router_adverts *);

#endif /* router-adverts.h */
