/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/resolve.h"

#include "model/other-config.h"
#include "model/rules.h"

/* Whether guests make addresses of their own from their subnet's prefix.  Off
 * by default: an address that no mapping names reaches nobody. */
void
resolve_slaac(struct resolver *r)
{
    for (size_t i = 0; i < r->rules->n_subnets; i++) {
        struct rules_subnet *subnet = &r->rules->subnets[i];
        const struct stored_row *row
            = row_store_find(r->rows, ROW_LOGICAL_SWITCH, &subnet->row);
        const struct other_config config = {
            .resolver = r,
            .row = row,
            .table = "Logical_Switch",
            .map = &row->row.logical_switch.other_config,
        };

        subnet->slaac = other_config_bool(&config, "slaac", false);
    }
}
