/* SPDX-License-Identifier: Apache-2.0 */

#ifndef COMPILE_COMPILE_PRIVATE_H
#define COMPILE_COMPILE_PRIVATE_H 1

/* What the compiler's files share.  Each compile_*() adds the flows of one
 * kind of policy to 'cx->plan' and looks at nothing else. */

#include <inttypes.h>
#include <stddef.h>
#include "compile/compile.h"
#include "compile/pipeline.h"
#include "compile/punt.h"
#include "host/host-view.h"
#include "model/rules.h"
#include "plan/plan.h"
#include "util.h"

struct compile_ctx {
    const struct rules *rules;
    const struct host_view *host;
    const struct bound_port *ports;
    size_t n_ports;
    struct plan *plan;
};

/* plan_add() for a match and actions that are constant texts. */
#define ADD(CX, TABLE, PRIORITY, COOKIE, MATCH, ACTIONS)             \
    plan_add((CX)->plan, TABLE, PRIORITY, COOKIE, xstrdup(MATCH),    \
             xstrdup(ACTIONS))

/* True for what the stock pipeline forwards: so far, IPv4. */
static inline bool
prefix_is_compiled(const struct rules_prefix *prefix)
{
    return addr_is_ipv4(&prefix->net.addr);
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
 * a packet's outside but the PA that it goes to. */
ofp_port_t compile_tunnel_port(const struct compile_ctx *, enum space_encap);
char *compile_tunnel_actions(const struct compile_ctx *, enum space_encap,
                             bool over_ipv6);

/* Actions, for the caller to free, that hand a packet to the agent. */
char *compile_punt(enum punt_kind);

void compile_ports(struct compile_ctx *);      /* ADMIT, LOCAL, DELIVER. */
void compile_resolve(struct compile_ctx *);    /* RESOLVE, ARP_REPLY. */
void compile_routes(struct compile_ctx *);     /* ROUTE, ROUTED. */
void compile_flood(struct compile_ctx *);      /* FLOOD, FLOOD_LOCAL. */
void compile_tunnels(struct compile_ctx *);    /* DECAP, FORWARD, ENCAP. */
void compile_punts(struct compile_ctx *);      /* PUNT. */

#endif /* compile/compile-private.h */
