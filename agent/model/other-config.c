/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/other-config.h"
#include <stdlib.h>
#include <string.h>
#include "model/resolve.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

const char *
other_config_string(const struct other_config *config, const char *key)
{
    for (size_t i = 0; i < config->map->n; i++) {
        if (!strcmp(config->map->pairs[i].key, key)) {
            return config->map->pairs[i].value;
        }
    }
    return NULL;
}

void
other_config_complain(const struct other_config *config, const char *key,
                      const char *expected)
{
    resolver_complain(config->resolver, DIAG_OTHER_CONFIG, config->row,
                      config->table, "other_config",
                      "other_config:%s \"%.300s\" is not %s.", key,
                      other_config_string(config, key), expected);
}

bool
other_config_bool(const struct other_config *config, const char *key,
                  bool by_default)
{
    static const char *const words[] = { "false", "true" };

    return other_config_word(config, key, words, ARRAY_SIZE(words),
                             by_default);
}

unsigned int
other_config_uint(const struct other_config *config, const char *key,
                  unsigned int min, unsigned int max,
                  unsigned int by_default)
{
    const char *text = other_config_string(config, key);
    unsigned int value;

    if (!text) {
        return by_default;
    }
    if (!str_to_uint(text, 10, &value) || value < min || value > max) {
        char *expected = xasprintf("a number from %u to %u", min, max);

        other_config_complain(config, key, expected);
        free(expected);
        return by_default;
    }
    return value;
}

size_t
other_config_word(const struct other_config *config, const char *key,
            const char *const words[], size_t n, size_t by_default)
{
    const char *text = other_config_string(config, key);

    if (!text) {
        return by_default;
    }
    for (size_t i = 0; i < n; i++) {
        if (!strcmp(text, words[i])) {
            return i;
        }
    }

    struct ds expected = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < n; i++) {
        ds_put_format(&expected, "%s\"%s\"",
                      !i ? "" : i == n - 1 ? " or " : ", ", words[i]);
    }
    other_config_complain(config, key, ds_cstr(&expected));
    ds_destroy(&expected);
    return by_default;
}
