/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/firewall.h"
#include <string.h>
#include "firewall-feed.h"
#include "model/policy.h"
#include "random.h"
#include "unit.h"
#include "util.h"
#include "util/diag.h"

/* A firewall, and the diagnostics that it has told. */
struct fixture {
    struct firewall *fw;
    struct diag_set diags;
};

static void
put_diag(const struct diag *diag, void *f_)
{
    struct fixture *f = f_;
    diag_set_add_copy(&f->diags, diag);
}

static void
remove_diag(const struct diag *diag, void *f_)
{
    struct fixture *f = f_;
    diag_set_remove(&f->diags, diag);
}

static void
fixture_init(struct fixture *f)
{
    f->fw = firewall_create();
    diag_set_init(&f->diags);
}

static void
fixture_uninit(struct fixture *f)
{
    firewall_destroy(f->fw);
    diag_set_uninit(&f->diags);
}

static void
put(struct fixture *f, int n, struct row_fw_rule rule)
{
    struct row_change change = fw_rule_change(n, rule);
    firewall_apply(f->fw, &change);
}

static void
delete(struct fixture *f, int n)
{
    struct row_change change = fw_rule_change(n, (struct row_fw_rule) {
        .rule_id = "",
    });
    change.deleted = true;
    firewall_apply(f->fw, &change);
}

static bool
settle(struct fixture *f)
{
    const struct policy_sink sink = {
        .diag_put = put_diag, .diag_remove = remove_diag, .aux = f,
    };
    bool changed = firewall_settle(f->fw, &sink);

    ck_assert(!firewall_is_unsettled(f->fw));
    return changed;
}

static struct row_fw_rule
block(const char *port, int priority, const char *addresses)
{
    struct row_fw_rule rule = fw_rule_for_all(port, "Inbound");

    rule.action = "Block";
    rule.priority = priority;
    rule.src_ip_addresses = addresses;
    return rule;
}

static const struct fw_set *
set_of(const struct fixture *f, const char *port)
{
    return firewall_find(f->fw, port)->sets[FW_CONTROLLER][FW_INBOUND];
}

START_TEST(a_port_is_found_however_its_guid_is_written)
{
    struct fixture f;

    fixture_init(&f);
    put(&f, 1, fw_rule_for_all("{AAAA-01}", "Inbound"));
    put(&f, 2, fw_rule_for_all("aaaa-01", "Outbound"));
    ck_assert(settle(&f));
    ck_assert(firewall_find(f.fw, "aaaa-01")->open);
    ck_assert_ptr_null(firewall_find(f.fw, "{AAAA-01}"));

    put(&f, 3, fw_rule_for_all("", "Inbound"));
    ck_assert(!settle(&f));
    ck_assert_uint_eq(diag_set_count(&f.diags), 1);
    delete(&f, 3);
    settle(&f);
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);
    fixture_uninit(&f);
}
END_TEST

START_TEST(disabled_rules_are_not_there)
{
    struct row_fw_rule off = fw_rule_for_all("p", "Inbound");
    struct fixture f;

    fixture_init(&f);
    off.rule_state = "Disabled";
    off.protocols = "nonsense";
    put(&f, 1, off);
    settle(&f);
    ck_assert(!firewall_find(f.fw, "p") || !firewall_find(f.fw, "p")->any);
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);

    put(&f, 1, fw_rule_for_all("p", "Inbound"));
    ck_assert(settle(&f));
    ck_assert(firewall_find(f.fw, "p")->any);
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_rule_that_is_not_understood_marks_its_port)
{
    struct row_fw_rule bad = block("p", 1, "10.0.0.0/99");
    struct fixture f;

    fixture_init(&f);
    put(&f, 1, fw_rule_for_all("p", "Inbound"));
    put(&f, 2, fw_rule_for_all("p", "Outbound"));
    put(&f, 3, fw_rule_for_all("q", "Outbound"));
    put(&f, 4, bad);
    settle(&f);
    ck_assert(!firewall_find(f.fw, "p")->understood);
    ck_assert(!firewall_find(f.fw, "p")->open);
    ck_assert(firewall_find(f.fw, "q")->understood);
    ck_assert_uint_eq(diag_set_count(&f.diags), 1);

    put(&f, 4, block("p", 1, "10.0.0.0/9"));
    settle(&f);
    ck_assert(firewall_find(f.fw, "p")->understood);
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_port_is_open_if_nothing_is_blocked_before_all_is_allowed)
{
    struct row_fw_rule rule;
    struct fixture f;

    fixture_init(&f);
    put(&f, 1, fw_rule_for_all("p", "Inbound"));
    settle(&f);
    ck_assert(!firewall_find(f.fw, "p")->open);
    put(&f, 2, fw_rule_for_all("p", "Outbound"));
    settle(&f);
    ck_assert(firewall_find(f.fw, "p")->open);

    put(&f, 3, block("p", 65001, "*"));
    settle(&f);
    ck_assert(firewall_find(f.fw, "p")->open);
    put(&f, 3, block("p", 65000, "10.0.0.1"));
    settle(&f);
    ck_assert(!firewall_find(f.fw, "p")->open);

    rule = block("p", 1, "10.0.0.1");
    rule.action = "Allow";
    put(&f, 3, rule);
    settle(&f);
    ck_assert(firewall_find(f.fw, "p")->open);

    rule.rule_type = "RuleWithAdminPriority";
    put(&f, 3, rule);
    settle(&f);
    ck_assert(!firewall_find(f.fw, "p")->open);
    fixture_uninit(&f);
}
END_TEST

START_TEST(equal_lists_are_one_set)
{
    const struct fw_set *set;
    struct fixture f;

    fixture_init(&f);
    put(&f, 1, block("p", 1, "10.0.0.1,10.0.0.2"));
    put(&f, 2, block("q", 1, "10.0.0.1-10.0.0.2"));
    put(&f, 3, block("q", 1, "10.0.0.2, 10.0.0.1"));
    settle(&f);
    set = set_of(&f, "p");
    ck_assert_ptr_eq(set, set_of(&f, "q"));
    ck_assert_uint_eq(set->n, 1);
    ck_assert_uint_eq(set->refs, 2);

    /* One goes its own way, the other's set stays as it is. */
    put(&f, 2, block("q", 2, "10.0.0.1-10.0.0.2"));
    settle(&f);
    ck_assert_ptr_eq(set, set_of(&f, "p"));
    ck_assert_uint_ne(set->number, set_of(&f, "q")->number);

    /* And back. */
    put(&f, 2, block("q", 1, "10.0.0.1-10.0.0.2"));
    settle(&f);
    ck_assert_ptr_eq(set, set_of(&f, "p"));
    ck_assert_ptr_eq(set, set_of(&f, "q"));
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_changed_rule_leaves_the_numbers_of_others)
{
    uint32_t number, id;
    struct fixture f;

    fixture_init(&f);
    put(&f, 1, block("p", 1, "10.0.0.1"));
    put(&f, 2, block("p", 2, "10.0.0.2"));
    put(&f, 3, block("q", 1, "10.0.0.1"));
    put(&f, 4, block("q", 2, "10.0.0.2"));
    settle(&f);
    number = set_of(&f, "p")->number;
    id = set_of(&f, "p")->ids[1];

    /* All that use the set change alike. */
    put(&f, 1, block("p", 1, "10.0.0.3"));
    put(&f, 3, block("q", 1, "10.0.0.3"));
    settle(&f);
    ck_assert_ptr_eq(set_of(&f, "p"), set_of(&f, "q"));
    ck_assert_uint_eq(set_of(&f, "p")->number, number);
    ck_assert_uint_eq(set_of(&f, "p")->ids[1], id);

    /* A rule more, with just one user. */
    delete(&f, 3);
    delete(&f, 4);
    put(&f, 5, block("p", 0, "10.0.0.4"));
    settle(&f);
    ck_assert_uint_eq(set_of(&f, "p")->number, number);
    ck_assert_uint_eq(set_of(&f, "p")->ids[2], id);
    fixture_uninit(&f);
}
END_TEST

START_TEST(too_many_rules_are_not_understood)
{
    struct fixture f;

    fixture_init(&f);
    for (int i = 0; i <= FW_MAX_RULES; i++) {
        put(&f, i + 1, block("p", i, "*"));
    }
    settle(&f);
    ck_assert(!firewall_find(f.fw, "p")->understood);
    ck_assert_uint_eq(diag_set_count(&f.diags), 1);

    delete(&f, 1);
    settle(&f);
    ck_assert(firewall_find(f.fw, "p")->understood);
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);
    fixture_uninit(&f);
}
END_TEST

/* Random worlds. */

enum { N_WORLD_ROWS = 24, N_WORLD_PORTS = 4 };

static const char *const ports[] = { "a", "b", "c", "d" };
static const char *const addresses[] = { "*", "10.0.0.1", "10.0.0.2", "?" };

struct world {
    struct row_fw_rule rules[N_WORLD_ROWS];
    bool there[N_WORLD_ROWS];
};

static struct row_fw_rule
random_rule(void)
{
    struct row_fw_rule rule = fw_rule_for_all(
        ports[random_range(N_WORLD_PORTS)],
        random_range(2) ? "Inbound" : "Outbound");

    rule.priority = random_range(3);
    rule.action = random_range(2) ? "Allow" : "Block";
    rule.src_ip_addresses = addresses[random_range(random_range(4) ? 3 : 4)];
    rule.rule_state = random_range(8) ? "Enabled" : "Disabled";
    rule.rule_type = (random_range(2) ? "RuleWithAdminPriority"
                      : "RuleWithControllerPriority");
    return rule;
}

static void
check_same_set(const struct fw_set *a, const struct fw_set *b)
{
    ck_assert_int_eq(!a, !b);
    if (a) {
        ck_assert_uint_eq(a->n, b->n);
        ck_assert_uint_gt(a->n, 0);
        for (size_t i = 0; i < a->n; i++) {
            ck_assert_str_eq(a->rules[i]->text, b->rules[i]->text);
            ck_assert_uint_eq(a->ids[i], b->ids[i]);
            ck_assert(!i || a->ids[i] != a->ids[i - 1]);
        }
    }
}

static void
check_same(const struct firewall *a, const struct firewall *b)
{
    for (int i = 0; i < N_WORLD_PORTS; i++) {
        const struct fw_port *pa = firewall_find(a, ports[i]);
        const struct fw_port *pb = firewall_find(b, ports[i]);

        ck_assert_int_eq(!pa, !pb);
        if (!pa) {
            continue;
        }
        ck_assert_int_eq(pa->any, pb->any);
        ck_assert_int_eq(pa->understood, pb->understood);
        ck_assert_int_eq(pa->open, pb->open);
        for (int j = 0; j < N_FW_LAYERS; j++) {
            ck_assert_int_eq(pa->layers[j], pb->layers[j]);
            for (int k = 0; k < N_FW_DIRECTIONS; k++) {
                check_same_set(pa->sets[j][k], pb->sets[j][k]);
            }
        }
    }
}

/* Two sets with one number would be one set to the switch; two with the same
 * rules would be a waste. */
static void
check_numbers(const struct firewall *fw)
{
    const struct fw_set *sets[N_WORLD_PORTS * N_FW_LAYERS * N_FW_DIRECTIONS];
    size_t n = 0;

    for (int i = 0; i < N_WORLD_PORTS; i++) {
        const struct fw_port *port = firewall_find(fw, ports[i]);

        for (int j = 0; port && j < N_FW_LAYERS * N_FW_DIRECTIONS; j++) {
            const struct fw_set *set = port->sets[j / N_FW_DIRECTIONS]
                                                 [j % N_FW_DIRECTIONS];
            if (set) {
                ck_assert_uint_ne(set->number, 0);
                sets[n++] = set;
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            if (sets[i] != sets[j]) {
                ck_assert_uint_ne(sets[i]->number, sets[j]->number);
                ck_assert(sets[i]->n != sets[j]->n
                          || memcmp(sets[i]->rules, sets[j]->rules,
                                    sets[i]->n * sizeof *sets[i]->rules));
            }
        }
    }
}

static void
check_from_scratch(const struct fixture *f, const struct world *w)
{
    struct fixture fresh;

    fixture_init(&fresh);
    for (int i = N_WORLD_ROWS - 1; i >= 0; i--) {
        if (w->there[i]) {
            put(&fresh, i, w->rules[i]);
        }
    }
    settle(&fresh);
    check_same(f->fw, fresh.fw);
    ck_assert_uint_eq(diag_set_count(&f->diags),
                      diag_set_count(&fresh.diags));
    fixture_uninit(&fresh);
}

START_TEST(step_by_step_ends_where_all_at_once_does)
{
    struct world w = { .there = { false } };
    struct fixture f;

    random_set_seed(unit_seed("firewall"));
    fixture_init(&f);
    for (int round = 0; round < 2000; round++) {
        for (int i = random_range(4); i >= 0; i--) {
            int n = random_range(N_WORLD_ROWS);

            w.there[n] = random_range(3);
            if (w.there[n]) {
                w.rules[n] = random_rule();
                put(&f, n, w.rules[n]);
            } else {
                delete(&f, n);
            }
        }
        settle(&f);
        check_numbers(f.fw);
        check_from_scratch(&f, &w);
    }
    fixture_uninit(&f);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("firewall");
    TCase *tc = tcase_create("firewall");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_port_is_found_however_its_guid_is_written);
    tcase_add_test(tc, disabled_rules_are_not_there);
    tcase_add_test(tc, a_rule_that_is_not_understood_marks_its_port);
    tcase_add_test(tc,
                   a_port_is_open_if_nothing_is_blocked_before_all_is_allowed);
    tcase_add_test(tc, equal_lists_are_one_set);
    tcase_add_test(tc, a_changed_rule_leaves_the_numbers_of_others);
    tcase_add_test(tc, too_many_rules_are_not_understood);
    tcase_add_test(tc, step_by_step_ends_where_all_at_once_does);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
