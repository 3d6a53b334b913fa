/*
 * The usage reader over the golden streams of every engine (tests/golden): each is cut at every
 * byte offset and fed byte by byte, and neither what is passed on nor what is learnt may change.
 *
 * NAME.stream is what the engine sends, NAME.json what is to be learnt from it, NAME.stripped what
 * the client gets where usage is taken out.
 */
#include "gateway/account/usage.h"

#include <dirent.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define GOLDEN "tests/golden/"

/* Longer streams are cut only here and there, and near their events' ends. */
#define EVERY_CUT_MAX 20000

struct golden {
    const char *name;
    json_t *side;
    struct slice stream, stripped;
    const struct dialect_type *dialect;
    enum usage_strip strip;
};

struct outcome {
    struct buf out;
    uint32_t contents;
    bool finish, error, terminal;
    struct answer_usage usage;
    uint64_t sequence;
};

static struct slice read_file(const char *name, const char *suffix)
{
    char path[256];
    FILE *file;
    char *bytes;
    long size;

    snprintf(path, sizeof(path), GOLDEN "%s%s", name, suffix);
    file = fopen(path, "rb");
    if (!file)
        return slice_of(NULL, 0);
    fseek(file, 0, SEEK_END);
    size = ftell(file);
    rewind(file);
    bytes = xmalloc((size_t)size + 1);
    assert_int_equal(fread(bytes, 1, (size_t)size, file), size);
    fclose(file);
    bytes[size] = '\0';
    return slice_of(bytes, (size_t)size);
}

static void golden_load(struct golden *golden, const char *name)
{
    static const char *const strips[] = { "none", "added", "all" };
    struct slice side = read_file(name, ".json");
    json_error_t error;

    golden->name = name;
    golden->side = json_loadb(side.at, side.len, 0, &error);
    if (!golden->side)
        fail_msg("%s.json: %s", name, error.text);
    free((char *)side.at);
    golden->stream = read_file(json_string_value(json_object_get(golden->side, "stream")), "");
    golden->stripped = read_file(name, ".stripped");
    golden->dialect =
        dialect_named(slice_str(json_string_value(json_object_get(golden->side, "dialect"))));
    assert_non_null(golden->dialect);
    for (golden->strip = 0;
         strcmp(strips[golden->strip], json_string_value(json_object_get(golden->side, "strip")));)
        golden->strip++;
}

static void golden_release(struct golden *golden)
{
    json_decref(golden->side);
    free((char *)golden->stream.at);
    free((char *)golden->stripped.at);
}

static void add_step(struct outcome *outcome, struct usage_step step)
{
    assert_true(step.content || step.contents == 0);
    outcome->contents += step.contents;
    outcome->finish |= step.finish;
    outcome->error |= step.error;
    outcome->terminal |= step.terminal;
}

/* From a copy of its own size, so that a byte read too many is seen. */
static void feed_copy(struct usage_reader *reader, struct slice bytes, struct outcome *outcome)
{
    char *copy = xmalloc(bytes.len + !bytes.len);

    memcpy(copy, bytes.at, bytes.len);
    add_step(outcome, usage_reader_feed(reader, slice_of(copy, bytes.len), &outcome->out));
    free(copy);
}

/* In two pieces, or byte by byte when `cut` is SIZE_MAX. */
static void read_golden(const struct golden *golden, size_t cut, struct outcome *ret_outcome)
{
    struct usage_reader reader;
    struct slice type = slice_str(json_string_value(json_object_get(golden->side, "content_type")));

    memset(ret_outcome, 0, sizeof(*ret_outcome));
    buf_init(&ret_outcome->out, SIZE_MAX);
    usage_reader_init(&reader, golden->dialect, type, slice_of(NULL, 0));
    usage_reader_strip(&reader, golden->strip);
    if (cut == SIZE_MAX) {
        for (size_t i = 0; i < golden->stream.len; i++)
            feed_copy(&reader, slice_head(slice_skip(golden->stream, i), 1), ret_outcome);
    } else {
        feed_copy(&reader, slice_head(golden->stream, cut), ret_outcome);
        feed_copy(&reader, slice_skip(golden->stream, cut), ret_outcome);
    }
    add_step(ret_outcome, usage_reader_end(&reader, &ret_outcome->out));
    ret_outcome->usage = reader.usage;
    ret_outcome->sequence = reader.sequence;
    assert_int_equal(reader.finish_seen, ret_outcome->finish);
    assert_int_equal(reader.error_seen, ret_outcome->error);
    assert_int_equal(reader.terminal_seen, ret_outcome->terminal);
    usage_reader_release(&reader);
}

static void check_number(const struct golden *golden, size_t cut, const char *what,
                         json_t *expected, bool known, uint64_t value)
{
    if (known != (expected != NULL) || (known && (uint64_t)json_integer_value(expected) != value))
        fail_msg("%s cut at %zu: %s is %llu, %s", golden->name, cut, what,
                 (unsigned long long)value, known ? "known" : "unknown");
}

static void check_usage(const struct golden *golden, size_t cut, const struct answer_usage *usage)
{
    json_t *expected = json_object_get(json_object_get(golden->side, "expect"), "usage");
    const struct {
        const char *key;
        uint8_t bit;
        uint64_t value;
    } fields[] = {
        { "prompt", ANSWER_USAGE_PROMPT, usage->prompt },
        { "completion", ANSWER_USAGE_COMPLETION, usage->completion },
        { "cached", ANSWER_USAGE_CACHED, usage->cached },
        { "reasoning", ANSWER_USAGE_REASONING, usage->reasoning },
    };

    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        check_number(golden, cut, fields[i].key, json_object_get(expected, fields[i].key),
                     usage->known & fields[i].bit, fields[i].value);
}

static void check_bool(const struct golden *golden, size_t cut, const char *what, bool value)
{
    json_t *expected = json_object_get(json_object_get(golden->side, "expect"), what);

    if (json_is_true(expected) != value)
        fail_msg("%s cut at %zu: %s is %d", golden->name, cut, what, value);
}

static void check_cut(const struct golden *golden, size_t cut)
{
    json_t *expect = json_object_get(golden->side, "expect");
    struct outcome outcome;

    read_golden(golden, cut, &outcome);
    check_number(golden, cut, "contents", json_object_get(expect, "contents"), true,
                 outcome.contents);
    check_bool(golden, cut, "finish", outcome.finish);
    check_bool(golden, cut, "error", outcome.error);
    check_bool(golden, cut, "terminal", outcome.terminal);
    check_usage(golden, cut, &outcome.usage);
    if (json_object_get(expect, "sequence"))
        check_number(golden, cut, "sequence", json_object_get(expect, "sequence"), true,
                     outcome.sequence);
    if (!slice_eq(buf_join(&outcome.out), golden->stripped))
        fail_msg("%s cut at %zu: passes %.*s", golden->name, cut,
                 SLICE_ARGS(buf_join(&outcome.out)));
    buf_release(&outcome.out);
}

static bool is_worth_cutting(const struct golden *golden, size_t cut)
{
    size_t near = slice_find(slice_skip(golden->stream, cut), '\n');

    return golden->stream.len <= EVERY_CUT_MAX || cut % 997 == 0 || near < 3;
}

static void golden_streams_read_alike_wherever_they_are_cut(void **state)
{
    DIR *folder = opendir(GOLDEN);
    size_t count = 0;

    (void)state;
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        char *dot = strstr(entry->d_name, ".json");
        struct golden golden;

        if (!dot)
            continue;
        *dot = '\0';
        golden_load(&golden, entry->d_name);
        for (size_t cut = 0; cut <= golden.stream.len; cut++)
            if (is_worth_cutting(&golden, cut))
                check_cut(&golden, cut);
        check_cut(&golden, SIZE_MAX);
        golden_release(&golden);
        count++;
    }
    closedir(folder);
    assert_true(count >= 50);
}

static struct usage_reader reader_for(const char *type, const char *coding)
{
    struct usage_reader reader;

    usage_reader_init(&reader, dialect_named(SLICE("chat")), slice_str(type), slice_str(coding));
    return reader;
}

static void forms_are_told_by_content_type_and_coding(void **state)
{
    static const struct {
        const char *type, *coding;
        enum usage_form form;
    } cases[] = {
        { "text/event-stream", "", USAGE_FORM_SSE },
        { "TEXT/Event-Stream;charset=x", "identity", USAGE_FORM_SSE },
        { "text/event-stream", "gzip", USAGE_FORM_OPAQUE },
        { "application/json", "br", USAGE_FORM_OPAQUE },
        { "application/json", "", USAGE_FORM_JSON },
        { "application/x-ndjson", "", USAGE_FORM_LINES },
        { "audio/mpeg", "", USAGE_FORM_OPAQUE },
        { "", "", USAGE_FORM_OPAQUE },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct usage_reader reader = reader_for(cases[i].type, cases[i].coding);

        assert_int_equal(reader.form, cases[i].form);
        usage_reader_strip(&reader, USAGE_STRIP_ADDED);
        assert_int_equal(usage_reader_strips(&reader), cases[i].form == USAGE_FORM_SSE);
        usage_reader_release(&reader);
    }
}

static void a_step_tells_what_its_bytes_brought(void **state)
{
    static const struct slice content =
        SLICE_INIT("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n");
    static const struct slice role = SLICE_INIT(
        "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n");
    struct usage_reader reader = reader_for("text/event-stream", "");
    struct usage_step step;

    (void)state;
    step = usage_reader_feed(&reader, role, NULL);
    assert_false(step.content || step.finish || step.error || step.terminal);
    assert_false(reader.content_begun);
    step = usage_reader_feed(&reader, content, NULL);
    assert_true(step.content);
    assert_int_equal(step.contents, 1);
    step = usage_reader_feed(&reader, slice_head(content, 20), NULL);
    assert_int_equal(step.contents, 0);
    assert_false(usage_reader_is_between(&reader));
    step = usage_reader_feed(&reader, slice_skip(content, 20), NULL);
    assert_int_equal(step.contents, 1);
    assert_true(usage_reader_is_between(&reader));
    step = usage_reader_feed(&reader, SLICE("data: [DONE]\n\n"), NULL);
    assert_true(step.terminal);
    usage_reader_release(&reader);
}

static void stripping_holds_at_most_the_unfinished_event(void **state)
{
    struct usage_reader reader = reader_for("text/event-stream", "");
    struct buf out;

    (void)state;
    buf_init(&out, SIZE_MAX);
    usage_reader_strip(&reader, USAGE_STRIP_ADDED);
    usage_reader_feed(&reader, SLICE("data: {}\n\ndata: {}\n\ndata: {"), &out);
    assert_int_equal(out.len, 20);
    assert_true(usage_reader_is_between(&reader)); /* what is held was not passed on */
    usage_reader_feed(&reader, SLICE("}\n\n"), &out);
    assert_int_equal(out.len, 30);
    buf_release(&out);
    usage_reader_release(&reader);
}

static void a_stream_between_events_owns_no_memory(void **state)
{
    struct usage_reader reader = reader_for("text/event-stream", "");
    struct usage_reader lines = reader_for("application/x-ndjson", "");

    (void)state;
    assert_true(sizeof(struct usage_reader) <= 160);
    usage_reader_feed(&reader, SLICE("data: {\"a\":1}\n\nda"), NULL);
    assert_non_null(reader.sse.held.at);
    usage_reader_feed(&reader, SLICE("ta: {}\n\n"), NULL);
    usage_reader_feed(&reader, SLICE(""), NULL);
    assert_null(reader.sse.held.at);
    usage_reader_feed(&lines, SLICE("{}\n{"), NULL);
    assert_non_null(lines.line.at);
    usage_reader_feed(&lines, SLICE("}\n"), NULL);
    assert_null(lines.line.at);
    usage_reader_release(&reader);
    usage_reader_release(&lines);
}

static void an_opaque_answer_tells_nothing(void **state)
{
    struct usage_reader reader = reader_for("text/event-stream", "gzip");
    struct usage_step step = usage_reader_feed(&reader, SLICE("data: [DONE]\n\n"), NULL);

    (void)state;
    assert_false(step.terminal || step.content);
    step = usage_reader_end(&reader, NULL);
    assert_false(step.terminal);
    usage_reader_release(&reader);
    usage_reader_init(&reader, NULL, SLICE("text/event-stream"), SLICE(""));
    assert_int_equal(reader.form, USAGE_FORM_OPAQUE);
    usage_reader_release(&reader);
}

static void a_line_over_the_bound_is_passed_over(void **state)
{
    struct usage_reader reader;
    char *long_line = xmalloc(SSE_EVENT_MAX + 2);
    struct usage_step step;

    (void)state;
    usage_reader_init(&reader, dialect_named(SLICE("ollama")), SLICE("application/x-ndjson"),
                      SLICE(""));
    memset(long_line, ' ', SSE_EVENT_MAX + 1);
    step = usage_reader_feed(&reader, slice_of(long_line, SSE_EVENT_MAX + 1), NULL);
    assert_null(reader.line.at);
    step = usage_reader_feed(&reader, SLICE("{\"done\":true}\n"), NULL);
    assert_false(step.terminal);
    step = usage_reader_feed(&reader, SLICE("{\"done\":true}\n"), NULL);
    assert_true(step.terminal);
    free(long_line);
    usage_reader_release(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_streams_read_alike_wherever_they_are_cut),
        cmocka_unit_test(forms_are_told_by_content_type_and_coding),
        cmocka_unit_test(a_step_tells_what_its_bytes_brought),
        cmocka_unit_test(stripping_holds_at_most_the_unfinished_event),
        cmocka_unit_test(a_stream_between_events_owns_no_memory),
        cmocka_unit_test(an_opaque_answer_tells_nothing),
        cmocka_unit_test(a_line_over_the_bound_is_passed_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
