/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/diag-report.h"

#include <string.h>
#include "model/policy.h"

static void
report_put(struct diag_set *reported, const struct diag *diag,
           const struct policy_sink *sink)
{
    const struct diag *old = diag_set_find(reported, &diag->row, diag->column,
                                           diag->code);

    if (!old || strcmp(old->text, diag->text)) {
        diag_set_add_copy(reported, diag);
        sink->diag_put(diag, sink->aux);
    }
}

static void
report_remove(struct diag_set *reported, const struct diag *diag,
              const struct policy_sink *sink)
{
    sink->diag_remove(diag, sink->aux);
    diag_set_remove(reported, diag);
}

void
diag_report_all(struct diag_set *reported, const struct diag_set *wanted,
                const struct policy_sink *sink)
{
    struct diag *diag;

    HMAP_FOR_EACH_SAFE (diag, node, &reported->diags) {
        if (!diag_set_find(wanted, &diag->row, diag->column, diag->code)) {
            report_remove(reported, diag, sink);
        }
    }
    DIAG_SET_FOR_EACH (diag, wanted) {
        report_put(reported, diag, sink);
    }
}

void
diag_report_row(struct diag_set *reported, const struct diag_set *wanted,
                const struct uuid *row, const struct diag_slot *slots,
                size_t n_slots, const struct policy_sink *sink)
{
    for (size_t i = 0; i < n_slots; i++) {
        const struct diag_slot *slot = &slots[i];
        const struct diag *old = diag_set_find(reported, row, slot->column,
                                               slot->code);
        const struct diag *new = diag_set_find(wanted, row, slot->column,
                                               slot->code);

        if (new) {
            report_put(reported, new, sink);
        } else if (old) {
            report_remove(reported, old, sink);
        }
    }
}
