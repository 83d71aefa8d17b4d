/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include "util.h"

/* Questions to the space.  A switch without the datapath extension has a flow
 * per entry, which loads the answer into registers, and the packet comes back
 * from there.  With it the datapath is asked, and the packet goes on with the
 * answer in the same registers.
 *
 * Some entries are flows on any switch: see space_hnv_leaves(). */

struct question {
    const char *key;            /* Of hnv(find). */
    const char *load;           /* Actions, or NULL, ahead of ... */
    enum pipeline_table table;  /* ... the flows that answer it. */
};

static const struct question questions[] = {
    [FIND_MAC] = { "mac", NULL, TABLE_SPACE_MAC },
    [FIND_IP_DST] = { "dst", "move:ip_dst->"REG_CA, TABLE_SPACE_CA },
    [FIND_IPV6_DST] = { "dst", "move:ipv6_dst->"REG_CA6, TABLE_SPACE_CA },
    [FIND_IP_SRC] = { "src", "move:ip_src->"REG_CA, TABLE_SPACE_CA },
    [FIND_IPV6_SRC] = { "src", "move:ipv6_src->"REG_CA6, TABLE_SPACE_CA },
    [FIND_ARP_SPA] = { "src", "move:arp_spa->"REG_CA, TABLE_SPACE_CA },
    [FIND_ARP_TPA] = { "target", "move:arp_tpa->"REG_CA, TABLE_SPACE_CA },
    [FIND_ND_TARGET] = { "target", "move:nd_target->"REG_CA6,
                         TABLE_SPACE_CA },
    [FIND_CA] = { "ca4", NULL, TABLE_SPACE_CA },
    [FIND_CA6] = { "ca6", NULL, TABLE_SPACE_CA },
    [FIND_SHARE] = { "share4", NULL, TABLE_SPACE_SHARE },
    [FIND_SHARE6] = { "share6", NULL, TABLE_SPACE_SHARE },
};

char *
compile_find_flow(enum find_what what, enum pipeline_table next)
{
    const struct question *q = &questions[what];

    return xasprintf("%s%sresubmit(,%d),resubmit(,%d)",
                     q->load ? q->load : "", q->load ? "," : "",
                     q->table, next);
}

char *
compile_find(const struct compile_ctx *cx, enum find_what what,
             enum pipeline_table next)
{
    return (cx->host->spaces
            ? xasprintf("hnv(find,vsid="REG_VSID",key=%s,table=%d)",
                        questions[what].key, next)
            : compile_find_flow(what, next));
}

char *
compile_find_in(const struct compile_ctx *cx,
                const struct rules_subnet *subnet, enum find_what what,
                enum pipeline_table next)
{
    return (subnet->rewrite ? compile_find_flow(what, next)
            : compile_find(cx, what, next));
}

void
compile_find_in_rewrite(struct compile_ctx *cx, enum pipeline_table table,
                        uint16_t priority, const char *match,
                        enum find_what what, enum pipeline_table next)
{
    const char *comma = match[0] ? "," : "";

    for (size_t i = 0; cx->host->spaces && i < cx->rules->n_subnets; i++) {
        const struct rules_subnet *subnet = &cx->rules->subnets[i];

        if (subnet->rewrite) {
            plan_add(cx->plan, table, priority, row_cookie(&subnet->row),
                     plan_text("%s%s"REG_VSID"=%#"PRIx32, match, comma,
                               subnet->vsid),
                     compile_find_flow(what, next));
        }
    }
}

void
compile_find_in_all(struct compile_ctx *cx, enum pipeline_table table,
                    uint16_t priority, char *match, enum find_what what,
                    enum pipeline_table next)
{
    compile_find_in_rewrite(cx, table, priority + 1, match, what, next);
    plan_add(cx->plan, table, priority, 0, match,
             compile_find(cx, what, next));
}
