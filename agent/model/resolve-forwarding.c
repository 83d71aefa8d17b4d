/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/resolve.h"

#include <stdlib.h>
#include "model/rules.h"
#include "openvswitch/shash.h"

/* Whose guests forward packets of others: ms_darv's Ports, which are about the
 * same interfaces as the Physical_Ports of the same names. */
void
resolve_forwarding(struct resolver *r)
{
    struct shash names = SHASH_INITIALIZER(&names);
    size_t n;
    const struct stored_row **rows
        = row_store_sort(r->rows, ROW_DARV_PORT, &n);

    for (size_t i = 0; i < n; i++) {
        resolver_claim_port_name(r, &names, rows[i], "Ports");
    }
    for (size_t i = 0; i < r->rules->n_ports; i++) {
        struct rules_port *port = &r->rules->ports[i];
        const struct stored_row *row
            = (port->fault == RULES_PORT_BAD_NAME
               ? NULL : shash_find_data(&names, port->name));

        port->forwards = row && row->row.darv_port.enable_ip_forwarding;
    }
    shash_destroy(&names);
    free(rows);
}
