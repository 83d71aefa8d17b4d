/* SPDX-License-Identifier: Apache-2.0 */

#ifndef SWITCH_FIXTURE_H
#define SWITCH_FIXTURE_H 1

/* The link and its switch: a fake one, and a store of the space entries that
 * are wanted.
 *
 * Nothing happens but in fixture_turn(), so between two turns a test may look
 * at the switch, and change what it does.
 *
 * Ownership: a fixture owns its members. */

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include "entry-store.h"
#include "fake-switch.h"
#include "timeval.h"

struct plan;
struct switch_link;

struct fixture {
    struct fake fake;
    struct store store;         /* What is wanted: see fixture_put(). */
    struct switch_link *sw;
    char *target;               /* The fake switch's, for the link. */
    bool remakes;               /* fixture_set_plan() was called; with: */
    int n, variant;
};

/* What main() ends with.  The link logs if HNV_TEST_LOG is set. */
int fixture_run_suite(Suite *);

/* With the switch started and the link told of it, but no plan. */
void fixture_init(struct fixture *);
void fixture_uninit(struct fixture *);

/* A plan of 'n' flows of two kinds each, and one more.  'variant' changes the
 * actions of some of them.  The caller owns it. */
struct plan *make_plan(int n, int variant);

/* Sets that plan, as the link's backend takes it, now and whenever that is
 * another: the datapath extension's is told of 'n' guests, too. */
void fixture_set_plan(struct fixture *, int n, int variant);

/* Both run once, when there is something to do or 20 ms have passed. */
void fixture_turn(struct fixture *);
void fixture_run_for(struct fixture *, int ms);

/* Runs until 'condition'; a test that gets stuck fails here. */
#define RUN_UNTIL(F, CONDITION)                                         \
    for (long long int until = time_msec() + 10000; !(CONDITION); ) {   \
        fixture_turn(F);                                                \
        ck_assert_msg(time_msec() < until, "never: %s", #CONDITION);    \
    }

/* Changes what is wanted and tells the link. */
void fixture_put(struct fixture *, const struct space_entry *);
void fixture_remove(struct fixture *, const struct space_key *);
void random_change(struct fixture *);

/* Runs until all that was told is acknowledged.  Returns its number. */
uint64_t fixture_flush(struct fixture *);

/* The switch has the flows that are wanted, and no others. */
void check_in_step(struct fixture *);

/* True if 'what' is in the link's status. */
bool status_says(const struct fixture *, const char *what);

#endif /* switch-fixture.h */
