/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "learning.h"
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include "compile/choose-pa.h"
#include "compile/compile.h"
#include "compile/pipeline.h"
#include "db/db.h"
#include "dp-packet.h"
#include "host/host-view.h"
#include "learn/learner.h"
#include "model/overlay.h"
#include "model/rules.h"
#include "openvswitch/poll-loop.h"
#include "packets.h"
#include "switch/switch.h"
#include "timeval.h"
#include "util.h"
#include "util/addr.h"
#include "uuid.h"

struct learning {
    struct learner *learner;
    struct overlay *overlay;
    struct switch_link *link;
    struct db_server *db;
    const struct rules *rules;          /* NULL before the first. */
    ofp_port_t vxlan, nvgre;
    bool changed;               /* Something waits for a flush. */
    long long int next_ms;      /* When learner_run() has something to do. */
};

/* What the learning stage asks for. */

static void
space_put(const struct space_entry *entry, void *l_)
{
    struct learning *l = l_;

    l->changed = true;
    overlay_learned_put(l->overlay, entry);
}

static void
space_remove(const struct space_key *key, void *l_)
{
    struct learning *l = l_;

    l->changed = true;
    overlay_learned_remove(l->overlay, key);
}

/* The PA that other hosts are to send to, NULL if this host has none. */
static const struct in6_addr *
own_pa(const struct rules *rules, const struct host_view *host)
{
    for (size_t i = 0; i < rules->n_pas; i++) {
        if (pa_is_uplink(rules, host, &rules->pas[i])) {
            return &rules->pas[i];
        }
    }
    return NULL;
}

static void
local_put(const struct learned *learned, void *l_)
{
    struct learning *l = l_;

    l->changed = true;
    db_server_put_local_mac(l->db, &(struct db_local_mac) {
        .logical_switch = learned->subnet,
        .mac = learned->mac,
        .ca = learned->ca,
    });
}

static void
local_remove(const struct learned *learned, void *l_)
{
    struct learning *l = l_;

    l->changed = true;
    db_server_remove_local_mac(l->db, &(struct db_local_mac) {
        .logical_switch = learned->subnet,
        .mac = learned->mac,
        .ca = learned->ca,
    });
}

static void
send_frame(const struct learner_frame *frame, void *l_)
{
    struct learning *l = l_;
    ofp_port_t in_port = OFPP_CONTROLLER;
    char *actions = NULL;

    switch (frame->how) {
    case LEARN_TO_GUEST:
        actions = xasprintf("set_field:%#"PRIx32"->"REG_VSID","
                            "set_field:%#"PRIx32"->"REG_OUT_PORT","
                            "resubmit(,%d)",
                            frame->vsid, frame->ofport, TABLE_DELIVER);
        break;
    case LEARN_AS_GUEST:
        in_port = frame->ofport;
        actions = xasprintf("set_field:%#"PRIx32"/%#x->metadata,"
                            "resubmit(,%d)",
                            METADATA_SEEN | pipeline_tag(frame->vlan),
                            METADATA_SEEN | METADATA_TAG, TABLE_ADMIT);
        break;
    case LEARN_TO_SUBNET:
        actions = xasprintf("set_field:%#"PRIx32"->"REG_VSID","
                            "resubmit(,%d)", frame->vsid, TABLE_FLOOD);
        break;
    }
    switch_packet_out(l->link, frame->data, frame->size, in_port, actions);
    free(actions);
}

struct learning *
learning_create(const struct policy *policy, struct overlay *overlay,
                struct switch_link *link, struct db_server *db)
{
    struct learning *l = xzalloc(sizeof *l);

    l->overlay = overlay;
    l->link = link;
    l->db = db;
    l->next_ms = LLONG_MAX;
    l->learner = learner_create(policy, &(struct learner_sink) {
        .space_put = space_put,
        .space_remove = space_remove,
        .local_put = local_put,
        .local_remove = local_remove,
        .send = send_frame,
        .aux = l,
    });
    return l;
}

void
learning_destroy(struct learning *l)
{
    if (l) {
        learner_destroy(l->learner);
        free(l);
    }
}

/* The policy. */

void
learning_policy_changed(struct learning *l, const struct space_key *key)
{
    learner_policy_changed(l->learner, key);
}

void
learning_policy_settled(struct learning *l)
{
    learner_review(l->learner);
}

/* What was learned before the agent started, as far as it is about guests that
 * are here now. */
static void
restore(const struct db_local_mac *mac, void *l_)
{
    struct learning *l = l_;

    for (size_t i = 0; i < l->rules->n_subnets; i++) {
        const struct rules_subnet *subnet = &l->rules->subnets[i];

        if (uuid_equals(&subnet->row, &mac->logical_switch)) {
            learner_restore(l->learner, subnet->vsid, &mac->ca, mac->mac,
                            time_msec());
        }
    }
}

void
learning_adopt(struct learning *l, const struct rules *rules,
               const struct compiled *compiled, const struct host_view *host)
{
    struct learner_port *ports = xcalloc(MAX(compiled->n_vlans, 1),
                                         sizeof *ports);
    bool first = !l->rules;
    size_t n = 0;

    for (size_t i = 0; i < compiled->n_vlans; i++) {
        const struct port_vlan *vlan = &compiled->vlans[i];

        if (vlan->subnet->learning.enabled) {
            ports[n++] = (struct learner_port) {
                .vsid = vlan->subnet->vsid,
                .mac = vlan->bound->iface->mac,
                .ofport = vlan->bound->iface->ofport,
                .vlan = vlan->vlan,
            };
        }
    }
    l->rules = rules;
    l->vxlan = host->vxlan;
    l->nvgre = host->nvgre;
    db_server_set_local_pa(l->db, own_pa(rules, host));
    learner_adopt(l->learner, rules, ports, n);
    free(ports);
    if (first) {
        db_server_for_each_local_mac(l->db, restore, l);
        db_server_prune_local_macs(l->db);
    }
    l->next_ms = 0;
}

/* Packets. */

static bool
find_place(const struct learning *l, const struct flow *flow,
           struct learner_place *ret_place)
{
    ofp_port_t in_port = flow->in_port.ofp_port;
    bool vxlan = in_port == l->vxlan;

    *ret_place = (struct learner_place) { .ofport = in_port };
    if (vxlan || in_port == l->nvgre) {
        ret_place->ofport = OFPP_NONE;
        ret_place->where.encap = vxlan ? SPACE_VXLAN : SPACE_NVGRE;
        ret_place->where.pa = (flow->tunnel.ip_src
                               ? addr_from_ipv4(flow->tunnel.ip_src)
                               : flow->tunnel.ipv6_src);
    }
    return in_port != OFPP_NONE;
}

/* Where a packet wants to. */
static bool
find_destination(const struct punt *punt, struct in6_addr *ret_ca)
{
    struct dp_packet packet;
    struct flow flow;

    dp_packet_use_const(&packet, punt->packet, punt->size);
    flow_extract(&packet, &flow);
    if (flow.dl_type == htons(ETH_TYPE_IP)) {
        *ret_ca = addr_from_ipv4(flow.nw_dst);
    } else {
        *ret_ca = flow.ipv6_dst;
    }
    return flow.dl_type == htons(ETH_TYPE_IP)
           || flow.dl_type == htons(ETH_TYPE_IPV6);
}

void
learning_take(struct learning *l, const struct punt *punt)
{
    uint32_t vsid = punt->flow.regs[REG_IDX_VSID];
    struct learner_place place;
    struct in6_addr ca;

    if (!l->rules) {
        return;
    }
    if (punt->kind == PUNT_LEARN && find_place(l, &punt->flow, &place)) {
        learner_take(l->learner, vsid, &place, punt->packet, punt->size,
                     time_msec());
        l->next_ms = 0;
    } else if (punt->kind == PUNT_SOLICIT && find_destination(punt, &ca)) {
        learner_solicit(l->learner, vsid, &ca, time_msec());
    }
}

void
learning_run(struct learning *l)
{
    if (time_msec() >= l->next_ms) {
        l->next_ms = learner_run(l->learner, time_msec());
    }
    l->changed = false;
}

void
learning_wait(const struct learning *l)
{
    if (l->changed) {
        poll_immediate_wake();
    }
    if (l->next_ms != LLONG_MAX) {
        poll_timer_wait_until(l->next_ms);
    }
}

/* For people. */

void
learning_format(const struct learning *l, struct ds *s)
{
    learner_format(l->learner, time_msec(), s);
}
