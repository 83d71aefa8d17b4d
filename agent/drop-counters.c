/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "drop-counters.h"
#include <inttypes.h>
#include <stdlib.h>
#include "compile/drops.h"
#include "compile/pipeline.h"
#include "flow-question.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-flow.h"
#include "unixctl.h"
#include "util.h"

/* A question under way. */
struct question {
    uint64_t packets[N_DROP_REASONS];
    bool answered;
};

static void
take_flow(const struct ofputil_flow_stats *fs, void *q_)
{
    struct question *q = q_;
    uint32_t reason = fs->match.flow.regs[REG_IDX_DROP];

    if (reason < N_DROP_REASONS) {
        q->packets[reason] = fs->packet_count;
    }
    q->answered = true;
}

static bool
answer(struct ds *s, void *q_)
{
    struct question *q = q_;

    for (int reason = 1; reason < N_DROP_REASONS; reason++) {
        ds_put_format(s, "%-20s %"PRIu64"\n", drop_reason_to_string(reason),
                      q->packets[reason]);
    }
    return q->answered;
}

static void
hnv_drops(struct unixctl_conn *conn, int argc OVS_UNUSED,
          const char *argv[] OVS_UNUSED, void *link)
{
    static const struct flow_question_class class = {
        take_flow, answer, free,
    };

    flow_question_ask(&class, xzalloc(sizeof(struct question)), conn, link,
                      TABLE_DROP);
}

void
drop_counters_register(struct switch_link *link)
{
    unixctl_command_register("hnv/drops", "", 0, 0, hnv_drops, link);
}
