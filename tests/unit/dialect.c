/*
 * The table of dialects: whose a request is, how errors are said, and rows that are whole.
 */
#include "gateway/prompt/dialect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void requests_find_their_dialect(void **state)
{
    static const struct {
        const char *method, *path, *name;
    } cases[] = {
        { "POST", "/v1/chat/completions", "chat" },
        { "POST", "/v1/completions", "completions" },
        { "POST", "/v1/embeddings", "embeddings" },
        { "POST", "/v1/responses", "responses" },
        { "GET", "/v1/responses/resp_1", "resource" },
        { "DELETE", "/v1/responses/resp_1", "resource" },
        { "POST", "/v1/responses/resp_1/cancel", "resource" },
        { "POST", "/v1/audio/transcriptions", "audio" },
        { "POST", "/v1/audio/translations", "audio" },
        { "POST", "/v1/audio/speech", "other" },
        { "POST", "/v1/images/generations", "other" },
        { "POST", "/v1/rerank", "other" },
        { "POST", "/v2/rerank", "other" },
        { "POST", "/v1/chat/completions/render", "other" },
        { "POST", "/v1/messages", "messages" },
        { "POST", "/v1/messages/count_tokens", "messages" },
        { "POST", "/api/chat", "ollama" },
        { "POST", "/api/generate", "ollama" },
        { "POST", "/api/embed", "ollama_embed" },
        { "POST", "/generate", "generate" },
        { "GET", "/v1/models", "models" },
        { "GET", "/v1/models/a/b", "models" },
        { "GET", "/v1/chat/completions", NULL },
        { "post", "/v1/chat/completions", NULL },
        { "PUT", "/v1/chat/completions", NULL },
        { "POST", "/v1/", NULL },
        { "POST", "/v1", NULL },
        { "POST", "/v1x/chat/completions", NULL },
        { "POST", "/api/pull", NULL },
        { "GET", "/metrics", NULL },
        { "POST", "/sleep", NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct dialect_type *dialect =
            dialect_find(slice_str(cases[i].method), slice_str(cases[i].path));

        if (!dialect != !cases[i].name || (dialect && strcmp(dialect->name, cases[i].name)))
            fail_msg("%s %s is %s", cases[i].method, cases[i].path,
                     dialect ? dialect->name : "nobody's");
    }
}

static void paths_are_known_whatever_the_method(void **state)
{
    (void)state;
    assert_true(dialect_knows_path(SLICE("/v1/chat/completions")));
    assert_true(dialect_knows_path(SLICE("/api/chat")));
    assert_false(dialect_knows_path(SLICE("/metrics")));
    assert_string_equal(dialect_for_errors(SLICE("/api/pull"))->name, "ollama");
    assert_string_equal(dialect_for_errors(SLICE("/v1/messages"))->name, "messages");
    assert_string_equal(dialect_for_errors(SLICE("/nowhere"))->name, "chat");
}

static void the_methods_of_a_path_are_those_it_has_a_route_for(void **state)
{
    static const struct {
        const char *path, *allow;
    } cases[] = {
        { "/v1/chat/completions", "POST" },
        { "/v1/messages/count_tokens", "POST" },
        { "/v1/models", "GET" },
        { "/v1/models/a", "POST, GET, DELETE" },
        { "/v1/responses", "POST" },
        { "/v1/responses/resp_1", "POST, GET, DELETE" },
        { "/v1/files/f", "POST, GET, DELETE" },
        { "/api/chat", "POST" },
        { "/nowhere", "" },
    };
    struct arena arena;

    (void)state;
    arena_init(&arena, 1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct slice allow = dialect_allow(slice_str(cases[i].path), &arena);

        if (!slice_eq(allow, slice_str(cases[i].allow)))
            fail_msg("%s: %.*s", cases[i].path, SLICE_ARGS(allow));
    }
    arena_release(&arena);
}

static void rows_are_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < DIALECT_COUNT; i++) {
        const struct dialect_type *d = dialect_all[i];

        assert_ptr_equal(dialect_named(slice_str(d->name)), d);
        assert_non_null(d->help);
        assert_non_null(d->routes[0]);
        assert_non_null(d->error);
        assert_non_null(d->stream_error);
        assert_non_null(d->classify);
        assert_int_equal(d->to_chat != NULL, d->prompt == DIALECT_PROMPT_OTHER);
        assert_string_equal(d->error_media, "application/json");
        assert_true(d->streams || !(d->include_usage || d->streams_unasked));
    }
    assert_null(dialect_named(SLICE("nothing")));
}

/* Every reason, in every dialect: JSON, and read as an error by the same dialect. */
static void every_error_is_json_and_recognised(void **state)
{
    (void)state;
    for (size_t i = 0; i < DIALECT_COUNT; i++)
        for (size_t k = 0; k < reason_count; k++) {
            struct answer_facts facts = { .content = false };
            struct buf out;

            buf_init(&out, SIZE_MAX);
            dialect_all[i]->error(&out, reason_all[k], SLICE("quote \" newline \n \xff"),
                                  SLICE("max_tokens"));
            assert_null(json_check(buf_join(&out), NULL));
            dialect_all[i]->classify(slice_of(NULL, 0), buf_join(&out), &facts);
            if (!facts.error || facts.content || facts.terminal)
                fail_msg("%s, %s", dialect_all[i]->name, reason_all[k]->name);
            buf_release(&out);
        }
}

static void errors_are_said_in_each_dialects_form(void **state)
{
    static const struct {
        const char *dialect;
        const struct reason *reason;
        struct slice message, param;
        const char *text;
    } cases[] = {
        { "chat", &reason_model_not_found, SLICE_INIT("The model `x` does not exist."),
          SLICE_INIT("model"),
          "{\"error\":{\"message\":\"The model `x` does not "
          "exist.\",\"type\":\"invalid_request_error\",\"param\":\"model\","
          "\"code\":\"model_not_found\"}}" },
        { "embeddings",
          &reason_overloaded,
          { NULL, 0 },
          { NULL, 0 },
          "{\"error\":{\"message\":\"the gateway is "
          "overloaded\",\"type\":\"server_error\",\"param\":null,\"code\":null}}" },
        { "messages",
          &reason_overloaded,
          { NULL, 0 },
          { NULL, 0 },
          "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"the gateway "
          "is overloaded\"}}" },
        { "messages",
          &reason_no_model,
          { NULL, 0 },
          SLICE_INIT("model"),
          "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"you "
          "must provide a model parameter\"}}" },
        { "ollama",
          &reason_overloaded,
          SLICE_INIT("server busy"),
          { NULL, 0 },
          "{\"error\":\"server busy\"}" },
        { "generate",
          &reason_overloaded,
          SLICE_INIT("busy"),
          { NULL, 0 },
          "{\"error\":\"busy\",\"error_type\":\"overloaded\"}" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out;

        buf_init(&out, SIZE_MAX);
        dialect_named(slice_str(cases[i].dialect))
            ->error(&out, cases[i].reason, cases[i].message, cases[i].param);
        if (!slice_eq(buf_join(&out), slice_str(cases[i].text)))
            fail_msg("%s", buf_join(&out).at);
        buf_release(&out);
    }
}

static void errors_in_streams_are_whole_events_without_a_proper_end(void **state)
{
    static const struct {
        const char *dialect, *text;
    } cases[] = {
        { "chat", "data: "
                  "{\"error\":{\"message\":\"m\",\"type\":\"server_error\",\"param\":null,\"code\":"
                  "null}}\n\n" },
        { "completions", "data: "
                         "{\"error\":{\"message\":\"m\",\"type\":\"server_error\",\"param\":null,"
                         "\"code\":null}}\n\n" },
        { "responses",
          "event: error\ndata: "
          "{\"type\":\"error\",\"code\":\"server_error\",\"message\":\"m\",\"param\":null,"
          "\"sequence_number\":8}\n\n" },
        { "messages",
          "event: error\ndata: "
          "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"m\"}}\n\n" },
        { "ollama", "{\"error\":\"m\"}\n" },
        { "generate", "data:{\"error\":\"m\",\"error_type\":\"idle_timeout\"}\n\n" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out;

        buf_init(&out, SIZE_MAX);
        dialect_named(slice_str(cases[i].dialect))
            ->stream_error(&out, &reason_idle_timeout, SLICE("m"), 7);
        if (!slice_eq(buf_join(&out), slice_str(cases[i].text)))
            fail_msg("%.*s", SLICE_ARGS(buf_join(&out)));
        buf_release(&out);
    }
}

static struct answer_facts classify(const char *dialect, struct slice data)
{
    struct answer_facts facts = { .content = false };

    dialect_named(slice_str(dialect))->classify(slice_of(NULL, 0), data, &facts);
    return facts;
}

static void openings_are_told_from_content(void **state)
{
    static const struct {
        const char *dialect;
        struct slice data;
        bool opening, content;
    } cases[] = {
        { "chat",
          SLICE_INIT("{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}"), true,
          false },
        { "chat",
          SLICE_INIT("{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"a\"}}]}"),
          false, true },
        { "chat",
          SLICE_INIT(
              "{\"choices\":[{\"delta\":{\"role\":null,\"content\":null,\"tool_calls\":null}}]}"),
          false, false },
        { "chat", SLICE_INIT("{\"choices\":[{\"delta\":{\"refusal\":\"no\"}}]}"), false, true },
        { "chat", SLICE_INIT("{\"choices\":[{\"delta\":{\"tool_calls\":[]}}]}"), false, false },
        { "chat",
          SLICE_INIT("{\"choices\":[{\"index\":0,\"delta\":{}},{\"delta\":{\"content\":\"x\"}}]}"),
          false, true },
        { "chat", SLICE_INIT("{\"choices\":null}"), false, false },
        { "chat", SLICE_INIT("[1]"), false, false },
        { "chat", SLICE_INIT("{\"choices\":[7,{\"delta\":9}]}"), false, false },
        { "responses", SLICE_INIT("{\"type\":\"response.created\",\"response\":{}}"), true, false },
        { "responses", SLICE_INIT("{\"type\":\"response.output_text.delta\",\"delta\":\"x\"}"),
          false, true },
        { "messages", SLICE_INIT("{\"type\":\"ping\"}"), true, false },
        { "messages", SLICE_INIT("{\"type\":\"some_new_event\"}"), false, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct answer_facts facts = classify(cases[i].dialect, cases[i].data);

        if (facts.opening != cases[i].opening || facts.content != cases[i].content)
            fail_msg("%.*s", SLICE_ARGS(cases[i].data));
    }
}

static void only_usage_without_choices_is_what_was_added(void **state)
{
    (void)state;
    assert_true(classify("chat", SLICE("{\"choices\":[],\"usage\":{}}")).usage_only);
    assert_false(classify("chat", SLICE("{\"choices\":[],\"usage\":null}")).usage_only);
    assert_false(classify("chat", SLICE("{\"usage\":{}}")).usage_only);
    assert_false(classify("chat", SLICE("{\"choices\":[{}],\"usage\":{}}")).usage_only);
}

static void usage_that_is_no_number_is_not_known(void **state)
{
    struct answer_facts facts =
        classify("chat", SLICE("{\"usage\":{\"prompt_tokens\":\"7\",\"completion_tokens\":-1,"
                               "\"prompt_tokens_details\":[],"
                               "\"completion_tokens_details\":{\"reasoning_tokens\":1e99}}}"));

    (void)state;
    assert_int_equal(facts.usage.known, 0);
    facts = classify("chat", SLICE("{\"usage\":{\"prompt_tokens\":4294967296,"
                                   "\"completion_tokens\":4294967295}}"));
    assert_int_equal(facts.usage.known, ANSWER_USAGE_COMPLETION); /* what nobody has is a lie */
    assert_int_equal(facts.usage.prompt, 0);
}

static void the_later_word_on_usage_wins(void **state)
{
    struct answer_usage usage = { .prompt = 5,
                                  .completion = 1,
                                  .known = ANSWER_USAGE_PROMPT | ANSWER_USAGE_COMPLETION };
    struct answer_usage later = { .completion = 9,
                                  .cached = 4,
                                  .known = ANSWER_USAGE_COMPLETION | ANSWER_USAGE_CACHED };

    (void)state;
    answer_usage_merge(&usage, &later);
    assert_int_equal(usage.prompt, 5);
    assert_int_equal(usage.completion, 9);
    assert_int_equal(usage.cached, 4);
    assert_int_equal(usage.known,
                     ANSWER_USAGE_PROMPT | ANSWER_USAGE_COMPLETION | ANSWER_USAGE_CACHED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_find_their_dialect),
        cmocka_unit_test(paths_are_known_whatever_the_method),
        cmocka_unit_test(the_methods_of_a_path_are_those_it_has_a_route_for),
        cmocka_unit_test(rows_are_whole),
        cmocka_unit_test(every_error_is_json_and_recognised),
        cmocka_unit_test(errors_are_said_in_each_dialects_form),
        cmocka_unit_test(errors_in_streams_are_whole_events_without_a_proper_end),
        cmocka_unit_test(openings_are_told_from_content),
        cmocka_unit_test(only_usage_without_choices_is_what_was_added),
        cmocka_unit_test(usage_that_is_no_number_is_not_known),
        cmocka_unit_test(the_later_word_on_usage_wins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
