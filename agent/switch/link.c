/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "switch/link-private.h"
#include <inttypes.h>
#include <stdlib.h>
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "switch/encode.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(switch);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(20, 20);

/* Queued bytes from which callers are asked to wait, and, well below that so
 * that callers get their turn, from which repairing itself waits. */
enum {
    CONGESTED_BYTES = 1024 * 1024,
    REPAIR_BYTES = 256 * 1024,
};

/* Entries to look at per turn while repairing. */
enum { REPAIR_BUDGET = 20000 };

static ovs_be32 link_ask_flows__(struct switch_link *, uint8_t table);
static void link_start_readback__(struct switch_link *);
static void link_repair__(struct switch_link *);

static bool
link_is_up__(const struct switch_link *sw)
{
    return sw->state == LINK_READBACK || sw->state == LINK_REPAIR
           || sw->state == LINK_STEADY;
}

bool
switch_is_up(const struct switch_link *sw)
{
    return link_is_up__(sw);
}

struct switch_link *
switch_create(const struct space_source *source)
{
    struct switch_link *sw = xzalloc(sizeof *sw);

    sw->source = *source;
    sw->channel = channel_create(1u << OFP15_VERSION | 1u << OFP14_VERSION);
    ovs_list_init(&sw->barriers);
    notes_init(&sw->notes);
    return sw;
}

void
switch_destroy(struct switch_link *sw)
{
    if (!sw) {
        return;
    }
    link_down(sw);
    channel_destroy(sw->channel);
    if (sw->sent != sw->wanted) {
        plan_destroy(sw->sent);
    }
    plan_destroy(sw->wanted);
    notes_uninit(&sw->notes);
    free(sw->removals);
    free(sw->last_error);
    free(sw->backend_why);
    free(sw);
}

void
switch_set_target(struct switch_link *sw, const char *target)
{
    if (!nullable_string_is_equal(target, channel_target(sw->channel))) {
        link_down(sw);
        channel_set_target(sw->channel, target);
    }
}

void
switch_set_backend(struct switch_link *sw, enum switch_backend wish)
{
    if (sw->wish == wish) {
        return;
    }
    sw->wish = wish;
    if (sw->state != LINK_DOWN) {
        VLOG_INFO("%s: another backend is asked for; reconnecting",
                  channel_target(sw->channel));
        channel_reconnect(sw->channel);
        link_down(sw);
    }
}

/* True while the switch has not answered a question, a barrier, or all of a
 * dump. */
static bool
link_is_owed_answer__(const struct switch_link *sw)
{
    return (sw->asking || sw->state == LINK_READBACK
            || !ovs_list_is_empty(&sw->barriers));
}

/* True if somebody has something to do: the link, or if the plan is for
 * another backend, whoever makes plans. */
static bool
link_has_plan__(const struct switch_link *sw)
{
    return sw->state == LINK_WAIT_PLAN && !sw->asking && sw->wanted;
}

static bool
link_can_start__(const struct switch_link *sw)
{
    return (link_has_plan__(sw)
            && sw->wanted->spaces == (sw->hnv != NULL));
}

bool
switch_has_spaces(const struct switch_link *sw)
{
    return sw->spaces;
}

void
switch_run(struct switch_link *sw)
{
    channel_run(sw->channel);
    link_receive(sw);

    long long int now = time_msec();

    switch (sw->state) {
    case LINK_DOWN:
        break;

    case LINK_WAIT_PLAN:
        if (link_can_start__(sw)) {
            link_start_readback__(sw);
        }
        break;

    case LINK_READBACK:
        break;

    case LINK_REPAIR:
        link_repair__(sw);
        break;

    case LINK_STEADY:
        if (sw->hnv) {
            space_hnv_watch_run(sw->hnv);
        }
        if (sw->trouble && !sw->verifying && now >= sw->retry_at) {
            link_start_readback__(sw);
        }
        break;
    }

    if (link_is_owed_answer__(sw) && now >= sw->answer_deadline) {
        VLOG_WARN_RL(&rl, "%s: the switch owes an answer for %d seconds; "
                     "reconnecting", channel_target(sw->channel),
                     ANSWER_TIMEOUT_MS / 1000);
        channel_reconnect(sw->channel);
        link_down(sw);
    }
    channel_push(sw->channel);
}

void
switch_wait(struct switch_link *sw)
{
    channel_wait(sw->channel);
    if (channel_is_open(sw->channel)
        && (sw->state == LINK_DOWN
            || sw->session != channel_session(sw->channel))) {
        poll_immediate_wake();
    }
    if (link_has_plan__(sw)) {
        poll_immediate_wake();
    }
    if (sw->state == LINK_REPAIR
        && channel_queued_bytes(sw->channel) < REPAIR_BYTES) {
        poll_immediate_wake();
    }
    if (sw->state == LINK_STEADY && sw->trouble && !sw->verifying) {
        poll_timer_wait_until(sw->retry_at);
    }
    if (sw->state == LINK_STEADY && sw->hnv) {
        space_hnv_watch_wait(sw->hnv);
    }
    if (link_is_owed_answer__(sw)) {
        poll_timer_wait_until(sw->answer_deadline);
    }
}

/* What is wanted. */

void
switch_space_put(struct switch_link *sw, const struct space_entry *e)
{
    if (!link_is_up__(sw)) {
        return;
    }
    link_put_flow(sw, e);
    if (sw->hnv) {
        space_hnv_put(sw->hnv, e);
    }
}

void
switch_space_remove(struct switch_link *sw, const struct space_key *key)
{
    if (!link_is_up__(sw)) {
        return;
    }
    if (sw->n_removals >= sw->allocated_removals) {
        sw->removals = x2nrealloc(sw->removals, &sw->allocated_removals,
                                  sizeof *sw->removals);
    }
    sw->removals[sw->n_removals++] = *key;
}

void
switch_set_plan(struct switch_link *sw, struct plan *plan)
{
    if (sw->wanted != sw->sent) {
        plan_destroy(sw->wanted);
    }
    sw->wanted = plan;
}

uint64_t
switch_flush(struct switch_link *sw)
{
    sw->flushed++;
    link_push_spaces(sw);
    if (sw->state != LINK_STEADY) {
        /* The barrier at the end of the repair acknowledges it. */
        return sw->flushed;
    }

    link_send_pending(sw);
    if (sw->unfenced) {
        link_send_barrier(sw, false);
    } else if (!ovs_list_is_empty(&sw->barriers)) {
        struct barrier *last = CONTAINER_OF(ovs_list_back(&sw->barriers),
                                            struct barrier, list_node);

        last->seq = sw->flushed;
    } else if (!sw->trouble) {
        sw->acked = sw->flushed;
    }
    channel_push(sw->channel);
    return sw->flushed;
}

uint64_t
switch_acked(const struct switch_link *sw)
{
    return sw->acked;
}

bool
switch_is_congested(const struct switch_link *sw)
{
    return channel_queued_bytes(sw->channel) > CONGESTED_BYTES;
}

void
switch_set_punt_cb(struct switch_link *sw,
                   void (*cb)(const struct punt *, void *aux), void *aux)
{
    sw->punt_cb = cb;
    sw->punt_aux = aux;
}

void
switch_packet_out(struct switch_link *sw, const void *packet, size_t size,
                  ofp_port_t in_port, const char *actions)
{
    if (link_is_up__(sw)) {
        struct ofpbuf *msg = punt_encode_packet_out(
            packet, size, in_port, actions, channel_version(sw->channel));

        if (msg) {
            channel_send(sw->channel, msg);
            sw->n_packet_outs++;
        }
    }
}

bool
switch_ask_stats(struct switch_link *sw, uint8_t table, switch_stats_cb *cb,
                 void *aux)
{
    if (sw->stats_cb) {
        return false;
    }
    if (!link_is_up__(sw)) {
        cb(NULL, aux);
        return true;
    }
    sw->stats_cb = cb;
    sw->stats_aux = aux;
    sw->stats_xid = link_ask_flows__(sw, table);
    return true;
}

const struct plan *
switch_plan(const struct switch_link *sw)
{
    return sw->wanted;
}

/* The session. */

/* What the switch has to be told before the first flow. */
static void
link_prepare__(struct switch_link *sw)
{
    enum ofp_version version = channel_version(sw->channel);
    struct ofpbuf *watch = encode_watch(version);
    const struct ofp_header *oh = watch->data;

    sw->watch_xid = oh->xid;
    sw->watch_paused = false;
    channel_send(sw->channel, encode_config(version));
    channel_send(sw->channel, punt_encode_format(version));
    channel_send(sw->channel, watch);
}

void
link_up(struct switch_link *sw)
{
    sw->session = channel_session(sw->channel);
    sw->stock = space_stock_create(channel_version(sw->channel));
    sw->state = LINK_WAIT_PLAN;
    sw->n_sessions++;
    link_prepare__(sw);
    sw->ask_xid = space_hnv_ask_ability(sw->channel);
    sw->asking = true;
    sw->answer_deadline = time_msec() + ANSWER_TIMEOUT_MS;
    VLOG_INFO("%s: connected (%s)%s", channel_target(sw->channel),
              ofputil_version_to_string(channel_version(sw->channel)),
              sw->wanted ? "" : ", waiting for a policy");
}

void
link_choose(struct switch_link *sw, const struct space_hnv_ability *ability,
            const char *why_none)
{
    char *why;

    sw->asking = false;
    sw->flush_hnv = false;
    if (!ability) {
        why = xasprintf("has no datapath extension (%s)", why_none);
    } else if (!ability->speaks_ours) {
        why = xasprintf("has version %"PRIu32" of the datapath extension, "
                        "which this agent does not speak", ability->version);
    } else if (sw->wish != SWITCH_BACKEND_HNV) {
        why = xstrdup("has the datapath extension, which is not to be used");
        sw->flush_hnv = ability->n_entries > 0;
    } else {
        why = xstrdup("has the datapath extension");
        sw->hnv = space_hnv_create(&sw->source, sw->channel);
    }
    VLOG_INFO("%s: backend %s: the switch %s", channel_target(sw->channel),
              sw->hnv ? "hnv" : "stock", why);
    free(sw->backend_why);
    sw->backend_why = why;
    sw->spaces = sw->hnv != NULL;
}

void
link_down(struct switch_link *sw)
{
    struct barrier *b;

    if (sw->state == LINK_DOWN) {
        return;
    }
    sw->state = LINK_DOWN;
    link_end_stats(sw);
    LIST_FOR_EACH_POP (b, list_node, &sw->barriers) {
        notes_uninit(&b->notes);
        free(b);
    }
    notes_clear(&sw->notes);
    readback_destroy(sw->readback);
    sw->readback = NULL;
    space_stock_destroy(sw->stock);
    sw->stock = NULL;
    space_hnv_destroy(sw->hnv);
    sw->hnv = NULL;
    key_set_uninit(&sw->flows);
    sw->asking = false;
    sw->n_removals = 0;
    sw->unfenced = false;
    sw->trouble = sw->verifying = sw->one_by_one = false;
}

/* Asks for the flows of 'table', or of all of them, OFPTT_ALL.  Returns the
 * request's number. */
static ovs_be32
link_ask_flows__(struct switch_link *sw, uint8_t table)
{
    struct ofputil_flow_stats_request request = {
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
        .table_id = table,
    };
    enum ofputil_protocol protocol = ofputil_protocol_from_ofp_version(
        channel_version(sw->channel));

    match_init_catchall(&request.match);

    struct ofpbuf *msg = ofputil_encode_flow_stats_request(&request, protocol);
    const struct ofp_header *oh = msg->data;
    ovs_be32 xid = oh->xid;

    channel_send(sw->channel, msg);
    return xid;
}

static void
link_start_readback__(struct switch_link *sw)
{
    sw->dump_xid = link_ask_flows__(sw, OFPTT_ALL);
    sw->readback = readback_create(&sw->source,
                                   sw->hnv ? space_hnv_leaves : NULL,
                                   channel_version(sw->channel));
    sw->flows_read = false;
    if (sw->hnv) {
        space_hnv_start_check(sw->hnv);
    }
    sw->plan_repaired = false;
    sw->n_errors_readback = sw->n_errors;
    sw->readback_started = time_msec();
    sw->answer_deadline = time_msec() + ANSWER_TIMEOUT_MS;
    sw->n_readbacks++;
    sw->state = LINK_READBACK;
}

static void
note_flow(const struct space_entry *e, void *flows)
{
    if (space_hnv_leaves(e)) {
        key_set_add(flows, &e->key);
    }
}

/* What has a flow is wanted, or the repair removes it. */
static void
link_note_flows__(struct switch_link *sw)
{
    key_set_uninit(&sw->flows);
    if (sw->hnv) {
        sw->source.for_each(note_flow, &sw->flows, sw->source.aux);
    }
}

void
link_check_done(struct switch_link *sw)
{
    if (sw->state == LINK_READBACK && sw->flows_read
        && (!sw->hnv || space_hnv_is_checked(sw->hnv))) {
        link_note_flows__(sw);
        sw->state = LINK_REPAIR;
    }
}

static const struct plan *
link_found_guests__(const struct switch_link *sw)
{
    return sw->hnv ? space_hnv_found_guests(sw->hnv) : NULL;
}

/* Sends what the switch lacks, as far as there is room, in order. */
static void
link_repair__(struct switch_link *sw)
{
    struct space_key key;

    for (int i = 0; i < REPAIR_BUDGET; i++) {
        if (channel_queued_bytes(sw->channel) >= REPAIR_BYTES) {
            return;
        }
        if (readback_next_missing(sw->readback, &key)) {
            struct space_entry e;

            if (sw->source.find(&key, &e, sw->source.aux)) {
                link_put_flow(sw, &e);
            }
        } else if (sw->hnv && space_hnv_next_missing(sw->hnv, &key)) {
            space_hnv_update(sw->hnv, &key);
        } else if (!sw->plan_repaired) {
            struct changes changes;

            link_put_guests(sw, link_found_guests__(sw));
            link_push_spaces(sw);
            link_make_meters(sw, NULL);
            changes_init(&changes, channel_version(sw->channel));
            readback_compare(sw->readback, sw->wanted, &changes);
            link_send_changes(sw, &changes);
            changes_uninit(&changes);
            link_adopt_sent(sw);
            sw->plan_repaired = true;
        } else if (readback_next_gone(sw->readback, &key)) {
            link_remove_flow(sw, &key);
        } else if (sw->hnv && space_hnv_next_gone(sw->hnv, &key)) {
            space_hnv_update(sw->hnv, &key);
        } else {
            link_drop_guests(sw, link_found_guests__(sw));
            /* What has changed since the plan was compared. */
            link_send_pending(sw);
            if (sw->flush_hnv) {
                space_hnv_flush(sw->channel);
                sw->flush_hnv = false;
            }
            link_send_barrier(sw, true);
            readback_destroy(sw->readback);
            sw->readback = NULL;
            if (sw->hnv) {
                space_hnv_end_check(sw->hnv);
            }
            sw->state = LINK_STEADY;
            return;
        }
    }
}
