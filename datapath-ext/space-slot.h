/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DATAPATH_EXT_SPACE_SLOT_H
#define DATAPATH_EXT_SPACE_SLOT_H 1

/* A slot of one of the space table's hash tables, out of the table; see
 * space-set.h and space-code.h for what is in it. */

#include <stdint.h>

struct space_slot {
    uint64_t first;
    uint64_t middle[2];         /* Only in slots of four words. */
    uint64_t last;
};

#endif /* datapath-ext/space-slot.h */
