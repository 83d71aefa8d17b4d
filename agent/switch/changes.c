/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "switch/changes.h"
#include <stdlib.h>
#include "compile/pipeline.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "plan/plan.h"
#include "switch/encode.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(changes);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);

static char *change_text__(const struct plan_flow *);

void
changes_init(struct changes *c, enum ofp_version version)
{
    *c = (struct changes) { .version = version };
}

static void
change_array_uninit__(struct change *array, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ofpbuf_delete(array[i].msg);
        free(array[i].text);
    }
    free(array);
}

void
changes_uninit(struct changes *c)
{
    change_array_uninit__(c->puts, c->n_puts);
    change_array_uninit__(c->removes, c->n_removes);
}

bool
changes_is_empty(const struct changes *c)
{
    return !c->n_puts && !c->n_removes;
}

void
changes_put_msg(struct changes *c, const struct plan_flow *flow,
                struct ofpbuf *msg)
{
    if (c->n_puts >= c->allocated_puts) {
        c->puts = x2nrealloc(c->puts, &c->allocated_puts, sizeof *c->puts);
    }
    c->puts[c->n_puts++] = (struct change) {
        .msg = msg,
        .text = change_text__(flow),
    };
}

static void
changes_remove__(struct changes *c, struct ofpbuf *msg, char *text)
{
    if (c->n_removes >= c->allocated_removes) {
        c->removes = x2nrealloc(c->removes, &c->allocated_removes,
                                sizeof *c->removes);
    }
    c->removes[c->n_removes++] = (struct change) { .msg = msg, .text = text };
}

void
changes_remove_msg(struct changes *c, struct ofpbuf *msg)
{
    changes_remove__(c, msg, xstrdup("a flow that is in no plan"));
}

void
changes_put(struct changes *c, const struct plan_flow *flow)
{
    struct ofpbuf *msg = changes_encode(c, flow, true);

    if (msg) {
        changes_put_msg(c, flow, msg);
    }
}

void
changes_remove(struct changes *c, const struct plan_flow *flow)
{
    struct ofpbuf *msg = changes_encode(c, flow, false);

    if (msg) {
        changes_remove__(c, msg, change_text__(flow));
    }
}

void
changes_add_delta(struct changes *c, const struct plan_delta *delta)
{
    for (size_t i = 0; i < delta->n_put; i++) {
        changes_put(c, delta->put[i]);
    }
    for (size_t i = 0; i < delta->n_remove; i++) {
        changes_remove(c, delta->remove[i]);
    }
}

struct ofpbuf *
changes_encode(struct changes *c, const struct plan_flow *flow, bool put)
{
    char *error;
    struct ofpbuf *msg = (put
                          ? encode_plan_put(flow, c->version, &error)
                          : encode_plan_remove(flow, c->version, &error));

    if (!msg) {
        char *text = change_text__(flow);

        VLOG_ERR_RL(&rl, "left out a flow that is not understood: %s (%s)",
                    text, error);
        c->n_bad++;
        free(text);
        free(error);
    }
    return msg;
}

static char *
change_text__(const struct plan_flow *flow)
{
    struct ds text = DS_EMPTY_INITIALIZER;

    plan_flow_format(flow, pipeline_table_name, &text);
    ds_chomp(&text, '\n');
    return ds_steal_cstr(&text);
}
