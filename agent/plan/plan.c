/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "plan/plan.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "packets.h"
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
        for (size_t i = 0; i < plan->n_parts; i++) {
            plan_part_unref(plan->parts[i]);
        }
        free(plan->parts);
        free(plan->flows);
        free(plan->meters.ids);
        free(plan->zones.ids);
        free(plan->guests);
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

struct plan_part *
plan_part_create(uint64_t key, struct plan *flows)
{
    struct plan_part *part = xmalloc(sizeof *part);

    *part = (struct plan_part) { .refs = 1, .key = key, .flows = flows };
    return part;
}

void
plan_part_unref(struct plan_part *part)
{
    if (part && !--part->refs) {
        plan_destroy(part->flows);
        free(part);
    }
}

void
plan_add_part(struct plan *plan, struct plan_part *part)
{
    if (plan->n_parts >= plan->allocated_parts) {
        plan->parts = x2nrealloc(plan->parts, &plan->allocated_parts,
                                 sizeof *plan->parts);
    }
    part->refs++;
    plan->parts[plan->n_parts++] = part;
}

size_t
plan_count(const struct plan *plan)
{
    size_t n = plan->n;

    for (size_t i = 0; i < plan->n_parts; i++) {
        n += plan->parts[i]->flows->n;
    }
    return n;
}

const struct plan_flow *
plan_next(const struct plan *plan, struct plan_cursor *cursor)
{
    while (cursor->part <= plan->n_parts) {
        const struct plan *flows = (cursor->part
                                    ? plan->parts[cursor->part - 1]->flows
                                    : plan);

        if (cursor->flow < flows->n) {
            return &flows->flows[cursor->flow++];
        }
        cursor->part++;
        cursor->flow = 0;
    }
    return NULL;
}

static void
add_id(struct plan_ids *ids, uint32_t id)
{
    if (ids->n >= ids->allocated) {
        ids->ids = x2nrealloc(ids->ids, &ids->allocated, sizeof *ids->ids);
    }
    ids->ids[ids->n++] = id;
}

void
plan_add_meter(struct plan *plan, uint32_t meter)
{
    add_id(&plan->meters, meter);
}

void
plan_add_zone(struct plan *plan, uint16_t zone)
{
    add_id(&plan->zones, zone);
}

void
plan_add_guest(struct plan *plan, const struct plan_guest *guest)
{
    if (plan->n_guests >= plan->allocated_guests) {
        plan->guests = x2nrealloc(plan->guests, &plan->allocated_guests,
                                  sizeof *plan->guests);
    }
    plan->guests[plan->n_guests++] = *guest;
}

int
plan_guest_compare(const struct plan_guest *a, const struct plan_guest *b)
{
    return (a->vsid != b->vsid ? (a->vsid < b->vsid ? -1 : 1)
            : eth_addr_compare_3way(a->mac, b->mac));
}

static int
compare_guests(const void *a, const void *b)
{
    return plan_guest_compare(a, b);
}

bool
plan_has_guest(const struct plan *plan, const struct plan_guest *guest)
{
    const struct plan_guest *found
        = (plan && plan->n_guests
           ? bsearch(guest, plan->guests, plan->n_guests,
                     sizeof *plan->guests, compare_guests) : NULL);

    return found && found->port == guest->port;
}

static int
compare_ids(const void *a_, const void *b_)
{
    const uint32_t *a = a_;
    const uint32_t *b = b_;

    return *a < *b ? -1 : *a > *b;
}

bool
plan_ids_contain(const struct plan_ids *ids, uint32_t id)
{
    return ids->n && bsearch(&id, ids->ids, ids->n, sizeof id, compare_ids);
}

static void
sort_ids(struct plan_ids *ids)
{
    size_t n = 0;

    if (ids->n) {
        qsort(ids->ids, ids->n, sizeof *ids->ids, compare_ids);
    }
    for (size_t i = 0; i < ids->n; i++) {
        if (!n || ids->ids[n - 1] != ids->ids[i]) {
            ids->ids[n++] = ids->ids[i];
        }
    }
    ids->n = n;
}

static int
compare_flows(const void *a, const void *b)
{
    return plan_flow_compare_key(a, b);
}

static int
compare_parts(const void *a_, const void *b_)
{
    const struct plan_part *const *a = a_;
    const struct plan_part *const *b = b_;

    return (*a)->key < (*b)->key ? -1 : (*a)->key > (*b)->key;
}

bool
plan_sort(struct plan *plan)
{
    size_t n = 0;

    sort_ids(&plan->meters);
    sort_ids(&plan->zones);
    if (plan->n_guests) {
        qsort(plan->guests, plan->n_guests, sizeof *plan->guests,
              compare_guests);
    }
    if (plan->n_parts) {
        qsort(plan->parts, plan->n_parts, sizeof *plan->parts, compare_parts);
    }
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
    struct plan_cursor cursor = { .part = 0 };
    const struct plan_flow *flow;

    while ((flow = plan_next(plan, &cursor)) != NULL) {
        plan_flow_format(flow, table_name, s);
        ds_put_char(s, '\n');
    }
    for (size_t i = 0; i < plan->n_guests; i++) {
        const struct plan_guest *guest = &plan->guests[i];

        ds_put_format(s, "guest vsid=%#"PRIx32",mac="ETH_ADDR_FMT","
                      "port=%"PRIu32"\n", guest->vsid,
                      ETH_ADDR_ARGS(guest->mac), guest->port);
    }
}

static bool
plan_flow_equal_value(const struct plan_flow *a, const struct plan_flow *b)
{
    return a->cookie == b->cookie && !strcmp(a->actions, b->actions);
}

static void
add_put(struct plan_delta *delta, const struct plan_flow *flow)
{
    if (delta->n_put >= delta->allocated_put) {
        delta->put = x2nrealloc(delta->put, &delta->allocated_put,
                                sizeof *delta->put);
    }
    delta->put[delta->n_put++] = flow;
}

static void
add_remove(struct plan_delta *delta, const struct plan_flow *flow)
{
    if (delta->n_remove >= delta->allocated_remove) {
        delta->remove = x2nrealloc(delta->remove, &delta->allocated_remove,
                                   sizeof *delta->remove);
    }
    delta->remove[delta->n_remove++] = flow;
}

/* Adds the difference in flows, without parts.  One walk over both, as both
 * are in the same order. */
static void
diff_flows(const struct plan *old, const struct plan *new,
           struct plan_delta *delta)
{
    size_t n_old = old ? old->n : 0;
    size_t n_new = new ? new->n : 0;

    for (size_t i = 0, j = 0; i < n_old || j < n_new; ) {
        int cmp = (i >= n_old ? 1
                   : j >= n_new ? -1
                   : plan_flow_compare_key(&old->flows[i], &new->flows[j]));
        if (cmp < 0) {
            add_remove(delta, &old->flows[i++]);
        } else if (cmp > 0) {
            add_put(delta, &new->flows[j++]);
        } else {
            if (!plan_flow_equal_value(&old->flows[i], &new->flows[j])) {
                add_put(delta, &new->flows[j]);
            }
            i++;
            j++;
        }
    }
}

/* Likewise, over the parts. */
static void
diff_parts(const struct plan *old, const struct plan *new,
           struct plan_delta *delta)
{
    size_t n_old = old ? old->n_parts : 0;
    size_t n_new = new ? new->n_parts : 0;

    for (size_t i = 0, j = 0; i < n_old || j < n_new; ) {
        const struct plan_part *a = i < n_old ? old->parts[i] : NULL;
        const struct plan_part *b = j < n_new ? new->parts[j] : NULL;

        if (!b || (a && a->key < b->key)) {
            diff_flows(a->flows, NULL, delta);
            i++;
        } else if (!a || b->key < a->key) {
            diff_flows(NULL, b->flows, delta);
            j++;
        } else {
            if (a != b) {
                diff_flows(a->flows, b->flows, delta);
            }
            i++;
            j++;
        }
    }
}

struct plan_delta *
plan_diff(const struct plan *old, const struct plan *new)
{
    struct plan_delta *delta = xzalloc(sizeof *delta);

    diff_flows(old, new, delta);
    diff_parts(old, new, delta);
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
