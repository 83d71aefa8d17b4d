/* SPDX-License-Identifier: Apache-2.0 */

#ifndef HOST_BRIDGE_H
#define HOST_BRIDGE_H 1

/* The integration bridge and its tunnel ports as rows of Open_vSwitch: what
 * must be there, put there where it is not. */

#include <stdbool.h>

struct ovsdb_idl;
struct ovsdb_idl_txn;
struct ovsrec_bridge;

#define BRIDGE_DEFAULT_NAME "br-int"
#define BRIDGE_VXLAN_PORT "hnv-vxlan"
#define BRIDGE_NVGRE_PORT "hnv-nvgre"

/* NULL if there is no bridge of that name. */
const struct ovsrec_bridge *bridge_find(struct ovsdb_idl *, const char *name);

/* True if nothing has to be changed; 'datapath_type' NULL for any. */
bool bridge_is_right(struct ovsdb_idl *, const char *name,
                     const char *datapath_type);

/* Adds to 'txn' what makes the bridge right. */
void bridge_put_right(struct ovsdb_idl *, struct ovsdb_idl_txn *,
                      const char *name, const char *datapath_type);

#endif /* host/bridge.h */
