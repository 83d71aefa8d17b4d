/* SPDX-License-Identifier: Apache-2.0 */

#ifndef FAKE_SWITCH_H
#define FAKE_SWITCH_H 1

/* A switch, as far as this takes.
 *
 * It listens on a socket of its own, speaks OpenFlow with whoever connects,
 * one at a time, and has flows, meters and, if it is to have the datapath
 * extension, space entries and guests' ports.  It is told what to do wrong,
 * and tells what happened.  A message that no link should send fails the test.
 *
 * A flow is the message that put it, which is enough to compare with what the
 * link would send, and to answer with.
 *
 * Ownership: the switch owns all that it has.  Tests may read any member, and
 * set those that say how it behaves, at any time.
 *
 * Threads: one, which runs the link, too. */

#include <stdbool.h>
#include <stdint.h>
#include "entry-store.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-monitor.h"

struct fake_flow {
    struct hmap_node hmap_node;
    struct ofputil_flow_mod fm;
};

struct fake {
    /* The session. */
    char *path;                 /* The socket's. */
    uint32_t versions;          /* Of OpenFlow, as a bitmap. */
    struct pvconn *listener;    /* NULL while it is stopped. */
    struct vconn *conn;         /* NULL while nobody is connected. */
    struct ovs_list tx;         /* Contains "struct ofpbuf"s. */

    /* What it has. */
    struct hmap flows;          /* Contains "struct fake_flow"s. */
    struct ovs_list bundles;    /* Contains "struct fake_bundle"s. */
    bool meters[8];             /* By number: it is there. */

    /* The datapath extension. */
    uint32_t hnv_version;       /* 0: it has none. */
    struct store spaces;
    struct store ports;         /* By MAC, the cookie being the port. */
    uint64_t generation;

    /* What goes wrong. */
    int refuse_table;           /* Flows in this table are refused, or -1. */
    bool refuse_spaces;         /* Likewise, space entries. */
    size_t max_spaces;          /* A message that would bring more entries is
                                 * refused as a whole. */
    bool drop_barriers;         /* No barrier is answered. */
    bool no_monitor;            /* It cannot tell of others' changes. */
    bool hold_dump;             /* Keep the answer to a dump for later. */
    struct ovs_list held;       /* Contains "struct ofpbuf"s. */

    /* What it was told. */
    bool sees_fragments;        /* To let flows see them. */
    bool gives_registers;       /* To give them along with packets. */
    bool watched;               /* To tell of others' changes. */
    uint16_t flushed_zone;      /* To forget its connections; 0 for none. */

    /* What happened. */
    unsigned int n_flow_mods;   /* Carried out, alone or in bundles. */
    unsigned int n_in_bundle;   /* Of these, in bundles. */
    unsigned int n_commits, n_dumps, n_barriers, n_space_mods;
};

/* One that has nothing, does nothing wrong, and is started. */
void fake_init(struct fake *);
void fake_uninit(struct fake *);

void fake_run(struct fake *);
void fake_wait(struct fake *);

/* The connection is lost; what is on the switch is not. */
void fake_stop(struct fake *);
void fake_start(struct fake *);

/* What a process that is killed leaves: nothing. */
void fake_forget(struct fake *);

/* The flow of the same table, priority and match, or NULL. */
struct fake_flow *fake_find(const struct fake *,
                            const struct ofputil_flow_mod *);

/* Somebody else adds a flow, in the words of ovs-ofctl(8). */
void fake_add(struct fake *, const char *flow);

/* Tells whoever watches of 'event'. */
void fake_tell(struct fake *, enum ofp_flow_update_event event);

/* Sends what 'hold_dump' kept, which is over. */
void fake_release_dump(struct fake *);

#endif /* fake-switch.h */
