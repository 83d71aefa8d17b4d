/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/punt.h"

static const char *const kind_names[N_PUNT_KINDS] = {
    [PUNT_NONE] = "unknown",
    [PUNT_ROUTER_SOLICIT] = "router-solicitation",
    [PUNT_TTL] = "ttl-exceeded",
    [PUNT_NO_ROUTE] = "no-route",
    [PUNT_NO_HOST] = "no-host",
    [PUNT_TO_ROUTER] = "to-router",
    [PUNT_TOO_LONG] = "too-long",
    [PUNT_LEARN] = "learning",
    [PUNT_SOLICIT] = "solicit",
    [PUNT_FIREWALL_LOG] = "firewall-log",
};

const char *
punt_kind_to_string(enum punt_kind kind)
{
    return kind_names[kind];
}
