/* SPDX-License-Identifier: Apache-2.0 */

#ifndef HOST_BRIDGE_H
#define HOST_BRIDGE_H 1

/* The integration bridge and its tunnel ports as rows of Open_vSwitch: what
 * must be there, put there where it is not. */

#include <stdbool.h>
#include <stdint.h>
#include "host/rewrite-port.h"

struct ovsdb_idl;
struct ovsdb_idl_txn;
struct ovsrec_bridge;

#define BRIDGE_DEFAULT_NAME "br-int"
#define BRIDGE_VXLAN_PORT "hnv-vxlan"
#define BRIDGE_NVGRE_PORT "hnv-nvgre"
#define BRIDGE_REWRITE_PORT "hnv-rewrite"

/* Longest name that a network device, which a bridge is, can have. */
#define BRIDGE_NAME_MAX 15

/* True if the integration bridge can be called 'name'. */
bool bridge_name_is_usable(const char *name);

/* What the bridge is to be like. */
struct bridge_wish {
    const char *name;
    const char *datapath_type;  /* NULL for any. */
    bool leave_rewrite;         /* Not decided yet. */
    struct rewrite_port rewrite;    /* Unless 'leave_rewrite'. */

    /* Name of an OpenFlow table, NULL for one that has none. */
    const char *(*table_name)(uint8_t table);
};

/* NULL if there is no bridge of that name. */
const struct ovsrec_bridge *bridge_find(struct ovsdb_idl *, const char *name);

/* True if nothing has to be changed. */
bool bridge_is_right(struct ovsdb_idl *, const struct bridge_wish *);

/* Adds to 'txn' what makes the bridge right.  A bridge that has to be made
 * gets what can wait, the names of its tables, in the next round. */
void bridge_put_right(struct ovsdb_idl *, struct ovsdb_idl_txn *,
                      const struct bridge_wish *);

#endif /* host/bridge.h */
