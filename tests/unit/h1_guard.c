/*
 * The guard, the chunked coding and heads, apart from any connection: bytes in, and what they are
 * taken for, however they are cut.
 */
#include "gateway/codec/h1_guard.h"

#include "gateway/codec/h1_chunks.h"
#include "gateway/codec/h1_head.h"
#include "gateway/codec/h1_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct h1_guard_limits roomy = { .line_bytes = 1000, .fields_bytes = 1000 };

/* ---- the end of a head ---- */

struct end_row {
    const char *what;
    struct slice in;
    size_t len; /* of the head; 0: it has no end yet */
    const struct reason *reason;
};

static const struct end_row end_rows[] = {
    { "a head", SLICE_INIT("GET / HTTP/1.1\r\nA: b\r\n\r\nmore"), 24, NULL },
    { "a head without fields", SLICE_INIT("GET / HTTP/1.1\r\n\r\n"), 18, NULL },
    { "an empty line before it", SLICE_INIT("\r\nGET / HTTP/1.1\r\n\r\n"), 20, NULL },
    { "nothing", SLICE_INIT(""), 0, NULL },
    { "a CR", SLICE_INIT("\r"), 0, NULL },
    { "an empty line", SLICE_INIT("\r\n"), 0, NULL },
    { "a line", SLICE_INIT("GET / HTTP/1.1\r\n"), 0, NULL },
    { "all but the last byte", SLICE_INIT("GET / HTTP/1.1\r\nA: b\r\n\r"), 0, NULL },
    { "a long line", SLICE_INIT("GET /0123456789abcdef0123456789abcdef HTTP/1.1\r\n\r\n"), 50,
      NULL },
    { "two empty lines before it", SLICE_INIT("\r\n\r\nGET / HTTP/1.1\r\n\r\n"), 0,
      &reason_bad_request },
    { "LF", SLICE_INIT("GET / HTTP/1.1\nA: b\r\n\r\n"), 0, &reason_bad_request },
    { "LF in the sixteenth place", SLICE_INIT("GET /0123456789\nA: b\r\n\r\n"), 0,
      &reason_bad_request },
    { "LF first", SLICE_INIT("\nGET / HTTP/1.1\r\n\r\n"), 0, &reason_bad_request },
    { "LF as the empty line", SLICE_INIT("GET / HTTP/1.1\r\n\n"), 0, &reason_bad_request },
    { "CR", SLICE_INIT("GET / HTTP/1.1\rA: b\r\n\r\n"), 0, &reason_bad_request },
    { "CR CR LF", SLICE_INIT("GET / HTTP/1.1\r\r\n\r\n"), 0, &reason_bad_request },
    { "CR and another byte at the end", SLICE_INIT("GET / HTTP/1.1\r\n\rX"), 0,
      &reason_bad_request },
    { "CR and another byte first", SLICE_INIT("\rX"), 0, &reason_bad_request },
};

/* In calls that each see `step` bytes more. */
static const struct reason *feed(struct slice in, size_t step, const struct h1_guard_limits *limits,
                                 size_t *ret_len)
{
    const struct reason *reason = NULL;
    uint32_t scanned = 0;

    *ret_len = 0;
    for (size_t n = step; !reason && *ret_len == 0; n += step) {
        reason = h1_guard_head(slice_head(in, n), limits, &scanned, ret_len);
        if (n >= in.len)
            break;
    }
    return reason;
}

static void the_end_of_a_head_is_found_and_nothing_else_ends_a_line(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(end_rows); i++)
        for (size_t step = 1; step < 40; step++) {
            const struct end_row *row = &end_rows[i];
            size_t len;
            const struct reason *reason = feed(row->in, step, &roomy, &len);

            if (reason != row->reason || (!reason && len != row->len))
                fail_msg("%s, %zu bytes at a time: %s, %zu", row->what, step,
                         reason ? reason->name : "taken", len);
        }
}

static void limits_hold_at_the_limit_and_one_beyond(void **state UNUSED)
{
    static const struct slice head =
        SLICE_INIT("GET / HTTP/1.1\r\nA: b\r\n\r\n"); /* 16 and 8 bytes */
    static const struct {
        struct h1_guard_limits limits;
        const struct reason *reason;
    } rows[] = {
        { { 16, 8 }, NULL },
        { { 15, 8 }, &reason_target_too_long },
        { { 16, 7 }, &reason_head_too_large },
        { { 0, 8 }, &reason_target_too_long },
        { { 16, 0 }, &reason_head_too_large },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t step = 1; step <= head.len; step++) {
            size_t len;

            assert_ptr_equal(feed(head, step, &rows[i].limits, &len), rows[i].reason);
        }
}

static void trailers_end_with_an_empty_line_too(void **state UNUSED)
{
    uint32_t scanned = 0;
    size_t len;

    assert_null(h1_guard_trailers(SLICE("\r\nmore"), &roomy, &scanned, &len));
    assert_int_equal(len, 2);
    scanned = 0;
    assert_null(h1_guard_trailers(SLICE("A: b\r"), &roomy, &scanned, &len));
    assert_int_equal(len, 0);
    assert_null(h1_guard_trailers(SLICE("A: b\r\n\r\n"), &roomy, &scanned, &len));
    assert_int_equal(len, 8);
    scanned = 0;
    assert_ptr_equal(h1_guard_trailers(SLICE("A: b\n\r\n"), &roomy, &scanned, &len),
                     &reason_bad_request);
    scanned = 0;
    assert_ptr_equal(
        h1_guard_trailers(SLICE("A: b\r\n\r\n"), &(struct h1_guard_limits){ 0, 7 }, &scanned, &len),
        &reason_head_too_large);
}

/* ---- first lines ---- */

static void status_lines_are_exact(void **state UNUSED)
{
    static const struct {
        struct slice line;
        unsigned status; /* 0: refused */
        unsigned version;
    } rows[] = {
        { SLICE_INIT("HTTP/1.1 200 OK"), 200, 11 },
        { SLICE_INIT("HTTP/1.0 404 Not Found"), 404, 10 },
        { SLICE_INIT("HTTP/1.1 200"), 200, 11 },
        { SLICE_INIT("HTTP/1.1 200 "), 200, 11 },
        { SLICE_INIT("HTTP/1.1 599 \xc3\xa9"), 599, 11 },
        { SLICE_INIT("HTTP/1.1 99 x"), 0, 0 },
        { SLICE_INIT("HTTP/1.1 600 x"), 0, 0 },
        { SLICE_INIT("HTTP/1.1 2000 x"), 0, 0 },
        { SLICE_INIT("HTTP/1.1  200 x"), 0, 0 },
        { SLICE_INIT("HTTP/1.1\t200 x"), 0, 0 },
        { SLICE_INIT("http/1.1 200 x"), 0, 0 },
        { SLICE_INIT("HTTP/1.2 200 x"), 0, 0 },
        { SLICE_INIT("HTTP/1.1 2x0 x"), 0, 0 },
        { SLICE_INIT("HTTP/1.1"), 0, 0 },
        { SLICE_INIT("HTTP/1.1 200 \x01"), 0, 0 },
        { SLICE_INIT(""), 0, 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct h1_line line = { 0 };
        const struct reason *reason = h1_guard_status_line(rows[i].line, &line);

        if (line.status != rows[i].status || line.version != rows[i].version ||
            !reason != (rows[i].status != 0))
            fail_msg("%.*s: %u", SLICE_ARGS(rows[i].line), line.status);
    }
}

/* ---- the chunked coding ---- */

struct chunk_row {
    struct slice in;
    const char *data; /* NULL: refused */
    size_t behind;    /* bytes behind the last chunk's line */
};

static const struct chunk_row chunk_rows[] = {
    { SLICE_INIT("5\r\nhello\r\n0\r\n\r\n"), "hello", 2 },
    { SLICE_INIT("005;a=b;c\r\nhello\r\n3 \r\n"), NULL, 0 },
    { SLICE_INIT("A;\"q\\\" ;\t\"\r\n0123456789\r\n00\r\nX"), "0123456789", 1 },
    { SLICE_INIT("000000000000000a\r\n0123456789\r\n0\r\n"), "0123456789", 0 },
    { SLICE_INIT("0000000000000000a\r\n0123456789\r\n0\r\n"), NULL, 0 },
    { SLICE_INIT("7fffffffffffffff\r\nx"), "x", 0 },
    { SLICE_INIT("8000000000000000\r\nx"), NULL, 0 },
    { SLICE_INIT(";a\r\n"), NULL, 0 },
};

static bool read_chunks(struct slice in, size_t step, size_t max, struct buf *out,
                        size_t *ret_behind)
{
    struct h1_chunks chunks;
    size_t at = 0;

    h1_chunks_init(&chunks);
    while (at < in.len && chunks.state != H1_CHUNKS_ENDED) {
        struct slice data;
        size_t used;

        if (h1_chunks_read(&chunks, slice_head(slice_skip(in, at), step), max, &used, &data))
            return false;
        assert_true(data.len <= max);
        buf_add(out, data);
        at += used;
    }
    *ret_behind = in.len - at;
    return true;
}

static void chunks_are_read_alike_however_they_are_cut(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(chunk_rows); i++)
        for (size_t step = 1; step < 30; step++) {
            const struct chunk_row *row = &chunk_rows[i];
            size_t behind = 0;
            struct buf out;
            bool good;

            buf_init(&out, 0);
            good = read_chunks(row->in, step, 1 + step % 4, &out, &behind);
            if (good != (row->data != NULL) ||
                (good &&
                 (!slice_eq(buf_join(&out), slice_str(row->data)) || behind != row->behind)))
                fail_msg("%.*s, %zu bytes at a time: %d, %.*s, %zu behind", SLICE_ARGS(row->in),
                         step, good, SLICE_ARGS(buf_join(&out)), behind);
            buf_release(&out);
        }
}

static void extensions_are_bounded_over_the_whole_body(void **state UNUSED)
{
    struct h1_chunks chunks;
    char text[2 * H1_CHUNKS_EXTENSION_BYTES];
    struct slice data;
    size_t used;

    memset(text, 'x', sizeof(text));
    memcpy(text, "1;", 2);
    h1_chunks_init(&chunks);
    assert_null(
        h1_chunks_read(&chunks, slice_of(text, 2 + H1_CHUNKS_EXTENSION_BYTES), 1, &used, &data));
    assert_null(h1_chunks_read(&chunks, SLICE("\r\nx"), 1, &used, &data));
    assert_int_equal(used, 3);
    assert_null(h1_chunks_read(&chunks, SLICE("\r\n1;"), 1, &used, &data));
    assert_ptr_equal(h1_chunks_read(&chunks, SLICE("y"), 1, &used, &data), &reason_bad_framing);
}

/* ---- what is written can be read ---- */

static void a_written_request_reads_as_it_was(void **state UNUSED)
{
    struct message sent, got;
    struct h1_facts facts;
    struct arena arena;
    struct buf out;

    arena_init(&arena, 1 << 20);
    buf_init(&out, 0);
    message_init(&sent, &arena);
    sent.method = SLICE("POST");
    sent.path = SLICE("/a?b");
    sent.authority = SLICE("h:1");
    sent.length = UINT32_MAX;
    message_put(&sent, FIELD_content_type, SLICE("application/json"));
    message_put(&sent, FIELD_te, SLICE("trailers"));
    h1_write_request(&out, &sent, H1_LENGTH);
    message_init(&got, &arena);
    assert_null(
        h1_head_read_request(buf_join(&out), &(struct message_limits){ 10, 1000 }, &got, &facts));
    assert_true(slice_eq(got.method, sent.method) && slice_eq(got.path, sent.path) &&
                slice_eq(got.authority, sent.authority));
    assert_int_equal(got.length, sent.length);
    assert_int_equal(facts.framing, H1_LENGTH);
    assert_true(facts.persistent);
    assert_int_equal(got.count, 1); /* TE is for one connection */
    buf_release(&out);
    arena_release(&arena);
}

static void a_full_arena_is_a_head_too_large(void **state UNUSED)
{
    struct message got;
    struct h1_facts facts;
    struct arena arena;

    arena_init(&arena, 64);
    message_init(&got, &arena);
    assert_ptr_equal(
        h1_head_read_request(
            SLICE("GET /0123456789012345678901234567890123456789 HTTP/1.1\r\nHost: h\r\n\r\n"),
            &(struct message_limits){ 10, 1000 }, &got, &facts),
        &reason_head_too_large);
    arena_release(&arena);
}

static void chunk_sizes_are_written_in_hexadecimal(void **state UNUSED)
{
    struct buf out;

    buf_init(&out, 0);
    h1_write_chunk_size(&out, 1);
    h1_write_chunk_size(&out, 0xabcdef0123456789);
    h1_write_last_chunk(&out, NULL);
    assert_true(slice_eq(buf_join(&out), SLICE("1\r\nabcdef0123456789\r\n0\r\n\r\n")));
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_of_a_head_is_found_and_nothing_else_ends_a_line),
        cmocka_unit_test(limits_hold_at_the_limit_and_one_beyond),
        cmocka_unit_test(trailers_end_with_an_empty_line_too),
        cmocka_unit_test(status_lines_are_exact),
        cmocka_unit_test(chunks_are_read_alike_however_they_are_cut),
        cmocka_unit_test(extensions_are_bounded_over_the_whole_body),
        cmocka_unit_test(a_written_request_reads_as_it_was),
        cmocka_unit_test(a_full_arena_is_a_head_too_large),
        cmocka_unit_test(chunk_sizes_are_written_in_hexadecimal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
