/* SPDX-License-Identifier: Apache-2.0 */

#ifndef MODEL_DIAG_REPORT_H
#define MODEL_DIAG_REPORT_H 1

/* Telling the sink which diagnostics came, changed and went.
 *
 * 'reported' is what the sink was told so far and follows 'wanted'. */

#include <stddef.h>
#include "util/diag.h"

struct policy_sink;

/* The diagnostics that one kind of row can have. */
struct diag_slot {
    const char *column;
    enum diag_code code;
};

/* Brings all of 'reported' in line with 'wanted'. */
void diag_report_all(struct diag_set *reported, const struct diag_set *wanted,
                     const struct policy_sink *);

/* Likewise for one row, whose only diagnostics are 'slots'. */
void diag_report_row(struct diag_set *reported, const struct diag_set *wanted,
                     const struct uuid *row, const struct diag_slot *slots,
                     size_t n_slots, const struct policy_sink *);

#endif /* model/diag-report.h */
