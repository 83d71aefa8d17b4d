/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DATAPATH_EXT_WIRE_H
#define DATAPATH_EXT_WIRE_H 1

/* The extension's bytes in OpenFlow: one action and three messages.
 *
 * All are of the Nicira vendor, with numbers ("HN", "HNV") far from those in
 * use there, so that a switch without the extension answers with its ordinary
 * error and nothing else.  They are the same in all versions of OpenFlow.
 *
 *     NXAST 18510                 the action "hnv"; see ofpact.h
 *     NXT   1213093376            HNV_SPACE_MOD: entries come and go
 *     NXST  1213093376            HNV_SPACE: entries, piece by piece
 *     NXST  1213093377            HNV_STATS: what can it, how full is it
 *
 * HNV_STATS says which version of all this the switch speaks.  Whatever
 * changes the meaning of a byte raises it; so does any change to enum hnv_kind
 * and enum hnv_reason, by which packets are counted. */

#include <stdint.h>
#include "openvswitch/types.h"
#include "openvswitch/util.h"

#define HNV_WIRE_VERSION 3

#define HNV_NXAST_SUBTYPE 18510

/* The action.  Fields that its kind has no use for are zero, tables and ports
 * that it does not name 0xff and OFPP_NONE. */
struct nx_action_hnv {
    ovs_be16 type;              /* OFPAT_VENDOR. */
    ovs_be16 len;               /* 64. */
    ovs_be32 vendor;            /* NX_VENDOR_ID. */
    ovs_be16 subtype;           /* HNV_NXAST_SUBTYPE. */
    uint8_t kind;               /* enum hnv_kind */
    uint8_t flags;              /* enum hnv_flags */
    ovs_be32 vsid;              /* Or the number of a register. */
    ovs_be32 vxlan;             /* OpenFlow ports. */
    ovs_be32 nvgre;
    uint8_t table;
    uint8_t local;
    struct eth_addr mac;
    uint8_t next_hop[16];
    ovs_be16 mtu;
    uint8_t key;                /* enum hnv_key */
    uint8_t refused;
    uint8_t zeros[4];
    ovs_be32 domain;
    ovs_be32 source;
};
BUILD_ASSERT_DECL(sizeof(struct nx_action_hnv) == 64);

/* One entry: struct space_entry.  What belongs to IP rewrite (SPACE_BY_PA,
 * SPACE_REWRITE) is refused: subnets with it are not for the extension. */
struct hnv_wire_entry {
    uint8_t kind;               /* enum space_kind */
    uint8_t encap;              /* enum space_encap */
    uint8_t learned;            /* 0 or 1. */
    uint8_t share;
    ovs_be32 vsid;
    uint8_t addr[16];           /* CA, or SPACE_PEER's PA; IPv4 is mapped. */
    uint8_t pa[16];
    struct eth_addr mac;
    uint8_t zeros[2];
    ovs_be64 cookie;
};
BUILD_ASSERT_DECL(sizeof(struct hnv_wire_entry) == 56);

enum hnv_space_command {
    HNV_SPACE_PUT,              /* New, or in place of one with its key. */
    HNV_SPACE_DELETE,           /* Only the key counts.  No error if there is
                                 * none. */
    HNV_SPACE_FLUSH,            /* Everything, ports, too; has no entries. */
    HNV_SPACE_PUT_PORT,         /* Which guests of this host run: entries of
                                 * SPACE_BY_MAC whose cookie is the guest's
                                 * OpenFlow port. */
    HNV_SPACE_DELETE_PORT,
    N_HNV_SPACE_COMMANDS
};

/* HNV_SPACE_MOD.  Entries follow.  If one of them makes no sense, or there is
 * no room for it, nothing is done, and there is an error. */
struct hnv_space_mod {
    uint8_t command;            /* enum hnv_space_command */
    uint8_t zeros[7];
};
BUILD_ASSERT_DECL(sizeof(struct hnv_space_mod) == 8);

/* As many as fit a message of 64 kB. */
#define HNV_SPACE_MOD_MAX 1169

/* HNV_SPACE. */

/* Where a dump has come to; zeros to begin with. */
struct hnv_wire_cursor {
    ovs_be32 set;
    ovs_be32 segment;
    ovs_be64 position;
};

/* Not an entry's: asks for ports, which are in the reply just as
 * HNV_SPACE_PUT_PORT has them.  HNV_ANY_KIND asks for none of them. */
#define HNV_KIND_PORT 0xfe
#define HNV_ANY_KIND 0xff
#define HNV_ANY_VSID UINT32_MAX

struct hnv_space_request {
    struct hnv_wire_cursor cursor;
    ovs_be32 vsid;              /* Or HNV_ANY_VSID. */
    uint8_t kind;               /* Or HNV_KIND_PORT or HNV_ANY_KIND. */
    uint8_t zeros[3];
};
BUILD_ASSERT_DECL(sizeof(struct hnv_space_request) == 24);

/* The next piece, which may well be empty.  Entries follow. */
struct hnv_space_reply {
    struct hnv_wire_cursor cursor; /* For the next request. */
    ovs_be64 generation;        /* The same from the first piece to the last,
                                 * or else entries came or went: one more for
                                 * each that was sent, to be put or removed,
                                 * and another for HNV_SPACE_FLUSH. */
    uint8_t more;               /* 0: this was the last piece. */
    uint8_t zeros[7];
};
BUILD_ASSERT_DECL(sizeof(struct hnv_space_reply) == 32);

/* HNV_STATS's reply; the request is empty.  Counters follow: for each
 * enum hnv_kind, for each enum hnv_reason, packets.  (HNV_REASON_NONE are
 * those that were dealt with.) */
struct hnv_stats_reply {
    ovs_be32 version;           /* HNV_WIRE_VERSION */
    ovs_be16 n_kinds;
    ovs_be16 n_reasons;
    ovs_be64 generation;
    ovs_be64 bytes;
    ovs_be64 n_locators;
    ovs_be64 n_entries[6];      /* By enum space_kind. */
    ovs_be64 n_ports;
};
BUILD_ASSERT_DECL(sizeof(struct hnv_stats_reply) == 88);

#endif /* datapath-ext/wire.h */
