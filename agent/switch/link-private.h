/* SPDX-License-Identifier: Apache-2.0 */

#ifndef SWITCH_LINK_PRIVATE_H
#define SWITCH_LINK_PRIVATE_H 1

/* What the files of the link to the switch share: link.c is the session and
 * what is wanted, link-send.c what is told, link-receive.c what is answered,
 * link-status.c what people are told. */

#include "openvswitch/list.h"
#include "plan/plan.h"
#include "switch/changes.h"
#include "switch/channel.h"
#include "switch/key-set.h"
#include "switch/notes.h"
#include "switch/punt.h"
#include "switch/readback.h"
#include "switch/space-hnv.h"
#include "switch/space-stock.h"
#include "switch/switch.h"

struct ofpbuf;

/* A switch that owes an answer and says nothing for so long has lost it.  (A
 * switch that says nothing at all is noticed earlier, by the channel.) */
enum { ANSWER_TIMEOUT_MS = 60000 };

/*
 *     ┌────────► DOWN ◄──────────── from all: session lost ──────┐
 *     │           │ session open                                 │
 *     │           ▼                                              │
 *     │       WAIT_PLAN      Nothing is touched.                 │
 *     │           │ the backend is known, there is a plan for it │
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
 * extension.  If so, and if nobody wishes otherwise, the space entries are in
 * its datapath, and only a few are flows, see space_hnv_leaves(); as flows
 * they are on any other switch.  A switch that comes back as another is
 * another session, and a changed wish makes one, so a backend lasts as long as
 * its session.  A plan is for one backend: WAIT_PLAN waits for the right
 * one.
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

    /* Whether the extension is wished for, and whether the last session had
     * it. */
    enum switch_backend wish;
    bool spaces;

    /* Between LINK_DOWN and the loss of the session. */
    struct space_stock *stock;
    bool asking;                /* For what the switch can do; if not: */
    ovs_be32 ask_xid;
    struct space_hnv *hnv;      /* NULL: without the extension. */
    struct key_set flows;       /* With it, from LINK_REPAIR on: the entries
                                 * that are flows. */
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

/* link.c */
void link_up(struct switch_link *);
/* All that depends on the session goes; what is wanted stays. */
void link_down(struct switch_link *);
/* 'ability' is what the switch said, or if it is NULL, 'why_none' is why there
 * is none. */
void link_choose(struct switch_link *, const struct space_hnv_ability *,
                 const char *why_none);
/* Everything that was asked for may be in. */
void link_check_done(struct switch_link *);

/* link-send.c */
/* Makes the flow of an entry that is to have one, removes that of any
 * other. */
void link_put_flow(struct switch_link *, const struct space_entry *);
/* Removes the flow for a key, unless it is wanted by now. */
void link_remove_flow(struct switch_link *, const struct space_key *);
/* True if the entry is to have a flow. */
bool link_wants_flow(const struct switch_link *, const struct space_entry *);
/* Tell the datapath of the wanted plan's guests that 'had', or NULL, did not
 * have; and of those that the wanted one does not have any more.  Without the
 * extension they do nothing. */
void link_put_guests(struct switch_link *, const struct plan *had);
void link_drop_guests(struct switch_link *, const struct plan *had);
/* Sends the entries that wait for a message to be full. */
void link_push_spaces(struct switch_link *);
/* Sends the entries that were put and are not sent yet, the plan's difference,
 * then the removals. */
void link_send_pending(struct switch_link *);
/* Makes the meters of the wanted plan that 'had', or NULL, did not have,
 * before the first flow that names them. */
void link_make_meters(struct switch_link *, const struct plan *had);
void link_send_changes(struct switch_link *, const struct changes *);
/* The wanted plan is what the switch was told. */
void link_adopt_sent(struct switch_link *);
void link_send_barrier(struct switch_link *, bool ends_repair);

/* link-receive.c */
void link_receive(struct switch_link *);
/* Whoever asks for counters is told that there are no more. */
void link_end_stats(struct switch_link *);
/* Takes over 'what' the switch did. */
void link_trouble(struct switch_link *, char *what);

#endif /* switch/link-private.h */
