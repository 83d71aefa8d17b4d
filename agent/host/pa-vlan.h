/* SPDX-License-Identifier: Apache-2.0 */

#ifndef HOST_PA_VLAN_H
#define HOST_PA_VLAN_H 1

/* VLAN tags of provider addresses on internal ports of Open vSwitch bridges.
 *
 * The tag of such a port is what its bridge puts on all that the host sends
 * through it.  A port whose tag was set here has external_ids:hnv-pa-vlan,
 * with the PA as its value, so that the tag can be taken away when policy does
 * not want it any more; other ports' tags are not touched. */

#include <stdbool.h>
#include <stddef.h>

struct ovsdb_idl;
struct pa_place;

/* True if all is as 'places' want it. */
bool pa_vlans_are_right(struct ovsdb_idl *, const struct pa_place *places,
                        size_t n);

/* Makes it so, in the transaction that is open. */
void pa_vlans_put_right(struct ovsdb_idl *, const struct pa_place *places,
                        size_t n);

#endif /* host/pa-vlan.h */
