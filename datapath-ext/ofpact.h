/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DATAPATH_EXT_OFPACT_H
#define DATAPATH_EXT_OFPACT_H 1

/* The OpenFlow action "hnv": hands a packet to the datapath extension.
 *
 *     hnv(arp,vsid=V,table=T[,mac=MAC][,learning][,router])
 *         A question, ARP or ND, becomes its answer and goes back.
 *     hnv(route,vsid=V,mac=ROUTER,table=T,[next_hop=IP,]WHERE)
 *         The router's part: MACs, TTL; then where the destination is.
 *     hnv(switch,vsid=V,table=T,WHERE)
 *         Where the destination MAC is.
 *
 *     hnv(admit,vsid=V,domain=D,source=S,table=T[,forwarded])
 *         May the host that sent it, to subnet V of routing domain D, say
 *         that it is from subnet S?  If so on in table T, else dropped; see
 *         hnv_admit_execute().
 *
 *     V      a number, or a register that has it: reg0
 *     WHERE  local=L,vxlan=PORT,nvgre=PORT,mtu=N, none of which has to be
 *            there
 *
 * The extension decides for each packet, while all go through the same
 * megaflow.  A packet that it can deal with goes to the other host through
 * PORT, a tunnel port with "remote_ip=flow" and "key=flow", from the addresses
 * in tun_src and tun_ipv6_src; or if its destination is here to table L.  Any
 * other continues, as it was, in table T; so does an IP packet for another
 * host that is longer than N bytes.
 *
 * In L and T registers are what they were.  The action ends nothing: like
 * "ct(table=...)" it takes a copy, and so is best the last one. */

#include <netinet/in.h>
#include <stdint.h>
#include "openflow/openflow-common.h"
#include "openvswitch/types.h"

struct ds;
struct nx_action_hnv;

enum hnv_kind {
    HNV_ARP,
    HNV_ROUTE,
    HNV_SWITCH,
    HNV_ADMIT,
    N_HNV_KINDS,

    /* Never in a message: what is left to do for a packet whose tunnel the
     * extension chose. */
    HNV_OUTPUT = N_HNV_KINDS,
};

/* "arp" and so on. */
const char *hnv_kind_to_string(enum hnv_kind);

enum ofpact_hnv_flags {
    OFPACT_HNV_REG = 1 << 0,        /* 'vsid' is the number of a register. */
    OFPACT_HNV_LEARNING = 1 << 1,   /* arp: what is learned is no answer. */
    OFPACT_HNV_ROUTER = 1 << 2,     /* arp: the answer is the router. */
    OFPACT_HNV_FORWARDED = 1 << 3,  /* admit: HNV_FORWARDED. */
};

#define HNV_NO_TABLE 0xff

struct ofpact_hnv_args {
    enum hnv_kind kind;
    uint8_t flags;
    uint8_t table;              /* HNV_NO_TABLE: drop. */
    uint8_t local;              /* HNV_NO_TABLE: 'table'. */
    uint32_t vsid;
    ofp_port_t vxlan;           /* OFPP_NONE: 'table'. */
    ofp_port_t nvgre;
    struct eth_addr mac;        /* route: router's.  arp: the answer, if not
                                 * zero. */
    uint16_t mtu;               /* Of IP packets to other hosts; 0: any. */
    struct in6_addr next_hop;   /* All zeros: the packet's destination. */
    uint32_t domain;            /* admit. */
    uint32_t source;            /* admit: the source's subnet, or 0. */
};

/* Returns 0 or an OFPERR_*. */
int hnv_args_decode(const struct nx_action_hnv *, struct ofpact_hnv_args *);
void hnv_args_encode(const struct ofpact_hnv_args *, struct nx_action_hnv *);

/* Parses what is in the parentheses.  'str' is written to.  Returns NULL, or
 * what is wrong, for the caller to free. */
char *hnv_args_parse(char *str, struct ofpact_hnv_args *);
void hnv_args_format(const struct ofpact_hnv_args *, struct ds *);

#endif /* datapath-ext/ofpact.h */
