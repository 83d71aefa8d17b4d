/* SPDX-License-Identifier: Apache-2.0 */

#ifndef SWITCH_CHANNEL_H
#define SWITCH_CHANNEL_H 1

/* A connection that OpenFlow messages travel on.
 *
 * Connects again when it is lost, agrees on a version, answers and sends
 * echoes, and otherwise carries whole messages in both directions.
 *
 * Why not <openvswitch/rconn.h>: it writes each message to the socket by
 * itself.  Here messages collect in one buffer that goes out in large writes,
 * which matters when a million flows are sent.
 *
 * Nothing survives a reconnect: what was queued and not sent is dropped, and
 * the session number tells that this happened.
 *
 * Threads: one at a time. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openflow/openflow-common.h"

struct channel;
struct ofpbuf;

/* 'versions' has a bit (1u << OFP15_VERSION etc.) per acceptable version. */
struct channel *channel_create(uint32_t versions);
void channel_destroy(struct channel *);

/* Starts to connect to 'target'; NULL disconnects and stays so. */
void channel_set_target(struct channel *, const char *target);
const char *channel_target(const struct channel *); /* Or NULL. */

/* Drops the session, to start a new one. */
void channel_reconnect(struct channel *);

/* Keeps the connection, and writes what can be written. */
void channel_run(struct channel *);
void channel_wait(struct channel *);

/* True from when a version is agreed on until the connection is lost. */
bool channel_is_open(const struct channel *);

/* Number of sessions so far; a new one starts with nothing queued. */
unsigned int channel_session(const struct channel *);
enum ofp_version channel_version(const struct channel *);

/* Returns the next message, which the caller then owns, or NULL if there is
 * none now. */
struct ofpbuf *channel_recv(struct channel *);

/* Queues a message.  channel_send() takes it over, channel_put() copies it.
 * Without a session the message is dropped. */
void channel_send(struct channel *, struct ofpbuf *);
void channel_put(struct channel *, const void *msg, size_t size);

/* Writes what the socket takes now. */
void channel_push(struct channel *);
size_t channel_queued_bytes(const struct channel *);

#endif /* switch/channel.h */
