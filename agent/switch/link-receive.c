/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "switch/link-private.h"
#include <inttypes.h>
#include <stdlib.h>
#include "byte-order.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-monitor.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(switch_answers);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(20, 20);

/* Received bytes after which the rest of the program gets its turn; it may be
 * 150 MB that the switch has to say after a reconnect. */
enum { RECEIVE_BUDGET_BYTES = 2 * 1024 * 1024 };

/* Time between reading back, while the switch refuses something. */
enum { RETRY_MIN_MS = 1000, RETRY_MAX_MS = 30000 };

/* Reading back a million flows takes the switch seconds.  With something that
 * it keeps refusing, this is the factor of that time to wait in between. */
enum { RETRY_PER_READBACK = 20 };

static void link_take__(struct switch_link *, struct ofpbuf *);
static void link_take_packet__(struct switch_link *,
                               const struct ofp_header *);
static void link_take_stats__(struct switch_link *, struct ofpbuf *);
static void link_take_ability__(struct switch_link *,
                                const struct ofp_header *);
static void link_take_spaces__(struct switch_link *,
                               const struct ofp_header *);
static void link_take_dump__(struct switch_link *, struct ofpbuf *);
static void link_take_barrier__(struct switch_link *, ovs_be32 xid);
static void link_take_error__(struct switch_link *, const struct ofp_header *);
static void link_take_update__(struct switch_link *, struct ofpbuf *);

void
link_receive(struct switch_link *sw)
{
    size_t budget = RECEIVE_BUDGET_BYTES;
    struct ofpbuf *msg;

    do {
        msg = channel_recv(sw->channel);

        /* The session may have come or gone while receiving. */
        bool open = channel_is_open(sw->channel);

        if (sw->state != LINK_DOWN
            && (!open || sw->session != channel_session(sw->channel))) {
            link_down(sw);
        }
        if (sw->state == LINK_DOWN && open) {
            link_up(sw);
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

void
link_end_stats(struct switch_link *sw)
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
        link_end_stats(sw);
    }
}

static void
link_take_ability__(struct switch_link *sw, const struct ofp_header *oh)
{
    struct space_hnv_ability ability;
    bool changed;

    if (sw->hnv && space_hnv_take_watch(sw->hnv, oh, &changed)) {
        /* In trouble it is read back anyway, and what it refused it has not
         * counted. */
        if (changed && sw->state == LINK_STEADY && !sw->trouble) {
            link_trouble(sw, xstrdup("has entries in its datapath that "
                                     "somebody else changed"));
        }
        return;
    }
    if (!sw->asking || oh->xid != sw->ask_xid) {
        return;
    }
    if (space_hnv_take_ability(oh, &ability)) {
        link_choose(sw, &ability, NULL);
    } else {
        link_choose(sw, NULL, "it says so in a way that is not understood");
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
        link_down(sw);
        return;
    }
    link_check_done(sw);
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
        link_down(sw);
        return;
    }
    if (done) {
        sw->readback_flows = readback_n_flows(sw->readback);
        sw->readback_missing = readback_n_missing(sw->readback);
        sw->flows_read = true;
        link_check_done(sw);
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
                if (sw->hnv) {
                    space_hnv_set_one_by_one(sw->hnv, false);
                }
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

/* The others of a refused message are not to miss their place for long. */
static void
link_take_full__(struct switch_link *sw, const char *name, ovs_be32 xid)
{
    link_trouble(sw, xasprintf("refused space entries (%s, xid 0x%"PRIx32"): "
                               "mappings lead to more places than its "
                               "datapath can hold; those too many have no "
                               "effect until there are fewer",
                               name, ntohl(xid)));
    if (!space_hnv_is_one_by_one(sw->hnv)) {
        space_hnv_set_one_by_one(sw->hnv, true);
        sw->retry_at = time_msec();
    }
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
        link_choose(sw, NULL, name);
    } else if (oh->xid == sw->watch_xid) {
        VLOG_INFO("%s: the switch does not tell of flows that others change "
                  "(%s); they are noticed when it is read back",
                  channel_target(sw->channel), name);
    } else if (note && !note->text) {
        link_trouble(sw, xasprintf("refused a bundle (%s); its flows follow "
                                   "one by one", name));
        if (!sw->one_by_one) {
            /* Guests may wait for the rest of it. */
            sw->one_by_one = true;
            sw->retry_at = time_msec();
        }
    } else if (error == OFPERR_OFPFMFC_TABLE_FULL && sw->hnv && !note
               && notes_is_of_spaces(&payload)) {
        link_take_full__(sw, name, oh->xid);
    } else {
        char *what = (note ? xstrdup(note->text)
                      : error ? notes_describe(&payload)
                      : xstrdup("a message"));

        link_trouble(sw, xasprintf("refused %s (%s, xid 0x%"PRIx32")", what,
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
        link_trouble(sw, what);
    }
}

void
link_trouble(struct switch_link *sw, char *what)
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
