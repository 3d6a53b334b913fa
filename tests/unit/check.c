/*
 * A failed check says where, what, and for whom; then the process is gone.
 */
#include "gateway/base/check.h"

#include "gateway/base/log.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void print_somebody(const struct log_subject *subject, char *text, size_t size)
{
    (void)subject;
    snprintf(text, size, "exchange 42");
}

static void print_and_fail(const struct log_subject *subject, char *text, size_t size)
{
    (void)subject;
    (void)text;
    CHECK(size == 0);
}

/* What a child with that subject prints before it dies of the check, terminated. */
static void dying_words(const struct log_subject *subject, char *ret_text, size_t size)
{
    int ends[2], status;
    ssize_t n;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        check_subject(subject);
        CHECK(1 + 1 == 3);
        _exit(0);
    }
    close(ends[1]);
    n = read(ends[0], ret_text, size - 1);
    assert_true(n > 0);
    ret_text[n] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void a_failed_check_names_its_place_and_who_it_was_for(void **state)
{
    const struct log_subject somebody = { print_somebody };
    char text[1024];

    (void)state;
    dying_words(NULL, text, sizeof(text));
    assert_non_null(strstr(text, "check failed: 1 + 1 == 3\n"));
    assert_non_null(strstr(text, "tests/unit/check.c:"));
    dying_words(&somebody, text, sizeof(text));
    assert_non_null(strstr(text, "check failed: 1 + 1 == 3, working for exchange 42\n"));
}

static void a_subject_that_cannot_print_itself_ends_in_its_own_check(void **state)
{
    const struct log_subject broken = { print_and_fail };
    char text[1024];

    (void)state;
    dying_words(&broken, text, sizeof(text));
    assert_non_null(strstr(text, "check failed: size == 0\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_check_names_its_place_and_who_it_was_for),
        cmocka_unit_test(a_subject_that_cannot_print_itself_ends_in_its_own_check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
