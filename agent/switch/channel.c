/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "switch/channel.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "stream.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(channel);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);

/* The switch is on this host, so an attempt costs microseconds, and it should
 * be programmed soon after it came back: reconnect.h, which waits for a second
 * at least, is for others.  A session has to last for some time to show that
 * all is well again. */
enum { BACKOFF_MIN_MS = 50, BACKOFF_MAX_MS = 500, WELL_AFTER_MS = 5000 };

/* After one such time of silence the peer is asked for an echo, after two it
 * is given up.  A switch that took in a very large change may not answer for
 * seconds. */
enum { SILENCE_MS = 10000 };

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
 * VOID has no target.  BACKOFF ends by 'connect_at', the others by silence. */
enum channel_state {
    CHANNEL_CLOSED,             /* VOID or BACKOFF: no stream. */
    CHANNEL_CONNECTING,
    CHANNEL_GREETING,
    CHANNEL_OPEN,
};

struct channel {
    enum channel_state state;
    char *target;               /* NULL if not to connect. */
    uint32_t versions;
    enum ofp_version version;   /* In CHANNEL_OPEN. */
    unsigned int session;

    long long int connect_at;   /* In BACKOFF. */
    int backoff_ms;             /* What it was the last time. */
    bool complained;            /* Since the last session. */
    long long int opened_at;
    long long int heard_at;     /* Last received something, or connecting. */
    bool probed;                /* Since then. */

    struct stream *stream;
    struct byte_queue tx;
    uint8_t *rx;                /* RX_BYTES. */
    size_t rx_head, rx_tail;    /* Received and not yet handed out. */
};

static void channel_connect__(struct channel *);
static void channel_back_off__(struct channel *, int error);
static void channel_close__(struct channel *, int error);
static void channel_check_silence__(struct channel *);
static void channel_greet__(struct channel *);
static bool channel_handle__(struct channel *, const struct ofp_header *);
static const uint8_t *channel_next__(struct channel *, size_t *ret_size);

struct channel *
channel_create(uint32_t versions)
{
    struct channel *c = xzalloc(sizeof *c);

    c->versions = versions;
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
    channel_reconnect(c);
    free(c->target);
    c->target = nullable_xstrdup(target);
    c->backoff_ms = 0;
    c->connect_at = LLONG_MIN;
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
    if (c->state == CHANNEL_CLOSED && c->target
        && time_msec() >= c->connect_at) {
        channel_connect__(c);
    }
    if (c->state == CHANNEL_CONNECTING) {
        int error = stream_connect(c->stream);

        if (!error) {
            channel_greet__(c);
        } else if (error != EAGAIN) {
            channel_close__(c, error);
        } else {
            channel_check_silence__(c);
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
    if (!c->stream) {
        if (c->target) {
            poll_timer_wait_until(c->connect_at);
        }
        return;
    }
    poll_timer_wait_until(c->heard_at + (c->probed ? 2 : 1) * SILENCE_MS);
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
        channel_back_off__(c, error);
        return;
    }
    c->state = CHANNEL_CONNECTING;
    c->heard_at = time_msec();
    c->probed = false;
}

/* Plans the next attempt.  Tells of the first of a series of failures, unless
 * 'error' is 0, which is for one that was told already, or no failure. */
static void
channel_back_off__(struct channel *c, int error)
{
    if (error && !c->complained) {
        VLOG_WARN("%s: no session with the switch (%s); its flows stay as "
                  "they are; trying again", c->target,
                  ovs_retval_to_string(error));
        c->complained = true;
    }
    c->backoff_ms = MIN(MAX(BACKOFF_MIN_MS, 2 * c->backoff_ms),
                        BACKOFF_MAX_MS);
    c->connect_at = time_msec() + c->backoff_ms;
}

static void
channel_close__(struct channel *c, int error)
{
    if (c->state == CHANNEL_OPEN
        && time_msec() >= c->opened_at + WELL_AFTER_MS) {
        c->backoff_ms = 0;
    }
    c->state = CHANNEL_CLOSED;
    channel_back_off__(c, error);
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
        channel_close__(c, 0);
        return;
    }
    c->version = leftmost_1bit_idx(common);
    c->state = CHANNEL_OPEN;
    c->opened_at = time_msec();
    c->complained = false;
    c->session++;
}

/* To be called when all that the peer has sent is received: after a pause of
 * this program there may be much, and then it was not silent. */
static void
channel_check_silence__(struct channel *c)
{
    long long int silent_ms = time_msec() - c->heard_at;

    if (silent_ms >= 2 * SILENCE_MS) {
        channel_close__(c, ETIMEDOUT);
    } else if (silent_ms >= SILENCE_MS && !c->probed) {
        c->probed = true;
        if (c->state == CHANNEL_OPEN) {
            channel_send(c, ofputil_encode_echo_request(c->version));
        }
    }
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

            if (n == -EAGAIN) {
                channel_check_silence__(c);
                return NULL;
            } else if (n <= 0) {
                channel_close__(c, n ? -n : EOF);
                return NULL;
            }
            c->heard_at = time_msec();
            c->probed = false;
            c->rx_tail += n;
            continue;
        }

        /* Copied to where it is aligned. */
        struct ofpbuf *msg = ofpbuf_clone_data(data, size);

        c->rx_head += size;
        if (size < sizeof(struct ofp_header)) {
            VLOG_WARN_RL(&rl, "%s: received a message of impossible length; "
                         "reconnecting", c->target);
            channel_close__(c, 0);
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
            channel_close__(c, 0);
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
