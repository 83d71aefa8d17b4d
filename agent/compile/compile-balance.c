/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include "util.h"

/* A CA with several owners (load balancing).  A connection is in the share
 * that a hash of its addresses, protocol and ports says, in both directions
 * the same.  Fragments have no ports that can be relied on: theirs is a share
 * by addresses and protocol alone, so that they meet at one owner. */

static void
find_share(struct compile_ctx *cx, int priority, const char *match,
           const char *fields)
{
    plan_add(cx->plan, TABLE_BALANCE, priority, 0, xstrdup(match),
             plan_text("set_field:0->"REG_ENCAP","
                       "multipath(%s,0,modulo_n,%d,0,"REG_SHARE"[]),"
                       "resubmit(,%d),"
                       "move:"REG_MAC"[0..47]->eth_dst,"
                       "resubmit(,%d)",
                       fields, SPACE_N_SHARES, TABLE_SPACE_SHARE,
                       TABLE_FORWARD));
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

    /* Several owners are no reason to be told that an address is taken. */
    plan_add(cx->plan, TABLE_ARP_REPLY, 95, 0,
             plan_text("arp,"REG_ENCAP"=%#x,arp_spa=0.0.0.0", ENCAP_BALANCED),
             xstrdup("drop"));
}
