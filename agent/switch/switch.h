/* SPDX-License-Identifier: Apache-2.0 */

#ifndef SWITCH_SWITCH_H
#define SWITCH_SWITCH_H 1

/* The OpenFlow session with the integration bridge.
 *
 * Told what is wanted (a plan, and space entries one by one), it makes the
 * switch have that, and tells when the switch has.  It keeps the connection,
 * and after each reconnect reads back what is there and changes the
 * difference only.
 *
 * Order on the switch is make-before-break: space entries that are new or
 * changed, then the plan's difference as one atomic bundle, then space entries
 * that are gone, then a barrier.
 *
 * Threads: one, the one that runs the main loop. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "compile/punt.h"
#include "flow.h"
#include "model/space.h"
#include "openvswitch/ofp-port.h"

struct ds;
struct ofputil_flow_stats;
struct plan;
struct switch_link;

/* Where the wanted space entries are read from when all of them are needed,
 * after a reconnect.  The entries are those that were put and not removed. */
struct space_source {
    /* Writes '*ret_entry' and returns true if there is one. */
    bool (*find)(const struct space_key *, struct space_entry *ret_entry,
                 void *aux);
    void (*for_each)(void (*cb)(const struct space_entry *, void *cb_aux),
                     void *cb_aux, void *aux);
    void *aux;
};

struct switch_link *switch_create(const struct space_source *);
void switch_destroy(struct switch_link *);

/* Connects to 'target', an OpenFlow connection method such as
 * "unix:/run/openvswitch/br-int.mgmt"; NULL disconnects and stays so. */
void switch_set_target(struct switch_link *, const char *target);

/* How the switch is to hold space entries. */
enum switch_backend {
    SWITCH_BACKEND_HNV,         /* In the datapath, if the switch has the
                                 * extension; if not, as stock. */
    SWITCH_BACKEND_STOCK,       /* As flows, which any Open vSwitch can. */
};

/* At first SWITCH_BACKEND_HNV.  A change makes a new session, in which the
 * difference is programmed. */
void switch_set_backend(struct switch_link *, enum switch_backend);

/* Whether the switch, or between two sessions the last one, has the extension
 * and is to use it: plans are to be made for that.  Changes only within
 * switch_run(), which then waits for such a plan. */
bool switch_has_spaces(const struct switch_link *);

void switch_run(struct switch_link *);
void switch_wait(struct switch_link *);

/* Wanted changes.  While there is no session these cost nothing: what is
 * wanted is then found through the space source. */
void switch_space_put(struct switch_link *, const struct space_entry *);
void switch_space_remove(struct switch_link *, const struct space_key *);

/* Adopts 'plan', sorted, which the switch link then owns. */
void switch_set_plan(struct switch_link *, struct plan *);

/* Sends what was wanted since the last call.  Returns a number that
 * switch_acked() reaches once the switch holds all of it. */
uint64_t switch_flush(struct switch_link *);
uint64_t switch_acked(const struct switch_link *);

/* True while there is a session, so that the switch can be asked. */
bool switch_is_up(const struct switch_link *);

/* A packet that a flow handed to the agent. */
struct punt {
    enum punt_kind kind;
    const void *packet;         /* Whole, from its Ethernet header on. */
    size_t size;                /* In bytes. */
    struct flow flow;           /* Only what is not in the packet: port,
                                 * registers, metadata, tunnel. */
};

/* Has 'cb' called for each such packet, from within switch_run().  'punt' and
 * the packet are the caller's. */
void switch_set_punt_cb(struct switch_link *,
                        void (*cb)(const struct punt *, void *aux),
                        void *aux);

/* Has the switch do 'actions', in the syntax of ovs-ofctl(8), with a packet
 * that it takes for one from 'in_port', which may be OFPP_CONTROLLER.  Without
 * a session nothing happens. */
void switch_packet_out(struct switch_link *, const void *packet, size_t size,
                       ofp_port_t in_port, const char *actions);

/* Asks for the counters of the flows of 'table'.  'cb' is called once, within
 * switch_run(): with each flow's match and packets, and then with NULL; or
 * just with NULL if there is no session, or no answer before it ends.  One
 * question at a time: false if another waits. */
typedef void switch_stats_cb(const struct ofputil_flow_stats *, void *aux);
bool switch_ask_stats(struct switch_link *, uint8_t table, switch_stats_cb *,
                      void *aux);

/* True if so much waits to be sent that the caller should let it drain before
 * it asks for more. */
bool switch_is_congested(const struct switch_link *);

/* For people: state of the session, counts. */
void switch_format_status(const struct switch_link *, struct ds *);
const struct plan *switch_plan(const struct switch_link *);

#endif /* switch/switch.h */
