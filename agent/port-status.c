/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "port-status.h"
#include "compile/compile.h"
#include "host/host-view.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "smap.h"
#include "util/addr.h"

/* The PAs that the port's packets leave from. */
static void
add_pas(const struct bound_port *bound, struct smap *status)
{
    struct ds pas = DS_EMPTY_INITIALIZER;
    char buf[ADDR_STRLEN];

    for (size_t i = 0; i < N_PA_FAMILIES; i++) {
        if (bound->pas[i]) {
            ds_put_format(&pas, "%s%s", pas.length ? "," : "",
                          addr_format(bound->pas[i], buf));
        }
    }
    if (pas.length) {
        smap_add(status, "pa", ds_cstr(&pas));
    }
    ds_destroy(&pas);
}

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
    add_pas(bound, status);
    if (bound->mtu) {
        smap_add_format(status, "mtu", "%u", bound->mtu);
    }
    smap_add(status, "state", port_state_to_string(bound->state));
    if (bound->state == PORT_BLOCKED) {
        smap_add(status, "reason", bound->reason);
        smap_add(status, "detail", bound->detail);
    }
}
