/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/space-table.h"
#include <errno.h>
#include <string.h>
#include "datapath-ext/space-locators.h"
#include "datapath-ext/space-query.h"
#include "numbered-entries.h"
#include "packets.h"
#include "random.h"
#include "tsan-rcu.h"
#include "unit.h"
#include "util.h"
#include "util/addr.h"

/* What is in the table is what a naive table would hold. */

#define N_NUMBERS 4000

struct naive {
    uint32_t versions[N_NUMBERS];   /* 0: not there. */
    uint32_t ports[N_NUMBERS];      /* Likewise. */
};

static void
check_one(const struct space_table *st, const struct naive *naive, uint32_t n)
{
    const struct space_key key = numbered_key(n);
    struct space_entry got;
    bool there = space_table_get(st, &key, &got);

    ck_assert_int_eq(there, naive->versions[n] != 0);
    if (there) {
        const struct space_entry want = numbered_entry(n, naive->versions[n]);

        ck_assert(space_entry_equal(&got, &want));
    }
}

static void
check_batches(const struct space_table *st, const struct naive *naive)
{
    for (uint32_t n = 0; n < N_NUMBERS; ) {
        struct space_query q[SPACE_BATCH_MAX];
        struct space_answer a[SPACE_BATCH_MAX];
        uint32_t asked[SPACE_BATCH_MAX];
        size_t n_asked = 0;

        for (; n < N_NUMBERS && n_asked < SPACE_BATCH_MAX; n++) {
            if (can_ask(n)) {
                const struct space_key key = numbered_key(n);

                asked[n_asked] = n;
                q[n_asked++] = query(&key);
            }
        }

        uint32_t found = space_table_find(st, q, n_asked, a);
        for (size_t i = 0; i < n_asked; i++) {
            uint32_t version = naive->versions[asked[i]];
            const struct space_entry e = numbered_entry(asked[i], version);

            ck_assert_int_eq(found >> i & 1, version != 0);
            ck_assert_int_eq(a[i].found, version != 0);
            ck_assert(!version || answer_is(st, &a[i], &e));
        }
    }
}

static void
check_ports(const struct space_table *st, const struct naive *naive)
{
    for (uint32_t n = 0; n < N_NUMBERS; n++) {
        struct space_query q;
        struct space_answer a;

        space_query_port(&q, 5000, numbered_mac(n, 0));
        ck_assert_int_eq(space_table_find(st, &q, 1, &a),
                         naive->ports[n] != 0);
        ck_assert(!naive->ports[n] || a.port == naive->ports[n]);
    }
}

struct dumped {
    const struct naive *naive;
    size_t n;
};

static void
check_dumped(const struct space_entry *e, void *aux)
{
    struct dumped *dumped = aux;
    uint32_t n = e->cookie >> 32;
    const struct space_entry want = numbered_entry(n, (uint32_t) e->cookie);

    ck_assert_uint_eq(dumped->naive->versions[n], (uint32_t) e->cookie);
    ck_assert(space_entry_equal(e, &want));
    dumped->n++;
}

static void
check_dumped_port(const struct space_key *key, uint32_t port, void *aux)
{
    struct dumped *dumped = aux;
    uint32_t n = eth_addr_to_uint64(key->mac) >> 24 & 0xffff;

    ck_assert_int_eq(key->kind, SPACE_BY_MAC);
    ck_assert_uint_eq(key->vsid, 5000);
    ck_assert_uint_eq(dumped->naive->ports[n], port);
    dumped->n++;
}

/* A cursor that somebody made up leads nowhere else. */
static void
check_any_cursor(const struct space_table *st, const struct naive *naive)
{
    struct dumped dumped = { naive, 0 };
    struct space_cursor cursor = {
        .set = random_range(8),
        .segment = random_range(200),
        .position = random_uint64() >> random_range(64),
    };
    struct space_cursor ports = cursor;

    space_table_dump(st, &cursor, check_dumped, &dumped);
    space_table_dump_ports(st, &ports, check_dumped_port, &dumped);
}

static size_t
count_dumped_ports(const struct space_table *st, const struct naive *naive)
{
    struct space_cursor cursor = SPACE_CURSOR_INITIALIZER;
    struct dumped dumped = { naive, 0 };

    while (space_table_dump_ports(st, &cursor, check_dumped_port, &dumped)) {
        continue;
    }
    return dumped.n;
}

/* Other places than this host. */
static size_t
count_places(const struct naive *naive)
{
    static bool there[N_NUMBERED_GROUPS * N_NUMBERED_PAS][SPACE_BALANCED + 1];
    size_t n_places = 0;

    memset(there, 0, sizeof there);
    for (uint32_t n = 0; n < N_NUMBERS; n++) {
        const struct space_entry e = numbered_entry(n, naive->versions[n]);

        if (naive->versions[n] && e.where.encap != SPACE_LOCAL) {
            bool *is_there
                = &there[number_of_pa(&e.where.pa)][e.where.encap];

            n_places += !*is_there;
            *is_there = true;
        }
    }
    return n_places;
}

static void
check_all(const struct space_table *st, const struct naive *naive)
{
    struct space_cursor cursor = SPACE_CURSOR_INITIALIZER;
    struct dumped dumped = { naive, 0 };
    struct space_table_stats stats;
    size_t n_want = 0, n_ports = 0, n_counted = 0;

    for (size_t i = 0; i < N_NUMBERS; i++) {
        n_want += naive->versions[i] != 0;
        n_ports += naive->ports[i] != 0;
    }
    while (space_table_dump(st, &cursor, check_dumped, &dumped)) {
        continue;
    }
    ck_assert_uint_eq(dumped.n, n_want);
    ck_assert_uint_eq(count_dumped_ports(st, naive), n_ports);
    for (int i = 0; i < 1000; i++) {
        check_any_cursor(st, naive);
    }

    space_table_get_stats(st, &stats);
    for (size_t i = 0; i < ARRAY_SIZE(stats.n_entries); i++) {
        n_counted += stats.n_entries[i];
    }
    ck_assert_uint_eq(n_counted, n_want);
    ck_assert_uint_eq(stats.n_ports, n_ports);
    ck_assert_uint_eq(stats.n_locators, count_places(naive));
    check_batches(st, naive);
    check_ports(st, naive);
}

static void
change_one(struct space_table *st, struct naive *naive, bool shrink)
{
    uint32_t n = random_range(N_NUMBERS);

    if (random_range(8) == 0) {
        struct eth_addr mac = numbered_mac(n, 0);

        if (naive->ports[n] && random_range(2)) {
            ck_assert(space_table_remove_port(st, 5000, mac));
            naive->ports[n] = 0;
        } else {
            naive->ports[n] = 1 + random_range(UINT16_MAX);
            ck_assert(!space_table_put_port(st, 5000, mac, naive->ports[n]));
        }
    } else if (random_range(4) < (shrink ? 3 : 1)) {
        const struct space_key key = numbered_key(n);

        ck_assert_int_eq(space_table_remove(st, &key),
                         naive->versions[n] != 0);
        naive->versions[n] = 0;
    } else {
        uint32_t version = 1 + random_range(UINT16_MAX);
        const struct space_entry e = numbered_entry(n, version);

        ck_assert(!space_table_put(st, &e));
        naive->versions[n] = version;
    }
    check_one(st, naive, n);
}

static uint64_t
get_bytes(const struct space_table *st)
{
    struct space_table_stats stats;

    space_table_get_stats(st, &stats);
    return stats.bytes;
}

START_TEST(holds_what_a_naive_table_holds)
{
    struct space_table *st = space_table_create();
    struct naive *naive = xzalloc(sizeof *naive);
    struct space_table_stats stats;

    random_set_seed(unit_seed("space-table") | 1);
    for (int i = 0; i < 60000; i++) {
        change_one(st, naive, i / 10000 % 2);
        if (i % 4 == 0) {
            rcu_quiesce();       /* Sometimes grace periods are long. */
        }
        if (i % 5000 == 0) {
            check_all(st, naive);
        }
    }
    check_all(st, naive);

    uint64_t bytes = get_bytes(st);
    space_table_clear(st);
    ck_assert_uint_lt(get_bytes(st), bytes);
    memset(naive->versions, 0, sizeof naive->versions);
    check_all(st, naive);
    space_table_clear_ports(st);
    memset(naive->ports, 0, sizeof naive->ports);
    check_all(st, naive);
    space_table_get_stats(st, &stats);
    ck_assert_uint_eq(stats.n_locators, 0);

    /* And is as good as new. */
    for (int i = 0; i < 20000; i++) {
        change_one(st, naive, false);
        if (i % 4 == 0) {
            rcu_quiesce();
        }
    }
    check_all(st, naive);

    free(naive);
    space_table_destroy(st);
    rcu_quiesce();
}
END_TEST

START_TEST(refuses_what_it_cannot_hold)
{
    struct space_table *st = space_table_create();
    struct space_entry e = numbered_entry(0, 1);

    e.key.vsid = SPACE_VSID_MAX + 1;
    ck_assert_int_eq(space_table_put(st, &e), EINVAL);
    ck_assert(!space_table_remove(st, &e.key));
    ck_assert(!space_table_get(st, &e.key, &e));
    ck_assert_int_eq(space_table_put_port(st, SPACE_VSID_MAX + 1,
                                          eth_addr_zero, 1), EINVAL);
    e = numbered_entry(6, 1);
    e.key.share = SPACE_N_SHARES;
    ck_assert_int_eq(space_table_put(st, &e), EINVAL);
    e = numbered_entry(0, 1);
    e.where.encap = SPACE_LOCAL;    /* But with a PA. */
    ck_assert_int_eq(space_table_put(st, &e), EINVAL);

    space_table_destroy(st);
}
END_TEST

/* Wherever in the message the bad one is. */
START_TEST(a_message_is_put_or_not)
{
    enum { N_ENTRIES = 200 };
    struct space_entry *entries = xcalloc(N_ENTRIES, sizeof *entries);
    struct space_table *st = space_table_create();
    struct space_table_stats before, after;

    for (uint32_t n = 0; n < N_ENTRIES; n++) {
        entries[n] = numbered_entry(n, 1 + n % 3);
    }
    ck_assert(!space_table_put_all(st, entries, N_ENTRIES / 2));
    for (uint32_t n = 0; n < N_ENTRIES; n++) {
        entries[n] = numbered_entry(n, 4 + n % 3);
    }
    for (uint32_t bad = 0; bad < N_ENTRIES; bad += 7) {
        const struct space_entry good = entries[bad];

        entries[bad].where.encap = bad % 2 ? SPACE_REWRITE : SPACE_LOCAL;
        entries[bad].where.pa = in6addr_loopback;
        space_table_get_stats(st, &before);
        ck_assert_int_eq(space_table_put_all(st, entries, N_ENTRIES), EINVAL);
        space_table_get_stats(st, &after);
        ck_assert_uint_eq(before.generation, after.generation);
        ck_assert_uint_eq(before.n_locators, after.n_locators);
        entries[bad] = good;
    }

    /* One after another, the last one counts. */
    entries[N_ENTRIES - 1] = numbered_entry(0, 9);
    ck_assert(!space_table_put_all(st, entries, N_ENTRIES));
    for (uint32_t n = 0; n < N_ENTRIES - 1; n++) {
        const struct space_entry want = n ? entries[n] : numbered_entry(0, 9);
        struct space_entry got;

        ck_assert(space_table_get(st, &want.key, &got));
        ck_assert(space_entry_equal(&got, &want));
    }
    space_table_clear(st);
    space_table_get_stats(st, &after);
    ck_assert_uint_eq(after.n_locators, 0);

    free(entries);
    space_table_destroy(st);
    rcu_quiesce();
}
END_TEST

/* Entry number 'n' leads to place number 'place', of which there are many. */
static void
put_at(struct space_table *st, uint32_t n, uint32_t place)
{
    struct space_entry e = numbered_entry(n, 1);

    e.where.encap = SPACE_VXLAN;
    e.where.pa = addr_from_ipv4(htonl(place));
    ck_assert(!space_table_put(st, &e));
}

static uint32_t
find_locator(const struct space_table *st, uint32_t n)
{
    const struct space_key key = numbered_key(n);
    const struct space_query q = query(&key);
    struct space_answer a;

    ck_assert_int_eq(space_table_find(st, &q, 1, &a), 1);
    return a.locator;
}

static uint32_t
place_at(const struct space_table *st, uint32_t locator)
{
    const struct space_locator *l = space_locators_get(
        space_table_locators(st), locator);

    return ntohl(in6_addr_get_mapped_ipv4(&l->pa));
}

START_TEST(a_place_is_another_after_a_grace_period)
{
    struct space_table *st = space_table_create();

    put_at(st, 0, 1);
    put_at(st, 1, 1);
    uint32_t first = find_locator(st, 0);
    ck_assert_uint_eq(find_locator(st, 1), first);

    /* One still leads there; then none, but this thread knows the number. */
    put_at(st, 0, 2);
    ck_assert_uint_ne(find_locator(st, 0), first);
    put_at(st, 2, 1);
    ck_assert_uint_eq(find_locator(st, 2), first);
    put_at(st, 1, 3);
    put_at(st, 2, 3);
    for (uint32_t place = 4; place < 100; place++) {
        put_at(st, 0, place);
        ck_assert_uint_ne(find_locator(st, 0), first);
        ck_assert_uint_eq(place_at(st, first), 1);
    }
    space_table_destroy(st);
    rcu_quiesce();
}
END_TEST

/* So that there are never many more than at the same time. */
START_TEST(places_are_used_again)
{
    enum { N_MOVES = 10000 };
    struct space_table *st = space_table_create();

    put_at(st, 0, 1);
    put_at(st, 1, 1);
    for (uint32_t place = 2; place < N_MOVES; place++) {
        struct space_table_stats stats;

        put_at(st, 0, place);
        space_table_get_stats(st, &stats);
        ck_assert_uint_eq(stats.n_locators, 2);
        ck_assert_uint_lt(find_locator(st, 0), 1000);
        ck_assert_uint_eq(place_at(st, find_locator(st, 0)), place);
        ck_assert_uint_eq(place_at(st, find_locator(st, 1)), 1);
        if (place % 100 == 0) {
            ovsrcu_barrier();
        }
    }
    space_table_destroy(st);
    rcu_quiesce();
}
END_TEST

START_TEST(cleared_places_are_used_again)
{
    struct space_table *st = space_table_create();

    random_set_seed(unit_seed("cleared_places") | 1);
    for (int round = 0; round < 300; round++) {
        uint32_t n_places = 1 + random_range(50);

        for (uint32_t n = 0; n < n_places; n++) {
            put_at(st, n * 8, 1 + n);
            ck_assert_uint_lt(find_locator(st, n * 8), 200);
        }
        for (uint32_t n = 0; n < n_places; n++) {
            ck_assert_uint_eq(place_at(st, find_locator(st, n * 8)), 1 + n);
        }
        space_table_clear(st);
        ovsrcu_barrier();
    }
    space_table_destroy(st);
    rcu_quiesce();
}
END_TEST

/* An entry for each place that has a number, each with one of its own. */
static struct space_entry
far_entry(uint32_t n)
{
    struct in6_addr ca = addr_from_ipv4(htonl(n));
    struct space_entry e = { .where = { .encap = SPACE_VXLAN, .pa = ca } };

    space_key_init_ca(&e.key, 5000, &ca);
    return e;
}

static bool
is_there(const struct space_table *st, uint32_t n)
{
    const struct space_entry want = far_entry(n);
    struct space_entry got;

    return (space_table_get(st, &want.key, &got)
            && space_entry_equal(&got, &want));
}

/* Then what leads to a known place still fits, a message with one that is not
 * known does not, and all is well again once something has gone. */
START_TEST(places_run_out)
{
    enum { ONE_TOO_MANY = SPACE_LOCATOR_MAX + 1 };
    struct space_table *st = space_table_create();
    struct space_entry e, some[3];

    for (uint32_t n = 1; n <= SPACE_LOCATOR_MAX; n++) {
        e = far_entry(n);
        ck_assert_int_eq(space_table_put(st, &e), 0);
        if (n % 1024 == 0) {
            rcu_quiesce();
        }
    }
    e = far_entry(ONE_TOO_MANY);
    ck_assert_int_eq(space_table_put(st, &e), ENOSPC);
    for (size_t i = 0; i < ARRAY_SIZE(some); i++) {
        some[i] = far_entry(ONE_TOO_MANY + i);
        some[i].where = far_entry(i == 1 ? ONE_TOO_MANY : 1).where;
    }
    ck_assert_int_eq(space_table_put_all(st, some, ARRAY_SIZE(some)), ENOSPC);
    for (size_t i = 0; i < ARRAY_SIZE(some); i++) {
        ck_assert(!space_table_get(st, &some[i].key, &e));
    }
    ck_assert_int_eq(space_table_put(st, &some[0]), 0);
    ck_assert(is_there(st, 1) && is_there(st, SPACE_LOCATOR_MAX));

    e = far_entry(2);
    ck_assert(space_table_remove(st, &e.key));

    /* Who asks for the room begins the wait for the readers; one wait may have
     * begun before. */
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(space_table_put(st, &some[1]), ENOSPC);
        ovsrcu_barrier();
    }
    ck_assert_int_eq(space_table_put(st, &some[1]), 0);
    ck_assert_int_eq(space_table_put(st, &e), ENOSPC);

    space_table_destroy(st);
    rcu_quiesce();
}
END_TEST

/* Mappings, by CA and by MAC, that are all in one place. */

static struct space_entry
mapping_entry(uint32_t n, bool by_mac, bool is_ipv6)
{
    struct space_entry e;

    memset(&e, 0, sizeof e);
    e.mac = numbered_mac(n >> 16, n & 0xffff);
    if (by_mac) {
        space_key_init_mac(&e.key, 5000, e.mac);
    } else {
        struct in6_addr ca = addr_from_ipv4(htonl(n));

        ca.s6_addr[0] = is_ipv6 ? 0xfd : 0;
        space_key_init_ca(&e.key, 5000, &ca);
    }
    return e;
}

static void
put_mapping(struct space_table *st, uint32_t n, bool is_ipv6)
{
    for (int by_mac = 0; by_mac < 2; by_mac++) {
        const struct space_entry e = mapping_entry(n, by_mac, is_ipv6);

        ck_assert(!space_table_put(st, &e));
    }
}

static void
remove_mapping(struct space_table *st, uint32_t n, bool is_ipv6)
{
    for (int by_mac = 0; by_mac < 2; by_mac++) {
        const struct space_entry e = mapping_entry(n, by_mac, is_ipv6);

        ck_assert(space_table_remove(st, &e.key));
    }
}

/* At any time on the way up and down, once there are many. */
static void
check_memory(bool is_ipv6, uint64_t limit)
{
    enum { MANY = 100000, FEW = 10000 };
    struct space_table *st = space_table_create();
    uint64_t empty = get_bytes(st);

    for (uint32_t n = 0; n < MANY; n++) {
        put_mapping(st, n, is_ipv6);
        ck_assert(n < FEW || get_bytes(st) - empty <= n * limit);
        rcu_quiesce();
    }
    for (uint32_t n = MANY; n-- > FEW; ) {
        remove_mapping(st, n, is_ipv6);
        ck_assert(get_bytes(st) - empty <= n * limit);
        rcu_quiesce();
    }
    space_table_destroy(st);
}

/* "At most", says the header; what segments have beside their slots counts a
 * little where there are few. */
START_TEST(memory_is_as_stated)
{
    check_memory(false, 128 + 5);
    check_memory(true, 171 + 5);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("space-table");
    TCase *tc = tcase_create("all");

    tcase_set_timeout(tc, 600);
    tcase_add_test(tc, holds_what_a_naive_table_holds);
    tcase_add_test(tc, refuses_what_it_cannot_hold);
    tcase_add_test(tc, a_message_is_put_or_not);
    tcase_add_test(tc, a_place_is_another_after_a_grace_period);
    tcase_add_test(tc, places_are_used_again);
    tcase_add_test(tc, cleared_places_are_used_again);
    tcase_add_test(tc, places_run_out);
    tcase_add_test(tc, memory_is_as_stated);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
