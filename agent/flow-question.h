/* SPDX-License-Identifier: Apache-2.0 */

#ifndef FLOW_QUESTION_H
#define FLOW_QUESTION_H 1

/* Commands of the control socket that are answered from what the switch counts
 * of a table's flows.  Main thread. */

#include <stdbool.h>
#include <stdint.h>

struct ds;
struct ofputil_flow_stats;
struct switch_link;
struct unixctl_conn;

/* What is asked; 'aux' is the question's own. */
struct flow_question_class {
    /* A flow of the table. */
    void (*take)(const struct ofputil_flow_stats *, void *aux);

    /* After the last flow: puts the answer into the string, or returns false
     * if the switch has not said what it takes to give one. */
    bool (*answer)(struct ds *, void *aux);

    void (*destroy)(void *aux);
};

/* Asks, and in the end, which may be at once, replies on the connection, with
 * an error if the switch does not answer.  Takes 'aux' over. */
void flow_question_ask(const struct flow_question_class *, void *aux,
                       struct unixctl_conn *, struct switch_link *,
                       uint8_t table);

#endif /* flow-question.h */
