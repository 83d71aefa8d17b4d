/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/space-table.h"
#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include "datapath-ext/space-locators.h"
#include "hash.h"
#include "numbered-entries.h"
#include "ovs-atomic.h"
#include "ovs-thread.h"
#include "random.h"
#include "tsan-rcu.h"
#include "unit.h"
#include "util.h"
#include "util/addr.h"

/* The space table in several threads.
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
    bool has_permanent;         /* Some entries are never removed. */
    atomic_uint32_t states[N_SHARED];
    atomic_bool stop;
    atomic_uint64_t n_checked;  /* Answers that had to be right, and were. */
    atomic_uint64_t n_dumps;
};

static bool
is_permanent(const struct shared *shared, uint32_t n)
{
    return shared->has_permanent && n % 3 == 0;
}

static uint32_t
read_state(struct shared *shared, uint32_t n)
{
    uint32_t state;

    atomic_read_explicit(&shared->states[n], &state, memory_order_acquire);
    return state;
}

static bool
check_answer(struct shared *shared, uint32_t n, uint32_t before,
             const struct space_answer *a)
{
    if (!a->found && is_permanent(shared, n)) {
        ovs_abort(0, "%u is always there, and was not found", n);
    }
    if (a->found && !answer_leads_right(shared->st, a, n)) {
        ovs_abort(0, "%u leads to another's place", n);
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
            if (is_permanent(shared, n) && seen.times[n] != 1) {
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
    if (is_permanent(shared, n) || random_range(2)) {
        const struct space_entry e = numbered_entry(n, version);

        ck_assert(!space_table_put(shared->st, &e));
        state = version;
    } else {
        space_table_remove(shared->st, &key);
    }
    set_state(shared, n, state);
}

static void
clear_all(struct shared *shared, uint32_t version)
{
    for (uint32_t n = 0; n < N_SHARED; n++) {
        set_state(shared, n, CHANGING);
    }
    space_table_clear(shared->st);
    for (uint32_t n = 0; n < N_SHARED; n++) {
        set_state(shared, n, version | ABSENT);
    }
}

static uint64_t
read_count(atomic_uint64_t *count)
{
    uint64_t value;

    atomic_read(count, &value);
    return value;
}

/* Changes the table, and clears it after each 'clear_every' changes, unless
 * that is zero. */
static void
change_under_readers(int n_changes, int clear_every)
{
    struct shared *shared = xzalloc(sizeof *shared);
    pthread_t threads[N_READERS + 1];
    uint32_t version = 0;

    random_set_seed(unit_seed("space-readers") | 1);
    shared->st = space_table_create();
    shared->has_permanent = !clear_every;
    for (uint32_t n = 0; n < N_SHARED; n++) {
        write_one(shared, n, ++version);
    }
    for (int i = 0; i < N_READERS; i++) {
        threads[i] = ovs_thread_create("reader", reader, shared);
    }
    threads[N_READERS] = ovs_thread_create("dumper", dumper, shared);

    /* At least so many changes, and until there were dumps in between. */
    for (int i = 0; i < n_changes || read_count(&shared->n_dumps) < 3; i++) {
        uint32_t n = random_range(N_SHARED);

        if (clear_every && i % clear_every == 0) {
            clear_all(shared, ++version);
        }
        write_one(shared, n, ++version);
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

START_TEST(readers_see_one_state_or_the_next)
{
    change_under_readers(150000, 0);
}
END_TEST

START_TEST(readers_see_a_table_that_is_cleared)
{
    change_under_readers(50000, 2000);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("space-readers");
    TCase *tc = tcase_create("all");

    tcase_set_timeout(tc, 600);
    tcase_add_test(tc, readers_see_one_state_or_the_next);
    tcase_add_test(tc, readers_see_a_table_that_is_cleared);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
