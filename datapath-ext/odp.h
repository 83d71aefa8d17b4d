/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DATAPATH_EXT_ODP_H
#define DATAPATH_EXT_ODP_H 1

/* The datapath action that the OpenFlow action "hnv" becomes.
 *
 * It is one attribute, OVS_ACTION_ATTR_HNV, with the structure below.  Each
 * packet that the action is done with continues in one of six ways, by
 * recirculation, so that what happens next is Open vSwitch's own business: a
 * tunnel's header, for one, is pushed by the tunnel port's action in a
 * megaflow per other host.  (What such a megaflow does the datapath may take
 * from its memory: see graft/in-dpif-netdev-shortcuts.inc.)  A recirculation
 * ID of zero stands for "drop".
 *
 * Only the userspace datapath knows it; no other is ever given one.  Its
 * number is far from those that Linux may come to use. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/types.h"

struct ds;
struct flow_tnl;
struct ofpbuf;

struct hnv_odp {
    uint8_t kind;               /* enum hnv_kind */
    uint8_t flags;              /* enum hnv_flags, but for HNV_REG. */
    uint16_t mtu;               /* Of IP packets to other hosts; 0: any. */
    uint32_t vsid;
    uint32_t reply;             /* arp: datapath port that answers go to. */
    uint32_t rest;              /* Recirculation ID of what is left, */
    uint32_t local;             /* of packets for this host, */
    uint32_t vxlan;             /* of packets whose tunnel is now set, */
    uint32_t nvgre;
    uint32_t found;             /* of those with an answer, see found.h, */
    uint32_t refused;           /* and of those that were not admitted. */
    uint32_t asker;             /* arp: OpenFlow port of the guest that asks,
                                 * which gets no answer about itself. */
    struct eth_addr mac;
    uint8_t zeros[2];
    struct in6_addr next_hop;   /* route. */
    struct in6_addr asked;      /* find: the CA asked for, if that is a
                                 * register's.  admit: the PA that sent the
                                 * packet. */
    struct in6_addr src6;       /* Of tunnels, or zeros. */
    ovs_be32 src;
    uint32_t domain;            /* admit. */
    uint32_t source;
    uint32_t share;             /* find: likewise. */
    uint32_t key;               /* find: enum hnv_key */
};

/* hnv(switch,vsid=5001,rest=0x1,local=0x2,vxlan=0x3) */
void hnv_odp_format(const struct hnv_odp *, struct ds *);

/* Appends the action that 's' begins with to 'actions'.  Returns how many
 * characters it took; 0 if 's' is something else; or -EINVAL. */
int hnv_odp_parse(const char *s, struct ofpbuf *actions);

/* Makes metadata those of no tunnel. */
void hnv_tunnel_clear(struct flow_tnl *);

/* Makes them what "route" and "switch" give a packet for 'pa', by VXLAN or by
 * NVGRE. */
void hnv_odp_set_tunnel(const struct hnv_odp *, bool is_vxlan,
                        const struct in6_addr *pa, struct flow_tnl *);

#endif /* datapath-ext/odp.h */
