/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "plan/plan.h"
#include <string.h>
#include "unit.h"
#include "util.h"

static const char *
table_name(uint8_t table)
{
    return table ? "OTHER" : "FIRST";
}

static void
add(struct plan *plan, int table, int priority, const char *match,
    const char *actions)
{
    plan_add(plan, table, priority, 0, xstrdup(match), xstrdup(actions));
}

START_TEST(a_sorted_plan_reads_in_the_order_of_the_packet)
{
    struct plan *plan = plan_create();
    struct ds s = DS_EMPTY_INITIALIZER;

    add(plan, 1, 5, "", "drop");
    add(plan, 0, 5, "ip", "drop");
    add(plan, 0, 9, "ip", "output:1");
    add(plan, 0, 5, "arp", "IN_PORT");
    ck_assert(!plan_sort(plan));
    plan_format(plan, table_name, &s);
    ck_assert_str_eq(ds_cstr(&s),
                     "table=FIRST,priority=9,ip,actions=output:1\n"
                     "table=FIRST,priority=5,arp,actions=IN_PORT\n"
                     "table=FIRST,priority=5,ip,actions=drop\n"
                     "table=OTHER,priority=5,actions=drop\n");
    ds_destroy(&s);
    plan_destroy(plan);
}
END_TEST

START_TEST(of_two_equal_flows_one_is_dropped_and_told)
{
    struct plan *plan = plan_create();

    add(plan, 0, 5, "ip", "drop");
    add(plan, 0, 5, "ip", "output:1");
    ck_assert(plan_sort(plan));
    ck_assert_uint_eq(plan->n, 1);
    plan_destroy(plan);
}
END_TEST

START_TEST(no_plan_is_an_empty_plan)
{
    struct plan_delta *delta = plan_diff(NULL, NULL);

    ck_assert(plan_delta_is_empty(delta));
    plan_delta_destroy(delta);
    plan_destroy(NULL);
    plan_delta_destroy(NULL);
}
END_TEST

/* A random plan out of few possible flows, so that two of them share many. */
static struct plan *
random_plan(void)
{
    static const char *const matches[] = {"", "ip", "arp", "in_port=1"};
    static const char *const actions[] = {"drop", "output:1"};
    struct plan *plan = plan_create();

    for (int n = random() % 30; n > 0; n--) {
        add(plan, random() % 3, random() % 3, matches[random() % 4],
            actions[random() % 2]);
    }
    plan_sort(plan);
    return plan;
}

static const struct plan_flow *
find_naive(const struct plan *plan, const struct plan_flow *f)
{
    for (size_t i = 0; i < plan->n; i++) {
        const struct plan_flow *g = &plan->flows[i];
        if (f->table == g->table && f->priority == g->priority
            && !strcmp(f->match, g->match)) {
            return g;
        }
    }
    return NULL;
}

START_TEST(random_differences_agree_with_the_naive_model)
{
    srandom(unit_seed("plan_diff"));
    for (int round = 0; round < 2000; round++) {
        struct plan *old = random_plan();
        struct plan *new = random_plan();
        struct plan_delta *delta = plan_diff(old, new);
        size_t n_put = 0, n_remove = 0;

        for (size_t i = 0; i < new->n; i++) {
            const struct plan_flow *was = find_naive(old, &new->flows[i]);
            if (!was || strcmp(was->actions, new->flows[i].actions)) {
                ck_assert_uint_lt(n_put, delta->n_put);
                ck_assert_ptr_eq(delta->put[n_put++], &new->flows[i]);
            }
        }
        for (size_t i = 0; i < old->n; i++) {
            if (!find_naive(new, &old->flows[i])) {
                ck_assert_uint_lt(n_remove, delta->n_remove);
                ck_assert_ptr_eq(delta->remove[n_remove++], &old->flows[i]);
            }
        }
        ck_assert_uint_eq(n_put, delta->n_put);
        ck_assert_uint_eq(n_remove, delta->n_remove);
        plan_delta_destroy(delta);
        plan_destroy(old);
        plan_destroy(new);
    }
}
END_TEST

static struct plan_part *
make_part(uint64_t key, const char *match, const char *actions)
{
    struct plan *flows = plan_create();

    add(flows, 7, 5, match, actions);
    plan_sort(flows);
    return plan_part_create(key, flows);
}

/* A plan of one flow and these parts, either of which may be NULL. */
static struct plan *
plan_of(struct plan_part *a, struct plan_part *b)
{
    struct plan *plan = plan_create();

    add(plan, 0, 5, "ip", "drop");
    if (a) {
        plan_add_part(plan, a);
    }
    if (b) {
        plan_add_part(plan, b);
    }
    plan_sort(plan);
    return plan;
}

static void
check_parts_delta(const struct plan *old, const struct plan *new, size_t n_put,
                  size_t n_remove)
{
    struct plan_delta *delta = plan_diff(old, new);

    ck_assert_uint_eq(delta->n_put, n_put);
    ck_assert_uint_eq(delta->n_remove, n_remove);
    plan_delta_destroy(delta);
}

START_TEST(parts_are_compared_by_key)
{
    struct plan_part *one = make_part(1, "ip", "drop");
    struct plan_part *two = make_part(2, "arp", "drop");
    struct plan_part *other = make_part(2, "arp", "IN_PORT");
    struct plan *both = plan_of(two, one);
    struct plan *changed = plan_of(one, other);
    struct plan *less = plan_of(NULL, two);
    struct plan_cursor cursor = { .part = 0 };

    ck_assert_uint_eq(plan_count(both), 3);
    ck_assert_uint_eq(plan_next(both, &cursor)->table, 0);
    ck_assert_str_eq(plan_next(both, &cursor)->match, "ip");
    ck_assert_str_eq(plan_next(both, &cursor)->match, "arp");
    ck_assert_ptr_null(plan_next(both, &cursor));

    check_parts_delta(both, both, 0, 0);
    check_parts_delta(both, changed, 1, 0);
    check_parts_delta(both, less, 0, 1);
    check_parts_delta(less, both, 1, 0);
    check_parts_delta(NULL, both, 3, 0);

    plan_part_unref(one);
    plan_part_unref(two);
    plan_part_unref(other);
    plan_destroy(both);
    plan_destroy(changed);
    plan_destroy(less);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("plan");
    TCase *tc = tcase_create("plan");

    tcase_add_test(tc, a_sorted_plan_reads_in_the_order_of_the_packet);
    tcase_add_test(tc, of_two_equal_flows_one_is_dropped_and_told);
    tcase_add_test(tc, no_plan_is_an_empty_plan);
    tcase_add_test(tc, random_differences_agree_with_the_naive_model);
    tcase_add_test(tc, parts_are_compared_by_key);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
