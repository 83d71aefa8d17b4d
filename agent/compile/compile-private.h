/* SPDX-License-Identifier: Apache-2.0 */

#ifndef COMPILE_COMPILE_PRIVATE_H
#define COMPILE_COMPILE_PRIVATE_H 1

/* What the compiler's files share.  Each compile_*() adds the flows of one
 * kind of policy to 'cx->plan' and looks at nothing else. */

#include <inttypes.h>
#include <stddef.h>
#include "compile/compile.h"
#include "compile/drops.h"
#include "compile/pipeline.h"
#include "compile/punt.h"
#include "host/host-view.h"
#include "model/rules.h"
#include "packets.h"
#include "plan/plan.h"
#include "util.h"

struct compile_ctx {
    const struct rules *rules;
    const struct host_view *host;
    const struct bound_port *ports;
    size_t n_ports;
    const struct port_vlan *vlans;
    size_t n_vlans;
    const struct firewall_zone *zones;
    size_t n_zones;
    struct plan *plan;
};

/* plan_add() for a match and actions that are constant texts. */
#define ADD(CX, TABLE, PRIORITY, COOKIE, MATCH, ACTIONS)             \
    plan_add((CX)->plan, TABLE, PRIORITY, COOKIE, xstrdup(MATCH),    \
             xstrdup(ACTIONS))

/* Says that a port gets no traffic, and why: a constant sentence. */
void bound_port_block(struct bound_port *, const char *detail);

/* Fills in 'vlans' of what has its 'ports', and blocks those that share their
 * MAC with another in each of their subnets. */
void compile_port_vlans(struct compiled *, const struct rules *);

/* True if 'subnet' replicates to a group of PAs, in fact. */
static inline bool
replicates_to_group(const struct rules_subnet *subnet,
                    const struct host_view *host)
{
    return subnet->replication == RULES_MULTICAST && !host->userspace;
}

/* Fills in 'groups', and complains where there cannot be one. */
void compile_groups(struct compiled *, const struct rules *,
                    const struct host_view *);

/* pipeline_tag() of what the guest sends into the subnet, and gets from it. */
static inline uint32_t
port_vlan_tag(const struct port_vlan *vlan)
{
    return pipeline_tag(vlan->vlan);
}

/* Match on whose packets the router sends into 'subnet', and for whom its
 * gateway is there: all of the network's; with the network's router switched
 * off the subnet's own, whose guests may send everything to the gateway. */
static inline char *
compile_who(const struct rules_subnet *subnet)
{
    return (subnet->routed
            ? xasprintf(REG_DOMAIN"=%#"PRIx32, subnet->domain)
            : xasprintf(REG_VSID"=%#"PRIx32, subnet->vsid));
}

/* The tunnel port of an encapsulation, OFPP_NONE if there is none; and the
 * actions, with a comma at the end and for the caller to free, that say all of
 * a packet's outside but the PA that it goes to.  They read REG_ENCAP. */
ofp_port_t compile_tunnel_port(const struct compile_ctx *, enum space_encap);
char *compile_tunnel_actions(enum space_encap);

/* The number of one of rules' PAs, 0 for NULL. */
uint16_t compile_pa_number(const struct compile_ctx *,
                           const struct in6_addr *pa);

/* The value of REG_LOCAL_PA for what a port sends. */
uint32_t compile_local_pa(const struct compile_ctx *,
                          const struct bound_port *);

/* Actions, for the caller to free, that hand a packet to the agent. */
char *compile_punt(enum punt_kind);

/* Actions, likewise, that drop a packet for 'reason' and have the agent tell
 * its sender. */
char *compile_refuse(enum punt_kind, enum drop_reason);

/* What the space is asked for, in subnet REG_VSID. */
enum find_what {
    FIND_MAC,                   /* The destination MAC; a CA by what field of
                                 * the packet it is: */
    FIND_IP_DST,
    FIND_IPV6_DST,
    FIND_IP_SRC,
    FIND_IPV6_SRC,
    FIND_ARP_SPA,
    FIND_ARP_TPA,
    FIND_ND_TARGET,
    FIND_CA,                    /* The CA in REG_CA, */
    FIND_CA6,                   /* or in REG_CA6; */
    FIND_SHARE,                 /* and its share in REG_SHARE. */
    FIND_SHARE6,
};

/* Actions, for the caller to free, that ask and go on in table 'next' with the
 * answer in registers; nothing may follow them.  The first ask flows, on any
 * switch; the second what the switch has for all subnets but those with IP
 * rewrite, which flows know; the third what it has for 'subnet'. */
char *compile_find_flow(enum find_what, enum pipeline_table next);
char *compile_find(const struct compile_ctx *, enum find_what,
                   enum pipeline_table next);
char *compile_find_in(const struct compile_ctx *, const struct rules_subnet *,
                      enum find_what, enum pipeline_table next);

/* Flows of 'table' that do so for packets that 'match' is for: where that
 * takes flows of their own, those of subnets with IP rewrite; or of all
 * subnets, in which case 'match' is taken over, and there may be flows with
 * 'priority' and with the one above. */
void compile_find_in_rewrite(struct compile_ctx *, enum pipeline_table table,
                             uint16_t priority, const char *match,
                             enum find_what, enum pipeline_table next);
void compile_find_in_all(struct compile_ctx *, enum pipeline_table table,
                         uint16_t priority, char *match, enum find_what,
                         enum pipeline_table next);

/* True if the datapath forwards the subnet's packets, see compile-spaces.c. */
bool compile_is_plain(const struct compile_ctx *,
                      const struct rules_subnet *);

/* Actions, for the caller to free, that have the datapath forward a packet:
 * by its MAC in subnet REG_VSID; or as the router, into subnet 'vsid', to its
 * destination or to 'next_hop' unless that is NULL.  REG_CA or REG_CA6 is the
 * next hop then, else zero. */
char *compile_switch_action(const struct compile_ctx *);
char *compile_route_action(const struct compile_ctx *, uint32_t vsid,
                           const struct in6_addr *next_hop);

/* Flows of 'table' that keep the datapath from forwarding, by their MACs,
 * packets for those of the subnet's guests that are on their way to another
 * host: those go to more than one. */
void compile_find_migrating(struct compile_ctx *, const struct rules_subnet *,
                            enum pipeline_table table, uint16_t priority);

/* How guests ask for addresses, by ARP and by ND. */
struct resolution {
    enum pipeline_table table;  /* Where questions for CAs are, */
    uint16_t priority;
    enum find_what what;        /* the question that they are, */
    enum pipeline_table ask;    /* where what the datapath leaves goes, */
    enum pipeline_table learn;  /* and answers, if the subnet learns */
    enum pipeline_table reply;  /* or not. */
};
extern const struct resolution compile_by_arp, compile_by_nd;

/* Flows that answer those questions of the subnet's guests that 'match' (which
 * is taken over) is for, from the space. */
void compile_answer_from_space(struct compile_ctx *,
                               const struct rules_subnet *,
                               const struct resolution *, char *match);

/* The table to answer questions for the gateway in. */
static inline enum pipeline_table
compile_gateway_table(const struct compile_ctx *cx,
                      const struct rules_subnet *subnet,
                      const struct resolution *by)
{
    return compile_is_plain(cx, subnet) ? by->ask : by->table;
}

/* Flows of 'table' that have the datapath, if it can, answer the ARP or ND
 * questions that 'match' (which is taken over) is for.  'load' is actions
 * before that; 'args' those of hnv(arp), both with a comma at the end or
 * empty; all else goes to table 'rest'. */
void compile_answer(struct compile_ctx *, enum pipeline_table table,
                    uint16_t priority, uint64_t cookie, char *match,
                    const char *load, const char *args,
                    enum pipeline_table rest);

/* Flows of 'table' that give a packet to all of the subnet, or to table
 * 'to_one'. */
void compile_to_all_or_one(struct compile_ctx *, enum pipeline_table table,
                           enum pipeline_table to_one);

/* Flows of 'table', where a question is answered with REG_MAC, that keep a
 * guest from hearing its own MAC. */
void compile_no_reply_to_owner(struct compile_ctx *, enum pipeline_table);

/* Answers a subnet's guests who ping the router by its link-local address. */
void compile_link_local_ping(struct compile_ctx *,
                             const struct rules_subnet *,
                             const struct in6_addr *);
/* Actions, for the caller to free, that drop a packet and count it. */
char *compile_drop(enum drop_reason);

/* Actions, for the caller to free: on to FW_OUT, the source being the
 * sender's.  What the lookup has left behind would mislead those that
 * follow. */
char *compile_pass_source(void);

/* Match, for the caller to free, on packets that leave from 'pa' of this
 * host. */
char *compile_match_local_pa(const struct compile_ctx *,
                             const struct in6_addr *pa);

/* 'addr' is the router's in the words of guests, too: nobody solicits from
 * it, nobody advertises it. */
void compile_protect_nd(struct compile_ctx *, const struct rules_subnet *,
                        const struct in6_addr *addr);

void compile_ports(struct compile_ctx *);      /* ADMIT, LOCAL. */
void compile_firewall(struct compile_ctx *);   /* FW_*. */
void compile_firewall_log(struct compile_ctx *);   /* FW_LOG. */
void compile_source(struct compile_ctx *);     /* SOURCE, ..._OWNER. */
void compile_trunks(struct compile_ctx *);     /* DELIVER, RETURN. */
void compile_resolve(struct compile_ctx *);    /* RESOLVE, ARP_REPLY. */
void compile_nd(struct compile_ctx *);         /* ND and all its kin. */
void compile_router(struct compile_ctx *);     /* ROUTER. */
void compile_routes(struct compile_ctx *);     /* ROUTE, ROUTED. */
void compile_flood(struct compile_ctx *);      /* FLOOD, FLOOD_LOCAL. */
void compile_copies(struct compile_ctx *,      /* FLOOD, COPY..., of one. */
                    const struct rules_subnet *);
void compile_copies_of_all(struct compile_ctx *);   /* COPY_IP. */
void compile_echoes(struct compile_ctx *);     /* ADMIT, of groups. */
void compile_tunnels(struct compile_ctx *);    /* DECAP, FORWARD, ENCAP. */
void compile_peers(struct compile_ctx *);      /* TUNNEL, PEER_GATE, CLAIM. */
void compile_spaces(struct compile_ctx *);     /* ASK_*, TUN_SOURCE. */
void compile_migrations(struct compile_ctx *); /* FORWARD. */
void compile_learn(struct compile_ctx *);      /* What is not known. */

/* Within compile-learn*.c: for a subnet that learns, a port of it, and for all
 * of them. */
void compile_learn_source_subnet(struct compile_ctx *,
                                 const struct rules_subnet *);
void compile_learn_nd_subnet(struct compile_ctx *,
                             const struct rules_subnet *);
void compile_learn_nd_port(struct compile_ctx *, const struct bound_port *);
void compile_learn_nd(struct compile_ctx *);

void compile_punts(struct compile_ctx *);      /* PUNT. */
void compile_pas(struct compile_ctx *);        /* ENCAP_SOURCE. */
void compile_balance(struct compile_ctx *);    /* BALANCE. */
void compile_mtu(struct compile_ctx *);        /* MTU, TOO_LONG. */
void compile_drops(struct compile_ctx *);      /* DROP; the end of many. */
void compile_rewrite(struct compile_ctx *);    /* REWRITE_*. */

/* Actions, with a comma at the end and for the caller to free, that give a
 * packet back its CAs after REWRITE_SEND. */
char *compile_take_back_rewrite(bool is_ipv6);


#endif /* compile/compile-private.h */
