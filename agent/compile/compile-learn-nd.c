/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include <stdlib.h>
#include "packets.h"
#include "util.h"

/* What compile-learn.c does with ARP, for neighbour discovery: questions for
 * unknown addresses, and who may say what where addresses are learned.
 *
 *   ND_SOLICIT ──► (SPACE_CA) ──► LEARN_ND ─┬─ known ─────────► ND_REPLY
 *                                           ├─ learned ─► LEARN_ND_ASKER
 *                                           └─ unknown ─► ND_SOURCE
 *
 * ND_SOURCE leads to all of the subnet, see compile-nd.c. */

#define SOLICIT "icmp6,icmp_type=135,icmp_code=0"

/* A message to others that tells of an address which nobody has, or which was
 * learned of another, may be true.  What the policy says it may not
 * contradict, nor may it tell of the gateway. */
static void
admit_claims(struct compile_ctx *cx, const struct rules_subnet *subnet)
{
    const char *pass = "set_field:0->"REG_MAC",set_field:0->"REG_ENCAP","
                       "resubmit(,%d)";
    uint64_t cookie = row_cookie(&subnet->row);

    plan_add(cx->plan, TABLE_ND_OWNER, 90, cookie,
             plan_text(REG_VSID"=%#"PRIx32","REG_MAC"=0,"REG_ENCAP"=0",
                       subnet->vsid),
             plan_text(pass, TABLE_ND_PASS));
    plan_add(cx->plan, TABLE_ND_OWNER, 90, cookie,
             plan_text(REG_VSID"=%#"PRIx32","REG_MAC"=%#"PRIx64"/%#"PRIx64,
                       subnet->vsid, MAC_LEARNED, MAC_LEARNED),
             plan_text(pass, TABLE_ND_PASS));
}

void
compile_learn_nd_subnet(struct compile_ctx *cx,
                        const struct rules_subnet *subnet)
{
    admit_claims(cx, subnet);
    for (size_t i = 0; i < subnet->n_prefixes; i++) {
        const struct rules_prefix *prefix = &subnet->prefixes[i];

        if (!addr_is_ipv4(&prefix->gateway)) {
            compile_protect_nd(cx, subnet, &prefix->gateway);
        }
    }
}

void
compile_learn_nd_port(struct compile_ctx *cx, const struct bound_port *bound)
{
    uint64_t cookie = row_cookie(&bound->port->row);
    uint32_t port = bound->iface->ofport;
    uint64_t mac = eth_addr_to_uint64(bound->iface->mac);

    plan_add(cx->plan, TABLE_LEARN_ND, 100, cookie,
             plan_text("in_port=%"PRIu32","REG_MAC"=0,"REG_ENCAP"=0", port),
             plan_text("meter:%"PRIu32",resubmit(,%d)", port,
                       TABLE_ND_SOURCE));
    plan_add(cx->plan, TABLE_LEARN_ND_ASKER, 100, cookie,
             plan_text(SOLICIT",in_port=%"PRIu32","REG_MAC"=%#"PRIx64
                       "/%#"PRIx64, port, mac, MAC_MASK),
             compile_find(cx, FIND_ND_TARGET, TABLE_ND_REPLY));
    plan_add(cx->plan, TABLE_LEARN_ND_ASKER, 50, cookie,
             plan_text("in_port=%"PRIu32, port),
             plan_text("meter:%"PRIu32",set_field:0->"REG_MAC","
                       "set_field:0->"REG_ENCAP",resubmit(,%d)", port,
                       TABLE_ND_SOURCE));
}

/* Who asks from no address wants that one; who asks from a link-local address
 * tells of none that is learned. */
void
compile_learn_nd(struct compile_ctx *cx)
{
    char *find = compile_find(cx, FIND_IPV6_SRC, TABLE_LEARN_ND_ASKER);

    plan_add(cx->plan, TABLE_LEARN_ND, 90, 0,
             plan_text(SOLICIT","REG_MAC"=%#"PRIx64"/%#"PRIx64, MAC_LEARNED,
                       MAC_LEARNED),
             plan_text("set_field:0->"REG_MAC",set_field:0->"REG_ENCAP",%s",
                       find));
    free(find);
    plan_add(cx->plan, TABLE_LEARN_ND, 95, 0,
             xstrdup("ipv6,ipv6_src=fe80::/10"),
             plan_text("resubmit(,%d)", TABLE_ND_REPLY));
    plan_add(cx->plan, TABLE_LEARN_ND, 0, 0, xstrdup(""),
             plan_text("resubmit(,%d)", TABLE_ND_REPLY));
}
