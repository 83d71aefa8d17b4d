/* SPDX-License-Identifier: Apache-2.0 */

#ifndef LEARNING_H
#define LEARNING_H 1

/* The learning stage, wired: to the switch, whose packets it takes and to
 * which it adds space entries beneath the policy's; and to the database, to
 * which it reports addresses of this host's guests.
 *
 * Threads: one, the one that runs the main loop. */

#include <stdbool.h>
#include "model/space.h"

struct compiled;
struct db_server;
struct ds;
struct host_view;
struct learning;
struct overlay;
struct policy;
struct punt;
struct rules;
struct switch_link;

/* All must outlive it. */
struct learning *learning_create(const struct policy *, struct overlay *,
                                 struct switch_link *, struct db_server *);
void learning_destroy(struct learning *);

/* The policy's space entry of this key changes; and it has settled. */
void learning_policy_changed(struct learning *, const struct space_key *);
void learning_policy_settled(struct learning *);

/* Goes over to what was compiled from 'rules', which must stay until the next
 * call, and the host. */
void learning_adopt(struct learning *, const struct rules *,
                    const struct compiled *, const struct host_view *);

/* Takes a packet if it is for the learning stage. */
void learning_take(struct learning *, const struct punt *);

/* Before the switch is flushed. */
void learning_run(struct learning *);
void learning_wait(const struct learning *);

/* For people. */
void learning_format(const struct learning *, struct ds *);

#endif /* learning.h */
