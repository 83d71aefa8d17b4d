/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include <stdlib.h>
#include "compile/choose-pa.h"
#include "util.h"

/* PAs have numbers on their way through the pipeline: that is the same for
 * both families, and what a PA is stands in one place. */
uint16_t
compile_pa_number(const struct compile_ctx *cx, const struct in6_addr *pa)
{
    return pa ? pa - cx->rules->pas + 1 : 0;
}

uint32_t
compile_local_pa(const struct compile_ctx *cx, const struct bound_port *bound)
{
    return pipeline_local_pa(compile_pa_number(cx, bound->pas[PA_IPV4]),
                             compile_pa_number(cx, bound->pas[PA_IPV6]));
}

char *
compile_match_local_pa(const struct compile_ctx *cx, const struct in6_addr *pa)
{
    bool is_ipv4 = pa_family(pa) == PA_IPV4;
    uint16_t number = compile_pa_number(cx, pa);

    return xasprintf(REG_LOCAL_PA"=%#"PRIx32"/%#"PRIx32,
                     pipeline_local_pa(is_ipv4 ? number : 0,
                                       is_ipv4 ? 0 : number),
                     pipeline_local_pa(is_ipv4 ? UINT16_MAX : 0,
                                       is_ipv4 ? 0 : UINT16_MAX));
}

/* No flow for a packet without a PA of its own: the host's routes choose. */
static void
source(struct compile_ctx *cx, const struct in6_addr *pa)
{
    bool is_ipv4 = pa_family(pa) == PA_IPV4;
    char *local = compile_match_local_pa(cx, pa);
    char buf[ADDR_STRLEN];

    plan_add(cx->plan, TABLE_ENCAP_SOURCE, 100,
             row_cookie(&cx->rules->physical_switch),
             plan_text(REG_ENCAP"=%#x/%#x,%s",
                       is_ipv4 ? 0 : ENCAP_IPV6, ENCAP_IPV6, local),
             plan_text("set_field:%s->%s", addr_format(pa, buf),
                       is_ipv4 ? "tun_src" : "tun_ipv6_src"));
    free(local);
}

void
compile_pas(struct compile_ctx *cx)
{
    for (size_t i = 0; i < cx->rules->n_pas; i++) {
        if (pa_is_uplink(cx->rules, cx->host, &cx->rules->pas[i])) {
            source(cx, &cx->rules->pas[i]);
        }
    }
}
