/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/space-table.h"
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include "datapath-ext/outer.h"
#include "datapath-ext/space-locators.h"
#include "datapath-ext/space-query.h"
#include "hash.h"
#include "ovs-atomic.h"
#include "ovs-thread.h"
#include "packets.h"
#include "random.h"
#include "tsan-rcu.h"
#include "unit.h"
#include "util.h"
#include "util/addr.h"

/* Entries with a number each: number N of any version is about the same key,
 * and all that it says follows from the key and the version, so that whoever
 * finds a piece of it can tell whether it belongs there. */

static struct in6_addr
numbered_ca(uint32_t n)
{
    struct in6_addr ca = addr_from_ipv4(htonl(0x0a000000 | n / 8));

    if (n % 8 >= 4) {
        ca.s6_addr[0] = 0xfd;
    }
    return ca;
}

static struct eth_addr
numbered_mac(uint32_t n, uint32_t version)
{
    struct eth_addr mac;

    eth_addr_from_uint64((UINT64_C(2) << 40 | (uint64_t) (n & 0xffff) << 24
                          | (version & 0xffffff)), &mac);
    return mac;
}

static struct space_key
numbered_key(uint32_t n)
{
    const struct in6_addr ca = numbered_ca(n);
    uint32_t vsid = n % 2 ? SPACE_VSID_MAX : 4096 + n % 5;
    struct space_key key;

    switch (n % 8) {
    case 0:
    case 1:
    case 4:
        space_key_init_ca(&key, vsid, &ca);
        break;
    case 2:
        space_key_init_mac(&key, vsid, numbered_mac(n, 0));
        break;
    case 3:
    case 5:
        space_key_init_peer(&key, vsid, &ca);
        break;
    case 6:
        space_key_init_share(&key, vsid, &ca, n / 8 % SPACE_N_SHARES);
        break;
    default:
        space_key_init_owner(&key, vsid, &ca);
        break;
    }
    return key;
}

/* Two versions in a row have the same MAC, or one with the same upper bits, or
 * quite another. */
static struct space_entry
numbered_entry(uint32_t n, uint32_t version)
{
    struct space_entry e;

    memset(&e, 0, sizeof e);
    e.key = numbered_key(n);
    e.cookie = (uint64_t) n << 32 | version;
    if (e.key.kind == SPACE_PEER) {
        return e;
    }
    e.mac = (e.key.kind == SPACE_BY_MAC ? e.key.mac
             : e.key.kind == SPACE_BY_OWNER ? eth_addr_zero
             : numbered_mac(n, version / 4 << (version & 64 ? 8 : 0)));
    e.learned = version % 3 == 0;
    e.where.encap = version % 4;
    if (e.where.encap != SPACE_LOCAL) {
        e.where.pa = addr_from_ipv4(htonl(0xc0000000 | hash_2words(n, version)
                                                       % 0xffffff));
    }
    return e;
}

static struct space_query
query(const struct space_key *key)
{
    struct space_query q;

    switch (key->kind) {
    case SPACE_BY_CA:
        space_query_ca6(&q, key->vsid, &key->ca);
        break;
    case SPACE_BY_MAC:
        space_query_mac(&q, key->vsid, key->mac);
        break;
    case SPACE_PEER:
        space_query_peer(&q, key->vsid, &key->pa);
        break;
    case SPACE_BY_SHARE:
        space_query_share(&q, key->vsid, &key->ca, key->share);
        break;
    case SPACE_BY_PA:
    case SPACE_BY_OWNER:        /* No packet asks. */
        OVS_NOT_REACHED();
    }
    return q;
}

static bool
can_ask(uint32_t n)
{
    return numbered_key(n).kind != SPACE_BY_OWNER;
}

static bool
answer_is(const struct space_table *st, const struct space_answer *a,
          const struct space_entry *e)
{
    const struct space_locator *l = space_locators_get(
        space_table_locators(st), a->locator);

    return (a->found && a->learned == e->learned
            && (e->key.kind == SPACE_BY_MAC || e->key.kind == SPACE_PEER
                || eth_addr_equals(a->mac, e->mac))
            && l->encap == e->where.encap
            && addr_equal(&l->pa, &e->where.pa));
}

/* One thread: what is in the table is what a naive table would hold. */

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

    space_table_get_stats(st, &stats);
    for (size_t i = 0; i < ARRAY_SIZE(stats.n_entries); i++) {
        n_counted += stats.n_entries[i];
    }
    ck_assert_uint_eq(n_counted, n_want);
    ck_assert_uint_eq(stats.n_ports, n_ports);
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

    space_table_clear(st);
    memset(naive->versions, 0, sizeof naive->versions);
    check_all(st, naive);
    space_table_clear_ports(st);
    memset(naive->ports, 0, sizeof naive->ports);
    check_all(st, naive);
    space_table_get_stats(st, &stats);
    ck_assert_uint_eq(stats.n_locators, 0);

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

START_TEST(headers_belong_to_a_place)
{
    struct space_table *st = space_table_create();
    struct space_locators *ls = space_table_locators(st);
    const struct space_entry e = numbered_entry(0, 1);
    const struct space_entry moved = numbered_entry(0, 2);
    struct outer_header header = { .out_port = 7 };
    struct space_query q = query(&e.key);
    struct space_answer a;

    ck_assert(!space_table_put(st, &e));
    ck_assert_int_eq(space_table_find(st, &q, 1, &a), 1);
    ck_assert(!space_locators_get_header(ls, a.locator, 1));
    ck_assert(space_locators_set_header(ls, a.locator, &e.where, 1, &header));
    header.out_port = 8;
    ck_assert(space_locators_set_header(ls, a.locator, &e.where, 2, &header));
    ck_assert_uint_eq(space_locators_get_header(ls, a.locator, 1)->out_port,
                      7);
    ck_assert_uint_eq(space_locators_get_header(ls, a.locator, 2)->out_port,
                      8);
    ck_assert(!space_locators_get_header(ls, a.locator, 3));

    header.out_port = 9;
    ck_assert(space_locators_set_header(ls, a.locator, &e.where, 1, &header));
    ck_assert_uint_eq(space_locators_get_header(ls, a.locator, 1)->out_port,
                      9);
    ck_assert(space_locators_set_header(ls, a.locator, &e.where, 1, NULL));
    ck_assert(!space_locators_get_header(ls, a.locator, 1));
    ck_assert(space_locators_get_header(ls, a.locator, 2));

    ck_assert(!space_locators_set_header(ls, a.locator, &moved.where, 1,
                                         &header));
    ck_assert(!space_locators_set_header(ls, 99999, &e.where, 1, &header));

    /* Nothing leads there any more. */
    ck_assert(!space_table_put(st, &moved));
    ck_assert(!space_locators_set_header(ls, a.locator, &e.where, 1,
                                         &header));
    ck_assert(!space_locators_get_header(ls, a.locator, 2));

    ck_assert_int_eq(space_table_find(st, &q, 1, &a), 1);
    ck_assert(space_locators_set_header(ls, a.locator, &moved.where, 1,
                                        &header));
    space_locators_clear_headers(ls);
    ck_assert(!space_locators_get_header(ls, a.locator, 1));
    space_table_destroy(st);
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

static uint64_t
get_bytes(const struct space_table *st)
{
    struct space_table_stats stats;

    space_table_get_stats(st, &stats);
    return stats.bytes;
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

/* Several threads.
 *
 * The writer says what it does: a number's state is the version of its last
 * change, with ABSENT if it is not there since, or CHANGING.  No state comes
 * twice, so a reader that sees the same one before and after its question
 * knows the answer. */

#define CHANGING UINT32_MAX
#define ABSENT 0x80000000
#define N_READERS 2
#define N_SHARED 1500           /* Of which a third is never removed. */

struct shared {
    struct space_table *st;
    atomic_uint32_t states[N_SHARED];
    atomic_bool stop;
    atomic_uint64_t n_checked;  /* Answers that had to be right, and were. */
    atomic_uint64_t n_dumps;
};

static bool
is_permanent(uint32_t n)
{
    return n % 3 == 0;
}

static uint32_t
read_state(struct shared *shared, uint32_t n)
{
    uint32_t state;

    atomic_read_explicit(&shared->states[n], &state, memory_order_acquire);
    return state;
}

static uint32_t
where_to_port(const struct in6_addr *pa)
{
    return hash_bytes(pa, sizeof *pa, 0);
}

/* A header is the header of the place that the answer leads to. */
static void
check_header(const struct space_table *st, const struct space_answer *a)
{
    const struct space_locators *ls = space_table_locators(st);
    const struct outer_header *header = space_locators_get_header(
        ls, a->locator, 1);

    if (header && header->out_port
                  != where_to_port(&space_locators_get(ls, a->locator)->pa)) {
        ovs_abort(0, "header of another place");
    }
}

static bool
check_answer(struct shared *shared, uint32_t n, uint32_t before,
             const struct space_answer *a)
{
    if (!a->found && is_permanent(n)) {
        ovs_abort(0, "%u is always there, and was not found", n);
    }
    if (a->found) {
        check_header(shared->st, a);
    }
    if (before == CHANGING || before != read_state(shared, n)) {
        return false;
    }

    const struct space_entry e = numbered_entry(n, before);
    if (a->found != !(before & ABSENT)
        || (a->found && !answer_is(shared->st, a, &e))) {
        ovs_abort(0, "%u in state %#x: the answer is wrong", n, before);
    }
    return true;
}

/* What an answer leads to stays what it is until the reader quiesces. */
static void
hold_answers(const struct space_table *st,
             const struct space_answer a[SPACE_BATCH_MAX])
{
    const struct space_locators *ls = space_table_locators(st);
    struct space_locator held[SPACE_BATCH_MAX];

    for (int i = 0; i < SPACE_BATCH_MAX; i++) {
        held[i] = *space_locators_get(ls, a[i].locator);
    }
    sched_yield();
    for (int i = 0; i < SPACE_BATCH_MAX; i++) {
        const struct space_locator *l = space_locators_get(ls, a[i].locator);

        if (l->encap != held[i].encap || !addr_equal(&l->pa, &held[i].pa)) {
            ovs_abort(0, "a place has changed under a reader");
        }
    }
}

static void *
reader(void *aux)
{
    struct shared *shared = aux;
    uint32_t x = hash_pointer(&x, 0);
    uint64_t n_checked = 0;
    bool stop = false;

    while (!stop) {
        struct space_query q[SPACE_BATCH_MAX];
        struct space_answer a[SPACE_BATCH_MAX];
        uint32_t n[SPACE_BATCH_MAX], before[SPACE_BATCH_MAX];

        for (int i = 0; i < SPACE_BATCH_MAX; i++) {
            do {
                x = hash_int(x, 1);
                n[i] = x % N_SHARED;
            } while (!can_ask(n[i]));

            const struct space_key key = numbered_key(n[i]);
            q[i] = query(&key);
            before[i] = read_state(shared, n[i]);
        }
        space_table_find(shared->st, q, SPACE_BATCH_MAX, a);
        for (int i = 0; i < SPACE_BATCH_MAX; i++) {
            n_checked += check_answer(shared, n[i], before[i], &a[i]);
        }
        if (!(x & 0x30)) {
            hold_answers(shared->st, a);
        }
        rcu_quiesce();
        atomic_read_relaxed(&shared->stop, &stop);
    }

    uint64_t orig;
    atomic_add(&shared->n_checked, n_checked, &orig);
    return NULL;
}

struct seen {
    uint8_t times[N_SHARED];
};

static void
see(const struct space_entry *e, void *aux)
{
    struct seen *seen = aux;

    seen->times[e->cookie >> 32]++;
}

/* A dump that rests between its pieces. */
static void *
dumper(void *aux)
{
    struct shared *shared = aux;
    bool stop = false;

    while (!stop) {
        struct space_cursor cursor = SPACE_CURSOR_INITIALIZER;
        struct seen seen;
        uint64_t orig;

        memset(&seen, 0, sizeof seen);
        while (space_table_dump(shared->st, &cursor, see, &seen)) {
            rcu_quiesce();
        }
        for (uint32_t n = 0; n < N_SHARED; n++) {
            if (is_permanent(n) && seen.times[n] != 1) {
                ovs_abort(0, "%u was dumped %u times", n, seen.times[n]);
            }
        }
        atomic_add(&shared->n_dumps, 1, &orig);
        atomic_read_relaxed(&shared->stop, &stop);
    }
    return NULL;
}

static void
set_state(struct shared *shared, uint32_t n, uint32_t state)
{
    atomic_store_explicit(&shared->states[n], state, memory_order_release);
}

static void
write_one(struct shared *shared, uint32_t n, uint32_t version)
{
    const struct space_key key = numbered_key(n);
    uint32_t state = version | ABSENT;

    set_state(shared, n, CHANGING);
    if (is_permanent(n) || random_range(2)) {
        const struct space_entry e = numbered_entry(n, version);

        ck_assert(!space_table_put(shared->st, &e));
        state = version;
    } else {
        space_table_remove(shared->st, &key);
    }
    set_state(shared, n, state);
}

/* For whatever place the entry leads to. */
static void
set_header(struct shared *shared, uint32_t n)
{
    const struct space_key key = numbered_key(n);
    struct space_query q;
    struct space_answer a;

    if (!can_ask(n)) {
        return;
    }
    q = query(&key);
    if (space_table_find(shared->st, &q, 1, &a)) {
        struct space_locators *ls = space_table_locators(shared->st);
        const struct space_locator *l = space_locators_get(ls, a.locator);
        struct space_where where = { .encap = l->encap, .pa = l->pa };
        struct outer_header header = { .out_port = where_to_port(&l->pa) };

        ck_assert(space_locators_set_header(ls, a.locator, &where, 1,
                                            &header));
    }
}

static uint64_t
read_count(atomic_uint64_t *count)
{
    uint64_t value;

    atomic_read(count, &value);
    return value;
}

START_TEST(readers_see_one_state_or_the_next)
{
    struct shared *shared = xzalloc(sizeof *shared);
    pthread_t threads[N_READERS + 1];
    uint32_t version = 0;

    random_set_seed(unit_seed("space-table, readers") | 1);
    shared->st = space_table_create();
    for (uint32_t n = 0; n < N_SHARED; n++) {
        write_one(shared, n, ++version);
    }
    for (int i = 0; i < N_READERS; i++) {
        threads[i] = ovs_thread_create("reader", reader, shared);
    }
    threads[N_READERS] = ovs_thread_create("dumper", dumper, shared);

    /* At least so many changes, and until there were dumps in between. */
    for (int i = 0; i < 150000 || read_count(&shared->n_dumps) < 3; i++) {
        uint32_t n = random_range(N_SHARED);

        write_one(shared, n, ++version);
        if (i % 8 == 0) {
            set_header(shared, n);
        }
        if (i % 16 == 0) {
            rcu_quiesce();
        }
    }

    atomic_store(&shared->stop, true);
    ovsrcu_quiesce_start();
    for (int i = 0; i <= N_READERS; i++) {
        xpthread_join(threads[i], NULL);
    }
    ovsrcu_quiesce_end();
    printf("%"PRIu64" answers checked, %"PRIu64" dumps\n",
           read_count(&shared->n_checked), read_count(&shared->n_dumps));
    ck_assert_uint_gt(read_count(&shared->n_checked), 0);
    space_table_destroy(shared->st);
    free(shared);
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
    tcase_add_test(tc, headers_belong_to_a_place);
    tcase_add_test(tc, memory_is_as_stated);
    tcase_add_test(tc, readers_see_one_state_or_the_next);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
