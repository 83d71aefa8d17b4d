/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include <stdlib.h>
#include "compile/firewall-kind.h"
#include "compile/firewall-zones.h"
#include "model/firewall.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "util.h"

/* The firewall, on both sides of every port.
 *
 *   FW_OUT ─┬─► FW_KIND ─┬─ ARP, ND ──────────────────────────► FW_PASS
 *   FW_IN ──┘            ├─ of no connection ─┐                    ▲
 *                        └─ ct() ─► FW_TRACKED ┴► FW_LAYERS         │
 *                                    ▲   │          │ (FW_RULES)    │
 *                                    │   │          ▼               │
 *                         ct(commit) ┴───┼──── FW_VERDICT ──────────┤
 *                                        └──────────────────────────┘
 *
 * FW_PASS leads to RESOLVE or DELIVER.
 *
 * FW_OUT and FW_IN say whose packet it is.  A port whose rules let everything
 * through takes the short way: its packets are not tracked.  Nor are those of
 * a connection that was opened while they did; when the rules change, it goes
 * on as what its next packet looks like.
 *
 * FW_KIND finds packets that are no business of the firewall, and those that
 * Open vSwitch cannot track.
 *
 * Each port has a conntrack zone for each of its subnets.  Its number follows
 * from that of its OpenFlow port, which is the interface's for as long as the
 * connections that Open vSwitch knows of: it survives restarts of the agent.
 * When the port goes, or is let through everything, its connections are
 * forgotten: those of another port, or the same ones much later, are not what
 * the zone remembers.
 *
 * FW_LAYERS asks each layer's rules about the connection, those for the
 * direction in which it was opened: what goes out and answers is decided by
 * the rules for what comes in.  All this is asked of every packet (and
 * remembered by the switch), so a changed rule is obeyed by connections that
 * are there, and all of it of one version of the tables, because what is asked
 * is loaded after ct(), not before.
 *
 * An ICMP error about a packet of a connection is decided by the connection's
 * own rules, too, if it goes the other way than the first packet.  If it goes
 * the same way, the switch does not say which connection, only that there is
 * one; it passes.
 *
 * What opens a connection and passes is committed, in the port's own zone.
 *
 * Fragments.  ct() keeps them until all are there, looks at the whole, and
 * lets go of them one by one; but only the first has ports that rules can be
 * asked about.  If it passes, it goes into ct() again, and so do the others,
 * without being asked: there they wait for the first, and if that does not
 * come they do not come out.
 *
 * What ct() lets go of, though, it adds to whatever packets it has at hand,
 * of whatever port; after some time even what is not complete, as invalid.  So
 * nothing may follow a ct() but a look at whether the packet is the port's:
 * that is FW_TRACKED, by zone, state and mark, and the reason for clone(). */

enum kind_priority {
    PRIORITY_NEIGHBOR = 200,
    PRIORITY_NO_PROTOCOL = 160,
    PRIORITY_FRAGMENT = 150,
    PRIORITY_TRACKED_ICMP = 100,
    PRIORITY_OTHER_ICMP = 90,
    PRIORITY_IP = 80,
};

enum layers_priority {
    PRIORITY_LATER_FRAGMENT = 120,
    PRIORITY_RELATED = 110,
    PRIORITY_ASK = 100,
};

/* Match on what is of the zone's subnet, where its port is in others too. */
static char *
match_subnet(const struct firewall_zone *zone)
{
    return (zone->vsid ? xasprintf(","REG_VSID"=%#"PRIx32, zone->vsid)
            : xstrdup(""));
}

/* FW_OUT and FW_IN. */

static void
open_port(struct compile_ctx *cx, const struct bound_port *bound)
{
    uint64_t cookie = row_cookie(&bound->port->row);
    uint32_t ofport = bound->iface->ofport;

    plan_add(cx->plan, TABLE_FW_OUT, 100, cookie,
             plan_text("in_port=%"PRIu32, ofport),
             plan_text("resubmit(,%d)", TABLE_RESOLVE));
    plan_add(cx->plan, TABLE_FW_IN, 100, cookie,
             plan_text(REG_OUT_PORT"=%#"PRIx32, ofport),
             plan_text("resubmit(,%d)", TABLE_DELIVER));
}

static void
guard_subnet(struct compile_ctx *cx, const struct firewall_zone *zone)
{
    uint64_t cookie = row_cookie(&zone->bound->port->row);
    uint32_t ofport = zone->bound->iface->ofport;
    char *subnet = match_subnet(zone);

    plan_add(cx->plan, TABLE_FW_OUT, 100, cookie,
             plan_text("in_port=%"PRIu32"%s", ofport, subnet),
             plan_text("set_field:%#"PRIx32"->"REG_FW",resubmit(,%d)",
                       (uint32_t) zone->number, TABLE_FW_KIND));
    plan_add(cx->plan, TABLE_FW_IN, 100, cookie,
             plan_text(REG_OUT_PORT"=%#"PRIx32"%s", ofport, subnet),
             plan_text("set_field:%#"PRIx32"->"REG_FW",resubmit(,%d)",
                       zone->number | FW_IN_BIT, TABLE_FW_KIND));
    free(subnet);

    /* Its own broadcasts do not come back to it.  Of a port that is in several
     * subnets DELIVER says what does. */
    if (!zone->bound->port->n_trunks) {
        plan_add(cx->plan, TABLE_FW_IN, 110, cookie,
                 plan_text("in_port=%"PRIu32","REG_OUT_PORT"=%#"PRIx32,
                           ofport, ofport), xstrdup("drop"));
    }
}

/* What the agent says, as the router. */
static void
from_agent(struct compile_ctx *cx)
{
    plan_add(cx->plan, TABLE_FW_IN, 200, 0, xstrdup("in_port=CONTROLLER"),
             plan_text("resubmit(,%d)", TABLE_DELIVER));
}

/* FW_KIND. */

static void
add_kind(struct compile_ctx *cx, enum kind_priority priority, char *match,
         char *actions)
{
    plan_add(cx->plan, TABLE_FW_KIND, priority, 0, match, actions);
}

static char *
track(void)
{
    return plan_text("clone(ct(table=%d,zone="REG_FW_ZONE"))",
                     TABLE_FW_TRACKED);
}

static char *
do_not_track(void)
{
    return plan_text("resubmit(,%d)", TABLE_FW_LAYERS);
}

/* ARP's questions and answers, which SOURCE has checked, and ND of the one
 * shape that ND checks and that guests heed (RFC 4861 section 6.1, 7.1; RFC
 * 6980). */
static void
pass_neighbors(struct compile_ctx *cx)
{
    static const uint8_t types[] = { 133, 135, 136 };

    for (int op = 1; op <= 2; op++) {
        add_kind(cx, PRIORITY_NEIGHBOR, plan_text("arp,arp_op=%d", op),
                 plan_text("resubmit(,%d)", TABLE_FW_PASS));
    }
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        add_kind(cx, PRIORITY_NEIGHBOR,
                 plan_text("icmp6,icmp_type=%d,icmp_code=0,nw_ttl=255,"
                           "ip_frag=no", types[i]),
                 plan_text("resubmit(,%d)", TABLE_FW_PASS));
    }
}

static void
sort_icmp(struct compile_ctx *cx, bool ipv6)
{
    const char *icmp = ipv6 ? "icmp6" : "icmp";
    unsigned int n;
    const uint8_t *types = firewall_kind_tracked(ipv6, &n);

    for (unsigned int i = 0; i < n; i++) {
        add_kind(cx, PRIORITY_TRACKED_ICMP,
                 plan_text("%s,icmp_type=%u", icmp, types[i]), track());
    }
    add_kind(cx, PRIORITY_OTHER_ICMP, xstrdup(icmp), do_not_track());
}

/* Open vSwitch says protocol 0, which nobody uses, of headers that it cannot
 * read, too.  Of a connection of that protocol it does not say the
 * addresses. */
static void
sort_kinds(struct compile_ctx *cx)
{
    pass_neighbors(cx);
    for (int ipv6 = 0; ipv6 < 2; ipv6++) {
        const char *ip = ipv6 ? "ipv6" : "ip";

        add_kind(cx, PRIORITY_NO_PROTOCOL, plan_text("%s,nw_proto=0", ip),
                 compile_drop(DROP_NO_CONNECTION));
        add_kind(cx, PRIORITY_FRAGMENT, plan_text("%s,ip_frag=yes", ip),
                 track());
        sort_icmp(cx, ipv6);
        add_kind(cx, PRIORITY_IP, xstrdup(ip), track());
    }
    add_kind(cx, 0, xstrdup(""), do_not_track());
}

/* FW_LAYERS. */

static void
ask_layer(struct ds *s, enum fw_layer layer, const struct fw_set *set)
{
    bool tell = layer == FW_CONTROLLER && set->logs;

    if (tell) {
        ds_put_format(s, "set_field:%#x/%#x->"REG_FW",", FW_CONTROLLER_BIT,
                      FW_CONTROLLER_BIT);
    }
    ds_put_format(s, "set_field:%#"PRIx32"->"REG_FW_SET",resubmit(,%d),"
                  "move:"REG_FW_SAYS"[0]->"REG_FW_SAYS"[%d],"
                  "set_field:0/%#x->"REG_FW_SAYS",",
                  set->number, TABLE_FW_RULES, layer + 1, FW_SAYS_SET);
    if (tell) {
        ds_put_format(s, "set_field:0/%#x->"REG_FW",", FW_CONTROLLER_BIT);
    }
}

/* Asks the rules for a direction. */
static char *
ask_layers(const struct fw_port *fw, enum fw_direction direction)
{
    static const uint32_t says[] = { FW_SAYS_ADMIN, FW_SAYS_CONTROLLER };
    struct ds s = DS_EMPTY_INITIALIZER;
    uint32_t silent = 0;

    for (int i = 0; i < N_FW_LAYERS; i++) {
        if (!fw->layers[i]) {
            silent |= says[i];
        } else if (!fw->sets[i][direction]) {
            ds_destroy(&s);
            return compile_drop(DROP_FIREWALL);
        }
    }
    ds_put_format(&s, "set_field:%#"PRIx32"->"REG_FW_SAYS",", silent);
    for (int i = 0; i < N_FW_LAYERS; i++) {
        if (fw->layers[i]) {
            ask_layer(&s, i, fw->sets[i][direction]);
        }
    }
    ds_put_format(&s, "resubmit(,%d)", TABLE_FW_VERDICT);
    return ds_steal_cstr(&s);
}

/* Both sides of a port: what it sends belongs to a connection that it opened,
 * unless it is a reply; what it gets, the other way round. */
static void
ask_port(struct compile_ctx *cx, const struct firewall_zone *zone, bool in)
{
    const struct bound_port *bound = zone->bound;
    uint64_t cookie = row_cookie(&bound->port->row);
    uint32_t whose = zone->number | (in ? FW_IN_BIT : 0);
    enum fw_direction own = in ? FW_INBOUND : FW_OUTBOUND;
    enum fw_direction other = in ? FW_OUTBOUND : FW_INBOUND;

    plan_add(cx->plan, TABLE_FW_LAYERS, PRIORITY_ASK, cookie,
             plan_text(REG_FW"=%#"PRIx32",ct_state=+trk-inv-rpl", whose),
             ask_layers(bound->firewall, own));
    plan_add(cx->plan, TABLE_FW_LAYERS, PRIORITY_ASK, cookie,
             plan_text(REG_FW"=%#"PRIx32",ct_state=+trk-inv+rpl", whose),
             ask_layers(bound->firewall, other));
    plan_add(cx->plan, TABLE_FW_LAYERS, PRIORITY_ASK, cookie,
             plan_text(REG_FW"=%#"PRIx32",ct_state=-trk-inv", whose),
             ask_layers(bound->firewall, own));
}

/* FW_TRACKED. */

static void
recognize(struct compile_ctx *cx, const struct firewall_zone *zone, bool in)
{
    uint64_t cookie = row_cookie(&zone->bound->port->row);
    uint32_t number = zone->number;
    uint32_t whose = number | (in ? FW_IN_BIT : 0);

    plan_add(cx->plan, TABLE_FW_TRACKED, 100, cookie,
             plan_text(REG_FW"=%#"PRIx32",ct_zone=%"PRIu32
                       ",ct_state=+trk-inv", whose, number),
             plan_text("resubmit(,%d)", TABLE_FW_LAYERS));
    plan_add(cx->plan, TABLE_FW_TRACKED, 100, cookie,
             plan_text(REG_FW"=%#"PRIx32",ct_zone=%"PRIu32
                       ",ct_state=+trk-inv,ct_mark=%d",
                       whose | FW_COMMIT_BIT, number, FW_CT_MARK),
             plan_text("resubmit(,%d)", TABLE_FW_PASS));
}

/* FW_VERDICT and FW_PASS. */

static char *
commit(void)
{
    return plan_text("set_field:%#x/%#x->"REG_FW","
                     "ct(commit,table=%d,zone="REG_FW_ZONE","
                     "exec(set_field:%d->ct_mark))",
                     FW_COMMIT_BIT, FW_COMMIT_BIT, TABLE_FW_TRACKED,
                     FW_CT_MARK);
}

static void
obey(struct compile_ctx *cx)
{
    unsigned int all = FW_SAYS_ADMIN | FW_SAYS_CONTROLLER;

    plan_add(cx->plan, TABLE_FW_LAYERS, PRIORITY_RELATED, 0,
             xstrdup("ct_state=+trk+rel-inv-new-est-rpl"),
             plan_text("resubmit(,%d)", TABLE_FW_PASS));
    for (int ipv6 = 0; ipv6 < 2; ipv6++) {
        const char *ip = ipv6 ? "ipv6" : "ip";

        plan_add(cx->plan, TABLE_FW_LAYERS, PRIORITY_LATER_FRAGMENT, 0,
                 plan_text("%s,ip_frag=later,ct_state=+trk-inv", ip),
                 commit());
        plan_add(cx->plan, TABLE_FW_VERDICT, 120, 0,
                 plan_text("%s,ip_frag=first,"REG_FW_SAYS"=%#x/%#x", ip, all,
                           all), commit());
        plan_add(cx->plan, TABLE_FW_VERDICT, 110, 0,
                 plan_text("%s,"REG_FW_SAYS"=%#x/%#x,ct_state=+trk+new", ip,
                           all, all), commit());
    }
    plan_add(cx->plan, TABLE_FW_VERDICT, 100, 0,
             plan_text(REG_FW_SAYS"=%#x/%#x", all, all),
             plan_text("resubmit(,%d)", TABLE_FW_PASS));

    plan_add(cx->plan, TABLE_FW_PASS, 100, 0,
             plan_text(REG_FW"=%#x/%#x", FW_IN_BIT, FW_IN_BIT),
             plan_text("resubmit(,%d)", TABLE_DELIVER));
    plan_add(cx->plan, TABLE_FW_PASS, 0, 0, xstrdup(""),
             plan_text("set_field:0->"REG_FW_ALL",resubmit(,%d)",
                       TABLE_RESOLVE));
}

/* A port that is blocked for now may find its connections again. */
static bool
remembers(const struct bound_port *bound)
{
    return !(bound->state == PORT_ACTIVE && bound->firewall->open);
}

/* What is sent and got in one of a port's subnets. */
static void
guard(struct compile_ctx *cx, const struct firewall_zone *zone)
{
    guard_subnet(cx, zone);
    for (int in = 0; in < 2; in++) {
        recognize(cx, zone, in);
        ask_port(cx, zone, in);
    }
}

static bool
guard_all(struct compile_ctx *cx)
{
    bool any = false;

    for (size_t i = 0; i < cx->n_zones; i++) {
        const struct firewall_zone *zone = &cx->zones[i];

        if (zone->number && remembers(zone->bound)) {
            plan_add_zone(cx->plan, zone->number);
            if (zone->bound->state == PORT_ACTIVE) {
                guard(cx, zone);
                any = true;
            }
        }
    }
    return any;
}

void
compile_firewall(struct compile_ctx *cx)
{
    for (size_t i = 0; i < cx->n_ports; i++) {
        const struct bound_port *bound = &cx->ports[i];

        if (bound->state == PORT_ACTIVE && bound->firewall->open) {
            open_port(cx, bound);
        }
    }
    from_agent(cx);
    if (guard_all(cx)) {
        sort_kinds(cx);
        obey(cx);
    }
}
