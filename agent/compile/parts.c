/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/parts.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include "util.h"

/* A message holds some 800 copies. */
enum { PART_MAX_COPIES = 256 };

void
parts_init(struct parts *parts, struct compile_ctx *cx,
           enum pipeline_table table, const struct rules_subnet *subnet,
           const char *kind)
{
    *parts = (struct parts) {
        .cx = cx, .table = table, .subnet = subnet, .kind = kind,
        .actions = DS_EMPTY_INITIALIZER, .calls = DS_EMPTY_INITIALIZER,
    };
}

static void
parts_end(struct parts *parts)
{
    const struct rules_subnet *subnet = parts->subnet;

    parts->n_parts++;
    ds_put_format(&parts->calls, "set_field:%u->"REG_PART",resubmit(,%d),",
                  parts->n_parts, parts->table);
    ds_chomp(&parts->actions, ',');
    plan_add(parts->cx->plan, parts->table, 110, row_cookie(&subnet->row),
             plan_text("%s"REG_VSID"=%#"PRIx32","REG_PART"=%#x", parts->kind,
                       subnet->vsid, parts->n_parts),
             ds_steal_cstr(&parts->actions));
    parts->prefix = NULL;
    parts->n_copies = 0;
}

void
parts_add(struct parts *parts, const char *prefix, const char *format, ...)
{
    va_list args;

    if (parts->n_copies >= PART_MAX_COPIES) {
        parts_end(parts);
    }
    if (parts->prefix != prefix) {
        ds_put_cstr(&parts->actions, prefix);
        parts->prefix = prefix;
    }
    va_start(args, format);
    ds_put_format_valist(&parts->actions, format, args);
    va_end(args);
    parts->n_copies++;
}

void
parts_finish(struct parts *parts, const char *last)
{
    struct ds *actions = &parts->actions;

    if (parts->n_parts) {
        parts_end(parts);
        ds_put_cstr(&parts->calls, "set_field:0->"REG_PART",");
        actions = &parts->calls;
    }
    ds_put_cstr(actions, last);
    ds_chomp(actions, ',');
    if (actions->length) {
        const struct rules_subnet *subnet = parts->subnet;

        plan_add(parts->cx->plan, parts->table, 100, row_cookie(&subnet->row),
                 plan_text("%s"REG_VSID"=%#"PRIx32, parts->kind,
                           subnet->vsid),
                 xstrdup(ds_cstr(actions)));
    }
    ds_destroy(&parts->actions);
    ds_destroy(&parts->calls);
}
