/* SPDX-License-Identifier: Apache-2.0 */

/* The table of learned addresses: its times one by one, and as a whole against
 * a naive model, which looks at everything in every step. */

#include <config.h>
#include "learn/table.h"
#include <limits.h>
#include <string.h>
#include "flow.h"
#include "model/rules.h"
#include "packets.h"
#include "random.h"
#include "unit.h"
#include "util.h"
#include "util/addr.h"

#define SECOND 1000LL
#define AGING (300 * SECOND)
#define MAX_TOLD 512

/* What the table has told. */
struct told {
    struct space_entry entries[MAX_TOLD];
    size_t n_entries;
    struct learned locals[MAX_TOLD];
    size_t n_locals;
    unsigned int n_probes, n_announced;
};

static struct rules_subnet subnet;

static void
subnet_init(unsigned int limit)
{
    subnet = (struct rules_subnet) {
        .row = { { 1, 2, 3, 4 } },
        .vsid = 5001,
        .learning = { .enabled = true, .limit = limit, .aging_s = 300 },
    };
}

static struct in6_addr
ca_of(unsigned int n)
{
    return addr_from_ipv4(htonl(0x0a010100 + n));
}

static struct eth_addr
mac_of(unsigned int n)
{
    return (struct eth_addr) { .ea = { 2, 0, 0, 0, 0, n } };
}

/* Places 0 and 1 are ports of this host, the others are other hosts. */
static struct learner_place
place_of(unsigned int n)
{
    if (n < 2) {
        return (struct learner_place) { .ofport = u16_to_ofp(n + 1) };
    }
    return (struct learner_place) {
        .ofport = OFPP_NONE,
        .where = { SPACE_VXLAN, addr_from_ipv4(htonl(0xc0000200 + n)) },
    };
}

/* The listener. */

static size_t
told_find(const struct told *told, const struct space_key *key)
{
    size_t i = 0;

    while (i < told->n_entries
           && !space_key_equal(&told->entries[i].key, key)) {
        i++;
    }
    return i;
}

static void
space_put(const struct space_entry *entry, void *told_)
{
    struct told *told = told_;
    size_t i = told_find(told, &entry->key);

    ck_assert(entry->learned);
    ck_assert_uint_lt(i, MAX_TOLD);
    told->entries[i] = *entry;
    told->n_entries = MAX(told->n_entries, i + 1);
}

static void
space_remove(const struct space_key *key, void *told_)
{
    struct told *told = told_;
    size_t i = told_find(told, key);

    ck_assert_uint_lt(i, told->n_entries);
    told->entries[i] = told->entries[--told->n_entries];
}

static size_t
local_find(const struct told *told, const struct learned *l)
{
    size_t i = 0;

    while (i < told->n_locals
           && (!addr_equal(&told->locals[i].ca, &l->ca)
               || !eth_addr_equals(told->locals[i].mac, l->mac))) {
        i++;
    }
    return i;
}

static void
local_put(const struct learned *l, void *told_)
{
    struct told *told = told_;

    ck_assert_uint_eq(local_find(told, l), told->n_locals);
    ck_assert_uint_lt(told->n_locals, MAX_TOLD);
    told->locals[told->n_locals++] = *l;
}

static void
local_remove(const struct learned *l, void *told_)
{
    struct told *told = told_;
    size_t i = local_find(told, l);

    ck_assert_uint_lt(i, told->n_locals);
    told->locals[i] = told->locals[--told->n_locals];
}

static void
probe(const struct learned *l, void *told_)
{
    struct told *told = told_;

    ck_assert_int_eq(l->place.where.encap, SPACE_LOCAL);
    told->n_probes++;
}

static void
announce(const struct learned *l, void *told_)
{
    struct told *told = told_;

    ck_assert_int_eq(l->place.where.encap, SPACE_LOCAL);
    ck_assert(!l->candidate);
    told->n_announced++;
}

static struct learner_table *
table_create(struct told *told)
{
    memset(told, 0, sizeof *told);
    return learner_table_create(&(struct learner_table_sink) {
        space_put, space_remove, local_put, local_remove, probe, announce,
        told,
    });
}

static enum learner_result
claim(struct learner_table *t, unsigned int ca, unsigned int mac,
      unsigned int place, long long int now)
{
    struct learner_place p = place_of(place);
    struct in6_addr addr = ca_of(ca);
    enum learner_result result = learner_table_claim(t, &subnet, &addr,
                                                     mac_of(mac), &p, now);

    learner_table_run(t, now);
    return result;
}

static enum learner_result
hint(struct learner_table *t, unsigned int ca, unsigned int mac,
     unsigned int place, long long int now)
{
    struct learner_place p = place_of(place);
    struct in6_addr addr = ca_of(ca);
    enum learner_result result = learner_table_hint(t, &subnet, &addr,
                                                    mac_of(mac), &p, now);

    learner_table_run(t, now);
    return result;
}

static const struct learned *
find(const struct learner_table *t, unsigned int ca)
{
    struct in6_addr addr = ca_of(ca);

    return learner_table_find(t, subnet.vsid, &addr);
}

/* Runs the table through the time from 'from' to 'to'. */
static void
run(struct learner_table *t, long long int from, long long int to)
{
    long long int next;

    for (long long int now = from; now <= to; now = next) {
        next = learner_table_run(t, now);
        ck_assert(next > now);
    }
    learner_table_run(t, to);
}

/* One by one. */

START_TEST(silent_guest_is_asked_thrice_then_forgotten)
{
    struct told told;
    struct learner_table *t = table_create(&told);

    subnet_init(64);
    ck_assert_int_eq(claim(t, 1, 1, 0, 0), LEARN_NEW);
    ck_assert_uint_eq(told.n_announced, 1);
    ck_assert_uint_eq(told.n_entries, 2);
    ck_assert_uint_eq(told.n_locals, 1);
    run(t, 0, AGING * 3 / 4 - 1);
    ck_assert_uint_eq(told.n_probes, 0);
    run(t, AGING * 3 / 4, AGING - 1);
    ck_assert_uint_eq(told.n_probes, 3);
    ck_assert_uint_eq(told.n_announced, 3);
    ck_assert_ptr_nonnull(find(t, 1));
    run(t, AGING, AGING);
    ck_assert_ptr_null(find(t, 1));
    ck_assert_uint_eq(told.n_entries, 0);
    ck_assert_uint_eq(told.n_locals, 0);
    learner_table_destroy(t);
}
END_TEST

START_TEST(guest_that_answers_stays)
{
    struct told told;
    struct learner_table *t = table_create(&told);
    long long int now = 0;

    subnet_init(64);
    claim(t, 1, 1, 0, now);
    for (unsigned int i = 1; i < 10; i++) {
        run(t, now, now + AGING * 3 / 4);
        ck_assert_uint_eq(told.n_probes, i);
        now += AGING * 3 / 4;
        ck_assert_int_eq(claim(t, 1, 1, 0, now), LEARN_CONFIRMED);
    }
    ck_assert_uint_eq(told.n_locals, 1);
    learner_table_destroy(t);
}
END_TEST

START_TEST(remote_guest_is_not_asked)
{
    struct told told;
    struct learner_table *t = table_create(&told);

    subnet_init(64);
    claim(t, 1, 1, 2, 0);
    run(t, 0, AGING - 1);
    ck_assert_ptr_nonnull(find(t, 1));
    run(t, AGING, AGING);
    ck_assert_uint_eq(told.n_probes + told.n_announced + told.n_locals, 0);
    ck_assert_uint_eq(told.n_entries, 0);
    learner_table_destroy(t);
}
END_TEST

/* A new address has the other asked, and what answers is announced.  The other
 * host waits for longer than that. */
START_TEST(new_address_raises_doubts)
{
    struct told told;
    struct learner_table *t = table_create(&told);
    long long int now = 100 * SECOND;

    subnet_init(64);
    for (unsigned int place = 0; place <= 2; place += 2) {
        claim(t, place + 1, place + 1, place, 0);
        run(t, 0, now);
        claim(t, place + 2, place + 1, place, now);
    }
    told.n_announced = 0;
    run(t, now, now + LEARN_DOUBT_MS - 1);
    ck_assert_uint_eq(told.n_probes, 3);
    ck_assert_uint_eq(told.n_announced, 0);
    ck_assert_ptr_nonnull(find(t, 1));
    run(t, now, now + LEARN_DOUBT_MS);
    ck_assert_ptr_null(find(t, 1));
    ck_assert_ptr_nonnull(find(t, 2));
    ck_assert_ptr_nonnull(find(t, 3));
    run(t, now, now + LEARN_DOUBT_REMOTE_MS);
    ck_assert_ptr_null(find(t, 3));
    ck_assert_ptr_nonnull(find(t, 4));
    learner_table_destroy(t);
}
END_TEST

START_TEST(doubts_end_with_an_answer)
{
    struct told told;
    struct learner_table *t = table_create(&told);
    long long int now = 100 * SECOND;

    subnet_init(64);
    claim(t, 1, 1, 0, 0);
    run(t, 0, now);
    claim(t, 2, 1, 0, now);
    told.n_announced = 0;
    claim(t, 1, 1, 0, now + 1);
    ck_assert_uint_eq(told.n_announced, 1);
    run(t, now, now + AGING - 1);
    ck_assert_ptr_nonnull(find(t, 1));
    learner_table_destroy(t);
}
END_TEST

/* Two addresses taken in turn by one guest raise no storm. */
START_TEST(doubts_are_not_repeated)
{
    struct told told;
    struct learner_table *t = table_create(&told);

    subnet_init(64);
    for (long long int now = 0; now < 100 * SECOND; now += 100) {
        claim(t, 1 + now / 100 % 2, 1, 0, now);
    }
    ck_assert_uint_eq(told.n_probes, 0);
    ck_assert_uint_le(told.n_announced, 4);
    learner_table_destroy(t);
}
END_TEST

START_TEST(candidate_is_asked_and_not_told)
{
    struct told told;
    struct learner_table *t = table_create(&told);

    subnet_init(64);
    ck_assert_int_eq(hint(t, 1, 1, 0, 0), LEARN_NEW);
    run(t, 0, LEARN_CANDIDATE_MS - 1);
    ck_assert_uint_ge(told.n_probes, 3);
    ck_assert_uint_le(told.n_probes, 10);
    ck_assert_uint_eq(told.n_entries + told.n_locals + told.n_announced, 0);
    ck_assert_uint_eq(learner_table_count(t), 1);
    run(t, 0, LEARN_CANDIDATE_MS);
    ck_assert_uint_eq(learner_table_count(t), 0);

    /* One that says so becomes an entry, even if another has the address. */
    claim(t, 1, 2, 2, 0);
    hint(t, 1, 1, 0, 0);
    ck_assert_uint_eq(learner_table_count(t), 2);
    ck_assert(eth_addr_equals(find(t, 1)->mac, mac_of(2)));
    ck_assert_int_eq(claim(t, 1, 1, 0, SECOND), LEARN_MOVED);
    ck_assert_uint_eq(learner_table_count(t), 1);
    ck_assert(eth_addr_equals(find(t, 1)->mac, mac_of(1)));
    ck_assert_uint_eq(told.n_entries, 2);
    learner_table_destroy(t);
}
END_TEST

START_TEST(candidates_take_no_room_from_entries)
{
    struct told told;
    struct learner_table *t = table_create(&told);

    subnet_init(4);
    for (unsigned int ca = 0; ca < 20; ca++) {
        hint(t, 100 + ca, 1, 0, 0);
    }
    ck_assert_uint_eq(learner_table_count(t), 4);
    for (unsigned int ca = 1; ca <= 4; ca++) {
        ck_assert_int_eq(claim(t, ca, 1, 0, ca), LEARN_NEW);
    }
    ck_assert_int_eq(claim(t, 5, 1, 0, 5), LEARN_FULL);
    ck_assert_uint_eq(learner_table_count(t), 4);
    ck_assert_uint_eq(told.n_locals, 4);

    subnet_init(64);
    for (unsigned int ca = 0; ca < 20; ca++) {
        hint(t, 100 + ca, 2, 1, 6);
    }
    ck_assert_uint_eq(learner_table_count(t), 4 + LEARN_MAX_CANDIDATES);
    learner_table_destroy(t);
}
END_TEST

START_TEST(asked_for_is_announced_again)
{
    struct told told;
    struct learner_table *t = table_create(&told);
    struct in6_addr ca = ca_of(1);

    subnet_init(64);
    claim(t, 1, 1, 0, 0);
    for (long long int now = 0; now < 10 * SECOND; now += 10) {
        learner_table_asked(t, subnet.vsid, &ca, now);
        learner_table_run(t, now);
    }
    ck_assert_uint_ge(told.n_announced, 10);
    ck_assert_uint_le(told.n_announced, 12);
    learner_table_destroy(t);
}
END_TEST

static const struct rules_subnet *
keep_odd(const struct learned *l, void *aux OVS_UNUSED)
{
    return l->ca.s6_addr[15] % 2 ? &subnet : NULL;
}

START_TEST(review_forgets)
{
    struct told told;
    struct learner_table *t = table_create(&told);
    struct space_key key;

    subnet_init(64);
    for (unsigned int ca = 1; ca <= 8; ca++) {
        claim(t, ca, ca > 4, ca > 4 ? 0 : 2, 0);
    }
    space_key_init_mac(&key, subnet.vsid, mac_of(1));
    learner_table_review_key(t, &key, keep_odd, NULL);
    ck_assert_uint_eq(learner_table_count(t), 6);
    learner_table_review(t, keep_odd, NULL);
    ck_assert_uint_eq(learner_table_count(t), 4);
    ck_assert_uint_eq(told.n_locals, 2);
    learner_table_destroy(t);
}
END_TEST

/* Against the naive model. */

#define N_CAS 24
#define N_MACS 6
#define N_PLACES 4
#define LIMIT 5

struct naive {
    bool used;
    unsigned int ca, mac, place;
    long long int confirmed, deadline;
    bool doubted;
};

static struct naive model[N_CAS];   /* One per CA. */

static bool
naive_is_local(unsigned int place)
{
    return place < 2;
}

static unsigned int
naive_count(unsigned int place)
{
    unsigned int n = 0;

    for (unsigned int i = 0; i < N_CAS; i++) {
        n += model[i].used && model[i].place == place;
    }
    return n;
}

static unsigned int
naive_limit(unsigned int place)
{
    return naive_is_local(place) ? LIMIT : LIMIT * LEARN_REMOTE_FACTOR;
}

static void
naive_doubt(struct naive *e, long long int now)
{
    long long int from = MAX(now, e->confirmed + LEARN_SURE_MS);

    if (!e->doubted) {
        e->doubted = true;
        e->deadline = MIN(e->deadline,
                          from + (naive_is_local(e->place) ? LEARN_DOUBT_MS
                                  : LEARN_DOUBT_REMOTE_MS));
    }
}

static void
naive_expire(long long int now)
{
    for (unsigned int i = 0; i < N_CAS; i++) {
        model[i].used = model[i].used && now < model[i].deadline;
    }
}

static void
naive_confirm(struct naive *e, long long int now)
{
    e->confirmed = now;
    e->deadline = now + AGING;
    e->doubted = false;
}

/* Without a limit that could be hit on a move: which entries stay behind then
 * is the table's own affair, see compare(). */
static enum learner_result
naive_claim(unsigned int ca, unsigned int mac, unsigned int place,
            long long int now)
{
    struct naive *e = &model[ca];
    bool moved = false;

    for (unsigned int i = 0; i < N_CAS; i++) {
        if (model[i].used && model[i].mac == mac
            && model[i].place != place) {
            moved = true;
            model[i].place = place;
            model[i].doubted = false;
            naive_doubt(&model[i], now);
        }
    }
    if (e->used && e->mac == mac) {
        naive_confirm(e, now);
        return moved ? LEARN_MOVED : LEARN_CONFIRMED;
    }

    bool full = naive_count(place) >= naive_limit(place);

    for (unsigned int i = 0; i < N_CAS; i++) {
        if (model[i].used && model[i].mac == mac && i != ca) {
            naive_doubt(&model[i], now);
        }
    }
    if (full) {
        return LEARN_FULL;
    }

    bool taken = e->used;

    *e = (struct naive) { true, ca, mac, place, 0, 0, false };
    naive_confirm(e, now);
    return taken || moved ? LEARN_MOVED : LEARN_NEW;
}

static void
compare_entry(const struct told *told, const struct learner_table *t,
              unsigned int ca)
{
    const struct naive *e = &model[ca];
    const struct learned *l = find(t, ca);
    struct in6_addr addr = ca_of(ca);
    struct space_key by_ca, by_mac;
    size_t i, j;

    ck_assert_int_eq(e->used, l != NULL);
    space_key_init_ca(&by_ca, subnet.vsid, &addr);
    i = told_find(told, &by_ca);
    ck_assert_int_eq(e->used, i < told->n_entries);
    if (!e->used) {
        return;
    }

    struct learner_place place = place_of(e->place);

    ck_assert(eth_addr_equals(l->mac, mac_of(e->mac)));
    ck_assert(space_where_equal(&l->place.where, &place.where));
    ck_assert_int_eq(l->deadline, e->deadline);
    ck_assert(eth_addr_equals(told->entries[i].mac, l->mac));
    ck_assert(space_where_equal(&told->entries[i].where, &place.where));

    space_key_init_mac(&by_mac, subnet.vsid, l->mac);
    j = told_find(told, &by_mac);
    ck_assert_uint_lt(j, told->n_entries);
    ck_assert(space_where_equal(&told->entries[j].where, &place.where));
    ck_assert_int_eq(naive_is_local(e->place),
                     local_find(told, l) < told->n_locals);
}

static void
compare(const struct told *told, const struct learner_table *t)
{
    size_t n = 0, n_locals = 0, n_macs = 0;

    for (unsigned int ca = 0; ca < N_CAS; ca++) {
        compare_entry(told, t, ca);
        n += model[ca].used;
        n_locals += model[ca].used && naive_is_local(model[ca].place);
    }
    for (unsigned int mac = 0; mac < N_MACS; mac++) {
        for (unsigned int ca = 0; ca < N_CAS; ca++) {
            if (model[ca].used && model[ca].mac == mac) {
                n_macs++;
                break;
            }
        }
    }
    ck_assert_uint_eq(learner_table_count(t), n);
    ck_assert_uint_eq(told->n_locals, n_locals);
    ck_assert_uint_eq(told->n_entries, n + n_macs);
}

/* A move to a port where there is no room for all. */
static bool
is_crowded(unsigned int mac, unsigned int place)
{
    unsigned int n = naive_count(place);

    for (unsigned int i = 0; i < N_CAS; i++) {
        n += model[i].used && model[i].mac == mac && model[i].place != place;
    }
    return n > naive_limit(place);
}

START_TEST(random_claims)
{
    struct told told;
    struct learner_table *t = table_create(&told);
    long long int now = 0;

    random_set_seed(unit_seed("test-learn-table"));
    subnet_init(LIMIT);
    memset(model, 0, sizeof model);
    for (int i = 0; i < 8000; i++) {
        unsigned int ca = random_range(N_CAS);
        unsigned int mac = random_range(N_MACS);
        unsigned int place = (random_range(20) ? mac % N_PLACES
                              : random_range(N_PLACES));

        long long int before = now;
        now += random_range(100) ? random_range(4 * SECOND)
                                 : random_range(400 * SECOND);
        run(t, before, now);
        naive_expire(now);
        compare(&told, t);
        if (!is_crowded(mac, place)) {
            ck_assert_int_eq(claim(t, ca, mac, place, now),
                             naive_claim(ca, mac, place, now));
            compare(&told, t);
        }
    }
    learner_table_destroy(t);
}
END_TEST

/* Nothing but the bounds is compared. */
START_TEST(crowds_stay_bounded)
{
    struct told told;
    struct learner_table *t = table_create(&told);
    long long int now = 0;

    random_set_seed(unit_seed("test-learn-table"));
    subnet_init(LIMIT);
    for (int i = 0; i < 10000; i++) {
        unsigned int ca = random_range(200);
        unsigned int mac = random_range(N_MACS);
        unsigned int place = random_range(3);
        long long int before = now;

        now += random_range(2 * SECOND);
        run(t, before, now);
        if (place < 2 && !random_range(4)) {
            hint(t, ca, mac, place, now);
        } else {
            claim(t, ca, mac, place, now);
        }
        ck_assert_uint_le(told.n_locals, 2 * LIMIT);
        ck_assert_uint_le(learner_table_count(t),
                          2 * LIMIT + LIMIT * LEARN_REMOTE_FACTOR);
    }
    learner_table_destroy(t);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("learn-table");
    TCase *tc = tcase_create("all");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, silent_guest_is_asked_thrice_then_forgotten);
    tcase_add_test(tc, guest_that_answers_stays);
    tcase_add_test(tc, remote_guest_is_not_asked);
    tcase_add_test(tc, new_address_raises_doubts);
    tcase_add_test(tc, doubts_end_with_an_answer);
    tcase_add_test(tc, doubts_are_not_repeated);
    tcase_add_test(tc, candidate_is_asked_and_not_told);
    tcase_add_test(tc, candidates_take_no_room_from_entries);
    tcase_add_test(tc, asked_for_is_announced_again);
    tcase_add_test(tc, review_forgets);
    tcase_add_test(tc, random_claims);
    tcase_add_test(tc, crowds_stay_bounded);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
