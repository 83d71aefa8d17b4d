/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DATAPATH_EXT_SPACE_TABLE_PRIVATE_H
#define DATAPATH_EXT_SPACE_TABLE_PRIVATE_H 1

/* What the files of the space table share with each other. */

#include "datapath-ext/space-code.h"
#include "datapath-ext/space-set.h"
#include "datapath-ext/space-table.h"

struct space_table {
    struct space_set sets[N_SPACE_SETS];
    struct space_locators *locators;
    struct space_grace *grace;
    uint64_t generation;
    uint64_t n_entries[N_SPACE_KINDS];
};

/* Locators, for the table's writer. */

struct space_locators *space_locators_create(struct space_grace *);
void space_locators_destroy(struct space_locators *); /* No reader is left. */

/* The locator for 'where', one reference of which is the caller's.  Returns 0,
 * EINVAL for a 'where' that makes no sense, or ENOSPC. */
int space_locators_ref(struct space_locators *, const struct space_where *,
                       uint32_t *ret_locator);
void space_locators_unref(struct space_locators *, uint32_t locator);

/* Takes all references back: nothing leads anywhere any more. */
void space_locators_clear(struct space_locators *);

size_t space_locators_count(const struct space_locators *);
size_t space_locators_bytes(const struct space_locators *);

#endif /* datapath-ext/space-table-private.h */
