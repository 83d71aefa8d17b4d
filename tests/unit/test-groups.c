/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "host/groups.h"
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "unit.h"
#include "util/addr.h"

/* On the loopback interface of a network namespace of the test's own. */

static struct in6_addr
addr(const char *s)
{
    struct in6_addr a;

    ck_assert(addr_parse(s, &a));
    return a;
}

/* True if the kernel has this process's host in the group: /proc/net/igmp has
 * a line per group, with its address as the number that it is in memory. */
static bool
is_member(const char *group)
{
    FILE *stream = fopen("/proc/net/igmp", "r");
    char line[256], want[16];
    struct in6_addr a = addr(group);
    bool found = false;

    ck_assert_ptr_nonnull(stream);
    snprintf(want, sizeof want, "%08X", addr_to_ipv4(&a));
    while (fgets(line, sizeof line, stream)) {
        found = found || strstr(line, want);
    }
    fclose(stream);
    return found;
}

START_TEST(groups_are_joined_and_left)
{
    struct in6_addr wanted[] = { addr("239.77.1.1"), addr("239.77.1.2") };
    struct in6_addr pa = addr("127.0.0.1");
    struct groups *groups = groups_create();

    groups_set(groups, wanted, 1, &pa, 1);
    groups_run(groups);
    ck_assert(is_member("239.77.1.1"));

    groups_set(groups, wanted, 2, &pa, 1);
    groups_run(groups);
    ck_assert(is_member("239.77.1.1"));
    ck_assert(is_member("239.77.1.2"));

    groups_set(groups, wanted + 1, 1, &pa, 1);
    groups_run(groups);
    ck_assert(!is_member("239.77.1.1"));
    ck_assert(is_member("239.77.1.2"));

    groups_destroy(groups);
    ck_assert(!is_member("239.77.1.2"));
}
END_TEST

START_TEST(a_pa_that_is_not_there_yet_does_no_harm)
{
    struct in6_addr wanted[] = { addr("239.77.1.3"), addr("ff0e::77") };
    struct in6_addr pas[] = { addr("192.0.2.77"), addr("2001:db8::77") };
    struct groups *groups = groups_create();

    groups_set(groups, wanted, 2, pas, 2);
    groups_run(groups);
    ck_assert(!is_member("239.77.1.3"));
    groups_destroy(groups);
}
END_TEST

/* Returns false if the system does not let us have one. */
static bool
enter_namespace(void)
{
    struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
    bool ok;
    int fd;

    if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET)) {
        return false;
    }
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    ok = fd >= 0 && !ioctl(fd, SIOCSIFFLAGS, &lo);
    close(fd);
    return ok;
}

int
main(void)
{
    if (!enter_namespace()) {
        return 77;              /* Skipped. */
    }

    Suite *suite = suite_create("groups");
    TCase *tc = tcase_create("groups");

    tcase_add_test(tc, groups_are_joined_and_left);
    tcase_add_test(tc, a_pa_that_is_not_there_yet_does_no_harm);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
