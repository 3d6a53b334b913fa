/*
 * The SSE scanner: forms of the standard, every cut, bounds, and no memory between events.
 */
#include "gateway/http/sse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TEXT_SIZE 4096

/* What was seen, as text: type|data; for every event; raw bytes beside it. */
struct seen {
    char events[TEXT_SIZE];
    char raw[TEXT_SIZE];
    size_t events_len, raw_len;
};

static void see(struct seen *seen, const struct sse_event *event)
{
    seen->events_len +=
        (size_t)snprintf(seen->events + seen->events_len, TEXT_SIZE - seen->events_len,
                         "%.*s|%s%.*s%s;", SLICE_ARGS(event->type), event->has_data ? "" : "-",
                         SLICE_ARGS(event->data), event->oversized ? "!" : "");
    if (event->raw.len > 0)
        memcpy(seen->raw + seen->raw_len, event->raw.at, event->raw.len);
    seen->raw_len += event->raw.len;
}

/* From a copy of its own size, so that a byte read too many is seen. */
static void feed(struct sse *sse, struct slice bytes, struct seen *seen)
{
    char *copy = xmalloc(bytes.len + !bytes.len);
    struct slice rest = slice_of(copy, bytes.len);
    struct sse_event event;

    memcpy(copy, bytes.at, bytes.len);
    while (sse_next(sse, &rest, &event))
        see(seen, &event);
    assert_int_equal(rest.len, 0);
    free(copy);
}

static void read_cut(struct slice text, size_t cut, struct seen *ret_seen)
{
    struct sse sse;
    struct sse_event event;

    memset(ret_seen, 0, sizeof(*ret_seen));
    sse_init(&sse);
    if (cut == SIZE_MAX) {
        for (size_t i = 0; i < text.len; i++)
            feed(&sse, slice_head(slice_skip(text, i), 1), ret_seen);
    } else {
        feed(&sse, slice_head(text, cut), ret_seen);
        feed(&sse, slice_skip(text, cut), ret_seen);
    }
    if (sse_end(&sse, &event))
        see(ret_seen, &event);
    sse_release(&sse);
}

static const struct {
    struct slice text;
    const char *events;
} cases[] = {
    { SLICE_INIT("data: a\n\ndata: b\n\n"), "|a;|b;" },
    { SLICE_INIT("data:a\n\n"), "|a;" },
    { SLICE_INIT("data:  a \n\n"), "| a ;" },
    { SLICE_INIT("data: a\r\n\r\ndata: b\r\n\r\n"), "|a;|b;" },
    { SLICE_INIT("data: a\r\rdata: b\r\r"), "|a;|b;" },
    { SLICE_INIT("data: a\r\n\ndata: b\n\r\n"), "|a;|b;" },
    { SLICE_INIT("data: a\n\rdata: b\r\n\r"), "|a;|b;" },
    { SLICE_INIT("\xef\xbb\xbf"
                 "data: a\n\ndata: b\n\n"),
      "|a;|b;" },
    { SLICE_INIT("data: a\n\n\xef\xbb\xbf"
                 "data: b\n\n"),
      "|a;|-;" },
    { SLICE_INIT("event: x\ndata: a\n\n"), "x|a;" },
    { SLICE_INIT("data: a\nevent: x\n\n"), "x|a;" },
    { SLICE_INIT("event: x\nevent: y\ndata: a\n\n"), "y|a;" },
    { SLICE_INIT("data: a\ndata: b\ndata:c\n\n"), "|a\nb\nc;" },
    { SLICE_INIT("data: a\r\ndata\r\ndata:\r\n\r\n"), "|a\n\n;" },
    { SLICE_INIT("data\n\n"), "|;" },
    { SLICE_INIT("data:\n\n"), "|;" },
    { SLICE_INIT(": keep-alive\n\ndata: a\n\n"), "|-;|a;" },
    { SLICE_INIT(":\n:\ndata: a\n\n"), "|a;" },
    { SLICE_INIT("id: 7\nretry: 10\nfoo\ndata: a\n\n"), "|a;" },
    { SLICE_INIT(" data: a\n\n"), "|-;" },
    { SLICE_INIT("DATA: a\n\n"), "|-;" },
    { SLICE_INIT("data: {\"x\": \":\"}\n\n"), "|{\"x\": \":\"};" },
    { SLICE_INIT("data: \xe4\xbd\xa0\xf0\x9f\x98\x80\n\n"), "|\xe4\xbd\xa0\xf0\x9f\x98\x80;" },
    { SLICE_INIT("data: [DONE]\n"), "|[DONE];" },
    { SLICE_INIT("data: [DONE]"), "|[DONE];" },
    { SLICE_INIT(""), "" },
};

static void events_are_found_wherever_the_bytes_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct seen seen;

        for (size_t cut = 0; cut <= cases[i].text.len + 1; cut++) {
            read_cut(cases[i].text, cut <= cases[i].text.len ? cut : SIZE_MAX, &seen);
            if (strcmp(seen.events, cases[i].events))
                fail_msg("case %zu cut at %zu: %s", i, cut, seen.events);
        }
    }
}

/* Blank lines may be events of their own; together the raw bytes are the stream, but for LFs that
 * came late. */
static void raw_bytes_together_are_the_stream(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct seen seen;

        read_cut(cases[i].text, cases[i].text.len, &seen);
        assert_int_equal(seen.raw_len, cases[i].text.len);
        assert_memory_equal(seen.raw, cases[i].text.at, seen.raw_len);
    }
}

static void nothing_is_owned_between_events(void **state)
{
    struct sse sse;
    struct seen seen = { .events_len = 0 };

    (void)state;
    assert_true(sizeof(struct sse) < 100);
    sse_init(&sse);
    assert_true(sse_is_between(&sse));
    feed(&sse, SLICE("data: a\ndata: b"), &seen);
    assert_false(sse_is_between(&sse));
    assert_int_equal(sse_held(&sse).len, 15);
    feed(&sse, SLICE("\n\n"), &seen);
    assert_true(sse_is_between(&sse));
    assert_null(sse.held.at);
    assert_null(sse.joined.at);
    feed(&sse, SLICE(":"), &seen);
    assert_false(sse_is_between(&sse));
    sse_release(&sse);
}

static void a_late_line_feed_belongs_to_the_event_before(void **state)
{
    struct sse sse;
    struct seen seen = { .events_len = 0 };

    (void)state;
    sse_init(&sse);
    feed(&sse, SLICE("data: a\r\n\r"), &seen);
    assert_true(sse_owes_lf(&sse));
    feed(&sse, SLICE("\n"), &seen);
    assert_true(sse_is_between(&sse));
    assert_false(sse_owes_lf(&sse));
    assert_string_equal(seen.events, "|a;");
    feed(&sse, SLICE("\n"), &seen);
    assert_string_equal(seen.events, "|a;|-;");
    sse_release(&sse);
}

/* An event of exactly `size` bytes, then a small one, cut into `step` bytes. */
static void read_large(size_t size, const char *end, size_t step, struct seen *ret_seen)
{
    char *text = xmalloc(size + 32);
    size_t end_len = strlen(end), len;
    struct sse sse;
    struct sse_event event;

    memset(text, 'x', size);
    memcpy(text, "data: ", 6);
    memcpy(text + size - end_len, end, end_len);
    len = size + (size_t)sprintf(text + size, "data: b\n\n");
    memset(ret_seen, 0, sizeof(*ret_seen));
    sse_init(&sse);
    for (size_t at = 0; at < len; at += step) {
        struct slice bytes = slice_head(slice_of(text + at, len - at), step);

        while (sse_next(&sse, &bytes, &event)) {
            if (event.data.len > 100)
                event.data.len = 1;
            event.raw.len = 0;
            see(ret_seen, &event);
        }
    }
    assert_true(sse_is_between(&sse));
    sse_release(&sse);
    free(text);
}

static void an_event_over_the_bound_is_passed_over_wherever_it_is_cut(void **state)
{
    static const size_t steps[] = { 1, 7, 4096, 65536, 65537, SIZE_MAX / 2 };
    struct seen seen;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        read_large(SSE_EVENT_MAX, "\n\n", steps[i], &seen);
        assert_string_equal(seen.events, "|x;|b;");
        read_large(SSE_EVENT_MAX + 1, "\n\n", steps[i], &seen);
        assert_string_equal(seen.events, "|-!;|b;");
        read_large(SSE_EVENT_MAX + 1, "\r\n\r\n", steps[i], &seen); /* the last LF does not count */
        assert_string_equal(seen.events, "|x;|b;");
        read_large(SSE_EVENT_MAX + 2, "\r\n\r\n", steps[i], &seen);
        assert_string_equal(seen.events, "|-!;|b;");
        read_large(3 * SSE_EVENT_MAX, "\n\n", steps[i], &seen);
        assert_string_equal(seen.events, "|-!;|b;");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_found_wherever_the_bytes_are_cut),
        cmocka_unit_test(raw_bytes_together_are_the_stream),
        cmocka_unit_test(nothing_is_owned_between_events),
        cmocka_unit_test(a_late_line_feed_belongs_to_the_event_before),
        cmocka_unit_test(an_event_over_the_bound_is_passed_over_wherever_it_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
