/* SPDX-License-Identifier: Apache-2.0 */

#ifndef LOOP_H
#define LOOP_H 1

/* The event loop: libevent's, also for Open vSwitch's libraries.
 *
 * Open vSwitch's code does not take callbacks.  Each module has a "run"
 * function that does what can be done now, and a "wait" function that says
 * through <openvswitch/poll-loop.h> what would give it more to do;
 * poll_block() sleeps until one of those things happens.  loop.c defines the
 * functions of that header on a libevent base, in place of the library's own
 * file, so that poll_block() also serves timers, signals and HTTP of libevent.
 *
 * Threads: each thread that blocks has a base of its own, made at first use
 * and freed when the thread ends.  A base is for its own thread only. */

struct event_base;

/* Returns the calling thread's event base.  Events added to it are served
 * within poll_block(). */
struct event_base *loop_base(void);

#endif /* loop.h */
