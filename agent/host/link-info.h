/* SPDX-License-Identifier: Apache-2.0 */

#ifndef HOST_LINK_INFO_H
#define HOST_LINK_INFO_H 1

/* What the kernel says about a network device. */

#include <stdbool.h>

struct link_info {
    unsigned int mtu;
    unsigned int master;        /* Interface index; 0 if it has none. */
    unsigned int vlan;          /* Of a VLAN device its VLAN, otherwise 0. */
};

/* All zeros, and false, if there is no such device. */
bool link_info_read(const char *device, struct link_info *ret_info);

#endif /* host/link-info.h */
