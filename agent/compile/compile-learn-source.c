/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include "util.h"

/* What the guards of compile-source.c and compile-peers.c let through where
 * addresses are learned.
 *
 * A guest may send from an address that nobody has: it is about to be learned.
 * What was learned of another it may claim, by ARP or ND, for addresses move;
 * until that is believed it sends nothing else from it.  Likewise a guest of
 * another host.  What the policy says it contradicts in neither way, and the
 * gateway is nobody's. */

enum {
    PRIORITY_GATEWAY = 205,     /* In SOURCE_IP. */
    PRIORITY_CLAIM = 90,        /* In SOURCE_OWNER. */
    PRIORITY_MOVE = 120,        /* In CLAIM_OWNER. */
};

/* What looks up its sender's address, by family: ARP, IPv4, IPv6. */
struct sender {
    const char *protocol, *field;
};
static const struct sender ipv4_senders[] = {
    { "arp", "arp_spa" }, { "ip", "nw_src" }, { NULL, NULL },
};
static const struct sender ipv6_senders[] = {
    { "ipv6", "ipv6_src" }, { NULL, NULL },
};

static const char *const claims[] = {
    "arp", "icmp6,icmp_type=135", "icmp6,icmp_type=136",
};

#define LEARNED_MATCH REG_MAC"=%#"PRIx64"/%#"PRIx64
#define LEARNED_ARGS MAC_LEARNED, MAC_LEARNED

static void
source_of_prefix(struct compile_ctx *cx, const struct rules_subnet *subnet,
                 const struct rules_prefix *prefix)
{
    const struct sender *s = (addr_is_ipv4(&prefix->gateway)
                              ? ipv4_senders : ipv6_senders);
    uint64_t cookie = row_cookie(&subnet->row);
    char net[ADDR_STRLEN], gateway[ADDR_STRLEN];

    addr_prefix_format(&prefix->net, net);
    addr_format(&prefix->gateway, gateway);
    for (; s->protocol; s++) {
        plan_add(cx->plan, TABLE_SOURCE_IP, PRIORITY_GATEWAY, cookie,
                 plan_text("%s,"REG_VSID"=%#"PRIx32",%s=%s", s->protocol,
                           subnet->vsid, s->field, gateway),
                 compile_drop(DROP_SPOOFED_CA));
        plan_add(cx->plan, TABLE_SOURCE_OWNER, PRIORITY_CLAIM, cookie,
                 plan_text("%s,"REG_VSID"=%#"PRIx32","REG_MAC"=0,"
                           REG_ENCAP"=0,%s=%s",
                           s->protocol, subnet->vsid, s->field, net),
                 compile_pass_source());
    }
}

void
compile_learn_source_subnet(struct compile_ctx *cx,
                            const struct rules_subnet *subnet)
{
    uint64_t cookie = row_cookie(&subnet->row);

    for (size_t i = 0; i < subnet->n_prefixes; i++) {
        source_of_prefix(cx, subnet, &subnet->prefixes[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(claims); i++) {
        plan_add(cx->plan, TABLE_SOURCE_OWNER, PRIORITY_CLAIM, cookie,
                 plan_text("%s,"REG_VSID"=%#"PRIx32","LEARNED_MATCH,
                           claims[i], subnet->vsid, LEARNED_ARGS),
                 compile_pass_source());
        /* This ends the lookup, not the packet. */
        plan_add(cx->plan, TABLE_CLAIM_OWNER, PRIORITY_MOVE, cookie,
                 plan_text("%s,"REG_VSID"=%#"PRIx32","LEARNED_MATCH,
                           claims[i], subnet->vsid, LEARNED_ARGS),
                 xstrdup("drop"));
    }
}
