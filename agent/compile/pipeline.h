/* SPDX-License-Identifier: Apache-2.0 */

#ifndef COMPILE_PIPELINE_H
#define COMPILE_PIPELINE_H 1

/* The way of a packet through the integration bridge: tables and registers.
 *
 *   guest ─► ADMIT ─► (SOURCE) ─► FW_OUT ─► RESOLVE
 *
 *                       RESOLVE ─┬─ ARP ───────► (SPACE_CA) ──► ARP_REPLY
 *                                ├─ ND, see compile-nd.c
 *                                ▼
 *                       TO_MAC ──┬─► TO_ROUTER ─► ROUTER
 *                                │                 ▼
 *                                │               ROUTE ─► (SPACE_CA) ─► ROUTED
 *                                ├─► FLOOD ─► FLOOD_LOCAL                 │
 *                                └─► TO_GUEST ─► (SPACE_MAC) ─► FORWARD ◄─┘
 *                                                                 │
 *                                            LOCAL ◄──────────────┤
 *                                              │                  ▼
 *   tunnel ─► DECAP ──► LOCAL / FLOOD_LOCAL    ▼                ENCAP
 *                                            FW_IN        (ENCAP_SOURCE)
 *                                              │
 *                                              ▼
 *                                           DELIVER
 *
 * A packet for a CA that several guests share goes from FORWARD through
 * BALANCE, which finds one of them (SPACE_SHARE), back to FORWARD.  From there
 * to ENCAP it goes through MTU and TOO_LONG, which measure it.
 *
 * Where a subnet learns, RESOLVE and DECAP hand copies to the agent (PUNT), an
 * ARP question goes to LEARN_ARP first, and what is unknown to FLOOD, see
 * compile-learn.c.
 *
 * A name in parentheses is a lookup that comes back (resubmit): it loads
 * registers and decides nothing.  Only the SPACE tables hold a flow per
 * mapping; all others are rules.
 *
 * On a switch with the datapath extension mappings have no flows.  The lookup
 * is an action then, see compile-find.c, and most packets are dealt with by an
 * action as a whole, see compile-spaces.c.
 *
 * What the router has to say about a packet, that it cannot be forwarded, goes
 * by PUNT to the agent.  An answer that the switch itself gives goes to
 * RETURN.
 *
 * With IP rewrite there is no tunnel but a port into the host's stack:
 *
 *   FORWARD ──► REWRITE_OUT ──► (SPACE_CA) ──► REWRITE_DST
 *                                                   │
 *        host ◄── MTU... ◄── REWRITE_SEND ◄── (SPACE_CA) ◄── REWRITE_SRC
 *
 *   host ──► ADMIT ──► (SPACE_PA) ──► REWRITE_FROM
 *                                          │
 *                       LOCAL ◄── REWRITE_TO ◄── (SPACE_PA)
 *
 * The firewall sees what a guest sends, after the guards and before all else,
 * and what goes to a guest, last of all, see compile-firewall.c.
 *
 * Later stages see only what earlier ones let through. */

#include <stdint.h>
#include "model/space.h"
#include "packets.h"
#include "util/addr.h"

enum pipeline_table {
    TABLE_ADMIT       = 0,      /* Which port or tunnel: hence which subnet. */
    TABLE_SOURCE      = 1,      /* Who is never sent to. */
    TABLE_SOURCE_IP   = 2,      /* Source address -> whose it is. */
    TABLE_SOURCE_OWNER = 3,     /* Is it the sender's? */
    TABLE_TUNNEL      = 4,      /* What the datapath lets in from a tunnel. */
    TABLE_DECAP       = 5,      /* From a tunnel: to a guest, or to all. */
    TABLE_PEER        = 6,      /* Routing domain, PA -> known.  Peers. */
    TABLE_PEER_GATE   = 7,      /* Was it found? */
    TABLE_CLAIM       = 8,      /* Source CA -> whose it is. */
    TABLE_CLAIM_OWNER = 9,      /* Is that a guest of this host? */
    TABLE_FW_OUT      = 10,     /* Firewall: what a guest sends. */
    TABLE_FW_KIND     = 11,     /* Is it of a connection? */
    TABLE_FW_LAYERS   = 12,     /* Which rules are for it. */
    TABLE_FW_RULES    = 13,     /* Rules. */
    TABLE_FW_VERDICT  = 14,     /* What all layers said. */
    TABLE_FW_PASS     = 15,     /* Back to where it was going. */
    TABLE_CLAIM_FOUND = 16,     /* Whose it is, as found. */
    TABLE_CLAIM_VERDICT = 17,   /* So, and by its MAC: let in or not. */
    TABLE_TUNNEL_ASK  = 18,     /* What the datapath has refused. */
    TABLE_SOURCE_ARP  = 19,     /* What a guest says in ARP. */
    TABLE_RESOLVE     = 20,     /* What a guest's packet asks for. */
    TABLE_ND          = 21,     /* IPv6's ARP: what a guest may say of it. */
    TABLE_ND_SOLICIT  = 22,     /* Who is asked for. */
    TABLE_ND_ADVERT   = 23,     /* Who is told of. */
    TABLE_ND_SOURCE   = 24,     /* Who asks, where others hear it. */
    TABLE_ND_OWNER    = 25,     /* Is a CA, as found, the sender's? */
    TABLE_ND_PASS     = 26,     /* On to other guests. */
    TABLE_TO_MAC      = 27,     /* To all, to the router, to a guest. */
    TABLE_TO_ROUTER   = 28,     /* For itself, or to be routed. */
    TABLE_TO_GUEST    = 29,     /* By its MAC. */
    TABLE_ROUTE       = 30,     /* Destination prefix -> its subnet. */
    TABLE_ROUTER      = 31,     /* Before it: may the packet be routed? */
    TABLE_ROUTED      = 32,     /* MACs and TTL of a routed packet. */
    TABLE_ND_LINK_LOCAL = 33,   /* For the router, or for a guest? */
    TABLE_PUNT        = 35,     /* To the agent; see compile/punt.h. */
    TABLE_SPACE_CA    = 40,     /* VSID, CA -> MAC, where.  Mappings. */
    TABLE_ASK_CA      = 41,     /* Routed, but not by the datapath. */
    TABLE_SPACE_MAC   = 42,     /* VSID, MAC -> where.  Mappings. */
    TABLE_ASK_MAC     = 43,     /* Not forwarded by the datapath. */
    TABLE_LEARN_ARP   = 44,     /* A question where addresses are learned. */
    TABLE_LEARN_ASKER = 45,     /* Is the asker known? */
    TABLE_UNKNOWN_MAC = 46,     /* To nobody known, where one may be. */
    TABLE_LEARN_ND    = 47,     /* LEARN_ARP, for ND. */
    TABLE_LEARN_ND_ASKER = 48,  /* LEARN_ASKER, for ND. */
    TABLE_ARP_REPLY   = 50,     /* The ARP answer, from what was found. */
    TABLE_ND_REPLY    = 51,     /* Likewise for ND: whom to, as what. */
    TABLE_ND_OPTION   = 52,     /* The MAC in the answer. */
    TABLE_ND_ANSWER   = 53,     /* Its flags; output. */
    TABLE_ASK_ARP     = 54,     /* Not answered by the datapath. */
    TABLE_ASK_ND      = 55,     /* Likewise for ND. */
    TABLE_FLOOD       = 60,     /* A copy to each PA of the subnet. */
    TABLE_FLOOD_LOCAL = 62,     /* A copy to each local guest of it. */
    TABLE_COPY_IP     = 63,     /* A copy to each guest: MAC and address. */
    TABLE_COPY        = 64,     /* A copy to each guest: MAC alone. */
    TABLE_FORWARD     = 70,     /* This host, or which encapsulation. */
    TABLE_BALANCE     = 71,     /* Which share of a CA with several owners. */
    TABLE_SPACE_SHARE = 72,     /* VSID, CA, share -> MAC, where.  Mappings. */
    TABLE_MTU         = 73,     /* How long may the packet be? */
    TABLE_TOO_LONG    = 74,     /* And is it longer? */
    TABLE_BALANCED    = 75,     /* Whose the share is, as found. */
    TABLE_LOCAL       = 80,     /* VSID, MAC -> local port. */
    TABLE_FW_IN       = 82,     /* Firewall: what goes to a guest. */
    TABLE_FW_TRACKED  = 83,     /* Back from being tracked: really its? */
    TABLE_FW_LOG      = 84,     /* Does it open a connection whose rule says
                                 * that this is logged? */
    TABLE_DELIVER     = 90,     /* Output to a local port. */
    TABLE_RETURN      = 91,     /* Output to whom the packet came from. */
    TABLE_ENCAP       = 95,     /* Outer addresses, key; output. */
    TABLE_ENCAP_SOURCE = 96,    /* Outer source address. */
    TABLE_TUN_SOURCE  = 97,     /* Those of both families. */
    TABLE_REWRITE_OUT = 100,    /* IP rewrite: destination CA -> its PA. */
    TABLE_REWRITE_DST = 101,    /* Destination known. */
    TABLE_REWRITE_SRC = 102,    /* Guest's subnet again; CA -> its PA. */
    TABLE_REWRITE_SEND = 103,   /* Source is the guest's. */
    TABLE_SPACE_PA    = 104,    /* PA -> VSID, CA, MAC.  Mappings. */
    TABLE_REWRITE_FROM = 105,   /* From the host: source PA -> CA. */
    TABLE_REWRITE_TO  = 106,    /* Destination PA -> CA; who may send to it. */
    TABLE_DROP        = 110,    /* A flow per reason. */
};

/* Registers.  All are zero when a packet enters. */
#define REG_VSID     "reg0"     /* Subnet of the packet; after routing, the
                                 * destination's. */
#define REG_DOMAIN   "reg1"     /* Routing domain, of rules_subnet. */
#define REG_CA       "reg2"     /* CA that a lookup asks for, if IPv4. */
#define REG_PA       "reg3"     /* Found: PA of it, if that is IPv4. */
#define REG_CA6      "xxreg3"   /* CA that a lookup asks for, if IPv6. */
#define REG_PA6      "xxreg3"   /* Found: PA, if IPv6.  The lookup has read
                                 * the CA by then. */
#define REG_ENCAP    "reg4"     /* Found: pipeline_encap(). */
#define REG_LOCAL_PA "reg5"     /* PAs that the sender's packets leave from:
                                 * pipeline_local_pa(). */
#define REG_SENDER   "reg5"     /* From the host, with IP rewrite: the sender's
                                 * VSID.  It has no REG_LOCAL_PA. */
#define REG_OUT_PORT "reg6"     /* Found: local port. */
#define REG_ND_FLAGS "reg6"     /* In a packet that becomes the answer to a
                                 * solicitation: its flags, */
#define REG_ND_OPTION "reg7"    /* and the type of its option. */
#define REG_PART     "reg7"     /* Part of a long list of copies; in FORWARD,
                                 * whether a migration was considered. */
#define REG_PUNT     "reg10"    /* In TABLE_PUNT: enum punt_kind, in the low 8
                                 * bits. */
#define REG_FROM     "reg10[8..31]" /* Of a packet to the router: the sender's
                                 * subnet. */
#define REG_DROP     "reg7"     /* In TABLE_DROP: enum drop_reason. */
#define REG_PEER     "reg11"    /* Found: PEER_KNOWN or PEER_CLAIMS. */
#define REG_SHARE    "reg11"    /* Share of a CA that a connection is in. */
#define REG_MTU      "reg11"    /* After that: MTU of the way to the PA, and
                                 * MTU_TOO_LONG_BIT. */
#define REG_MAC      "xreg4"    /* Found: MAC, in the low 48 bits, and above
                                 * it MAC_LEARNED; zero if nothing was
                                 * found. */

/* Registers of the firewall, which borrows those of REG_CA6: nothing is looked
 * up before FW_OUT or after FW_IN. */
#define REG_FW       "reg12"    /* Whose: the conntrack zone of a port's
                                 * subnet, in the low 16 bits; FW_IN_BIT;
                                 * FW_COMMIT_BIT. */
#define REG_FW_ZONE  "NXM_NX_REG12[0..15]"
#define REG_FW_SET   "reg13"    /* Set of rules that is asked. */
#define REG_FW_SAYS  "reg14"    /* What was said: FW_SAYS_*. */
#define REG_FW_RULE  "reg15"    /* In FW_LOG: number of the set's rule. */
#define REG_FW_ALL   "xxreg3"   /* All of them. */

/* REG_FW: the packet goes to the port, else it is from it; it has had its
 * verdict; in FW_LOG, the rule is the controller's, else the administrator's.
 */
#define FW_IN_BIT 0x10000
#define FW_COMMIT_BIT 0x20000
#define FW_CONTROLLER_BIT 0x40000

/* ct_mark of connections that were let through. */
#define FW_CT_MARK 1

/* REG_FW_SAYS: the set that was asked lets the packet through; each layer
 * does. */
#define FW_SAYS_SET 0x1
#define FW_SAYS_ADMIN 0x2
#define FW_SAYS_CONTROLLER 0x4

/* The metadata field, by bits; zero when a packet enters. */
#define META_VLAN     "metadata[0..11]" /* VLAN of the guest's packet ... */
#define METADATA_TAG  0x1fff            /* ... in all of pipeline_tag(). */
#define METADATA_SEEN 0x10000           /* The agent has seen the packet, see
                                         * compile-learn.c. */

/* Register numbers for code that builds matches without text. */
enum pipeline_reg {
    REG_IDX_VSID = 0,
    REG_IDX_DOMAIN = 1,
    REG_IDX_CA = 2,
    REG_IDX_PA = 3,
    REG_IDX_ENCAP = 4,
    REG_IDX_OUT_PORT = 6,
    REG_IDX_DROP = 7,
    REG_IDX_PUNT = 10,
    REG_IDX_PEER = 11,
    REG_IDX_SHARE = 11,
    REG_IDX_MTU = 11,
    REG_IDX_FW = 12,
    REG_IDX_FW_SET = 13,
    REG_IDX_FW_RULE = 15,
    XREG_IDX_MAC = 4,
    XXREG_IDX_CA6 = 3,
    XXREG_IDX_PA6 = 3,
};

/* REG_ENCAP: zero if nothing was found, ENCAP_LOCAL for this host,
 * ENCAP_BALANCED for the owners of the CA in REG_CA or REG_CA6, or else enum
 * space_encap, and whether the PA is in REG_PA6.  (With IP rewrite the PA is
 * of the CA's family, so it is where the CA was.) */
enum { ENCAP_IPV6 = 0x10, ENCAP_LOCAL = 0x20, ENCAP_BALANCED = 0x40 };

static inline uint32_t
pipeline_encap(const struct space_where *where)
{
    switch (where->encap) {
    case SPACE_LOCAL:
        return ENCAP_LOCAL;
    case SPACE_BALANCED:
        return ENCAP_BALANCED;
    case SPACE_REWRITE:
        return SPACE_REWRITE;
    case SPACE_VXLAN:
    case SPACE_NVGRE:
        break;
    }
    return (addr_is_ipv4(&where->pa)
            ? where->encap : where->encap | ENCAP_IPV6);
}

/* The host's end of the port into its stack, which takes what is addressed to
 * it; what we are called there.  Nobody else sees either. */
#define REWRITE_HOST_MAC "02:68:6e:76:00:01"
#define REWRITE_OUR_MAC  "02:68:6e:76:00:02"

/* REG_PEER: the packet came from a PA of its network, or, having the source CA
 * of a guest of this host, should not have come at all. */
enum { PEER_KNOWN = 1, PEER_CLAIMS = 2 };

/* REG_MTU: set in it if the packet is longer. */
#define MTU_TOO_LONG_BIT 31

/* REG_LOCAL_PA: numbers of PAs, which the flows of TABLE_ENCAP_SOURCE give
 * their meaning; 0 leaves the choice to the host's routes. */
static inline uint32_t
pipeline_local_pa(uint16_t number_ipv4, uint16_t number_ipv6)
{
    return number_ipv4 | (uint32_t) number_ipv6 << 16;
}

/* What is in REG_PUNT and in REG_FROM, out of their one register. */
static inline uint32_t
pipeline_punt(uint32_t reg)
{
    return reg & 0xff;
}

static inline uint32_t
pipeline_from(uint32_t reg)
{
    return reg >> 8;
}

/* A guest's tag, of VLAN 'vlan' or none for 0, as METADATA_TAG and vlan_vid
 * have it. */
static inline uint32_t
pipeline_tag(uint16_t vlan)
{
    return vlan ? VLAN_CFI | vlan : 0;
}

/* REG_MAC: this bit is set if the MAC was learned, and no policy says so. */
#define MAC_LEARNED (UINT64_C(1) << 48)
#define MAC_MASK (MAC_LEARNED - 1)

static inline uint64_t
pipeline_mac(const struct space_entry *entry)
{
    return (eth_addr_to_uint64(entry->mac)
            | (entry->learned ? MAC_LEARNED : 0));
}

/* Priority of the flows in the SPACE tables and PEER. */
#define PRIORITY_SPACE 100
#define PRIORITY_SPACE_OWNER 101    /* A special case of by CA. */

/* NULL for a table that is not in use. */
const char *pipeline_table_name(uint8_t table);

/* Returns an IPv6 address as a value of REG_CA6 or REG_PA6, for the caller to
 * free. */
char *pipeline_addr6(const struct in6_addr *);

#endif /* compile/pipeline.h */
