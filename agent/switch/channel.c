/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "switch/channel.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "reconnect.h"
#include "stream.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(channel);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);

/* The switch is on this host, so an attempt costs microseconds, and it should
 * be programmed soon after it came back. */
enum { BACKOFF_MIN_MS = 50, BACKOFF_MAX_MS = 500 };

/* A switch that took in a very large change may not answer for seconds. */
enum { PROBE_INTERVAL_MS = 10000 };

/* A message's length field has 16 bits. */
enum { RX_BYTES = 4 * 65536 };

/* Queued bytes from which a write is tried without waiting for more. */
enum { PUSH_BYTES = 65536 };

/* Sent bytes are at the front of 'data', up to 'head'. */
struct byte_queue {
    uint8_t *data;
    size_t head, tail, allocated;
};

/*            channel_set_target()
 *      VOID ────────────────────► BACKOFF ◄──────────────┐
 *                                    │ time             │ error, timeout,
 *                                    ▼                  │ lost
 *                                CONNECTING ────────────┤
 *                                    │ connected: HELLO │
 *                                    ▼                  │
 *                                GREETING ──────────────┤
 *                                    │ HELLO received   │
 *                                    ▼                  │
 *                                  OPEN ────────────────┘
 *
 * 'fsm' decides when to connect, to probe and to give up; it tells BACKOFF
 * (no stream) from the rest.  CONNECTING ends by its timeout, GREETING and
 * OPEN by its probe. */
enum channel_state {
    CHANNEL_CLOSED,             /* VOID or BACKOFF: no stream. */
    CHANNEL_CONNECTING,
    CHANNEL_GREETING,
    CHANNEL_OPEN,
};

struct channel {
    enum channel_state state;
    struct reconnect *fsm;
    char *target;               /* NULL if not to connect. */
    uint32_t versions;
    enum ofp_version version;   /* In CHANNEL_OPEN. */
    unsigned int session;

    struct stream *stream;
    struct byte_queue tx;
    uint8_t *rx;                /* RX_BYTES. */
    size_t rx_head, rx_tail;    /* Received and not yet handed out. */
};

static void channel_connect__(struct channel *);
static void channel_close__(struct channel *, int error);
static void channel_greet__(struct channel *);
static bool channel_handle__(struct channel *, const struct ofp_header *);
static const uint8_t *channel_next__(struct channel *, size_t *ret_size);

struct channel *
channel_create(uint32_t versions)
{
    struct channel *c = xzalloc(sizeof *c);

    c->versions = versions;
    c->fsm = reconnect_create(time_msec());
    reconnect_set_backoff(c->fsm, BACKOFF_MIN_MS, BACKOFF_MAX_MS);
    reconnect_set_probe_interval(c->fsm, PROBE_INTERVAL_MS);
    c->rx = xmalloc(RX_BYTES);
    return c;
}

void
channel_destroy(struct channel *c)
{
    if (!c) {
        return;
    }
    channel_set_target(c, NULL);
    reconnect_destroy(c->fsm);
    free(c->tx.data);
    free(c->rx);
    free(c);
}

void
channel_set_target(struct channel *c, const char *target)
{
    if (nullable_string_is_equal(c->target, target)) {
        return;
    }
    if (c->target) {
        channel_close__(c, 0);
        reconnect_disable(c->fsm, time_msec());
    }
    free(c->target);
    c->target = nullable_xstrdup(target);
    if (target) {
        reconnect_set_name(c->fsm, target);
        reconnect_enable(c->fsm, time_msec());
    }
}

const char *
channel_target(const struct channel *c)
{
    return c->target;
}

void
channel_reconnect(struct channel *c)
{
    if (c->stream) {
        channel_close__(c, 0);
    }
}

void
channel_run(struct channel *c)
{
    switch (reconnect_run(c->fsm, time_msec())) {
    case RECONNECT_CONNECT:
        channel_connect__(c);
        break;

    case RECONNECT_DISCONNECT:
        channel_close__(c, ETIMEDOUT);
        break;

    case RECONNECT_PROBE:
        if (c->state == CHANNEL_OPEN) {
            channel_send(c, ofputil_encode_echo_request(c->version));
        }
        break;
    }

    if (c->state == CHANNEL_CONNECTING) {
        int error = stream_connect(c->stream);

        if (!error) {
            channel_greet__(c);
        } else if (error != EAGAIN) {
            channel_close__(c, error);
        }
    }
    if (c->stream) {
        stream_run(c->stream);
        channel_push(c);
    }
}

void
channel_wait(struct channel *c)
{
    reconnect_wait(c->fsm, time_msec());
    if (!c->stream) {
        return;
    }
    stream_run_wait(c->stream);
    if (c->state == CHANNEL_CONNECTING) {
        stream_connect_wait(c->stream);
        return;
    }
    size_t size;

    if (channel_next__(c, &size)) {
        poll_immediate_wake();
    }
    stream_recv_wait(c->stream);
    if (channel_queued_bytes(c)) {
        stream_send_wait(c->stream);
    }
}

bool
channel_is_open(const struct channel *c)
{
    return c->state == CHANNEL_OPEN;
}

unsigned int
channel_session(const struct channel *c)
{
    return c->session;
}

enum ofp_version
channel_version(const struct channel *c)
{
    return c->version;
}

/* Connecting. */

static void
channel_connect__(struct channel *c)
{
    int error = stream_open(c->target, &c->stream, 0);

    if (error) {
        c->stream = NULL;
        reconnect_connect_failed(c->fsm, time_msec(), error);
        return;
    }
    reconnect_connecting(c->fsm, time_msec());
    c->state = CHANNEL_CONNECTING;
}

static void
channel_close__(struct channel *c, int error)
{
    if (c->state == CHANNEL_CONNECTING) {
        reconnect_connect_failed(c->fsm, time_msec(), error);
    } else if (c->state != CHANNEL_CLOSED) {
        reconnect_disconnected(c->fsm, time_msec(), error);
    }
    c->state = CHANNEL_CLOSED;
    stream_close(c->stream);
    c->stream = NULL;
    c->rx_head = c->rx_tail = 0;

    free(c->tx.data);
    c->tx = (struct byte_queue) { .data = NULL };
}

static void
channel_greet__(struct channel *c)
{
    struct ofpbuf *hello = ofputil_encode_hello(c->versions);

    reconnect_connected(c->fsm, time_msec());
    c->state = CHANNEL_GREETING;
    channel_send(c, hello);
}

/* The highest version that both sides have. */
static void
channel_take_hello__(struct channel *c, const struct ofp_header *oh)
{
    uint32_t peer_versions;

    (void) ofputil_decode_hello(oh, &peer_versions);

    uint32_t common = c->versions & peer_versions;

    if (!common) {
        struct ds ours = DS_EMPTY_INITIALIZER;
        struct ds theirs = DS_EMPTY_INITIALIZER;

        ofputil_format_version_bitmap(&ours, c->versions);
        ofputil_format_version_bitmap(&theirs, peer_versions);
        VLOG_WARN_RL(&rl, "%s: the switch speaks OpenFlow %s, this agent %s; "
                     "the bridge's \"protocols\" must allow one of those; "
                     "trying again", c->target,
                     ds_cstr(&theirs), ds_cstr(&ours));
        ds_destroy(&ours);
        ds_destroy(&theirs);
        channel_close__(c, EPROTO);
        return;
    }
    c->version = leftmost_1bit_idx(common);
    c->state = CHANNEL_OPEN;
    c->session++;
}

/* Receiving. */

struct ofpbuf *
channel_recv(struct channel *c)
{
    while (c->state == CHANNEL_GREETING || c->state == CHANNEL_OPEN) {
        size_t size;
        const uint8_t *data = channel_next__(c, &size);

        if (!data) {
            /* Room for what comes, at least for the rest of a message. */
            memmove(c->rx, c->rx + c->rx_head, c->rx_tail - c->rx_head);
            c->rx_tail -= c->rx_head;
            c->rx_head = 0;

            int n = stream_recv(c->stream, c->rx + c->rx_tail,
                                RX_BYTES - c->rx_tail);

            reconnect_receive_attempted(c->fsm, time_msec());
            if (n == -EAGAIN) {
                return NULL;
            } else if (n <= 0) {
                channel_close__(c, n ? -n : EOF);
                return NULL;
            }
            reconnect_activity(c->fsm, time_msec());
            c->rx_tail += n;
            continue;
        }

        /* Copied to where it is aligned. */
        struct ofpbuf *msg = ofpbuf_clone_data(data, size);

        c->rx_head += size;
        if (size < sizeof(struct ofp_header)) {
            VLOG_WARN_RL(&rl, "%s: received a message of impossible length; "
                         "reconnecting", c->target);
            channel_close__(c, EPROTO);
        } else if (!channel_handle__(c, msg->data)) {
            return msg;
        }
        ofpbuf_delete(msg);
    }
    return NULL;
}

/* Returns the message at the head of what was received, if it is all there.
 * It may not be aligned. */
static const uint8_t *
channel_next__(struct channel *c, size_t *ret_size)
{
    size_t n = c->rx_tail - c->rx_head;
    const uint8_t *p = c->rx + c->rx_head;

    if (n < sizeof(struct ofp_header)) {
        return NULL;
    }

    size_t size = p[2] << 8 | p[3];     /* ofp_header's 'length'. */

    if (n < size) {
        return NULL;
    }
    *ret_size = size;
    return p;
}

/* Returns true if message 'oh' concerned only the connection itself. */
static bool
channel_handle__(struct channel *c, const struct ofp_header *oh)
{
    enum ofptype type;

    if (ofptype_decode(&type, oh)) {
        VLOG_DBG_RL(&rl, "%s: ignoring a message that cannot be decoded",
                    c->target);
        return true;
    }

    if (c->state == CHANNEL_GREETING) {
        if (type == OFPTYPE_HELLO) {
            channel_take_hello__(c, oh);
        } else {
            VLOG_WARN_RL(&rl, "%s: received %s instead of a greeting; "
                         "reconnecting", c->target, ofptype_get_name(type));
            channel_close__(c, EPROTO);
        }
        return true;
    }
    if (type == OFPTYPE_ECHO_REQUEST) {
        channel_send(c, ofputil_encode_echo_reply(oh));
        return true;
    }
    return type == OFPTYPE_ECHO_REPLY || type == OFPTYPE_HELLO;
}

/* Sending. */

void
channel_send(struct channel *c, struct ofpbuf *msg)
{
    ofpmsg_update_length(msg);
    channel_put(c, msg->data, msg->size);
    ofpbuf_delete(msg);
}

void
channel_put(struct channel *c, const void *msg, size_t size)
{
    struct byte_queue *q = &c->tx;

    if (c->state != CHANNEL_GREETING && c->state != CHANNEL_OPEN) {
        return;
    }
    if (q->tail + size > q->allocated) {
        if (q->head > q->allocated / 2) {
            q->tail -= q->head;
            memmove(q->data, q->data + q->head, q->tail);
            q->head = 0;
        }
        while (q->tail + size > q->allocated) {
            q->allocated = MAX(2 * q->allocated, 2 * PUSH_BYTES);
            q->data = xrealloc(q->data, q->allocated);
        }
    }
    memcpy(q->data + q->tail, msg, size);
    q->tail += size;

    /* Not at every message beyond PUSH_BYTES: a socket that is full would be
     * asked again and again. */
    if (channel_queued_bytes(c) / PUSH_BYTES
        != (channel_queued_bytes(c) - size) / PUSH_BYTES) {
        channel_push(c);
    }
}

void
channel_push(struct channel *c)
{
    struct byte_queue *q = &c->tx;

    if (c->state != CHANNEL_GREETING && c->state != CHANNEL_OPEN) {
        return;
    }
    while (q->head < q->tail) {
        int n = stream_send(c->stream, q->data + q->head, q->tail - q->head);

        if (n == -EAGAIN) {
            return;
        } else if (n <= 0) {
            /* Receiving will find the same error, and what the peer had to
             * say before it. */
            VLOG_DBG_RL(&rl, "%s: send: %s", c->target, ovs_strerror(-n));
            q->head = q->tail = 0;
            return;
        }
        q->head += n;
    }
    q->head = q->tail = 0;
    if (q->allocated > 16 * PUSH_BYTES) {
        free(q->data);
        *q = (struct byte_queue) { .data = NULL };
    }
}

size_t
channel_queued_bytes(const struct channel *c)
{
    return c->tx.tail - c->tx.head;
}
