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
 *     hnv(admit,vsid=V,domain=D,source=S,table=T[,refused=R][,forwarded])
 *         May the host that sent it, to subnet V of routing domain D, say
 *         that it is from subnet S?  If so on in table T; if not, in table R,
 *         as it was, or if there is none, dropped; see hnv_admit_execute().
 *         Who sent it says tun_src or tun_ipv6_src.
 *
 *     hnv(find,vsid=V,key=K,table=T)
 *         Who is that?  The packet goes on in table T, as it was, with the
 *         answer in registers, see below.
 *
 *     V      a number, or a register that has it: reg0
 *     K      what is asked for: by MAC (SPACE_BY_MAC),
 *              mac      the packet's destination MAC
 *            by CA (SPACE_BY_CA),
 *              dst      its IPv4 or IPv6 destination
 *              src      its IPv4 or IPv6 source; ARP's sender
 *              target   ARP's or ND's target
 *              ca4, ca6 the CA in reg2 or, IPv6, xxreg3
 *            or by CA and share (SPACE_BY_SHARE)
 *              share4, share6  the CA likewise, the share in reg11
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
 * In L and T registers are what they were, but for what "find" found:
 *
 *     reg4                0 if nothing was found, else enum
 *                         hnv_encap_flags and space_encap
 *     xreg4               MAC, and HNV_MAC_LEARNED; not for "mac"
 *     reg3 or xxreg3      PA, of another host
 *     reg2 or xxreg3      CA, if it is shared by several (BALANCED)
 *
 * which is what the stock backend's flow of that entry would load
 * (agent/switch/space-stock.h).  Registers that it would not load stay what
 * they were.  If the packet is an ARP message from the very CA that it asks
 * for, and several share that, reg4 is all that is loaded: it is no reason to
 * tell one of them that the address is taken.  A packet that has no such
 * field, or an IPv6 address that is IPv4-mapped, finds nothing.
 *
 * The megaflow of "find" looks at nothing in the packet for its sake; those of
 * table T are one per answer.  Registers that it reads are constants in it.
 *
 * The action ends nothing: like "ct(table=...)" it takes a copy, and so is
 * best the last one. */

#include <netinet/in.h>
#include <stdbool.h>
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
    HNV_FIND,
    N_HNV_KINDS,

    /* Never in a message: what is left to do for a packet whose tunnel the
     * extension chose, */
    HNV_OUTPUT = N_HNV_KINDS,

    /* and for one about which something was found. */
    HNV_LOAD,
    N_HNV_ALL_KINDS
};

/* "arp" and so on. */
const char *hnv_kind_to_string(enum hnv_kind);

/* All the way from OpenFlow to the packets, but for the first. */
enum hnv_flags {
    HNV_REG = 1 << 0,           /* 'vsid' is the number of a register. */
    HNV_LEARNING = 1 << 1,      /* arp: what is learned is no answer. */
    HNV_ROUTER = 1 << 2,        /* arp: the answer is the router (ND). */
    HNV_FORWARDED = 1 << 3,     /* admit: guests forward packets of others, so
                                 * whose IP address it is says nothing. */
};

/* What "find" asks for. */
enum hnv_key {
    HNV_KEY_NONE,               /* Of all other actions. */
    HNV_KEY_MAC,
    HNV_KEY_DST,
    HNV_KEY_SRC,
    HNV_KEY_TARGET,
    HNV_KEY_CA4,
    HNV_KEY_CA6,
    HNV_KEY_SHARE4,
    HNV_KEY_SHARE6,
    N_HNV_KEYS
};

/* "mac" and so on; "?" if there is no such key. */
const char *hnv_key_to_string(enum hnv_key);
bool hnv_key_from_string(const char *, enum hnv_key *ret_key);

/* Registers of "find".  They are those of the agent's pipeline. */
enum hnv_register {
    HNV_REG_CA = 2,
    HNV_REG_PA = 3,
    HNV_REG_ENCAP = 4,
    HNV_REG_SHARE = 11,
    HNV_XREG_MAC = 4,
    HNV_XXREG_ADDR = 3,         /* CA or PA, if IPv6. */
};

/* HNV_REG_ENCAP: nothing; this host; the owners of a CA; or else enum
 * space_encap, and whether the PA is IPv6. */
enum hnv_encap_flags {
    HNV_ENCAP_NONE = 0,
    HNV_ENCAP_IPV6 = 0x10,
    HNV_ENCAP_LOCAL = 0x20,
    HNV_ENCAP_BALANCED = 0x40,
};

/* HNV_XREG_MAC: above the MAC's 48 bits. */
#define HNV_MAC_LEARNED (UINT64_C(1) << 48)

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
    enum hnv_key key;           /* find. */
    uint8_t refused;            /* admit; HNV_NO_TABLE: drop. */
};

/* Returns 0 or an OFPERR_*. */
int hnv_args_decode(const struct nx_action_hnv *, struct ofpact_hnv_args *);
void hnv_args_encode(const struct ofpact_hnv_args *, struct nx_action_hnv *);

/* Parses what is in the parentheses.  'str' is written to.  Returns NULL, or
 * what is wrong, for the caller to free. */
char *hnv_args_parse(char *str, struct ofpact_hnv_args *);
void hnv_args_format(const struct ofpact_hnv_args *, struct ds *);

#endif /* datapath-ext/ofpact.h */
