/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/resolve.h"

#include "model/other-config.h"
#include "model/rules.h"

/* Bounds.  The limit is there so that no guest fills a table; a limit of more
 * addresses than one port could sensibly have would be none.  An age that is
 * shorter than the probes take is none either. */
enum { LIMIT_MIN = 1, LIMIT_MAX = 4096, LIMIT_DEFAULT = 64 };
enum { AGING_MIN_S = 10, AGING_MAX_S = 86400, AGING_DEFAULT_S = 300 };

static struct rules_learning
read_learning(struct resolver *r, const struct rules_subnet *subnet)
{
    const struct stored_row *row = row_store_find(r->rows, ROW_LOGICAL_SWITCH,
                                                  &subnet->row);
    const struct other_config config = {
        .resolver = r,
        .row = row,
        .table = "Logical_Switch",
        .map = &row->row.logical_switch.other_config,
    };
    bool enabled = other_config_bool(&config, "learning", false);

    if (enabled && subnet->rewrite) {
        other_config_complain(&config, "learning", "possible with IP "
                              "rewrite, which takes a mapping for each CA");
        enabled = false;
    }
    return (struct rules_learning) {
        .enabled = enabled,
        .limit = other_config_uint(&config, "learning_limit", LIMIT_MIN,
                                   LIMIT_MAX, LIMIT_DEFAULT),
        .aging_s = other_config_uint(&config, "learning_aging", AGING_MIN_S,
                                     AGING_MAX_S, AGING_DEFAULT_S),
    };
}

void
resolve_learning(struct resolver *r)
{
    for (size_t i = 0; i < r->rules->n_subnets; i++) {
        struct rules_subnet *subnet = &r->rules->subnets[i];

        subnet->learning = read_learning(r, subnet);
    }
}
