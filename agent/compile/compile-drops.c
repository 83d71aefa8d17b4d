/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/drops.h"
#include <inttypes.h>
#include "compile/compile-private.h"
#include "util.h"

static const char *const reason_names[N_DROP_REASONS] = {
    [DROP_UNKNOWN_PORT] = "unknown-port",
    [DROP_TAGGED] = "tagged",
    [DROP_SPOOFED_MAC] = "spoofed-mac",
    [DROP_SPOOFED_CA] = "spoofed-ca",
    [DROP_SPOOFED_NEIGHBOR] = "spoofed-neighbor",
    [DROP_RESERVED_MAC] = "reserved-mac",
    [DROP_TUNNEL_KEY] = "tunnel-key",
    [DROP_UNKNOWN_PEER] = "unknown-peer",
    [DROP_CLAIMS_LOCAL] = "claims-local",
    [DROP_UNKNOWN_CA] = "unknown-ca",
    [DROP_NO_ROUTE] = "no-route",
    [DROP_NOT_ROUTABLE] = "not-routable",
    [DROP_TTL] = "ttl",
    [DROP_TO_GATEWAY] = "to-gateway",
    [DROP_BY_ROUTE] = "by-route",
    [DROP_SECOND_COPY] = "second-copy",
    [DROP_NOT_REWRITABLE] = "not-rewritable",
    [DROP_UNKNOWN_MAC] = "unknown-mac",
    [DROP_NOT_HERE] = "not-here",
    [DROP_NO_TUNNEL] = "no-tunnel",
};

const char *
drop_reason_to_string(uint32_t reason)
{
    return reason < N_DROP_REASONS ? reason_names[reason] : NULL;
}

char *
compile_drop(enum drop_reason reason)
{
    return xasprintf("set_field:%#x->"REG_DROP",resubmit(,%d)", reason,
                     TABLE_DROP);
}

/* What no other flow of a table wants. */
static void
rest(struct compile_ctx *cx, enum pipeline_table table,
     enum drop_reason reason)
{
    plan_add(cx->plan, table, 0, 0, xstrdup(""), compile_drop(reason));
}

void
compile_drops(struct compile_ctx *cx)
{
    for (int reason = 1; reason < N_DROP_REASONS; reason++) {
        plan_add(cx->plan, TABLE_DROP, 100, 0,
                 plan_text(REG_DROP"=%#x", reason), xstrdup("drop"));
    }
    rest(cx, TABLE_ADMIT, DROP_UNKNOWN_PORT);
    rest(cx, TABLE_SOURCE_OWNER, DROP_SPOOFED_CA);
    rest(cx, TABLE_PEER_GATE, DROP_UNKNOWN_PEER);
    rest(cx, TABLE_ND, DROP_SPOOFED_NEIGHBOR);
    rest(cx, TABLE_ND_SOLICIT, DROP_UNKNOWN_CA);
    rest(cx, TABLE_ND_OWNER, DROP_SPOOFED_NEIGHBOR);
    rest(cx, TABLE_LOCAL, DROP_NOT_HERE);
    rest(cx, TABLE_ENCAP, DROP_NO_TUNNEL);
    if (cx->rules->rewrite) {
        rest(cx, TABLE_REWRITE_OUT, DROP_NOT_REWRITABLE);
        rest(cx, TABLE_REWRITE_DST, DROP_NOT_REWRITABLE);
        rest(cx, TABLE_REWRITE_SRC, DROP_NOT_REWRITABLE);
        rest(cx, TABLE_REWRITE_SEND, DROP_SPOOFED_CA);
        rest(cx, TABLE_REWRITE_FROM, DROP_UNKNOWN_PEER);
        rest(cx, TABLE_REWRITE_TO, DROP_NOT_HERE);
    }
}
