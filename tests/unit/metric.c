/*
 * Metrics: rows, sums over shards, the text of /metrics, and what clients can do to it.
 */
#include "gateway/base/metric.h"

#include "tests/unit/aborts.h"

#include <ctype.h>
#include <pthread.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct buf page;

/* /metrics as one string; borrowed until the next call. */
static const char *print(void)
{
    struct metric_page *pieces = metric_page_new();

    buf_release(&page);
    buf_init(&page, SIZE_MAX);
    while (metric_page_print(pieces, &page)) {
    }
    metric_page_free(pieces);
    buf_add(&page, SLICE("\0"));
    return buf_join(&page).at;
}

static bool has_line(const char *line)
{
    char text[512];

    snprintf(text, sizeof(text), "\n%s\n", line);
    return strstr(print(), text) != NULL;
}

static void the_rows_keep_prometheus_conventions(void **state)
{
    (void)state;
    for (int id = 0; id < METRIC_ID_COUNT; id++) {
        const struct metric_row *row = &metric_rows[id];
        size_t len = strlen(row->name);

        assert_int_equal(strncmp(row->name, "sluice_", 7), 0);
        assert_int_equal(row->type == METRIC_COUNTER, !strcmp(row->name + len - 6, "_total"));
        assert_int_equal(row->type == METRIC_HISTOGRAM, row->buckets != NULL);
        assert_null(strpbrk(row->help, "\n\\"));
        for (int other = 0; other < id; other++)
            assert_string_not_equal(row->name, metric_rows[other].name);
        for (int i = 1; row->buckets && i < METRIC_BUCKETS && row->buckets[i] > 0; i++)
            assert_true(row->buckets[i] > row->buckets[i - 1]);
    }
}

static void shards_are_summed(void **state)
{
    struct metric_shard *a = metric_shard_new(), *b = metric_shard_new();
    struct slice done = SLICE("done"), gone = SLICE("client_gone");
    struct metric_series *series;

    (void)state;
    metric_add(a, METRIC_ID_exchanges_started, 3);
    metric_add(b, METRIC_ID_exchanges_started, 4);
    metric_add(a, METRIC_ID_exchanges_active, 5);
    metric_add(b, METRIC_ID_exchanges_active, -2);
    series = metric_series(a, METRIC_ID_exchanges_finished, &done);
    metric_series_add(series, 10);
    assert_ptr_equal(metric_series(a, METRIC_ID_exchanges_finished, &done), series);
    metric_series_add(metric_series(b, METRIC_ID_exchanges_finished, &done), 1);
    metric_series_add(metric_series(b, METRIC_ID_exchanges_finished, &gone), 2);
    assert_true(has_line("sluice_exchanges_started_total 7"));
    assert_true(has_line("sluice_exchanges_active 3"));
    assert_true(has_line("sluice_exchanges_finished_total{reason=\"done\"} 11"));
    assert_true(has_line("sluice_exchanges_finished_total{reason=\"client_gone\"} 2"));
    assert_int_equal(metric_total(METRIC_ID_exchanges_started), 7);
    assert_int_equal(metric_total(METRIC_ID_exchanges_active), 3);
    assert_int_equal(metric_total(METRIC_ID_exchanges_finished), 13);
    assert_int_equal(metric_total(METRIC_ID_accept_paused), 0);
    assert_true(has_line("sluice_accept_paused_total 0"));
    metric_shard_free(a);
    metric_shard_free(b);
    metric_shard_free(NULL);
}

static void histograms_count_cumulatively_and_bounds_are_inclusive(void **state)
{
    struct metric_shard *a = metric_shard_new(), *b = metric_shard_new();
    struct slice labels[] = { SLICE("m"), SLICE("p"), SLICE("done") };

    (void)state;
    metric_observe(a, METRIC_ID_overhead_seconds, 0.0001);
    metric_observe(a, METRIC_ID_overhead_seconds, 0.00011);
    metric_observe(b, METRIC_ID_overhead_seconds, 1000);
    metric_series_observe(metric_series(a, METRIC_ID_request_seconds, labels), 0.25);
    assert_true(has_line("sluice_overhead_seconds_bucket{le=\"0.0001\"} 1"));
    assert_true(has_line("sluice_overhead_seconds_bucket{le=\"0.00025\"} 2"));
    assert_true(has_line("sluice_overhead_seconds_bucket{le=\"10\"} 2"));
    assert_true(has_line("sluice_overhead_seconds_bucket{le=\"+Inf\"} 3"));
    assert_true(has_line("sluice_overhead_seconds_sum 1000.00021"));
    assert_true(has_line("sluice_overhead_seconds_count 3"));
    assert_true(has_line("sluice_request_duration_seconds_bucket{model=\"m\",pool=\"p\",outcome="
                         "\"done\",le=\"0.2\"} 0"));
    assert_true(has_line("sluice_request_duration_seconds_bucket{model=\"m\",pool=\"p\",outcome="
                         "\"done\",le=\"0.3\"} 1"));
    assert_true(has_line("sluice_request_duration_seconds_sum{model=\"m\",pool=\"p\",outcome="
                         "\"done\"} 0.25"));
    metric_shard_free(a);
    metric_shard_free(b);
}

/* What a parser of the text format demands of every line (J-12: one bad label spoils a scrape). */
static void assert_is_text_format(const char *text)
{
    while (*text) {
        const char *end = strchr(text, '\n');
        const char *at = text;

        assert_non_null(end);
        if (*at != '#') {
            at += strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789_");
            assert_true(at > text && (*at == '{' || *at == ' '));
            while (*at != ' ' && *at != '}') {
                at += 1 + strspn(at + 1, "abcdefghijklmnopqrstuvwxyz_");
                assert_int_equal(strncmp(at, "=\"", 2), 0);
                for (at += 2; *at != '"'; at++) {
                    assert_true(at < end);
                    if (*at == '\\')
                        assert_non_null(strchr("\\\"n", *++at));
                }
                at++;
            }
            at += *at == '}';
            assert_int_equal(*at, ' ');
            assert_true(isdigit((unsigned char)at[1]) || at[1] == '-');
        }
        text = end + 1;
    }
}

static void labels_cannot_break_the_page(void **state)
{
    static char endless[1 << 20];
    struct metric_shard *shard = metric_shard_new();
    struct slice rows[][3] = {
        { SLICE("a\"b\\c\nd"), SLICE(""), SLICE("\xff\xc3") },
        { SLICE("plain\xffplain"), SLICE("a\tb"), SLICE("\xc3\xa9\xc3\xa9\"x") },
        { SLICE("x\"} 1\nsluice_up 1\n#"), SLICE("\xc3\xa4"), SLICE("\0") },
        { slice_of(endless, sizeof(endless)), SLICE("p"), SLICE("o") },
    };

    (void)state;
    memset(endless, 'e', sizeof(endless));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        metric_series_add(metric_series(shard, METRIC_ID_requests, rows[i]), 1);
    assert_true(has_line("sluice_requests_total{model=\"a\\\"b\\\\c\\nd\",pool=\"\",outcome="
                         "\"\xef\xbf\xbd\xef\xbf\xbd\"} 1"));
    assert_true(has_line("sluice_requests_total{model=\"plain\xef\xbf\xbdplain\",pool=\"a\tb\","
                         "outcome=\"\xc3\xa9\xc3\xa9\\\"x\"} 1"));
    assert_true(strlen(print()) < 40000);
    assert_null(strstr(print(), "\nsluice_up"));
    assert_is_text_format(print());
    metric_shard_free(shard);
}

static void the_page_is_of_the_text_format(void **state)
{
    struct metric_shard *shard = metric_shard_new();
    struct slice labels[] = { SLICE("a\"b\\c\nd {x}"), SLICE(" "), SLICE("=\"") };

    (void)state;
    metric_series_add(metric_series(shard, METRIC_ID_requests, labels), -1);
    metric_series_observe(metric_series(shard, METRIC_ID_request_seconds, labels), 0.3);
    assert_is_text_format(print());
    metric_shard_free(shard);
}

/* Values that differ only where one ends and the next begins are different series. */
static void labels_do_not_run_together(void **state)
{
    struct metric_shard *shard = metric_shard_new();
    struct slice a[] = { SLICE("ab"), SLICE("c"), SLICE("") };
    struct slice b[] = { SLICE("a"), SLICE("bc"), SLICE("") };

    (void)state;
    assert_ptr_not_equal(metric_series(shard, METRIC_ID_requests, a),
                         metric_series(shard, METRIC_ID_requests, b));
    assert_ptr_not_equal(metric_series(shard, METRIC_ID_requests, a),
                         metric_series(shard, METRIC_ID_tokens, a));
    metric_shard_free(shard);
}

/* Two names that print alike (both cut, or both mended) must not become two lines. */
static void what_prints_alike_is_one_line(void **state)
{
    struct metric_shard *shard = metric_shard_new();
    struct slice a = SLICE("\xfe"), b = SLICE("\xff");
    const char *first;

    (void)state;
    metric_series_add(metric_series(shard, METRIC_ID_retries, &a), 1);
    metric_series_add(metric_series(shard, METRIC_ID_retries, &b), 1);
    first = strstr(print(), "sluice_retries_total{");
    assert_non_null(first);
    assert_null(strstr(first + 1, "sluice_retries_total{"));
    assert_true(has_line("sluice_retries_total{pool=\""
                         "\xef\xbf\xbd"
                         "\"} 2"));
    metric_shard_free(shard);
}

static void past_the_limit_values_are_counted_as_other(void **state)
{
    struct metric_shard *shard = metric_shard_new();
    char name[16];

    (void)state;
    for (int i = 0; i < METRIC_SERIES_MAX + 500; i++) {
        struct slice label = slice_of(name, (size_t)snprintf(name, sizeof(name), "pool %d", i));

        metric_series_add(metric_series(shard, METRIC_ID_retries, &label), 1);
    }
    assert_true(has_line("sluice_retries_total{pool=\"pool 0\"} 1"));
    assert_true(has_line("sluice_retries_total{pool=\"pool 999\"} 1"));
    assert_false(has_line("sluice_retries_total{pool=\"pool 1000\"} 1"));
    assert_true(has_line("sluice_retries_total{pool=\"other\"} 500"));
    assert_int_equal(metric_total(METRIC_ID_retries), METRIC_SERIES_MAX + 500);
    metric_series_add(metric_series(shard, METRIC_ID_retries, &SLICE("pool 7")), 1);
    assert_true(has_line("sluice_retries_total{pool=\"pool 7\"} 2")); /* who was there stays */
    metric_shard_free(shard);
}

static void a_large_page_comes_in_pieces_of_whole_lines(void **state)
{
    struct metric_shard *shard = metric_shard_new();
    struct metric_page *pieces;
    size_t count = 0, whole;
    bool more = true;
    char name[16];

    (void)state;
    for (int i = 0; i < METRIC_SERIES_MAX; i++) {
        struct slice label = slice_of(name, (size_t)snprintf(name, sizeof(name), "pool %d", i));

        metric_series_add(metric_series(shard, METRIC_ID_retries, &label), 1);
    }
    whole = strlen(print());
    buf_release(&page);
    pieces = metric_page_new();
    metric_page_free(metric_page_new()); /* who leaves before the first */
    for (; more; count++) {
        size_t before = page.len;

        more = metric_page_print(pieces, &page);
        assert_in_range(page.len - before, 1, 64 * 1024);
        assert_int_equal(buf_join(&page).at[page.len - 1], '\n');
    }
    metric_page_free(pieces);
    assert_in_range(count, METRIC_SERIES_MAX / 256, METRIC_SERIES_MAX);
    assert_int_equal(page.len, whole);
    pieces = metric_page_new();
    assert_true(metric_page_print(pieces, &page));
    metric_page_free(pieces); /* and in the middle */
    metric_shard_free(shard);
}

static void collect(struct metric_writer *writer, void *user)
{
    struct slice labels[] = { SLICE("p"), SLICE("http://a:1") };

    metric_sample(writer, METRIC_ID_endpoint_inflight, labels, *(double *)user);
    metric_sample(writer, METRIC_ID_buffered_bytes, NULL, 4096);
    metric_sample(writer, METRIC_ID_panic, labels, 0.5);
}

static void collectors_add_what_lives_elsewhere(void **state)
{
    static double inflight = 7;
    struct metric_shard *shard = metric_shard_new();

    (void)state;
    metric_collector_add(collect, &inflight);
    assert_true(has_line("sluice_endpoint_inflight{pool=\"p\",endpoint=\"http://a:1\"} 7"));
    assert_true(has_line("sluice_buffered_bytes 4096"));
    assert_true(has_line("sluice_pool_panic{pool=\"p\"} 0.5"));
    inflight = 0;
    assert_true(has_line("sluice_endpoint_inflight{pool=\"p\",endpoint=\"http://a:1\"} 0"));
    metric_shard_free(shard);
}

#define ROUNDS 200000

static _Atomic int writing;

static void *writer(void *arg)
{
    struct metric_shard *shard = arg;
    char name[16];

    for (int i = 0; i < ROUNDS; i++) {
        struct slice label = slice_of(name, (size_t)snprintf(name, sizeof(name), "%d", i % 300));

        metric_add(shard, METRIC_ID_connections_accepted, 1);
        metric_series_add(metric_series(shard, METRIC_ID_aborts, &label), 1);
        metric_observe(shard, METRIC_ID_overhead_seconds, 0.5);
    }
    atomic_fetch_sub(&writing, 1);
    return NULL;
}

/* Under the thread sanitizer this proves more. */
static void reading_while_others_write_loses_nothing(void **state)
{
    struct metric_shard *shards[2] = { metric_shard_new(), metric_shard_new() };
    pthread_t threads[2];
    int64_t last = 0;

    (void)state;
    writing = 2;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, writer, shards[i]), 0);
    while (writing > 0) {
        int64_t now = metric_total(METRIC_ID_connections_accepted);

        assert_true(now >= last);
        last = now;
        print();
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(metric_total(METRIC_ID_connections_accepted), 2 * ROUNDS);
    assert_int_equal(metric_total(METRIC_ID_aborts), 2 * ROUNDS);
    assert_true(has_line("sluice_overhead_seconds_sum 200000"));
    assert_true(has_line("sluice_overhead_seconds_count 400000"));
    for (int i = 0; i < 2; i++)
        metric_shard_free(shards[i]);
}

static void add_to_a_row_with_labels(void)
{
    metric_add(metric_shard_new(), METRIC_ID_retries, 1);
}

static void a_row_with_labels_is_not_added_to_without_them(void **state)
{
    (void)state;
    assert_true(aborts(add_to_a_row_with_labels));
}

static int release_page(void **state)
{
    (void)state;
    buf_release(&page);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rows_keep_prometheus_conventions),
        cmocka_unit_test(shards_are_summed),
        cmocka_unit_test(histograms_count_cumulatively_and_bounds_are_inclusive),
        cmocka_unit_test(labels_cannot_break_the_page),
        cmocka_unit_test(the_page_is_of_the_text_format),
        cmocka_unit_test(labels_do_not_run_together),
        cmocka_unit_test(what_prints_alike_is_one_line),
        cmocka_unit_test(past_the_limit_values_are_counted_as_other),
        cmocka_unit_test(a_large_page_comes_in_pieces_of_whole_lines),
        cmocka_unit_test(collectors_add_what_lives_elsewhere),
        cmocka_unit_test(reading_while_others_write_loses_nothing),
        cmocka_unit_test(a_row_with_labels_is_not_added_to_without_them),
    };

    return cmocka_run_group_tests(tests, NULL, release_page);
}
