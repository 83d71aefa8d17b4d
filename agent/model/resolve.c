/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/resolve.h"

#include <stdarg.h>
#include <stdlib.h>
#include "model/rules.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"
#include "uuid.h"

static void
destroy_drafts(struct hmap *drafts)
{
    struct draft_subnet *draft;

    HMAP_FOR_EACH_POP (draft, node, drafts) {
        free(draft->prefixes);
        free(draft);
    }
    hmap_destroy(drafts);
}

struct rules *
resolve(const struct row_store *rows, const struct locators *locators,
        const char *host_name, struct diag_set *diags)
{
    struct resolver r = {
        .rows = rows,
        .locators = locators,
        .host_name = host_name,
        .rules = xzalloc(sizeof *r.rules),
        .diags = diags,
    };

    hmap_init(&r.drafts);
    resolve_host(&r);
    resolve_subnets(&r);
    resolve_rewrite(&r);
    resolve_routes(&r);
    resolve_flood(&r);
    resolve_slaac(&r);
    resolve_migrations(&r);
    resolve_learning(&r);
    resolve_replication(&r);
    resolve_ports(&r);
    resolve_forwarding(&r);
    destroy_drafts(&r.drafts);
    return r.rules;
}

struct draft_subnet *
resolver_find_draft(const struct resolver *r,
                    const struct uuid *logical_switch)
{
    struct draft_subnet *draft;

    HMAP_FOR_EACH_WITH_HASH (draft, node, uuid_hash(logical_switch),
                             &r->drafts) {
        if (uuid_equals(&draft->row->row.uuid, logical_switch)) {
            return draft;
        }
    }
    return NULL;
}

struct rules_subnet *
resolver_find_subnet(const struct resolver *r,
                     const struct uuid *logical_switch)
{
    const struct draft_subnet *draft = resolver_find_draft(r, logical_switch);

    if (!draft || !draft->active) {
        return NULL;
    }
    return CONST_CAST(struct rules_subnet *, rules_find_subnet(
        r->rules, draft->row->row.logical_switch.tunnel_key));
}

void
resolver_complain(struct resolver *r, enum diag_code code,
                  const struct stored_row *stored, const char *table,
                  const char *column, const char *format, ...)
{
    const struct uuid *row = &stored->row.uuid;
    const struct diag *known = diag_set_find(r->diags, row, column, code);
    struct ds text = DS_EMPTY_INITIALIZER;
    va_list args;

    if (known) {
        ds_put_format(&text, "%s  ", known->text);
    }
    va_start(args, format);
    ds_put_format_valist(&text, format, args);
    va_end(args);
    diag_set_add(r->diags, code, row, table, column, "%s", ds_cstr(&text));
    ds_destroy(&text);
}
