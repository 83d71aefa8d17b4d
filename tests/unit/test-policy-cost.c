/* SPDX-License-Identifier: Apache-2.0 */

/* What mappings cost the policy model: figures, no pass or fail on them. */

#include <config.h>
#include "model/policy.h"
#include <malloc.h>
#include "policy-feed.h"

static struct feed f;

static double
seconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void
ignore_entry(const struct space_entry *entry OVS_UNUSED, void *aux OVS_UNUSED)
{
}

static void
ignore_key(const struct space_key *key OVS_UNUSED, void *aux OVS_UNUSED)
{
}

static void
ignore_diag(const struct diag *diag OVS_UNUSED, void *aux OVS_UNUSED)
{
}

static const struct policy_sink deaf = {
    ignore_entry, ignore_key, ignore_diag, ignore_diag, NULL,
};

/* Mapping number 'i', with its CA in 20.0.0.0/8. */
static void
load_mapping(int i, int n_locator)
{
    char mac_text[18], ca[16];

    snprintf(mac_text, sizeof mac_text, "02:01:00:%02x:%02x:%02x",
             (uint8_t) (i >> 16), (uint8_t) (i >> 8), (uint8_t) i);
    snprintf(ca, sizeof ca, "20.%u.%u.%u", (uint8_t) (i >> 16),
             (uint8_t) (i >> 8), (uint8_t) i);
    feed_mapping(&f, i, mac_text, ca, 1, n_locator);
}

static void
load_mappings(int n)
{
    struct mallinfo2 before = mallinfo2();
    double start = seconds();
    double elapsed;
    size_t bytes;

    for (int i = 100; i < n + 100; i++) {
        load_mapping(i, 1);
        if (!(i % 10000)) {
            policy_settle(f.policy, &deaf);
        }
    }
    policy_settle(f.policy, &deaf);
    elapsed = seconds() - start;
    bytes = mallinfo2().uordblks - before.uordblks;
    ck_assert_uint_eq(policy_count_space(f.policy), 2 * n);
    printf("%d mappings: %.2f us and %"PRIuSIZE" bytes each%s\n", n,
           elapsed / n * 1e6, bytes / n,
           bytes ? "" : " (this allocator does not count)");
}

static void
move_mappings(int n_present)
{
    int n = 1000;
    double start = seconds();

    for (int i = 0; i < n; i++) {
        load_mapping(100 + i * (n_present / n), 2 + i % 2);
        policy_settle(f.policy, &deaf);
    }
    printf("one of %d moved: %.2f us\n", n_present,
           (seconds() - start) / n * 1e6);
}

START_TEST(cost_of_mappings)
{
    static const int sizes[] = { 10000, 300000 };
    struct row_binding binding = bind_prefix("20.0.0.0/8", 1);

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        feed_init(&f);
        feed_locator(&f, 1, "192.0.2.1", "vxlan_over_ipv4");
        feed_locator(&f, 2, "192.0.2.2", "vxlan_over_ipv4");
        feed_locator(&f, 3, "192.0.2.3", "nvgre_over_ipv4");
        feed_switch(&f, 1, "big", 5001);
        feed_router(&f, 1, "Big", &binding, 1);
        load_mappings(sizes[i]);
        move_mappings(sizes[i]);
        feed_uninit(&f);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("policy-cost");
    TCase *tc = tcase_create("all");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, cost_of_mappings);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
