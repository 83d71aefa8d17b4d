/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "plan/plan.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "util.h"

static int plan_flow_compare_key(const struct plan_flow *,
                                 const struct plan_flow *);
static void plan_flow_uninit(struct plan_flow *);

struct plan *
plan_create(void)
{
    return xzalloc(sizeof(struct plan));
}

void
plan_destroy(struct plan *plan)
{
    if (plan) {
        for (size_t i = 0; i < plan->n; i++) {
            plan_flow_uninit(&plan->flows[i]);
        }
        free(plan->flows);
        free(plan->meters);
        free(plan);
    }
}

char *
plan_text(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *text = xvasprintf(format, args);
    va_end(args);
    return text;
}

void
plan_add(struct plan *plan, uint8_t table, uint16_t priority,
         uint64_t cookie, char *match, char *actions)
{
    if (plan->n >= plan->allocated) {
        plan->flows = x2nrealloc(plan->flows, &plan->allocated,
                                 sizeof *plan->flows);
    }
    plan->flows[plan->n++] = (struct plan_flow) {
        .table = table,
        .priority = priority,
        .cookie = cookie,
        .match = match,
        .actions = actions,
    };
}

void
plan_add_meter(struct plan *plan, uint32_t meter)
{
    if (plan->n_meters >= plan->allocated_meters) {
        plan->meters = x2nrealloc(plan->meters, &plan->allocated_meters,
                                  sizeof *plan->meters);
    }
    plan->meters[plan->n_meters++] = meter;
}

static int
compare_meters(const void *a_, const void *b_)
{
    const uint32_t *a = a_;
    const uint32_t *b = b_;

    return *a < *b ? -1 : *a > *b;
}

bool
plan_has_meter(const struct plan *plan, uint32_t meter)
{
    return (plan->n_meters
            && bsearch(&meter, plan->meters, plan->n_meters, sizeof meter,
                       compare_meters));
}

static void
sort_meters(struct plan *plan)
{
    size_t n = 0;

    if (plan->n_meters) {
        qsort(plan->meters, plan->n_meters, sizeof *plan->meters,
              compare_meters);
    }
    for (size_t i = 0; i < plan->n_meters; i++) {
        if (!n || plan->meters[n - 1] != plan->meters[i]) {
            plan->meters[n++] = plan->meters[i];
        }
    }
    plan->n_meters = n;
}

static int
compare_flows(const void *a, const void *b)
{
    return plan_flow_compare_key(a, b);
}

bool
plan_sort(struct plan *plan)
{
    size_t n = 0;

    sort_meters(plan);
    if (plan->n) {
        qsort(plan->flows, plan->n, sizeof *plan->flows, compare_flows);
    }
    for (size_t i = 0; i < plan->n; i++) {
        if (n && !plan_flow_compare_key(&plan->flows[n - 1],
                                        &plan->flows[i])) {
            plan_flow_uninit(&plan->flows[i]);
        } else {
            plan->flows[n++] = plan->flows[i];
        }
    }

    bool dropped = n < plan->n;
    plan->n = n;
    return dropped;
}

void
plan_flow_format(const struct plan_flow *flow,
                 const char *(*table_name)(uint8_t table), struct ds *s)
{
    ds_put_format(s, "table=%s,priority=%"PRIu16"%s%s",
                  table_name(flow->table), flow->priority,
                  flow->match[0] ? "," : "", flow->match);
    if (flow->cookie) {
        ds_put_format(s, ",cookie=0x%"PRIx64, flow->cookie);
    }
    ds_put_format(s, ",actions=%s", flow->actions);
}

void
plan_format(const struct plan *plan,
            const char *(*table_name)(uint8_t table), struct ds *s)
{
    for (size_t i = 0; i < plan->n; i++) {
        plan_flow_format(&plan->flows[i], table_name, s);
        ds_put_char(s, '\n');
    }
}

static bool
plan_flow_equal_value(const struct plan_flow *a, const struct plan_flow *b)
{
    return a->cookie == b->cookie && !strcmp(a->actions, b->actions);
}

/* One walk over both, as both are in the same order. */
struct plan_delta *
plan_diff(const struct plan *old, const struct plan *new)
{
    size_t n_old = old ? old->n : 0;
    size_t n_new = new ? new->n : 0;
    struct plan_delta *delta = xzalloc(sizeof *delta);

    delta->put = xmalloc(MAX(n_new, 1) * sizeof *delta->put);
    delta->remove = xmalloc(MAX(n_old, 1) * sizeof *delta->remove);
    for (size_t i = 0, j = 0; i < n_old || j < n_new; ) {
        int cmp = (i >= n_old ? 1
                   : j >= n_new ? -1
                   : plan_flow_compare_key(&old->flows[i], &new->flows[j]));
        if (cmp < 0) {
            delta->remove[delta->n_remove++] = &old->flows[i++];
        } else if (cmp > 0) {
            delta->put[delta->n_put++] = &new->flows[j++];
        } else {
            if (!plan_flow_equal_value(&old->flows[i], &new->flows[j])) {
                delta->put[delta->n_put++] = &new->flows[j];
            }
            i++;
            j++;
        }
    }
    return delta;
}

void
plan_delta_destroy(struct plan_delta *delta)
{
    if (delta) {
        free(delta->put);
        free(delta->remove);
        free(delta);
    }
}

bool
plan_delta_is_empty(const struct plan_delta *delta)
{
    return !delta->n_put && !delta->n_remove;
}

/* Total order: table, then priority from high to low, then match. */
static int
plan_flow_compare_key(const struct plan_flow *a, const struct plan_flow *b)
{
    return (a->table != b->table ? (a->table < b->table ? -1 : 1)
            : a->priority != b->priority ? (a->priority > b->priority ? -1 : 1)
            : strcmp(a->match, b->match));
}

static void
plan_flow_uninit(struct plan_flow *flow)
{
    free(flow->match);
    free(flow->actions);
}
