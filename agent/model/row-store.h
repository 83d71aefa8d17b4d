/* SPDX-License-Identifier: Apache-2.0 */

#ifndef MODEL_ROW_STORE_H
#define MODEL_ROW_STORE_H 1

/* The rows that rules are made from, as the controller wrote them.
 *
 * Each row remembers when it arrived, which decides between rows that
 * contradict each other.  A row that changes keeps its place in that order
 * unless it changes in what others can contradict (its VSID, its name), and
 * each prefix that a Logical_Router binds has a place of its own, kept for as
 * long as the router binds that prefix to that subnet.
 *
 * Holds neither mappings nor locators, which have homes of their own.
 *
 * Ownership: the store copies what it keeps, only the columns that rules use.
 * Threads: one. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "db/rows.h"
#include "openvswitch/hmap.h"

struct stored_row {
    struct hmap_node node;      /* In struct row_store's 'tables'. */
    uint64_t arrival;           /* Lower is earlier; never twice in a table. */
    struct row row;
    uint64_t *binding_arrivals; /* Logical_Router: one per switch_binding. */
};

struct row_store {
    struct hmap tables[N_ROW_TABLES];   /* "struct stored_row"s, by UUID. */
    uint64_t clock;             /* Arrivals given out so far. */
};

void row_store_init(struct row_store *);
void row_store_uninit(struct row_store *);

/* Takes in a change.  Returns false if it changes nothing that matters. */
bool row_store_apply(struct row_store *, const struct row_change *);

const struct stored_row *row_store_find(const struct row_store *,
                                        enum row_table, const struct uuid *);

/* Returns the rows of a table in order of arrival, in an array that the caller
 * frees, and their number in '*ret_n'. */
const struct stored_row **row_store_sort(const struct row_store *,
                                         enum row_table, size_t *ret_n);

#endif /* model/row-store.h */
