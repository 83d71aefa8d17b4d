/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "flow-question.h"
#include <stdlib.h>
#include "openvswitch/dynamic-string.h"
#include "switch/switch.h"
#include "unixctl.h"
#include "util.h"

/* A question under way. */
struct flow_question {
    const struct flow_question_class *class;
    void *aux;
    struct unixctl_conn *conn;
};

static void
question_destroy(struct flow_question *q)
{
    q->class->destroy(q->aux);
    free(q);
}

static void
answer(struct flow_question *q)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    if (q->class->answer(&s, q->aux)) {
        unixctl_command_reply(q->conn, ds_cstr(&s));
    } else {
        unixctl_command_reply_error(q->conn, "the switch, which counts them, "
                                    "does not answer; see hnv/status");
    }
    ds_destroy(&s);
    question_destroy(q);
}

static void
take_flow(const struct ofputil_flow_stats *fs, void *q_)
{
    struct flow_question *q = q_;

    if (fs) {
        q->class->take(fs, q->aux);
    } else {
        answer(q);
    }
}

void
flow_question_ask(const struct flow_question_class *class, void *aux,
                  struct unixctl_conn *conn, struct switch_link *link,
                  uint8_t table)
{
    struct flow_question *q = xmalloc(sizeof *q);

    *q = (struct flow_question) { class, aux, conn };
    if (!switch_ask_stats(link, table, take_flow, q)) {
        unixctl_command_reply_error(conn, "another such question is under "
                                    "way; try again");
        question_destroy(q);
    }
}
