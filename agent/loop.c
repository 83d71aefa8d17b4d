/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "loop.h"
#include <event2/event.h>
#include <event2/event_struct.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include "coverage.h"
#include "fatal-signal.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "seq.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(loop);

/* One file descriptor that the next poll_block() is to watch. */
struct loop_watch {
    int fd;
    short int what;             /* EV_READ, EV_WRITE. */
    const char *where;          /* Source location that asked for it. */
    struct event event;         /* In use within poll_block() only. */
};

struct loop {
    struct event_base *base;
    struct event timer;         /* Fires at 'when_ms'. */

    /* What the next poll_block() waits for. */
    struct loop_watch *watches;
    size_t n_watches, allocated_watches;
    long long int when_ms;      /* As time_msec(); LLONG_MIN: at once;
                                 * LLONG_MAX: never. */
    const char *when_where;
};

static struct loop *loop_get(void);
static struct loop *loop_create(void);
static void loop_destroy(void *);
static void loop_arm(struct loop *);
static void loop_disarm(struct loop *);
static void loop_sleep(struct loop *);

struct event_base *
loop_base(void)
{
    return loop_get()->base;
}

/* Asks the next poll_block() to return when 'fd' is ready for 'events', a
 * combination of POLLIN and POLLOUT. */
void
poll_fd_wait_at(int fd, short int events, const char *where)
{
    struct loop *loop = loop_get();

    if (loop->n_watches >= loop->allocated_watches) {
        loop->watches = x2nrealloc(loop->watches, &loop->allocated_watches,
                                   sizeof *loop->watches);
    }
    loop->watches[loop->n_watches++] = (struct loop_watch) {
        .fd = fd,
        .what = ((events & POLLIN ? EV_READ : 0)
                 | (events & POLLOUT ? EV_WRITE : 0)),
        .where = where,
    };
}

/* Asks the next poll_block() to return after 'msec' milliseconds. */
void
poll_timer_wait_at(long long int msec, const char *where)
{
    long long int now = time_msec();

    poll_timer_wait_until_at(msec <= 0 ? LLONG_MIN
                             : now > LLONG_MAX - msec ? LLONG_MAX
                             : now + msec, where);
}

/* Asks the next poll_block() to return when time_msec() is 'when'. */
void
poll_timer_wait_until_at(long long int when, const char *where)
{
    struct loop *loop = loop_get();

    if (when < loop->when_ms) {
        loop->when_ms = when;
        loop->when_where = where;
    }
}

void
poll_immediate_wake_at(const char *where)
{
    poll_timer_wait_until_at(LLONG_MIN, where);
}

/* Sleeps until something happens that was asked for since the last call, then
 * forgets all of it.  The thread is quiescent for RCU while it sleeps.
 * Libevent's own events on loop_base() are served on the way. */
void
poll_block(void)
{
    struct loop *loop = loop_get();

    fatal_signal_wait();
    timewarp_run();
    coverage_clear();

    loop_arm(loop);
    loop_sleep(loop);
    loop_disarm(loop);

    fatal_signal_run();
    seq_woke();
}

static void
loop_sleep(struct loop *loop)
{
    bool at_once = loop->when_ms <= time_msec();

    if (at_once) {
        ovsrcu_quiesce();
    } else {
        ovsrcu_quiesce_start();
    }
    if (event_base_loop(loop->base,
                        at_once ? EVLOOP_NONBLOCK : EVLOOP_ONCE) < 0) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
        VLOG_ERR_RL(&rl, "event loop failed; trying again");
    }
    if (!at_once) {
        ovsrcu_quiesce_end();
    }
    loop->when_ms = LLONG_MAX;
    loop->when_where = NULL;
}

static void
loop_fd_ready(evutil_socket_t fd, short int what, void *watch_)
{
    const struct loop_watch *watch = watch_;

    VLOG_DBG("wakeup due to%s%s on fd %d at %s",
             what & EV_READ ? " [POLLIN]" : "",
             what & EV_WRITE ? " [POLLOUT]" : "", (int) fd, watch->where);
}

static void
loop_timer_fired(evutil_socket_t fd OVS_UNUSED, short int what OVS_UNUSED,
                 void *loop_)
{
    const struct loop *loop = loop_;

    VLOG_DBG("wakeup due to timer at %s", loop->when_where);
}

/* Gives 'loop''s wishes to libevent.  Open vSwitch's code asks anew in each
 * round, so all of it is taken back after the sleep: the file descriptors may
 * be closed and their numbers reused before the next one. */
static void
loop_arm(struct loop *loop)
{
    for (size_t i = 0; i < loop->n_watches; i++) {
        struct loop_watch *watch = &loop->watches[i];

        event_assign(&watch->event, loop->base, watch->fd, watch->what,
                     loop_fd_ready, watch);
        event_add(&watch->event, NULL);
    }

    if (loop->when_ms != LLONG_MAX) {
        long long int delay_ms = (loop->when_ms == LLONG_MIN ? 0
                                  : MAX(loop->when_ms - time_msec(), 0));
        struct timeval delay = {
            .tv_sec = delay_ms / 1000,
            .tv_usec = delay_ms % 1000 * 1000,
        };
        event_add(&loop->timer, &delay);
    }
}

static void
loop_disarm(struct loop *loop)
{
    for (size_t i = 0; i < loop->n_watches; i++) {
        event_del(&loop->watches[i].event);
    }
    loop->n_watches = 0;
    event_del(&loop->timer);
}

/* The set of descriptors is made anew for each sleep, for which poll(2) is
 * the right system call: with epoll(7) each would cost two more. */
static struct event_base *
base_create(void)
{
    struct event_config *config = event_config_new();

    event_config_avoid_method(config, "epoll");
    event_config_avoid_method(config, "select");
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);

    struct event_base *base = event_base_new_with_config(config);
    if (!base) {
        VLOG_FATAL("libevent cannot create an event loop on poll(2)");
    }
    event_config_free(config);
    return base;
}

static struct loop *
loop_create(void)
{
    struct loop *loop = xzalloc(sizeof *loop);

    loop->base = base_create();
    loop->when_ms = LLONG_MAX;
    evtimer_assign(&loop->timer, loop->base, loop_timer_fired, loop);
    return loop;
}

static void
loop_destroy(void *loop_)
{
    struct loop *loop = loop_;

    event_base_free(loop->base);
    free(loop->watches);
    free(loop);
}

static struct loop *
loop_get(void)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;
    static pthread_key_t key;

    if (ovsthread_once_start(&once)) {
        xpthread_key_create(&key, loop_destroy);
        ovsthread_once_done(&once);
    }

    struct loop *loop = pthread_getspecific(key);
    if (!loop) {
        loop = loop_create();
        xpthread_setspecific(key, loop);
    }
    return loop;
}
