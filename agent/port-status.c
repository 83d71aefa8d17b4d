/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "port-status.h"
#include "compile/compile.h"
#include "host/host-view.h"
#include "packets.h"
#include "smap.h"

void
port_status_fill(const struct bound_port *bound, struct smap *status)
{
    const struct host_port *iface = bound->iface;

    if (iface) {
        smap_add(status, "vm_nic_port_id", iface->port_id);
        smap_add(status, "vm_nic_vm_name", iface->vm_name);
        if (iface->has_mac) {
            smap_add_format(status, "vm_nic_macaddress", ETH_ADDR_FMT,
                            ETH_ADDR_ARGS(iface->mac));
        }
    }
    smap_add(status, "state", port_state_to_string(bound->state));
    if (bound->state == PORT_BLOCKED) {
        smap_add(status, "reason", bound->reason);
        smap_add(status, "detail", bound->detail);
    }
}
