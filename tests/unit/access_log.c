/*
 * Access lines: their JSON, their escapes and cuts, the ring, and what drains it.
 */
#include "gateway/account/access_log.h"

#include "tests/unit/random.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static struct metric_shard *shard;
static struct access_log *access_lines;
static int file; /* where lines are drained to */
static char text[2 * ACCESS_RING_BYTES];

static int begin(void **state)
{
    (void)state;
    shard = metric_shard_new();
    access_lines = access_log_new(shard, NULL, NULL);
    file = memfd_create("lines", 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    access_log_free(access_lines);
    access_log_free(NULL);
    metric_shard_free(shard);
    close(file);
    return 0;
}

/* All that was drained so far. */
static const char *drained(void)
{
    ssize_t n;

    assert_int_equal(access_log_drain(access_lines, file), 0);
    n = pread(file, text, sizeof(text) - 1, 0);
    assert_true(n >= 0);
    text[n] = '\0';
    return text;
}

static void empty_file(void)
{
    assert_int_equal(ftruncate(file, 0), 0);
    assert_int_equal(lseek(file, 0, SEEK_SET), 0);
}

/* The one line that was written, as JSON; the caller's reference. */
static json_t *the_line(const struct access_entry *entry)
{
    json_error_t error;
    json_t *line;
    const char *drained_text;

    access_log_write(access_lines, entry);
    drained_text = drained();
    assert_int_equal(strchr(drained_text, '\n') - drained_text + 1, (long)strlen(drained_text));
    line = json_loads(drained_text, JSON_REJECT_DUPLICATES, &error);
    if (!line)
        fail_msg("%s: %s", error.text, drained_text);
    empty_file();
    return line;
}

static struct access_entry full_entry(void)
{
    static const struct choice choice = {
        .policy = "least_requests",
        .considered = 4,
        .screen_count = 2,
        .screens = { { "ready", 1 }, { "tried", 2 } },
        .priced = true,
        .prefill_s = 0.0000321,
        .price_s = 12.3456789,
    };

    return (struct access_entry){
        .wall_us = 1795366687123456,
        .request_id = SLICE("0190-abc"),
        .client = SLICE("10.0.0.7:51000"),
        .listener = SLICE("0.0.0.0:8443"),
        .tenant = SLICE("acme"),
        .class_name = SLICE("batch"),
        .method = SLICE("POST"),
        .path = SLICE("/v1/chat/completions?api_key=secret"),
        .model = SLICE("llama-3.1-8b"),
        .version = SLICE("stable"),
        .pool = SLICE("llama-a"),
        .endpoint = SLICE("http://10.0.0.11:8000"),
        .traceparent = SLICE("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        .reason = &reason_done,
        .choice = &choice,
        .request_bytes = 1234,
        .response_bytes = 98765,
        .duration_us = 1234567,
        .held_us = 1000,
        .first_token_us = 42,
        .prompt_tokens = 1000,
        .cached_tokens = 0,
        .output_tokens = 77,
        .predicted_cached_tokens = 992,
        .predicted_prompt_tokens = 1001,
        .reused_tokens = 900,
        .tokens = SLICE("exact"),
        .attempts = 2,
        .status = 200,
        .http_version = 20,
        .streamed = true,
    };
}

static void a_full_line_says_everything(void **state)
{
    struct access_entry entry = full_entry();

    (void)state;
    entry.response_bytes = UINT64_MAX;
    access_log_write(access_lines, &entry);
    assert_string_equal(
        drained(),
        "{\"time\":\"2026-11-22T16:58:07.123Z\",\"request_id\":\"0190-abc\","
        "\"client\":\"10.0.0.7:51000\",\"listener\":\"0.0.0.0:8443\",\"tenant\":\"acme\","
        "\"class\":\"batch\",\"method\":\"POST\",\"path\":\"/v1/chat/"
        "completions\",\"http_version\":\"2\","
        "\"model\":\"llama-3.1-8b\",\"model_version\":\"stable\",\"pool\":\"llama-a\","
        "\"endpoint\":\"http://10.0.0.11:8000\",\"status\":200,\"reason\":\"done\",\"attempts\":2,"
        "\"stream\":true,\"request_bytes\":1234,\"response_bytes\":18446744073709551615,"
        "\"duration_ms\":1234.567,\"held_ms\":1.000,\"first_token_ms\":0.042,\"prompt_tokens\":"
        "1000,"
        "\"cached_tokens\":0,\"output_tokens\":77,\"predicted_prompt_tokens\":1001,\"tokens\":"
        "\"exact\",\"reused_tokens\":900,\"predicted_cached_tokens\":992,"
        "\"traceparent\":\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\","
        "\"choice\":{\"policy\":\"least_requests\",\"considered\":4,"
        "\"screened\":{\"ready\":1,\"tried\":2},\"price_s\":12.345678,\"prefill_s\":0.000032}}\n");
}

static void what_is_unknown_is_left_out(void **state)
{
    struct access_entry entry;

    (void)state;
    access_entry_init(&entry);
    entry.wall_us = 1795366687000000;
    entry.http_version = 11;
    access_log_write(access_lines, &entry);
    assert_string_equal(drained(),
                        "{\"time\":\"2026-11-22T16:58:07.000Z\",\"http_version\":\"1.1\","
                        "\"attempts\":0,\"stream\":false,\"request_bytes\":0,"
                        "\"response_bytes\":0}\n");
}

static void each_line_has_its_own_time(void **state)
{
    static const struct {
        uint64_t wall_us;
        const char *time;
    } rows[] = {
        { 1795366687999999, "2026-11-22T16:58:07.999Z" },
        { 1795366688000000, "2026-11-22T16:58:08.000Z" },
        { 1795366687001000, "2026-11-22T16:58:07.001Z" }, /* the clock was set back */
        { 0, "1970-01-01T00:00:00.000Z" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct access_entry entry = full_entry();
        json_t *line;

        entry.wall_us = rows[i].wall_us;
        line = the_line(&entry);
        assert_string_equal(json_string_value(json_object_get(line, "time")), rows[i].time);
        json_decref(line);
    }
}

static void words_of_others_are_escaped(void **state)
{
    static const struct {
        struct slice in;
        const char *out; /* between the quotes of the line */
    } rows[] = {
        { SLICE_INIT("a\"b\\c/d"), "a\\\"b\\\\c/d" },
        { SLICE_INIT("a\nb\r\t\x1b[2J\x7f"), "a\\u000ab\\u000d\\u0009\\u001b[2J\\u007f" },
        { SLICE_INIT("\0"), "\\u0000" },
        { SLICE_INIT("\xc2\x9b\xc2\xa0"), "\\u009b\xc2\xa0" }, /* a control of Latin-1; a space */
        { SLICE_INIT("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
          "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
        { SLICE_INIT("\xff\xc3(\xed\xa0\x80"),
          "\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
        { SLICE_INIT("0123456789abcdef\n0123456789abcdef"),
          "0123456789abcdef\\u000a0123456789abcdef" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct access_entry entry;
        char expected[256];

        access_entry_init(&entry);
        entry.model = rows[i].in;
        snprintf(expected, sizeof(expected), "\"model\":\"%s\",\"", rows[i].out);
        access_log_write(access_lines, &entry);
        if (!strstr(drained(), expected))
            fail_msg("%s is not in %s", expected, drained());
        empty_file();
    }
}

/* The worst words in every place: still one line of JSON, within the limit. */
static void no_words_make_a_line_too_long(void **state)
{
    static char worst[4][5000];
    struct choice choice = { .policy = worst[0],
                             .considered = UINT32_MAX,
                             .screen_count = 99,
                             .priced = true,
                             .prefill_s = INFINITY,
                             .price_s = 1e300 };

    (void)state;
    memset(worst[0], 1, sizeof(worst[0]) - 1);
    memset(worst[1], 'x', sizeof(worst[1]) - 1);
    memset(worst[2], 0xff, sizeof(worst[2]) - 1);
    memset(worst[3], '"', sizeof(worst[3]) - 1);
    for (int i = 0; i < CHOICE_SCREENS_MAX; i++)
        choice.screens[i] = (struct choice_screen){ worst[i % 4] + i, UINT32_MAX };
    for (int i = 0; i < 4; i++) {
        struct access_entry entry = full_entry();
        struct slice words = slice_of(worst[i], sizeof(worst[i]));
        json_error_t error;
        json_t *line;

        entry.request_id = entry.client = entry.listener = entry.tenant = entry.method = words;
        entry.path = entry.model = entry.version = entry.pool = entry.endpoint = words;
        entry.traceparent = entry.tokens = entry.class_name = words;
        entry.duration_us = entry.held_us = entry.first_token_us = entry.prompt_tokens = INT64_MAX;
        entry.cached_tokens = entry.output_tokens = entry.predicted_cached_tokens = INT64_MAX;
        entry.request_bytes = UINT64_MAX;
        entry.attempts = UINT32_MAX;
        entry.status = UINT16_MAX;
        entry.choice = &choice;
        access_log_write(access_lines, &entry);
        assert_true(strlen(drained()) <= ACCESS_LINE_BYTES);
        line = json_loads(drained(), JSON_DECODE_INT_AS_REAL, &error);
        if (!line)
            fail_msg("%s: %s", error.text, drained());
        json_decref(line);
        empty_file();
    }
}

static void a_text_is_cut_at_its_limit_and_not_within_a_character(void **state)
{
    struct access_entry entry;
    static char words[1000];

    (void)state;
    for (size_t shift = 0; shift < 8; shift++) {
        json_t *line;
        const char *method;

        access_entry_init(&entry);
        memset(words, 'x', sizeof(words));
        for (size_t i = shift; i + 3 <= sizeof(words); i += 3)
            memcpy(words + i, "\xe2\x82\xac", 3);
        entry.method = slice_of(words, sizeof(words));
        line = the_line(&entry);
        method = json_string_value(json_object_get(line, "method"));
        assert_true(strlen(method) <= 32 && strlen(method) > 32 - 3);
        assert_memory_equal(method, words, strlen(method));
        json_decref(line);
    }
}

static void lines_survive_the_rings_end_whatever_their_length(void **state)
{
    static char words[256];
    uint64_t seed = 3;
    size_t lines = 0, seen = 0, written = 0;

    (void)state;
    memset(words, 'w', sizeof(words));
    while (written < 5 * ACCESS_RING_BYTES) {
        struct access_entry entry = full_entry();
        const char *at;

        for (int i = 0; i < 200; i++, lines++) {
            entry.model = slice_of(words, random_below(&seed, sizeof(words)));
            entry.output_tokens = (int64_t)lines;
            access_log_write(access_lines, &entry);
        }
        for (at = drained(); *at; at = strchr(at, '\n') + 1, seen++) {
            json_t *line = json_loads(at, JSON_DISABLE_EOF_CHECK, NULL);

            assert_non_null(line);
            assert_int_equal(json_integer_value(json_object_get(line, "output_tokens")), seen);
            json_decref(line);
        }
        written += (size_t)(at - text);
        empty_file();
    }
    assert_int_equal(seen, lines);
    assert_int_equal(metric_total(METRIC_ID_log_dropped), 0);
}

static void a_full_ring_drops_lines_and_counts_them(void **state)
{
    struct access_entry entry = full_entry();
    size_t len, lines = 0;
    const char *at;

    (void)state;
    for (int i = 0; i < 10000; i++)
        access_log_write(access_lines, &entry);
    assert_true(metric_total(METRIC_ID_log_dropped) > 0);
    at = drained();
    len = strlen(at);
    assert_true(len <= ACCESS_RING_BYTES && len > ACCESS_RING_BYTES - 2 * ACCESS_LINE_BYTES);
    for (; *at; at = strchr(at, '\n') + 1)
        lines++;
    assert_int_equal(lines + (size_t)metric_total(METRIC_ID_log_dropped), 10000);
    access_log_write(access_lines, &entry); /* and goes on */
    assert_int_equal(strlen(drained()), len + len / lines);
}

/* A pipe nobody reads must not hold the control thread; what it took is whole lines. */
static void a_full_pipe_is_not_waited_for(void **state)
{
    struct access_entry entry = full_entry();
    static char got[1 << 21];
    size_t lines = 0, have = 0;
    int pipe_fd[2];
    ssize_t n;

    (void)state;
    assert_int_equal(pipe(pipe_fd), 0);
    for (int i = 0; i < 1000; i++)
        access_log_write(access_lines, &entry);
    assert_int_equal(access_log_drain(access_lines, pipe_fd[1]), 0); /* returns */
    n = read(pipe_fd[0], got, sizeof(got));
    assert_true(n > 4096 && got[n - 1] == '\n');
    for (have = (size_t)n; have < 1000 * ((size_t)(strchr(got, '\n') - got) + 1);
         have += (size_t)n) {
        assert_int_equal(access_log_drain(access_lines, pipe_fd[1]), 0);
        n = read(pipe_fd[0], got + have, sizeof(got) - have);
        assert_true(n > 0);
    }
    for (size_t i = 0; i < have; i++)
        lines += got[i] == '\n';
    assert_int_equal(lines, 1000);
    close(pipe_fd[0]);
    close(pipe_fd[1]);
}

static void what_cannot_be_written_stays(void **state)
{
    struct access_entry entry = full_entry();
    int full = open("/dev/full", O_WRONLY);

    (void)state;
    assert_true(full >= 0);
    access_log_write(access_lines, &entry);
    assert_int_equal(access_log_drain(access_lines, full), ENOSPC);
    close(full);
    assert_true(strlen(drained()) > 100);
}

static int hurried;

static void note_hurry(struct access_log *log, void *receiver)
{
    assert_ptr_equal(receiver, &hurried);
    assert_int_equal(access_log_drain(log, file), 0);
    hurried++;
}

static void a_half_full_ring_calls_for_its_drain_once(void **state)
{
    struct access_entry entry = full_entry();
    struct mailbox *control = mailbox_new(&hurried);
    struct access_log *log = access_log_new(shard, control, note_hurry);
    struct pollfd poll_fd = { .fd = mailbox_fd(control), .events = POLLIN };

    (void)state;
    hurried = 0;
    for (int i = 0; i < 100; i++)
        access_log_write(log, &entry);
    assert_int_equal(poll(&poll_fd, 1, 0), 0);
    for (int round = 1; round <= 3; round++) {
        for (int i = 0; i < 1000; i++) /* over half of the ring, not all of it */
            access_log_write(log, &entry);
        assert_int_equal(poll(&poll_fd, 1, 0), 1);
        mailbox_open_all(control);
        assert_int_equal(hurried, round);
    }
    assert_int_equal(poll(&poll_fd, 1, 0), 0);
    assert_int_equal(metric_total(METRIC_ID_log_dropped), 0);
    mailbox_free(control);
    access_log_free(log);
}

#define LINES 200000

static _Atomic bool writing;

static void *write_lines(void *arg)
{
    struct access_entry entry = full_entry();

    for (int i = 0; i < LINES; i++) {
        entry.output_tokens = i;
        access_log_write(arg, &entry);
    }
    atomic_store(&writing, false);
    return NULL;
}

/* Under the thread sanitizer this proves more. */
static void a_line_is_whole_or_counted_when_two_threads_meet(void **state)
{
    int64_t last = -1, seen = 0;
    pthread_t thread;
    bool more = true;

    (void)state;
    atomic_store(&writing, true);
    assert_int_equal(pthread_create(&thread, NULL, write_lines, access_lines), 0);
    while (more) {
        more = atomic_load(&writing);
        for (const char *at = drained(); *at; at = strchr(at, '\n') + 1) {
            const char *tokens = strstr(at, "\"output_tokens\":");
            int64_t number;

            assert_true(at[0] == '{' && tokens);
            number = strtoll(tokens + 16, NULL, 10);
            assert_true(number > last);
            last = number;
            seen++;
        }
        empty_file();
    }
    pthread_join(thread, NULL);
    assert_int_equal(seen + metric_total(METRIC_ID_log_dropped), LINES);
}

static void every_key_has_words_for_the_reference(void **state)
{
    (void)state;
    for (size_t i = 0; i < access_field_count; i++) {
        assert_true(strlen(access_fields[i].help) > 10);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(access_fields[i].key, access_fields[k].key);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_full_line_says_everything),
        TEST(what_is_unknown_is_left_out),
        TEST(each_line_has_its_own_time),
        TEST(words_of_others_are_escaped),
        TEST(no_words_make_a_line_too_long),
        TEST(a_text_is_cut_at_its_limit_and_not_within_a_character),
        TEST(lines_survive_the_rings_end_whatever_their_length),
        TEST(a_full_ring_drops_lines_and_counts_them),
        TEST(a_full_pipe_is_not_waited_for),
        TEST(what_cannot_be_written_stays),
        TEST(a_half_full_ring_calls_for_its_drain_once),
        TEST(a_line_is_whole_or_counted_when_two_threads_meet),
        TEST(every_key_has_words_for_the_reference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
