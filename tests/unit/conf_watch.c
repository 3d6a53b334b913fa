/*
 * Files that are rewritten, replaced, linked elsewhere, removed and put back.
 */
#include "conf/providers/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static char *at(const char *name)
{
    static char paths[8][128];
    static size_t next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static int folder_make(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/conf_watch_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int folder_remove(void **state)
{
    static const char *const names[] = {
        "f", "g", "other", "..data/f", "..one/f", "..two/f", "d/f"
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        unlink(at(names[i]));
    unlink(at("..data"));
    rmdir(at("..one"));
    rmdir(at("..two"));
    rmdir(at("d"));
    return rmdir(folder);
}

/* Whether the fd says that there is something to look at; events of this process are there at once.
 */
static bool is_readable(const struct conf_watch *watch)
{
    struct pollfd p = { .fd = conf_watch_fd(watch), .events = POLLIN };

    return poll(&p, 1, 0) == 1;
}

static struct conf_watch *watch_on(const char *path)
{
    struct conf_watch *watch = conf_watch_new();

    conf_watch_add(watch, path);
    assert_false(conf_watch_changed(watch));
    return watch;
}

static void a_rewritten_file_has_changed_once(void **state)
{
    struct conf_watch *watch;
    (void)state;

    put(at("f"), "one");
    watch = watch_on(at("f"));
    assert_false(is_readable(watch));
    put(at("f"), "two");
    assert_true(is_readable(watch));
    assert_true(conf_watch_changed(watch));
    assert_false(is_readable(watch));
    assert_false(conf_watch_changed(watch));
    conf_watch_free(watch);
}

static void a_file_renamed_over_it_has_changed_it(void **state)
{
    struct conf_watch *watch;
    (void)state;

    put(at("f"), "one");
    watch = watch_on(at("f"));
    put(at("g"), "two");
    conf_watch_changed(watch);
    assert_int_equal(rename(at("g"), at("f")), 0);
    assert_true(is_readable(watch));
    assert_true(conf_watch_changed(watch));
    assert_false(conf_watch_changed(watch));
    conf_watch_free(watch);
}

static void other_files_of_the_folder_change_nothing(void **state)
{
    struct conf_watch *watch;
    (void)state;

    put(at("f"), "one");
    watch = watch_on(at("f"));
    put(at("other"), "x");
    unlink(at("other"));
    assert_false(conf_watch_changed(watch));
    conf_watch_free(watch);
}

/* f -> ..data/f, ..data -> ..one: what a mounted ConfigMap looks like, and how it is replaced. */
static void a_swapped_link_below_the_path_has_changed_it(void **state)
{
    struct conf_watch *watch;
    (void)state;

    mkdir(at("..one"), 0700);
    mkdir(at("..two"), 0700);
    put(at("..one/f"), "same");
    put(at("..two/f"), "same");
    assert_int_equal(symlink("..one", at("..data")), 0);
    assert_int_equal(symlink("..data/f", at("f")), 0);
    watch = watch_on(at("f"));
    assert_int_equal(symlink("..two", at("g")), 0);
    assert_false(conf_watch_changed(watch));
    assert_int_equal(rename(at("g"), at("..data")), 0);
    assert_true(is_readable(watch));
    assert_true(conf_watch_changed(watch));
    put(at("..two/f"), "rewritten where the link leads now");
    assert_true(is_readable(watch));
    assert_true(conf_watch_changed(watch));
    assert_false(conf_watch_changed(watch));
    conf_watch_free(watch);
}

static void a_file_that_is_gone_changes_when_it_is_back(void **state)
{
    struct conf_watch *watch;
    (void)state;

    put(at("f"), "one");
    watch = watch_on(at("f"));
    unlink(at("f"));
    assert_true(is_readable(watch));
    assert_false(conf_watch_changed(watch));
    put(at("f"), "one");
    assert_true(conf_watch_changed(watch));
    assert_false(conf_watch_changed(watch));
    conf_watch_free(watch);
}

static void a_file_that_was_not_there_changes_when_it_comes(void **state)
{
    struct conf_watch *watch = watch_on(at("f"));
    (void)state;

    put(at("f"), "one");
    assert_true(conf_watch_changed(watch));
    conf_watch_free(watch);
}

static void a_folder_may_be_removed_and_made_again(void **state)
{
    struct conf_watch *watch;
    (void)state;

    mkdir(at("d"), 0700);
    put(at("d/f"), "one");
    watch = watch_on(at("d/f"));
    unlink(at("d/f"));
    rmdir(at("d"));
    assert_true(is_readable(watch));
    assert_false(conf_watch_changed(watch));
    mkdir(at("d"), 0700);
    assert_false(conf_watch_changed(watch)); /* asked from time to time; it finds the folder */
    put(at("d/f"), "two");
    assert_true(is_readable(watch));
    assert_true(conf_watch_changed(watch));
    conf_watch_free(watch);
}

static void several_files_are_watched_by_one(void **state)
{
    struct conf_watch *watch;
    (void)state;

    put(at("f"), "one");
    put(at("g"), "one");
    watch = watch_on(at("f"));
    conf_watch_add(watch, at("g"));
    conf_watch_add(watch, at("g"));
    put(at("g"), "two");
    assert_true(conf_watch_changed(watch));
    put(at("f"), "two");
    assert_true(conf_watch_changed(watch));
    assert_false(conf_watch_changed(watch));
    conf_watch_free(watch);
    conf_watch_free(NULL);
}

#define WATCH_TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WATCH_TEST(a_rewritten_file_has_changed_once),
        WATCH_TEST(a_file_renamed_over_it_has_changed_it),
        WATCH_TEST(other_files_of_the_folder_change_nothing),
        WATCH_TEST(a_swapped_link_below_the_path_has_changed_it),
        WATCH_TEST(a_file_that_is_gone_changes_when_it_is_back),
        WATCH_TEST(a_file_that_was_not_there_changes_when_it_comes),
        WATCH_TEST(a_folder_may_be_removed_and_made_again),
        WATCH_TEST(several_files_are_watched_by_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
