/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/firewall-kind.h"
#include "util.h"

/* RFC 792, RFC 4443. */
static const uint8_t tracked_icmp[] = {
    0, 3, 4, 5, 8, 11, 12, 13, 14, 15, 16,
};
static const uint8_t tracked_icmpv6[] = { 1, 2, 3, 4, 128, 129 };

const uint8_t *
firewall_kind_tracked(bool ipv6, unsigned int *ret_n)
{
    *ret_n = ipv6 ? ARRAY_SIZE(tracked_icmpv6) : ARRAY_SIZE(tracked_icmp);
    return ipv6 ? tracked_icmpv6 : tracked_icmp;
}

bool
firewall_kind_is_tracked(bool ipv6, uint8_t type)
{
    unsigned int n;
    const uint8_t *types = firewall_kind_tracked(ipv6, &n);

    for (unsigned int i = 0; i < n; i++) {
        if (types[i] == type) {
            return true;
        }
    }
    return false;
}
