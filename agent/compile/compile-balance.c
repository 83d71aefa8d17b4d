/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <stdlib.h>
#include "util.h"

/* A CA with several owners (load balancing).  A connection is in the share
 * that a hash of its addresses, protocol and ports says, in both directions
 * the same.  Fragments have no ports that can be relied on: theirs is a share
 * by addresses and protocol alone, so that they meet at one owner. */

static void
find_share(struct compile_ctx *cx, int priority, const char *match,
           const char *fields)
{
    for (int is_ipv6 = 0; is_ipv6 < 2; is_ipv6++) {
        char *find = compile_find(cx, is_ipv6 ? FIND_SHARE6 : FIND_SHARE,
                                  TABLE_BALANCED);

        plan_add(cx->plan, TABLE_BALANCE, priority + !is_ipv6, 0,
                 plan_text("%s%s%s", match,
                           match[0] && !is_ipv6 ? "," : "",
                           is_ipv6 ? "" : REG_CA6"=0"),
                 plan_text("set_field:0->"REG_ENCAP","
                           "multipath(%s,0,modulo_n,%d,0,"REG_SHARE"[]),%s",
                           fields, SPACE_N_SHARES, find));
        free(find);
    }
}

void
compile_balance(struct compile_ctx *cx)
{
    plan_add(cx->plan, TABLE_FORWARD, 100, 0,
             plan_text(REG_ENCAP"=%#x", ENCAP_BALANCED),
             plan_text("resubmit(,%d)", TABLE_BALANCE));
    find_share(cx, 0, "", "symmetric_l3l4+udp");
    find_share(cx, 100, "ip,ip_frag=yes", "symmetric_l3");
    find_share(cx, 100, "ipv6,ip_frag=yes", "symmetric_l3");
    plan_add(cx->plan, TABLE_BALANCED, 0, 0, xstrdup(""),
             plan_text("move:"REG_MAC"[0..47]->eth_dst,resubmit(,%d)",
                       TABLE_FORWARD));

    /* Several owners are no reason to be told that an address is taken. */
    plan_add(cx->plan, TABLE_ARP_REPLY, 95, 0,
             plan_text("arp,"REG_ENCAP"=%#x,arp_spa=0.0.0.0", ENCAP_BALANCED),
             xstrdup("drop"));
}
