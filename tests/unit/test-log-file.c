/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "log-file.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "unit.h"
#include "util.h"

/* A folder that is not there yet, in one that goes with all that is in it. */
struct fixture {
    char top[32];
    char *name;
    struct log_file *log;
};

static struct fixture
fixture_with_limit(size_t limit_bytes)
{
    struct fixture f = { .top = "/tmp/hnv-log-XXXXXX" };

    ck_assert_ptr_nonnull(mkdtemp(f.top));
    f.name = xasprintf("%s/some/where/firewall.log", f.top);
    f.log = log_file_create(f.name, limit_bytes);
    return f;
}

static char *
numbered(const struct fixture *f, int number)
{
    return number ? xasprintf("%s.%d", f->name, number) : xstrdup(f->name);
}

static void
fixture_uninit(struct fixture *f)
{
    static const char *const folders[] = { "some/where", "some", "" };

    log_file_destroy(f->log);
    for (int i = 0; i <= LOG_FILE_KEEP + 1; i++) {
        char *name = numbered(f, i);

        unlink(name);
        free(name);
    }
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        char *name = xasprintf("%s/%s", f->top, folders[i]);

        rmdir(name);
        free(name);
    }
    free(f->name);
}

/* What is in the file or in an old one; "-" if there is none. */
static void
assert_file(const struct fixture *f, int number, const char *wanted)
{
    char *name = numbered(f, number);
    char text[256] = "-";
    FILE *stream = fopen(name, "r");

    if (stream) {
        text[fread(text, 1, sizeof text - 1, stream)] = '\0';
        fclose(stream);
    }
    ck_assert_str_eq(text, wanted);
    free(name);
}

START_TEST(lines_are_added)
{
    struct fixture f = fixture_with_limit(1000);
    struct stat s;

    assert_file(&f, 0, "-");
    log_file_write(f.log, "one");
    log_file_write(f.log, "two");
    assert_file(&f, 0, "one\ntwo\n");
    ck_assert_int_eq(stat(f.name, &s), 0);
    ck_assert_int_eq(s.st_mode & 07, 0);

    /* By the next agent, too. */
    log_file_destroy(f.log);
    f.log = log_file_create(f.name, 1000);
    log_file_write(f.log, "three");
    assert_file(&f, 0, "one\ntwo\nthree\n");
    fixture_uninit(&f);
}
END_TEST

START_TEST(old_lines_go)
{
    struct fixture f = fixture_with_limit(8);

    for (int i = 0; i < 14; i++) {
        char line[] = { 'a' + i, 'x', 'x', '\0' };

        log_file_write(f.log, line);
    }
    assert_file(&f, 0, "mxx\nnxx\n");
    assert_file(&f, 1, "kxx\nlxx\n");
    assert_file(&f, LOG_FILE_KEEP, "exx\nfxx\n");
    assert_file(&f, LOG_FILE_KEEP + 1, "-");

    /* What was there before counts. */
    log_file_destroy(f.log);
    f.log = log_file_create(f.name, 8);
    log_file_write(f.log, "new");
    log_file_write(f.log, "newer");
    assert_file(&f, 0, "newer\n");
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_line_is_never_too_long)
{
    struct fixture f = fixture_with_limit(3);

    log_file_write(f.log, "longer");
    log_file_write(f.log, "than that");
    assert_file(&f, 0, "than that\n");
    assert_file(&f, 1, "longer\n");
    fixture_uninit(&f);
}
END_TEST

START_TEST(others_may_take_the_file_away)
{
    struct fixture f = fixture_with_limit(1000);
    char *elsewhere = numbered(&f, 1);

    log_file_write(f.log, "one");
    ck_assert_int_eq(rename(f.name, elsewhere), 0);
    log_file_write(f.log, "two");
    assert_file(&f, 1, "one\ntwo\n");
    log_file_reopen(f.log);
    log_file_write(f.log, "three");
    assert_file(&f, 0, "three\n");
    assert_file(&f, 1, "one\ntwo\n");
    free(elsewhere);
    fixture_uninit(&f);
}
END_TEST

START_TEST(no_place_to_write_is_no_trouble)
{
    struct fixture f = fixture_with_limit(1000);
    struct log_file *nowhere = log_file_create("/dev/null/x/y", 10);
    struct log_file *full = log_file_create("/dev/full", 1000);

    log_file_write(nowhere, "one");
    log_file_write(nowhere, "two");
    log_file_write(full, "one");
    log_file_destroy(nowhere);
    log_file_destroy(full);
    log_file_write(f.log, "one");
    assert_file(&f, 0, "one\n");
    fixture_uninit(&f);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("log-file");
    TCase *tc = tcase_create("log-file");

    tcase_add_test(tc, lines_are_added);
    tcase_add_test(tc, old_lines_go);
    tcase_add_test(tc, a_line_is_never_too_long);
    tcase_add_test(tc, others_may_take_the_file_away);
    tcase_add_test(tc, no_place_to_write_is_no_trouble);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
