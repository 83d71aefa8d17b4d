/* SPDX-License-Identifier: Apache-2.0 */

#ifndef SWITCH_SPACE_STOCK_H
#define SWITCH_SPACE_STOCK_H 1

/* Space entries as flows, which any Open vSwitch takes.
 *
 *   TABLE_SPACE_CA    reg0=VSID, reg2=CA       -> xreg4=MAC, where
 *   TABLE_SPACE_CA    reg0=VSID, xxreg3=CA     -> xreg4=MAC, where  (IPv6)
 *   TABLE_SPACE_CA    arp, reg0=VSID, reg2=arp_spa=CA -> nothing
 *   TABLE_SPACE_MAC   reg0=VSID, dl_dst=MAC    -> where
 *   TABLE_SPACE_SHARE reg0=VSID, reg2=CA, reg11=share -> xreg4=MAC, where
 *   TABLE_SPACE_SHARE reg0=VSID, xxreg3=CA, reg11=share -> xreg4=MAC, where
 *   TABLE_PEER        reg1=domain, tun_src=PA  -> reg11=1
 *
 * "Where" is reg3=PA or, IPv6, xxreg3=PA, and reg4=encapsulation, see
 * pipeline_encap(); of a CA with several owners, reg2 or xxreg3 is the CA.
 * The port of a local guest is found by its MAC.
 *
 * With IP rewrite a CA of this host has its PA, too, a MAC elsewhere has none,
 * and there is one more flow:
 *
 *   TABLE_SPACE_PA    reg3=PA     -> reg0=VSID, reg2=CA,   xreg4=MAC, reg4
 *   TABLE_SPACE_PA    xxreg3=PA   -> reg0=VSID, xxreg3=CA, xreg4=MAC, reg4
 *
 * There may be a million, so a flow of each shape is encoded once, by the
 * library; a particular entry's message is a copy of that with its values
 * written over.
 *
 * A subject of one thread at a time. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "model/space.h"
#include "openflow/openflow-common.h"

struct ofputil_flow_stats;
struct space_stock;

/* No message made here is longer. */
#define SPACE_STOCK_MESSAGE_MAX 256

struct space_stock *space_stock_create(enum ofp_version);
void space_stock_destroy(struct space_stock *);

/* Write a message to 'buf' and return its size. */
size_t space_stock_put(const struct space_stock *, const struct space_entry *,
                       uint8_t buf[SPACE_STOCK_MESSAGE_MAX]);
size_t space_stock_remove(const struct space_stock *,
                          const struct space_key *,
                          uint8_t buf[SPACE_STOCK_MESSAGE_MAX]);

/* True if space entries' flows are in 'table'. */
bool space_stock_owns_table(uint8_t table);

/* If the flow identified by the table, priority and match of 'fs' is that of
 * a space entry, stores the entry's key. */
bool space_stock_decode_key(const struct ofputil_flow_stats *,
                            struct space_key *ret_key);

/* True if the flow, which is of the entry's key, is just as wanted. */
bool space_stock_is_same(const struct ofputil_flow_stats *,
                         const struct space_entry *);

#endif /* switch/space-stock.h */
