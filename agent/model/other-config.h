/* SPDX-License-Identifier: Apache-2.0 */

#ifndef MODEL_OTHER_CONFIG_H
#define MODEL_OTHER_CONFIG_H 1

/* Keys of other_config columns.
 *
 * A key that is not there, or whose value makes no sense, has its default; the
 * latter gets a Diagnostic, and the row is otherwise used as it is.  Keys that
 * nobody knows are left alone: they may be somebody else's. */

#include <stdbool.h>
#include <stddef.h>

struct resolver;
struct row_map;
struct stored_row;

/* The other_config of one row. */
struct other_config {
    struct resolver *resolver;
    const struct stored_row *row;
    const char *table;          /* Constant, from the schema. */
    const struct row_map *map;
};

/* The value of 'key', NULL if it is not there. */
const char *other_config_string(const struct other_config *, const char *key);

/* "true" or "false". */
bool other_config_bool(const struct other_config *, const char *key,
                       bool by_default);

/* A decimal number from 'min' to 'max'. */
unsigned int other_config_uint(const struct other_config *, const char *key,
                               unsigned int min, unsigned int max,
                               unsigned int by_default);

/* One of the 'n' words, returned by its index. */
size_t other_config_word(const struct other_config *, const char *key,
                         const char *const words[], size_t n,
                         size_t by_default);

/* Complains that the value of 'key' is not 'expected', a phrase such as "an
 * IP address". */
void other_config_complain(const struct other_config *, const char *key,
                           const char *expected);

#endif /* model/other-config.h */
