/* SPDX-License-Identifier: Apache-2.0 */

#ifndef MODEL_MAPPING_CHECK_H
#define MODEL_MAPPING_CHECK_H 1

/* What a Ucast_Macs_Remote row says, and what can be wrong with it. */

#include <stdbool.h>
#include <stddef.h>
#include "model/diag-report.h"
#include "model/space.h"

struct diag_set;
struct eth_addr;
struct mapping;
struct row_ucast;

/* All diagnostics that a mapping can have. */
#define N_MAPPING_DIAG_SLOTS 10
extern const struct diag_slot mapping_diag_slots[N_MAPPING_DIAG_SLOTS];

/* Reads the row's values into 'm', whose previous ones are freed, and
 * mapping_forget_row() frees them for good. */
void mapping_learn_row(struct mapping *, const struct row_ucast *);
void mapping_forget_row(struct mapping *);

/* Takes over from the row whether its guest may change addresses: nothing that
 * a slot says depends on it. */
void mapping_adopt_learning(struct mapping *, const struct row_ucast *);

/* True if both have the same values, but for that. */
bool mapping_values_equal(const struct mapping *, const struct mapping *);

/* Returns true if a mapping may have a seat in the slots; if not, adds to
 * 'diags' why, unless it is only dormant. */
bool mapping_check(const struct mapping *, const struct eth_addr *router_mac,
                   struct diag_set *diags);

/* Adds to 'diags' that 'm' contradicts 'holder' in its slot by 'kind'. */
void mapping_diagnose_conflict(const struct mapping *m,
                               const struct mapping *holder, enum space_kind,
                               struct diag_set *diags);

#endif /* model/mapping-check.h */
