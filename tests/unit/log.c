/*
 * Log lines, read back from standard error.
 */
#include "gateway/base/log.h"

#include "gateway/base/clock.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static char lines[1 << 20]; /* what was written between capture_begin and capture_end */
static int saved_stderr, capture;

static void capture_begin(void)
{
    fflush(stderr);
    saved_stderr = dup(STDERR_FILENO);
    capture = memfd_create("log", 0);
    assert_true(saved_stderr >= 0 && capture >= 0);
    fcntl(capture, F_SETFL, O_APPEND); /* as standard error is: whole lines from any thread */
    dup2(capture, STDERR_FILENO);
}

static void capture_end(void)
{
    ssize_t n = pread(capture, lines, sizeof(lines) - 1, 0);

    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(capture);
    assert_true(n >= 0);
    lines[n] = '\0';
}

static size_t line_count(void)
{
    size_t n = 0;

    for (const char *at = lines; (at = strchr(at, '\n')); at++)
        n++;
    return n;
}

struct exchange {
    struct log_subject subject;
    const char *who;
};

static void exchange_print(const struct log_subject *subject, char *text, size_t size)
{
    snprintf(text, size, "%s", CONTAINER_OF(subject, struct exchange, subject)->who);
}

static void a_line_has_time_level_subject_and_words(void **state)
{
    struct exchange exchange = { { exchange_print }, "e7 10.0.0.7:8000" };
    char before[CLOCK_TEXT_SIZE], after[CLOCK_TEXT_SIZE];

    (void)state;
    clock_text(clock_wall_us(), before);
    capture_begin();
    log_warn(&exchange.subject, "dial refused, trying %s", "another");
    capture_end();
    clock_text(clock_wall_us(), after);
    assert_string_equal(lines + 24, " warn  e7 10.0.0.7:8000: dial refused, trying another\n");
    lines[24] = '\0';
    assert_true(strcmp(before, lines) <= 0 && strcmp(lines, after) <= 0);
}

static void levels_above_the_chosen_one_are_not_made(void **state)
{
    (void)state;
    capture_begin();
    log_debug(NULL, "no");
    log_level = LOG_DEBUG;
    log_debug(NULL, "yes");
    log_level = LOG_ERROR;
    log_warn(NULL, "no");
    log_error(NULL, "yes");
    log_level = LOG_INFO;
    log_info(NULL, "yes");
    capture_end();
    assert_int_equal(line_count(), 3);
    assert_non_null(strstr(lines, " debug yes\n"));
    assert_non_null(strstr(lines, " error yes\n"));
    assert_non_null(strstr(lines, " info  yes\n"));
    assert_null(strstr(lines, "no"));
}

static void nothing_in_a_message_can_make_a_second_line(void **state)
{
    struct exchange exchange = { { exchange_print }, "e7\n\x1b[2J" };

    (void)state;
    capture_begin();
    log_info(&exchange.subject, "%s", "a\r\nb\t\x7f\xff\xc3\xa4 \xf0\x9f\x98\x80\xc3");
    capture_end();
    assert_string_equal(lines + 24, " info  e7\\x0a\\x1b[2J: "
                                    "a\\x0d\\x0ab\\x09\\x7f\\xff\xc3\xa4 \xf0\x9f\x98\x80\\xc3\n");
}

static void a_message_without_end_is_cut(void **state)
{
    static char text[100000];

    (void)state;
    memset(text, 1, sizeof(text) - 1); /* each escaped to four bytes */
    capture_begin();
    log_info(NULL, "%s", text);
    capture_end();
    assert_int_equal(line_count(), 1);
    assert_true(strlen(lines) < 10000);
    assert_string_equal(lines + strlen(lines) - 5, "1...\n");
}

static void chatter(void)
{
    log_info(NULL, "again");
}

/* Waits for a second to begin, so that what follows lies within it. */
static void wait_for_a_new_second(void)
{
    uint64_t second = clock_now_us() / CLOCK_US_PER_S;

    while (clock_now_us() / CLOCK_US_PER_S == second)
        usleep(1000);
}

static void a_place_that_repeats_is_muted_and_says_so(void **state)
{
    (void)state;
    wait_for_a_new_second();
    capture_begin();
    for (int i = 0; i < 50; i++)
        chatter();
    log_info(NULL, "another place");
    wait_for_a_new_second();
    chatter();
    chatter();
    capture_end();
    assert_int_equal(line_count(), 10 + 1 + 2);
    assert_non_null(strstr(lines, " another place\n"));
    assert_non_null(strstr(lines, " again (40 lines like this left out)\n"));
    assert_string_equal(lines + strlen(lines) - 13, " info  again\n"); /* said once */
}

static void *shout(void *arg)
{
    for (int i = 0; i < 1000; i++) {
        struct log_site site = { 0 }; /* a place of its own: never muted */

        log_line(LOG_INFO, &site, NULL, "%s", (const char *)arg);
    }
    return NULL;
}

static void lines_of_several_threads_stay_whole(void **state)
{
    static char one[] = "11111111111111111111", two[] = "22222222222222222222";
    pthread_t threads[2];

    (void)state;
    capture_begin();
    pthread_create(&threads[0], NULL, shout, one);
    pthread_create(&threads[1], NULL, shout, two);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    capture_end();
    assert_int_equal(line_count(), 2000);
    for (char *at = lines; *at; at = strchr(at, '\n') + 1)
        assert_true(!strncmp(at + 24 + 7, "11111111111111111111\n", 21) ||
                    !strncmp(at + 24 + 7, "22222222222222222222\n", 21));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_subject_and_words),
        cmocka_unit_test(levels_above_the_chosen_one_are_not_made),
        cmocka_unit_test(nothing_in_a_message_can_make_a_second_line),
        cmocka_unit_test(a_message_without_end_is_cut),
        cmocka_unit_test(a_place_that_repeats_is_muted_and_says_so),
        cmocka_unit_test(lines_of_several_threads_stay_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
