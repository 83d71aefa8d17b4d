/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/mapping.h"

#include "model/locators.h"
#include "model/mapping-subnet.h"
#include "model/rules.h"
#include "util.h"

struct space_where
mapping_where(const struct mapping *m, enum space_kind kind)
{
    struct space_where where = m->locator->where;

    if (!m->subnet->rules->rewrite) {
        return where;
    }
    if (where.encap != SPACE_LOCAL) {
        where.encap = SPACE_REWRITE;
    }
    switch (kind) {
    case SPACE_BY_CA:
        where.pa = m->locator->resolved_pa;
        break;
    case SPACE_BY_MAC:
        where.pa = in6addr_any;
        break;
    case SPACE_BY_PA:
        where.pa = m->ca;
        break;
    case SPACE_PEER:
    case SPACE_BY_SHARE:
    case SPACE_BY_OWNER:
        OVS_NOT_REACHED();
    }
    return where;
}

bool
mapping_is_balanced(const struct mapping *m)
{
    return m->load_balanced && !m->subnet->rules->rewrite;
}
