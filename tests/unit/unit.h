/* SPDX-License-Identifier: Apache-2.0 */

#ifndef UNIT_H
#define UNIT_H 1

/* What every unit test starts with: one suite with one case, and a seed for
 * those that are random. */

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "openvswitch/util.h"

/* Runs 'suite' and returns what main() should. */
static inline int
unit_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);

    srunner_run_all(runner, CK_ENV);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* A seed for random tests: HNV_TEST_SEED, to see a failure again, or a new
 * one.  Printed, so that a failure can be seen again. */
static inline uint32_t
unit_seed(const char *test)
{
    const char *env = getenv("HNV_TEST_SEED");
    uint32_t seed = env ? strtoul(env, NULL, 0) : (uint32_t) time(NULL);

    printf("%s: HNV_TEST_SEED=%u\n", test, seed);
    return seed;
}

#endif /* unit.h */
