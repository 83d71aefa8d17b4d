/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/punt.h"

static const char *const kind_names[N_PUNT_KINDS] = {
    [PUNT_NONE] = "unknown",
    [PUNT_ROUTER_SOLICIT] = "router-solicitation",
    [PUNT_LEARN] = "learning",
    [PUNT_SOLICIT] = "solicit",
};

const char *
punt_kind_to_string(enum punt_kind kind)
{
    return kind_names[kind];
}
