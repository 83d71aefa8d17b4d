/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_H
#define AGENT_H 1

/* The agent: its stages, wired.
 *
 *   db ──row changes──► policy ──rules──► compile ──plan──► switch
 *                          └────────space entries──────────►  │
 *   host ──host_view──────────────────►  compile              │
 *   db ◄──local addresses── learn ◄──packets, space entries──►│
 *   db ◄──cur_cfg, port status, diagnostics ──────────────────┘
 *
 * Threads: one, the one that runs the main loop. */

#include <stdbool.h>

struct agent;
struct ds;
struct options;
struct simap;

/* 'options' must outlive the agent. */
struct agent *agent_create(const struct options *);
void agent_destroy(struct agent *);

void agent_run(struct agent *);
void agent_wait(struct agent *);

/* True once the databases are open and served. */
bool agent_is_serving(const struct agent *);

void agent_get_memory_usage(const struct agent *, struct simap *);

/* Registers the agent's unixctl commands, "hnv/...". */
void agent_register_commands(struct agent *);

#endif /* agent.h */
