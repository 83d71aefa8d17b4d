/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "drop-counters.h"
#include <inttypes.h>
#include <stdlib.h>
#include "compile/drops.h"
#include "compile/pipeline.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-flow.h"
#include "switch/switch.h"
#include "unixctl.h"
#include "util.h"

/* A question under way. */
struct question {
    struct unixctl_conn *conn;
    uint64_t packets[N_DROP_REASONS];
    bool answered;
};

static void
answer(struct question *q)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    if (q->answered) {
        for (int reason = 1; reason < N_DROP_REASONS; reason++) {
            ds_put_format(&s, "%-20s %"PRIu64"\n",
                          drop_reason_to_string(reason), q->packets[reason]);
        }
        unixctl_command_reply(q->conn, ds_cstr(&s));
    } else {
        unixctl_command_reply_error(q->conn, "the switch, which counts them, "
                                    "does not answer; see hnv/status");
    }
    ds_destroy(&s);
    free(q);
}

static void
take_flow(const struct ofputil_flow_stats *fs, void *q_)
{
    struct question *q = q_;

    if (!fs) {
        answer(q);
        return;
    }

    uint32_t reason = fs->match.flow.regs[REG_IDX_DROP];

    if (reason < N_DROP_REASONS) {
        q->packets[reason] = fs->packet_count;
    }
    q->answered = true;
}

static void
hnv_drops(struct unixctl_conn *conn, int argc OVS_UNUSED,
          const char *argv[] OVS_UNUSED, void *link_)
{
    struct switch_link *link = link_;
    struct question *q = xzalloc(sizeof *q);

    q->conn = conn;
    if (!switch_ask_stats(link, TABLE_DROP, take_flow, q)) {
        unixctl_command_reply_error(conn, "another such question is under "
                                    "way; try again");
        free(q);
    }
}

void
drop_counters_register(struct switch_link *link)
{
    unixctl_command_register("hnv/drops", "", 0, 0, hnv_drops, link);
}
