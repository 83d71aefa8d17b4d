/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "util/ranges.h"
#include <string.h>
#include "random.h"
#include "unit.h"
#include "util.h"
#include "util/addr.h"

/* Random tests are about numbers of so many bits. */
#define N_BITS 10
#define N_NUMBERS (1 << N_BITS)

static void
add(struct ranges *set, uint64_t first, uint64_t last)
{
    ranges_add(set, range_value(first), range_value(last));
}

static void
add_addresses(struct ranges *set, const char *first, const char *last)
{
    struct in6_addr a, b;

    ck_assert(addr_parse(first, &a) && addr_parse(last, &b));
    ranges_add(set, range_value_from_addr(&a), range_value_from_addr(&b));
}

/* The number of blocks, each of which is checked to be one. */
static int
count_blocks(const struct ranges *set)
{
    struct range_cursor cursor = { .i = 0 };
    struct range_block block;
    int n = 0;

    while (ranges_next_block(set, &cursor, &block)) {
        ck_assert_uint_le(block.n_free, 128);
        if (block.n_free < 64) {
            ck_assert_uint_eq(block.value.lo & ((UINT64_C(1) << block.n_free)
                                                - 1), 0);
        } else {
            ck_assert_uint_eq(block.value.lo, 0);
        }
        n++;
    }
    return n;
}

START_TEST(ranges_that_touch_become_one)
{
    struct ranges set = { .n = 0 };

    add(&set, 7, 9);
    add(&set, 1, 3);
    add(&set, 10, 12);
    add(&set, 8, 8);
    ranges_normalize(&set);
    ck_assert_uint_eq(set.n, 2);
    ck_assert_uint_eq(set.ranges[1].first.lo, 7);
    ck_assert_uint_eq(set.ranges[1].last.lo, 12);
    ck_assert(ranges_contain(&set, range_value(3)));
    ck_assert(!ranges_contain(&set, range_value(4)));
    ck_assert(ranges_contain(&set, range_value(12)));
    ranges_uninit(&set);
}
END_TEST

START_TEST(the_ends_of_the_numbers_are_in_range)
{
    struct ranges all = { .n = 0 };
    struct ranges most = { .n = 0 };

    add_addresses(&all, "::", "7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    add_addresses(&all, "8000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    ranges_normalize(&all);
    ck_assert_uint_eq(all.n, 1);
    ck_assert_int_eq(count_blocks(&all), 1);

    add_addresses(&most, "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe");
    ranges_normalize(&most);
    ck_assert_int_eq(count_blocks(&most), 2 * 127);
    ranges_uninit(&all);
    ranges_uninit(&most);
}
END_TEST

START_TEST(an_empty_set_has_no_blocks)
{
    struct ranges set = { .n = 0 };

    ranges_normalize(&set);
    ck_assert_int_eq(count_blocks(&set), 0);
    ranges_uninit(&set);
}
END_TEST

/* The fewest blocks that cover just what is set in 'numbers', below 'first'
 * with 'n' numbers. */
static int
fewest(const bool *numbers, int first, int n)
{
    bool all = true, none = true;

    for (int i = first; i < first + n; i++) {
        all = all && numbers[i];
        none = none && !numbers[i];
    }
    return (none ? 0 : all ? 1
            : fewest(numbers, first, n / 2)
            + fewest(numbers, first + n / 2, n / 2));
}

START_TEST(blocks_cover_ranges_exactly_and_are_few)
{
    random_set_seed(unit_seed("blocks"));
    for (int round = 0; round < 500; round++) {
        struct ranges set = { .n = 0 };
        bool want[N_NUMBERS] = { false };
        bool got[N_NUMBERS] = { false };
        int n = 0;

        for (int i = random_range(8); i >= 0; i--) {
            int first = random_range(N_NUMBERS);
            int last = first + random_range(N_NUMBERS - first);

            add(&set, first, last);
            memset(&want[first], true, last - first + 1);
        }
        ranges_normalize(&set);

        struct range_cursor cursor = { .i = 0 };
        struct range_block block;

        while (ranges_next_block(&set, &cursor, &block)) {
            for (int i = 0; i < 1 << block.n_free; i++) {
                ck_assert(!got[block.value.lo + i]);
                got[block.value.lo + i] = true;
            }
            n++;
        }
        ck_assert_mem_eq(got, want, sizeof got);
        ck_assert_int_eq(n, fewest(want, 0, N_NUMBERS));
        ranges_uninit(&set);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("ranges");
    TCase *tc = tcase_create("ranges");

    tcase_add_test(tc, ranges_that_touch_become_one);
    tcase_add_test(tc, the_ends_of_the_numbers_are_in_range);
    tcase_add_test(tc, an_empty_set_has_no_blocks);
    tcase_add_test(tc, blocks_cover_ranges_exactly_and_are_few);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
