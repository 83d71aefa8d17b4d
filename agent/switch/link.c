/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "switch/switch.h"
#include <inttypes.h>
#include <stdlib.h>
#include "byte-order.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/list.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-monitor.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "plan/plan.h"
#include "switch/changes.h"
#include "switch/channel.h"
#include "switch/encode.h"
#include "switch/notes.h"
#include "switch/punt.h"
#include "switch/readback.h"
#include "switch/space-hnv.h"
#include "switch/space-stock.h"
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

/* Received bytes after which the rest of the program gets its turn; it may be
 * 150 MB that the switch has to say after a reconnect. */
enum { RECEIVE_BUDGET_BYTES = 2 * 1024 * 1024 };

/* Entries to look at per turn while repairing. */
enum { REPAIR_BUDGET = 20000 };

/* Time between reading back, while the switch refuses something. */
enum { RETRY_MIN_MS = 1000, RETRY_MAX_MS = 30000 };

/* Reading back a million flows takes the switch seconds.  With something that
 * it keeps refusing, this is the factor of that time to wait in between. */
enum { RETRY_PER_READBACK = 20 };

/* A switch that owes an answer and says nothing for so long has lost it.  (A
 * switch that says nothing at all is noticed earlier, by the channel.) */
enum { ANSWER_TIMEOUT_MS = 60000 };

/*
 *     ┌────────► DOWN ◄──────────── from all: session lost ──────┐
 *     │           │ session open                                 │
 *     │           ▼                                              │
 *     │       WAIT_PLAN      Nothing is touched.                 │
 *     │           │ there is a plan, the backend is known        │
 *     │           ▼                                              │
 *     │        READBACK ◄──────────────┐  What is there?         │
 *     │           │ everything is in   │                         │
 *     │           ▼                    │ time to retry, after    │
 *     │         REPAIR                 │ the switch refused      │
 *     │           │ all sent           │ something               │
 *     │           ▼                    │                         │
 *     │         STEADY ────────────────┘  Differences are sent.  │
 *     └──────────────────────────────────────────────────────────┘
 *
 * READBACK ends when the last part of the answer is there or by
 * ANSWER_TIMEOUT_MS; REPAIR ends when all is queued, and waits on nothing but
 * room to send.
 *
 * Backends.  Each session's switch is asked once whether it has the datapath
 * extension.  If so, and if that is wished for, the space entries are in its
 * datapath, too; as flows they are on any switch.  A switch that comes back as
 * another is another session, and a changed wish makes one, so a backend lasts
 * as long as its session.
 *
 * REPAIR's order is that of the whole: entries that are missing, the plan's
 * difference, what nobody wants, a barrier.
 *
 * Trouble.  When the switch refuses something, or somebody else changes its
 * flows, it is no longer known what it has, so no number is acknowledged until
 * it was read back, repaired, and refused nothing.  In the meantime all else
 * is sent as ever.
 *
 * If it refuses a bundle, none of the bundle's flows are there, because of
 * perhaps one.  Until the trouble is over, changes are then sent one by one
 * instead: puts from the last table to the first, so that no flow leads to
 * what is not there yet, then removals from first to last.  A host with all
 * flows but one forwards for all but a few, while one without the bundle may
 * forward for nobody. */
enum link_state {
    LINK_DOWN,
    LINK_WAIT_PLAN,
    LINK_READBACK,
    LINK_REPAIR,
    LINK_STEADY,
};

/* A barrier that the switch has not answered. */
struct barrier {
    struct ovs_list list_node;  /* In switch_link's 'barriers'. */
    ovs_be32 xid;
    uint64_t seq;               /* Acknowledged by the answer. */
    bool ends_repair;
    unsigned int n_errors;      /* 'n_errors_readback' of that repair. */
    struct notes notes;         /* What was sent since the barrier before. */
};

struct switch_link {
    struct space_source source;
    struct channel *channel;
    enum link_state state;
    unsigned int session;       /* Of 'channel'. */

    /* The plan that is wanted, NULL before the first, and the one that the
     * switch was told last; they may be the same. */
    struct plan *wanted;
    struct plan *sent;

    /* Packets. */
    void (*punt_cb)(const struct punt *, void *aux);
    void *punt_aux;
    uint64_t n_punts[N_PUNT_KINDS];
    uint64_t n_packet_outs;

    /* A question about counters; the callback is NULL if there is none. */
    switch_stats_cb *stats_cb;
    void *stats_aux;
    ovs_be32 stats_xid;

    /* Keys whose flows go with the next flush, unless they are back. */
    struct space_key *removals;
    size_t n_removals, allocated_removals;

    /* In LINK_READBACK and LINK_REPAIR. */
    struct readback *readback;
    ovs_be32 dump_xid;
    bool flows_read;
    bool plan_repaired;

    /* Whether the extension is wished for. */
    enum switch_backend wish;

    /* Between LINK_DOWN and the loss of the session. */
    struct space_stock *stock;
    bool asking;                /* For what the switch can do; if not: */
    ovs_be32 ask_xid;
    struct space_hnv *hnv;      /* NULL: without the extension. */
    bool flush_hnv;             /* It has entries that nobody is to use. */
    char *backend_why;          /* For people; NULL before the first. */
    bool unfenced;              /* Sent something since the last barrier. */
    struct ovs_list barriers;   /* Contains "struct barrier"s, oldest first. */
    struct notes notes;         /* What was sent since the last barrier. */
    uint32_t next_bundle_id;
    ovs_be32 watch_xid;         /* Of the wish to hear of others' changes. */
    bool watch_paused;          /* The switch tells of all changes alike. */
    long long int answer_deadline;

    /* Acknowledgement. */
    uint64_t flushed, acked;

    /* Trouble. */
    bool trouble;
    bool verifying;             /* A repair's last barrier is under way. */
    bool one_by_one;
    unsigned int n_errors;      /* In all. */
    unsigned int n_errors_readback; /* When the last readback started. */
    long long int retry_at;
    int backoff_ms;
    char *last_error;           /* NULL if there was none. */

    /* Figures for people. */
    uint64_t n_puts, n_removes, n_bundles, n_bad, n_sessions, n_readbacks;
    long long int readback_started;
    long long int readback_ms;  /* Until repaired and acknowledged. */
    size_t readback_flows, readback_missing;
};

static void link_up__(struct switch_link *);
static void link_choose__(struct switch_link *,
                          const struct space_hnv_ability *,
                          const char *why_none);
static void link_take_ability__(struct switch_link *,
                                const struct ofp_header *);
static void link_take_spaces__(struct switch_link *,
                               const struct ofp_header *);
static void link_check_done__(struct switch_link *);
static void link_push_spaces__(struct switch_link *);
static void link_down__(struct switch_link *);
static ovs_be32 link_ask_flows__(struct switch_link *, uint8_t table);
static void link_start_readback__(struct switch_link *);
static void link_repair__(struct switch_link *);
static void link_receive__(struct switch_link *);
static void link_take__(struct switch_link *, struct ofpbuf *);
static void link_take_dump__(struct switch_link *, struct ofpbuf *);
static void link_take_barrier__(struct switch_link *, ovs_be32 xid);
static void link_take_error__(struct switch_link *, const struct ofp_header *);
static void link_take_stats__(struct switch_link *, struct ofpbuf *);
static void link_end_stats__(struct switch_link *);
static void link_take_update__(struct switch_link *, struct ofpbuf *);
static void link_take_packet__(struct switch_link *,
                               const struct ofp_header *);
static void link_trouble__(struct switch_link *, char *why);
static void link_remove_flow__(struct switch_link *, const struct space_key *);
static void link_send_pending__(struct switch_link *);
static void link_send_changes__(struct switch_link *, const struct changes *);
static void link_make_meters__(struct switch_link *, const struct plan *had);
static void link_drop_meters__(struct switch_link *, const struct plan *had);
static void link_drop_zones__(struct switch_link *, const struct plan *had);
static void link_send_barrier__(struct switch_link *, bool ends_repair);
static void link_adopt_sent__(struct switch_link *);

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
    link_down__(sw);
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
        link_down__(sw);
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
        link_down__(sw);
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

static bool
link_can_start__(const struct switch_link *sw)
{
    return sw->state == LINK_WAIT_PLAN && sw->wanted && !sw->asking;
}

void
switch_run(struct switch_link *sw)
{
    channel_run(sw->channel);
    link_receive__(sw);

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
        link_down__(sw);
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
    if (link_can_start__(sw)) {
        poll_immediate_wake();
    }
    if (sw->state == LINK_REPAIR
        && channel_queued_bytes(sw->channel) < REPAIR_BYTES) {
        poll_immediate_wake();
    }
    if (sw->state == LINK_STEADY && sw->trouble && !sw->verifying) {
        poll_timer_wait_until(sw->retry_at);
    }
    if (link_is_owed_answer__(sw)) {
        poll_timer_wait_until(sw->answer_deadline);
    }
}

/* What is wanted. */

static void
link_put_flow__(struct switch_link *sw, const struct space_entry *e)
{
    uint8_t buf[SPACE_STOCK_MESSAGE_MAX];

    channel_put(sw->channel, buf, space_stock_put(sw->stock, e, buf));
    sw->unfenced = true;
    sw->n_puts++;
}

void
switch_space_put(struct switch_link *sw, const struct space_entry *e)
{
    if (!link_is_up__(sw)) {
        return;
    }
    link_put_flow__(sw, e);
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
    link_push_spaces__(sw);
    if (sw->state != LINK_STEADY) {
        /* The barrier at the end of the repair acknowledges it. */
        return sw->flushed;
    }

    link_send_pending__(sw);
    if (sw->unfenced) {
        link_send_barrier__(sw, false);
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

static void
link_up__(struct switch_link *sw)
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

/* 'ability' is what the switch said, or if it is NULL, 'why_none' is why there
 * is none. */
static void
link_choose__(struct switch_link *sw, const struct space_hnv_ability *ability,
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
        why = xstrdup("has the datapath extension, which no setting asks for");
        sw->flush_hnv = ability->n_entries > 0;
    } else {
        why = xstrdup("has the datapath extension");
        sw->hnv = space_hnv_create(&sw->source, sw->channel);
    }
    VLOG_INFO("%s: backend %s: the switch %s", channel_target(sw->channel),
              sw->hnv ? "hnv" : "stock", why);
    free(sw->backend_why);
    sw->backend_why = why;
}

/* All that depends on the session goes; what is wanted stays. */
static void
link_down__(struct switch_link *sw)
{
    struct barrier *b;

    if (sw->state == LINK_DOWN) {
        return;
    }
    sw->state = LINK_DOWN;
    link_end_stats__(sw);
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

/* Everything that was asked for may be in. */
static void
link_check_done__(struct switch_link *sw)
{
    if (sw->state == LINK_READBACK && sw->flows_read
        && (!sw->hnv || space_hnv_is_checked(sw->hnv))) {
        sw->state = LINK_REPAIR;
    }
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
                link_put_flow__(sw, &e);
            }
        } else if (sw->hnv && space_hnv_next_missing(sw->hnv, &key)) {
            space_hnv_update(sw->hnv, &key);
        } else if (!sw->plan_repaired) {
            struct changes changes;

            link_push_spaces__(sw);
            link_make_meters__(sw, NULL);
            changes_init(&changes, channel_version(sw->channel));
            readback_compare(sw->readback, sw->wanted, &changes);
            link_send_changes__(sw, &changes);
            changes_uninit(&changes);
            link_adopt_sent__(sw);
            sw->plan_repaired = true;
        } else if (readback_next_gone(sw->readback, &key)) {
            link_remove_flow__(sw, &key);
        } else if (sw->hnv && space_hnv_next_gone(sw->hnv, &key)) {
            space_hnv_update(sw->hnv, &key);
        } else {
            /* What has changed since the plan was compared. */
            link_send_pending__(sw);
            if (sw->flush_hnv) {
                space_hnv_flush(sw->channel);
                sw->flush_hnv = false;
            }
            link_send_barrier__(sw, true);
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

/* Sending. */

/* Removes the flow for 'key', unless it is wanted by now. */
static void
link_remove_flow__(struct switch_link *sw, const struct space_key *key)
{
    struct space_entry e;
    uint8_t buf[SPACE_STOCK_MESSAGE_MAX];

    if (!sw->source.find(key, &e, sw->source.aux)) {
        channel_put(sw->channel, buf,
                    space_stock_remove(sw->stock, key, buf));
        sw->unfenced = true;
        sw->n_removes++;
    }
}

/* Sends the entries that wait for a message to be full. */
static void
link_push_spaces__(struct switch_link *sw)
{
    if (sw->hnv && space_hnv_push(sw->hnv)) {
        sw->unfenced = true;
    }
}

/* Sends the entries that were put and are not sent yet, the plan's difference,
 * then the removals. */
static void
link_send_pending__(struct switch_link *sw)
{
    link_push_spaces__(sw);
    if (sw->wanted != sw->sent) {
        struct plan_delta *delta = plan_diff(sw->sent, sw->wanted);
        struct changes changes;

        link_make_meters__(sw, sw->sent);
        changes_init(&changes, channel_version(sw->channel));
        changes_add_delta(&changes, delta);
        link_send_changes__(sw, &changes);
        changes_uninit(&changes);
        plan_delta_destroy(delta);
        link_drop_meters__(sw, sw->sent);
        link_drop_zones__(sw, sw->sent);
        link_adopt_sent__(sw);
    }

    for (size_t i = 0; i < sw->n_removals; i++) {
        link_remove_flow__(sw, &sw->removals[i]);
        if (sw->hnv) {
            space_hnv_update(sw->hnv, &sw->removals[i]);
        }
    }
    sw->n_removals = 0;
    free(sw->removals);
    sw->removals = NULL;
    sw->allocated_removals = 0;
    link_push_spaces__(sw);
}

/* Meters of the wanted plan that 'had', or NULL, did not have, before the
 * first flow that names them; and the other way round. */
static void
link_make_meters__(struct switch_link *sw, const struct plan *had)
{
    const struct plan_ids *wanted = &sw->wanted->meters;

    for (size_t i = 0; i < wanted->n; i++) {
        if (!had || !plan_ids_contain(&had->meters, wanted->ids[i])) {
            punt_send_meter(sw->channel, wanted->ids[i]);
            sw->unfenced = true;
        }
    }
}

static void
link_drop_meters__(struct switch_link *sw, const struct plan *had)
{
    for (size_t i = 0; had && i < had->meters.n; i++) {
        if (!plan_ids_contain(&sw->wanted->meters, had->meters.ids[i])) {
            punt_send_meter_removal(sw->channel, had->meters.ids[i]);
            sw->unfenced = true;
        }
    }
}

/* Forgets connections of zones that are no port's any more, once no flow
 * tracks any there. */
static void
link_drop_zones__(struct switch_link *sw, const struct plan *had)
{
    for (size_t i = 0; had && i < had->zones.n; i++) {
        if (!plan_ids_contain(&sw->wanted->zones, had->zones.ids[i])) {
            channel_send(sw->channel,
                         encode_flush_zone(had->zones.ids[i],
                                           channel_version(sw->channel)));
            sw->unfenced = true;
        }
    }
}

static void
link_adopt_sent__(struct switch_link *sw)
{
    if (sw->sent != sw->wanted) {
        plan_destroy(sw->sent);
        sw->sent = sw->wanted;
    }
}

static void
link_send_change__(struct switch_link *sw, const struct change *change,
                   const uint32_t *bundle_id)
{
    const struct ofp_header *oh = change->msg->data;

    notes_add(&sw->notes, oh->xid, change->text);
    if (bundle_id) {
        channel_send(sw->channel,
                     encode_bundle_add(*bundle_id, change->msg,
                                       channel_version(sw->channel)));
    } else {
        channel_put(sw->channel, change->msg->data, change->msg->size);
    }
}

static void
link_send_bundle__(struct switch_link *sw, const struct changes *changes)
{
    enum ofp_version version = channel_version(sw->channel);
    uint32_t id = sw->next_bundle_id++;

    channel_send(sw->channel,
                 encode_bundle_control(id, OFPBCT_OPEN_REQUEST, version));
    for (size_t i = 0; i < changes->n_puts; i++) {
        link_send_change__(sw, &changes->puts[i], &id);
    }
    for (size_t i = 0; i < changes->n_removes; i++) {
        link_send_change__(sw, &changes->removes[i], &id);
    }

    struct ofpbuf *commit = encode_bundle_control(id, OFPBCT_COMMIT_REQUEST,
                                                  version);
    const struct ofp_header *oh = commit->data;

    notes_add(&sw->notes, oh->xid, NULL);
    channel_send(sw->channel, commit);
    sw->n_bundles++;
}

/* See "Trouble" at the top. */
static void
link_send_one_by_one__(struct switch_link *sw, const struct changes *changes)
{
    for (size_t i = changes->n_puts; i-- > 0; ) {
        link_send_change__(sw, &changes->puts[i], NULL);
    }
    for (size_t i = 0; i < changes->n_removes; i++) {
        link_send_change__(sw, &changes->removes[i], NULL);
    }
}

static void
link_send_changes__(struct switch_link *sw, const struct changes *changes)
{
    if (changes->n_bad) {
        sw->n_bad += changes->n_bad;
        link_trouble__(sw, xasprintf("was not told %"PRIuSIZE" flows that no "
                                     "message can hold", changes->n_bad));
    }
    if (changes_is_empty(changes)) {
        return;
    }
    if (sw->one_by_one) {
        link_send_one_by_one__(sw, changes);
    } else {
        link_send_bundle__(sw, changes);
    }
    sw->unfenced = true;
}

static void
link_send_barrier__(struct switch_link *sw, bool ends_repair)
{
    struct ofpbuf *msg = ofputil_encode_barrier_request(
        channel_version(sw->channel));
    const struct ofp_header *oh = msg->data;
    struct barrier *b = xmalloc(sizeof *b);

    b->xid = oh->xid;
    b->seq = sw->flushed;
    b->ends_repair = ends_repair;
    sw->verifying = sw->verifying || ends_repair;
    b->n_errors = sw->n_errors_readback;
    notes_init(&b->notes);
    notes_swap(&b->notes, &sw->notes);
    ovs_list_push_back(&sw->barriers, &b->list_node);

    if (ovs_list_is_singleton(&sw->barriers)) {
        sw->answer_deadline = time_msec() + ANSWER_TIMEOUT_MS;
    }
    channel_send(sw->channel, msg);
    sw->unfenced = false;
}

/* Receiving. */

static void
link_receive__(struct switch_link *sw)
{
    size_t budget = RECEIVE_BUDGET_BYTES;
    struct ofpbuf *msg;

    do {
        msg = channel_recv(sw->channel);

        /* The session may have come or gone while receiving. */
        bool open = channel_is_open(sw->channel);

        if (sw->state != LINK_DOWN
            && (!open || sw->session != channel_session(sw->channel))) {
            link_down__(sw);
        }
        if (sw->state == LINK_DOWN && open) {
            link_up__(sw);
        }
        if (msg) {
            budget -= MIN(budget, msg->size);
            link_take__(sw, msg);
            ofpbuf_delete(msg);
        }
    } while (msg && budget);
}

static void
link_take__(struct switch_link *sw, struct ofpbuf *msg)
{
    const struct ofp_header *oh = msg->data;
    enum ofptype type;

    if (ofptype_decode(&type, oh)) {
        return;
    }
    sw->answer_deadline = time_msec() + ANSWER_TIMEOUT_MS;

    if (type == OFPTYPE_FLOW_STATS_REPLY && sw->stats_cb
        && oh->xid == sw->stats_xid) {
        link_take_stats__(sw, msg);
    } else if (type == OFPTYPE_FLOW_STATS_REPLY) {
        link_take_dump__(sw, msg);
    } else if (type == OFPTYPE_BARRIER_REPLY) {
        link_take_barrier__(sw, oh->xid);
    } else if (type == OFPTYPE_FLOW_MONITOR_STATS_REPLY) {
        link_take_update__(sw, msg);
    } else if (type == OFPTYPE_PACKET_IN) {
        link_take_packet__(sw, oh);
    } else if (type == OFPTYPE_HNV_STATS_REPLY) {
        link_take_ability__(sw, oh);
    } else if (type == OFPTYPE_HNV_SPACE_REPLY) {
        link_take_spaces__(sw, oh);
    } else if (type == OFPTYPE_ERROR) {
        link_take_error__(sw, oh);
    }
    /* The rest is of no interest: answers to bundle control that say yes,
     * events that this agent did not ask for. */
}

static void
link_take_packet__(struct switch_link *sw, const struct ofp_header *oh)
{
    struct punt punt;

    if (punt_decode(oh, &punt)) {
        sw->n_punts[punt.kind]++;
        if (sw->punt_cb) {
            sw->punt_cb(&punt, sw->punt_aux);
        }
    }
}

static void
link_end_stats__(struct switch_link *sw)
{
    switch_stats_cb *cb = sw->stats_cb;

    sw->stats_cb = NULL;
    if (cb) {
        cb(NULL, sw->stats_aux);
    }
}

static void
link_take_stats__(struct switch_link *sw, struct ofpbuf *msg)
{
    bool more = ofpmp_more(msg->data);
    struct ofputil_flow_stats fs;
    struct ofpbuf ofpacts;

    ofpbuf_init(&ofpacts, 64);
    while (!ofputil_decode_flow_stats_reply(&fs, msg, true, &ofpacts)) {
        sw->stats_cb(&fs, sw->stats_aux);
    }
    ofpbuf_uninit(&ofpacts);
    if (!more) {
        link_end_stats__(sw);
    }
}

static void
link_take_ability__(struct switch_link *sw, const struct ofp_header *oh)
{
    struct space_hnv_ability ability;

    if (!sw->asking || oh->xid != sw->ask_xid) {
        return;
    }
    if (space_hnv_take_ability(oh, &ability)) {
        link_choose__(sw, &ability, NULL);
    } else {
        link_choose__(sw, NULL, "it says so in a way that is not understood");
    }
}

static void
link_take_spaces__(struct switch_link *sw, const struct ofp_header *oh)
{
    if (sw->state != LINK_READBACK || !sw->hnv) {
        return;
    }
    if (!space_hnv_take(sw->hnv, oh)) {
        VLOG_WARN_RL(&rl, "%s: the switch reports its spaces in a way that is "
                     "not understood; reconnecting",
                     channel_target(sw->channel));
        channel_reconnect(sw->channel);
        link_down__(sw);
        return;
    }
    link_check_done__(sw);
}

static void
link_take_dump__(struct switch_link *sw, struct ofpbuf *msg)
{
    const struct ofp_header *oh = msg->data;
    bool done;

    if (sw->state != LINK_READBACK || oh->xid != sw->dump_xid) {
        return;
    }
    if (!readback_take(sw->readback, msg, &done)) {
        /* Nothing can be said about what is on the switch. */
        VLOG_WARN_RL(&rl, "%s: the switch reports its flows in a way that is "
                     "not understood; reconnecting",
                     channel_target(sw->channel));
        channel_reconnect(sw->channel);
        link_down__(sw);
        return;
    }
    if (done) {
        sw->readback_flows = readback_n_flows(sw->readback);
        sw->readback_missing = readback_n_missing(sw->readback);
        sw->flows_read = true;
        link_check_done__(sw);
    }
}

static void
link_take_barrier__(struct switch_link *sw, ovs_be32 xid)
{
    struct barrier *b;

    /* Barriers are answered in order.  One that is not the oldest says that
     * answers before it got lost, which a working switch does not do, but
     * says no less. */
    LIST_FOR_EACH (b, list_node, &sw->barriers) {
        if (b->xid == xid) {
            break;
        }
    }
    if (!b) {
        return;
    }

    struct barrier *done;
    bool last;

    do {
        done = CONTAINER_OF(ovs_list_pop_front(&sw->barriers),
                            struct barrier, list_node);
        last = done->xid == xid;
        if (done->ends_repair) {
            sw->verifying = false;
            sw->readback_ms = time_msec() - sw->readback_started;
            if (sw->n_errors == done->n_errors) {
                if (sw->trouble) {
                    VLOG_INFO("%s: the switch has taken everything that it "
                              "had refused", channel_target(sw->channel));
                }
                sw->trouble = sw->one_by_one = false;
                sw->backoff_ms = 0;
            }
        }
        if (!sw->trouble) {
            sw->acked = MAX(sw->acked, done->seq);
        }
        notes_uninit(&done->notes);
        free(done);
    } while (!last);
}

/* Trouble. */

/* An answer belongs to what was sent since the last barrier that has its own
 * answer. */
static const struct note *
link_find_note__(const struct switch_link *sw, ovs_be32 xid)
{
    const struct barrier *b;

    LIST_FOR_EACH (b, list_node, &sw->barriers) {
        const struct note *note = notes_find(&b->notes, xid);

        if (note) {
            return note;
        }
    }
    return notes_find(&sw->notes, xid);
}

static void
link_take_error__(struct switch_link *sw, const struct ofp_header *oh)
{
    struct ofpbuf payload;
    enum ofperr error = ofperr_decode_msg(oh, &payload);
    const struct note *note = link_find_note__(sw, oh->xid);
    const char *name = error ? ofperr_to_string(error) : "unknown error";

    if (error == OFPERR_OFPMMFC_METER_EXISTS) {
        /* It is made right by the next message, see punt_send_meter(). */
    } else if (sw->asking && oh->xid == sw->ask_xid) {
        link_choose__(sw, NULL, name);
    } else if (oh->xid == sw->watch_xid) {
        VLOG_INFO("%s: the switch does not tell of flows that others change "
                  "(%s); they are noticed when it is read back",
                  channel_target(sw->channel), name);
    } else if (note && !note->text) {
        link_trouble__(sw, xasprintf("refused a bundle (%s); its flows follow "
                                     "one by one", name));
        if (!sw->one_by_one) {
            /* Guests may wait for the rest of it. */
            sw->one_by_one = true;
            sw->retry_at = time_msec();
        }
    } else {
        char *what = (note ? xstrdup(note->text)
                      : error ? notes_describe(&payload)
                      : xstrdup("a message"));

        link_trouble__(sw, xasprintf("refused %s (%s, xid 0x%"PRIx32")", what,
                                     name, ntohl(oh->xid)));
        free(what);
    }
    if (error) {
        ofpbuf_uninit(&payload);
    }
}

/* Somebody else changed flows.  That an own change was made is told, too, in
 * brief, and is of no interest here.  When that is more than the switch can
 * keep up with, it pauses and tells of all deletions alike: then what others
 * do cannot be told from what we do. */
static void
link_take_update__(struct switch_link *sw, struct ofpbuf *msg)
{
    struct ofpbuf ofpacts;
    struct ofputil_flow_update update;
    char *what = NULL;

    ofpbuf_init(&ofpacts, 0);
    while (!ofputil_decode_flow_update(&update, msg, &ofpacts)) {
        if (update.event == OFPFME_PAUSED || update.event == OFPFME_RESUMED) {
            sw->watch_paused = update.event == OFPFME_PAUSED;
        } else if ((update.event == OFPFME_REMOVED
                    || update.event == OFPFME_MODIFIED)
                   && !sw->watch_paused && !what) {
            what = xasprintf("says that somebody else %s a flow in table %u, "
                             "cookie %#"PRIx64,
                             (update.event == OFPFME_REMOVED
                              ? "deleted" : "changed"),
                             update.table_id, ntohll(update.cookie));
        }
    }
    ofpbuf_uninit(&ofpacts);
    if (what) {
        link_trouble__(sw, what);
    }
}

/* Takes over 'what' the switch did. */
static void
link_trouble__(struct switch_link *sw, char *what)
{
    sw->n_errors++;
    VLOG_WARN_RL(&rl, "%s: the switch %s", channel_target(sw->channel), what);
    free(sw->last_error);
    sw->last_error = what;

    if (!sw->trouble || sw->retry_at <= sw->readback_started) {
        sw->backoff_ms = (sw->backoff_ms
                          ? MIN(2 * sw->backoff_ms, RETRY_MAX_MS)
                          : RETRY_MIN_MS);
        sw->retry_at = time_msec() + MAX(sw->backoff_ms, sw->readback_ms
                                                         * RETRY_PER_READBACK);
        sw->trouble = true;
    }
}

/* For people. */

static const char *
link_state_name__(enum link_state state)
{
    switch (state) {
    case LINK_DOWN: return "not connected";
    case LINK_WAIT_PLAN: return "connected, waiting for a policy";
    case LINK_READBACK: return "reading back what the switch has";
    case LINK_REPAIR: return "repairing what the switch has";
    case LINK_STEADY: return "steady";
    }
    OVS_NOT_REACHED();
}

static void
link_format_backend__(const struct switch_link *sw, struct ds *s)
{
    if (sw->state == LINK_DOWN || sw->asking) {
        ds_put_cstr(s, "backend: not known\n");
        return;
    }
    ds_put_format(s, "backend: %s\nbackend's reason: the switch %s\n",
                  sw->hnv ? "hnv" : "stock", sw->backend_why);
    if (sw->hnv) {
        struct space_hnv_counts counts;

        space_hnv_get_counts(sw->hnv, &counts);
        ds_put_format(s, "datapath entries sent: %"PRIu64" put, %"PRIu64
                      " removed, in %"PRIu64" messages\n",
                      counts.n_puts, counts.n_removes, counts.n_messages);
        ds_put_format(s, "last readback of the datapath: %"PRIuSIZE
                      " entries found, %"PRIuSIZE" missing\n",
                      counts.n_found, counts.n_missing);
    }
}

void
switch_format_status(const struct switch_link *sw, struct ds *s)
{
    const char *target = channel_target(sw->channel);

    ds_put_format(s, "state: %s%s\n", link_state_name__(sw->state),
                  sw->trouble ? ", trouble" : "");
    ds_put_format(s, "target: %s\n", target ? target : "none");
    if (sw->state != LINK_DOWN) {
        ds_put_format(s, "version: %s\n",
                      ofputil_version_to_string(
                          channel_version(sw->channel)));
    }
    link_format_backend__(sw, s);
    ds_put_format(s, "rule flows wanted: %"PRIuSIZE" (%"PRIu64
                  " not understood so far)\n",
                  sw->wanted ? sw->wanted->n : 0, sw->n_bad);
    ds_put_format(s, "space flows sent: %"PRIu64" put, %"PRIu64" removed\n",
                  sw->n_puts, sw->n_removes);
    ds_put_format(s, "bundles sent: %"PRIu64"\n", sw->n_bundles);
    ds_put_format(s, "flushed: %"PRIu64"\nacknowledged: %"PRIu64"\n",
                  sw->flushed, sw->acked);
    ds_put_format(s, "queued: %"PRIuSIZE" bytes\n",
                  channel_queued_bytes(sw->channel));
    ds_put_format(s, "sessions: %"PRIu64"\nreadbacks: %"PRIu64"\n",
                  sw->n_sessions, sw->n_readbacks);
    if (sw->n_readbacks) {
        ds_put_format(s, "last readback: %"PRIuSIZE" flows found, %"PRIuSIZE
                      " space flows missing, %lld ms until repaired\n",
                      sw->readback_flows, sw->readback_missing,
                      sw->readback_ms);
    }
    for (int kind = 0; kind < N_PUNT_KINDS; kind++) {
        ds_put_format(s, "packets taken, %s: %"PRIu64"\n",
                      punt_kind_to_string(kind), sw->n_punts[kind]);
    }
    ds_put_format(s, "packets sent: %"PRIu64"\n", sw->n_packet_outs);
    ds_put_format(s, "errors: %u\n", sw->n_errors);
    if (sw->last_error) {
        ds_put_format(s, "last error: the switch %s\n", sw->last_error);
    }
    if (sw->trouble) {
        ds_put_format(s, "next attempt in: %lld ms\n",
                      MAX(0, sw->retry_at - time_msec()));
    }
}
