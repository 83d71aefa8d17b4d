/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DB_ROW_DECODE_H
#define DB_ROW_DECODE_H 1

/* From the engine's rows to those of rows.h.
 *
 * This runs once for each row of each transaction, with hundreds of thousands
 * of rows in a database, so names are looked up in advance, once per schema,
 * and decoding copies nothing but pointers and numbers. */

#include <stddef.h>
#include "db/rows.h"

struct ovsdb;
struct ovsdb_row;
struct ovsdb_table;
struct row_field;

/* How one table of a database is laid out in "struct row". */
struct row_layout {
    enum row_table table;
    enum db_id db;
    const char *name;           /* Of the table. */
    const struct row_field *fields;
    size_t n_fields;
};

#define ROW_MAX_FIELDS 13

/* A layout applied to a schema. */
struct row_decoder {
    const struct row_layout *layout;
    const struct ovsdb_table *table;
    unsigned int columns[ROW_MAX_FIELDS]; /* By field: column's index. */

    /* Bitmaps by column index: columns that the layout has, and those of them
     * whose value is the agent's own. */
    unsigned long int columns_read;
    unsigned long int columns_owned;
};

/* Memory for the arrays of one decoded row, reused for the next. */
struct row_scratch {
    void *memory;
    size_t size;
};

void row_scratch_uninit(struct row_scratch *);

/* Fills 'decoders' with one for each table of 'ovsdb', which is database 'id',
 * that the agent reads.  Returns their number. */
size_t row_decoders_init(struct row_decoder decoders[N_ROW_TABLES],
                         enum db_id id, const struct ovsdb *);

/* Decodes 'row' to '*ret_row', which is valid until 'scratch' is used again or
 * the database's row changes. */
void row_decode(const struct row_decoder *, const struct ovsdb_row *row,
                struct row_scratch *, struct row *ret_row);

#endif /* db/row-decode.h */
