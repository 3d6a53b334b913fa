/*
 * Requests read into prompts, and bodies spliced.
 */
#include "gateway/prompt/prompt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static const struct reason *parse_as(const char *dialect, struct slice body, struct slice type,
                                     bool trusted, struct prompt *prompt, struct slice *param)
{
    return prompt_parse(dialect_named(slice_str(dialect)), body, type, trusted, &arena, prompt,
                        param);
}

static const struct reason *parse(struct slice body, struct prompt *prompt)
{
    struct slice param;

    return parse_as("chat", body, SLICE("application/json"), false, prompt, &param);
}

static void a_chat_request_is_read(void **state)
{
    struct slice body = SLICE("{\"model\":\"llama-3.1\\u002d8b\",\"messages\":[{\"role\":\"user\","
                              "\"content\":\"x\"}],\"stream\":true,"
                              "\"stream_options\":{\"include_usage\":true,\"continuous_usage_"
                              "stats\":true},\"max_tokens\":100,"
                              "\"max_completion_tokens\":200,\"n\":2,\"priority\":-5,\"user\":"
                              "\"u\\n1\",\"cache_salt\":\"s\","
                              "\"tools\":[],\"unknown\":{\"model\":\"inner\"}}");
    struct prompt p;

    (void)state;
    assert_null(parse(body, &p));
    assert_true(slice_eq(p.model, SLICE("llama-3.1-8b")));
    assert_true(slice_eq(p.model_raw, SLICE("\"llama-3.1\\u002d8b\"")));
    assert_true(p.stream && p.include_usage && p.continuous_usage);
    assert_false(prompt_wants_usage_added(&p));
    assert_true(p.has_max_tokens);
    assert_int_equal(p.max_tokens, 200);
    assert_int_equal(p.choices, 2);
    assert_true(p.has_priority);
    assert_int_equal(p.priority, -5);
    assert_true(slice_eq(p.user, SLICE("u\n1")));
    assert_true(slice_eq(p.cache_salt, SLICE("s")));
    assert_true(slice_eq(p.messages.raw, SLICE("[{\"role\":\"user\",\"content\":\"x\"}]")));
    assert_int_equal(p.tools.kind, JSON_KIND_ARRAY);
    assert_int_equal(p.prompt.kind, JSON_KIND_NONE);
    assert_int_equal(p.exactness, EXACTNESS_exact);
}

static void nulls_are_as_good_as_nothing(void **state)
{
    struct prompt p;

    (void)state;
    assert_null(
        parse(SLICE("{\"model\":\"m\",\"stream\":null,\"stream_options\":null,\"max_tokens\":null,"
                    "\"n\":null,\"priority\":null,\"user\":null,\"messages\":null,"
                    "\"chat_template\":null,\"kv_transfer_params\":null,\"api_base\":null}"),
              &p));
    assert_false(p.stream || p.has_max_tokens || p.has_priority || p.exactness);
    assert_int_equal(p.choices, 1);
    assert_int_equal(p.user.len, 0);
    assert_int_equal(p.messages.kind, JSON_KIND_NONE);
}

static void values_are_taken_as_the_engines_take_them(void **state)
{
    static const struct {
        struct slice body;
        bool stream;
        uint64_t max_tokens;
    } cases[] = {
        { SLICE_INIT("{\"model\":\"m\",\"stream\":1,\"max_tokens\":\"16\"}"), true, 16 },
        { SLICE_INIT("{\"model\":\"m\",\"stream\":\"True\",\"max_tokens\":16.0}"), true, 16 },
        { SLICE_INIT("{\"model\":\"m\",\"stream\":\"off\",\"max_tokens\":0}"), false, 0 },
        { SLICE_INIT("{\"model\":\"m\",\"stream\":0.0,\"max_tokens\":1e3}"), false, 1000 },
        { SLICE_INIT("{\"model\":\"m\",\"max_tokens\":9007199254740991}"), false,
          9007199254740991 },
        { SLICE_INIT("{\"model\":\"m\",\"n_predict\":-1,\"max_tokens\":7}"), false, 7 },
        { SLICE_INIT("{\"model\":\"m\",\"options\":{\"num_predict\":9}}"), false, 9 },
        { SLICE_INIT("{\"model\":\"m\",\"parameters\":{\"max_new_tokens\":8}}"), false, 8 },
        { SLICE_INIT("{\"model\":\"m\",\"sampling_params\":[{\"max_new_tokens\":8}]}"), false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct prompt p;

        assert_null(parse(cases[i].body, &p));
        if (p.stream != cases[i].stream || p.max_tokens != cases[i].max_tokens)
            fail_msg("%.*s", SLICE_ARGS(cases[i].body));
    }
}

#define BAD(body, why, param)                                                                      \
    {                                                                                              \
        SLICE_INIT(body), &reason_##why, param                                                     \
    }

static void what_is_wrong_is_refused_and_named(void **state)
{
    static const struct {
        struct slice body;
        const struct reason *reason;
        const char *param;
    } cases[] = {
        BAD("", bad_json, ""),
        BAD("nonsense", bad_json, ""),
        BAD("[1]", bad_value, ""),
        BAD("\"model\"", bad_value, ""),
        BAD("{\"model\":\"m\"", bad_json, ""),
        BAD("{\"model\":\"m\"}x", bad_json, ""),
        BAD("{\"model\":\"m\",\"max_tokens\":01}", bad_json, ""),
        BAD("{}", no_model, "model"),
        BAD("{\"model\":null}", no_model, "model"),
        BAD("{\"model\":\"\"}", no_model, "model"),
        BAD("{\"Model\":\"m\"}", no_model, "model"),
        BAD("{\"model\":7}", bad_value, "model"),
        BAD("{\"model\":[\"m\"]}", bad_value, "model"),
        BAD("{\"model\":\"a\\nb\"}", bad_value, "model"),
        BAD("{\"model\":\"a\\u0000b\"}", bad_value, "model"),
        BAD("{\"model\":\"\\ud800\"}", bad_value, "model"),
        BAD("{\"model\":\"\xc3\xa9\"}", bad_value, "model"),
        BAD("{\"model\":\"\xff\"}", bad_json, ""),
        BAD("{\"model\":\"a\\\"b\"}", bad_value, "model"),
        BAD("{\"model\":\"a\\\\b\"}", bad_value, "model"),
        BAD("{\"model\":\" m\"}", bad_value, "model"),
        BAD("{\"model\":\"a\x7f\"}", bad_value, "model"),
        BAD("{\"model\":\"m\",\"model\":\"m\"}", duplicate_key, "model"),
        BAD("{\"model\":\"m\",\"mod\\u0065l\":\"n\"}", duplicate_key, "model"),
        BAD("{\"model\":\"m\",\"MODEL\":\"n\"}", duplicate_key, "model"),
        BAD("{\"Model\":\"m\",\"model\":\"n\"}", duplicate_key, "model"),
        BAD("{\"model\":\"m\",\"stream\":true,\"\xc5\xbftream\":false}", duplicate_key, "stream"),
        BAD("{\"model\":\"m\",\"stream\":true,\"stream\":true}", duplicate_key, "stream"),
        BAD("{\"model\":\"m\",\"max_tokens\":1,\"max_tokens\":2}", duplicate_key, "max_tokens"),
        BAD("{\"model\":\"m\",\"messages\":[],\"messages\":[1]}", duplicate_key, "messages"),
        BAD("{\"model\":\"m\",\"stream_options\":{\"include_usage\":true,\"include_usage\":false}}",
            duplicate_key, "stream_options"),
        BAD("{\"model\":\"m\",\"stream_options\":[]}", bad_value, "stream_options"),
        BAD("{\"model\":\"m\",\"stream_options\":{\"include_usage\":\"maybe\"}}", bad_value,
            "stream_options"),
        BAD("{\"model\":\"m\",\"stream\":\"maybe\"}", bad_value, "stream"),
        BAD("{\"model\":\"m\",\"stream\":2}", bad_value, "stream"),
        BAD("{\"model\":\"m\",\"stream\":{}}", bad_value, "stream"),
        BAD("{\"model\":\"m\",\"max_tokens\":9e99}", bad_value, "max_tokens"),
        BAD("{\"model\":\"m\",\"max_tokens\":-1}", bad_value, "max_tokens"),
        BAD("{\"model\":\"m\",\"max_tokens\":1.5}", bad_value, "max_tokens"),
        BAD("{\"model\":\"m\",\"max_tokens\":\"ten\"}", bad_value, "max_tokens"),
        BAD("{\"model\":\"m\",\"max_tokens\":\"1 2\"}", bad_value, "max_tokens"),
        BAD("{\"model\":\"m\",\"max_tokens\":9007199254740992}", bad_value, "max_tokens"),
        BAD("{\"model\":\"m\",\"max_tokens\":true}", bad_value, "max_tokens"),
        BAD("{\"model\":\"m\",\"n\":-1}", bad_value, "n"),
        BAD("{\"model\":\"m\",\"priority\":\"high\"}", bad_value, "priority"),
        BAD("{\"model\":\"m\",\"options\":{\"num_predict\":-3}}", bad_value, "options"),
        BAD("{\"model\":\"m\",\"api_base\":\"http://169.254.169.254\"}", bad_value, "api_base"),
        BAD("{\"model\":\"m\",\"base_url\":\"x\"}", bad_value, "base_url"),
        BAD("{\"model\":\"m\",\"bootstrap_host\":\"x\"}", bad_value, "bootstrap_host"),
        BAD("{\"model\":\"m\",\"kv_transfer_params\":{\"remote_host\":\"x\"}}", bad_value,
            "kv_transfer_params"),
        BAD("{\"model\":\"m\",\"kv_transfer_params\":{\"r\\u0065mote_port\":1}}", bad_value,
            "kv_transfer_params"),
        BAD("{\"model\":\"m\",\"kv_transfer_params\":{\"a\":[{\"b\":{\"URL\":1}}]}}", bad_value,
            "kv_transfer_params"),
        BAD("{\"model\":\"m\",\"ec_transfer_params\":[{\"peer\":1}]}", bad_value,
            "ec_transfer_params"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct prompt p = { .choices = 77 };
        struct slice param;
        const struct reason *reason =
            parse_as("chat", cases[i].body, SLICE("application/json"), false, &p, &param);

        if (reason != cases[i].reason || !slice_eq(param, slice_str(cases[i].param)) ||
            p.choices != 77)
            fail_msg("%.*s: %s, param %.*s", SLICE_ARGS(cases[i].body),
                     reason ? reason->name : "accepted", SLICE_ARGS(param));
    }
}

static void what_the_engine_would_take_passes(void **state)
{
    static const struct slice cases[] = {
        SLICE_INIT("{\"model\":\"m\",\"seed\":1e400,\"a\":-0,\"b\":1E-400}"),
        SLICE_INIT("{\"model\":\"m\",\"x\":1,\"x\":2}"),
        SLICE_INIT("{\"model\":\"m\",\"metadata\":{\"model\":\"n\",\"stream\":7}}"),
        SLICE_INIT("{\"model\":\"m\",\"user\":\"\\ud800\"}"),
        SLICE_INIT("{\"model\":\"m\",\"user\":12}"),
        SLICE_INIT("{\"model\":\"m\",\"kv_transfer_params\":{\"do_it\":true}}"),
        SLICE_INIT("{\"model\":\"a b/c:d@e+f~g#h\"}"),
        SLICE_INIT(" \n{ \"model\" : \"m\" } \n"),
    };
    struct prompt p;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (parse(cases[i], &p))
            fail_msg("%.*s", SLICE_ARGS(cases[i]));
}

static void a_model_is_as_long_as_allowed_and_no_longer(void **state)
{
    char body[400];
    struct prompt p;

    (void)state;
    for (int len = PROMPT_MODEL_MAX; len <= PROMPT_MODEL_MAX + 1; len++) {
        snprintf(body, sizeof(body), "{\"model\":\"%0*d\"}", len, 7);
        assert_ptr_equal(parse(slice_str(body), &p),
                         len > PROMPT_MODEL_MAX ? &reason_bad_value : NULL);
    }
    assert_int_equal(p.model.len, PROMPT_MODEL_MAX);
}

static void only_labels_of_a_labels_length_are_written_out(void **state)
{
    enum { LENGTHS = 3 };
    static const struct {
        int fill;
        bool written_out;
    } cases[LENGTHS] = { { 4092, true }, { 4093, false }, { 100000, false } };
    static char body[100100];
    struct prompt p;

    (void)state;
    for (int i = 0; i < LENGTHS; i++) {
        size_t used = arena.used_bytes;
        int quoted = 4 + cases[i].fill; /* with the escape */

        snprintf(body, sizeof(body), "{\"user\":\"\\n%0*d\",\"model\":\"m\"}", cases[i].fill, 7);
        assert_null(parse(slice_str(body), &p));
        assert_int_equal(p.user.len, cases[i].written_out ? quoted - 3 : quoted);
        assert_true(arena.used_bytes < used + 8192);
    }
}

static void trusted_peers_may_name_hosts(void **state)
{
    struct prompt p;
    struct slice param;

    (void)state;
    assert_null(parse_as(
        "chat",
        SLICE(
            "{\"model\":\"m\",\"kv_transfer_params\":{\"remote_host\":\"x\"},\"base_url\":\"y\"}"),
        SLICE("application/json"), true, &p, &param));
}

static void a_full_arena_is_a_reason(void **state)
{
    struct arena small;
    struct prompt p;
    struct slice param;

    (void)state;
    arena_init(&small, 8);
    assert_ptr_equal(prompt_parse(dialect_named(SLICE("chat")),
                                  SLICE("{\"model\":\"longer than eight\"}"), SLICE(""), false,
                                  &small, &p, &param),
                     &reason_memory_limit);
    arena_release(&small);
}

static void what_makes_tokens_unknowable_is_marked(void **state)
{
    static const struct {
        struct slice body;
        enum exactness exactness;
    } cases[] = {
        { SLICE_INIT("{\"model\":\"m\",\"prompt_embeds\":\"AAAA\"}"), EXACTNESS_prompt_embeds },
        { SLICE_INIT("{\"model\":\"m\",\"truncate_prompt_tokens\":5}"), EXACTNESS_truncated },
        { SLICE_INIT("{\"model\":\"m\",\"chat_template\":\"{{x}}\"}"), EXACTNESS_own_template },
        { SLICE_INIT("{\"model\":\"m\",\"prompt_embeds\":null,\"chat_template\":null}"),
          EXACTNESS_exact },
    };
    struct prompt p;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_null(parse(cases[i].body, &p));
        assert_int_equal(p.exactness, cases[i].exactness);
    }
}

static void what_shapes_a_chat_is_read_and_never_refused(void **state)
{
    static const struct {
        struct slice body;
        int add, go_on, special;
    } cases[] = {
        { SLICE_INIT("{\"model\":\"m\"}"), PROMPT_UNSAID, PROMPT_UNSAID, PROMPT_UNSAID },
        { SLICE_INIT("{\"model\":\"m\",\"add_generation_prompt\":false,"
                     "\"continue_final_message\":true,\"add_special_tokens\":\"yes\"}"),
          PROMPT_OFF, PROMPT_ON, PROMPT_ON },
        { SLICE_INIT("{\"model\":\"m\",\"add_generation_prompt\":\"perhaps\","
                     "\"continue_final_message\":null,\"add_special_tokens\":[]}"),
          PROMPT_UNSAID, PROMPT_UNSAID, PROMPT_UNSAID },
    };
    struct prompt p;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_null(parse(cases[i].body, &p));
        assert_int_equal(p.add_generation_prompt, cases[i].add);
        assert_int_equal(p.continue_final_message, cases[i].go_on);
        assert_int_equal(p.add_special_tokens, cases[i].special);
    }
}

static void media_types_are_told_apart(void **state)
{
    static const struct {
        const char *dialect, *type;
        const struct reason *reason;
    } cases[] = {
        { "chat", "", NULL },
        { "chat", "application/json", NULL },
        { "chat", "Application/JSON ; Charset=\"UTF-8\"", NULL },
        { "chat", "application/vnd.x+json", NULL },
        { "chat", "application/json; charset=utf-16", &reason_bad_media },
        { "chat", "application/json; charset=utf-8; charset=utf-16", &reason_bad_media },
        { "chat", "application/json; charset", &reason_bad_media },
        { "chat", "text/plain", &reason_bad_media },
        { "chat", "application/x-www-form-urlencoded", &reason_bad_media },
        { "chat", "multipart/form-data; boundary=x", &reason_bad_media },
        { "ollama", "application/x-www-form-urlencoded", NULL },
        { "other", "application/json", NULL },
        { "other", "multipart/form-data; boundary=x", &reason_bad_multipart },
        { "audio", "application/json", &reason_bad_media },
        { "models", "text/plain", NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct prompt p;
        struct slice param;
        const struct reason *reason = parse_as(cases[i].dialect, SLICE("{\"model\":\"m\"}"),
                                               slice_str(cases[i].type), false, &p, &param);

        if (reason != cases[i].reason)
            fail_msg("%s, %s: %s", cases[i].dialect, cases[i].type,
                     reason ? reason->name : "accepted");
    }
}

static void ollama_streams_unless_told_otherwise(void **state)
{
    struct prompt p;
    struct slice param;

    (void)state;
    assert_null(parse_as("ollama", SLICE("{\"model\":\"m\"}"), SLICE(""), false, &p, &param));
    assert_true(p.stream);
    assert_false(prompt_wants_usage_added(&p));
    assert_null(parse_as("ollama", SLICE("{\"model\":\"m\",\"stream\":false}"), SLICE(""), false,
                         &p, &param));
    assert_false(p.stream);
    assert_null(parse_as("embeddings", SLICE("{\"model\":\"m\",\"stream\":true}"), SLICE(""), false,
                         &p, &param));
    assert_false(p.stream);
}

static void native_calls_need_no_model(void **state)
{
    struct prompt p;
    struct slice param;

    (void)state;
    assert_null(parse_as("generate", SLICE("{\"inputs\":\"x\"}"), SLICE(""), false, &p, &param));
    assert_int_equal(p.model.len, 0);
    assert_true(slice_eq(p.input.raw, SLICE("\"x\"")));
}

static void forms_are_read_for_their_model(void **state)
{
    struct slice form = SLICE(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"model\"\r\n\r\nRIFF\r\n"
        "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper\r\n"
        "--b\r\nContent-Disposition: form-data; name=\"stream\"\r\n\r\ntrue\r\n--b--\r\n");
    struct prompt p;
    struct slice param;
    struct buf body, out;

    (void)state;
    assert_null(
        parse_as("audio", form, SLICE("multipart/form-data; boundary=b"), false, &p, &param));
    assert_true(slice_eq(p.model, SLICE("whisper")));
    assert_true(p.stream && p.form);
    buf_init(&body, SIZE_MAX);
    buf_init(&out, SIZE_MAX);
    buf_add(&body, form);
    prompt_splice(&p, &body, SLICE("large-v3"), false, &out);
    assert_int_equal(out.len, form.len + 1);
    assert_non_null(memmem(buf_join(&out).at, out.len, "\r\n\r\nlarge-v3\r\n--b", 17));
    buf_release(&body);
    buf_release(&out);
}

static void forms_with_a_doubtful_model_are_refused(void **state)
{
    static const struct {
        struct slice form;
        const struct reason *reason;
    } cases[] = {
#define PART(head, value) "--b\r\nContent-Disposition: form-data; " head "\r\n\r\n" value "\r\n"
        { SLICE_INIT(PART("name=model", "a") "--b--"), NULL },
        { SLICE_INIT(PART("name=\"model\"", "a") PART("name=\"model\"", "b") "--b--"),
          &reason_duplicate_key },
        { SLICE_INIT(PART("name=\"model\"", "a") PART("name=\"MODEL\"", "b") "--b--"),
          &reason_duplicate_key },
        { SLICE_INIT(PART("name=\"model\"; filename=\"x\"", "a") "--b--"), &reason_bad_value },
        { SLICE_INIT(PART("name=\"model\"", "a\nb") "--b--"), &reason_bad_value },
        { SLICE_INIT(PART("name=\"x\"", "a") "--b--"), &reason_no_model },
        { SLICE_INIT(PART("name=\"model\"", "a")), &reason_bad_multipart },
        { SLICE_INIT(PART("name=\"model\"; name=\"x\"", "a") "--b--"), &reason_bad_multipart },
#undef PART
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct prompt p;
        struct slice param;

        if (parse_as("audio", cases[i].form, SLICE("multipart/form-data; boundary=\"b\""), false,
                     &p, &param) != cases[i].reason)
            fail_msg("%.*s", SLICE_ARGS(cases[i].form));
    }
}

/* The body lies in the buf in pieces, as it does after a slow client. */
static void splices_change_what_they_should_and_no_byte_beside(void **state)
{
    static const struct {
        const char *body, *model;
        bool usage;
        const char *spliced;
    } cases[] = {
        { "{\"model\":\"m\",\"x\":1.0e5}", "", false, "{\"model\":\"m\",\"x\":1.0e5}" },
        { "{\"model\":\"m\",\"x\":1.0e5}", "other/m", false,
          "{\"model\":\"other/m\",\"x\":1.0e5}" },
        { " { \"model\" : \"m\" } ", "q", false, " { \"model\" : \"q\" } " },
        { "{\"model\":\"m\",\"stream\":true}", "", true,
          "{\"stream_options\":{\"include_usage\":true},\"model\":\"m\",\"stream\":true}" },
        { "{\"model\":\"m\",\"stream\":true}", "q", true,
          "{\"stream_options\":{\"include_usage\":true},\"model\":\"q\",\"stream\":true}" },
        { "{\"model\":\"m\",\"stream\":true,\"stream_options\":null}", "q", true,
          "{\"model\":\"q\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}" },
        { "{\"stream_options\":{},\"model\":\"m\",\"stream\":true}", "q", true,
          "{\"stream_options\":{\"include_usage\":true},\"model\":\"q\",\"stream\":true}" },
        { "{\"model\":\"m\",\"stream\":true,\"stream_options\":{ \"a\":1}}", "", true,
          "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true, "
          "\"a\":1}}" },
        { "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"a\":1,\"include_usage\":false}}",
          "", true,
          "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"a\":1,\"include_usage\":true}}" },
        { "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":null}}", "", true,
          "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct slice text = slice_str(cases[i].body);
        struct prompt p;
        struct buf body, out;

        assert_null(parse(text, &p));
        buf_init(&body, SIZE_MAX);
        buf_init(&out, SIZE_MAX);
        for (size_t at = 0; at < text.len; at += 3) {
            struct buf piece;

            buf_init(&piece, SIZE_MAX);
            buf_add(&piece, slice_head(slice_skip(text, at), 3));
            buf_share(&body, &piece);
            buf_release(&piece);
        }
        assert_true(prompt_wants_usage_added(&p) || !cases[i].usage);
        prompt_splice(&p, &body, slice_str(cases[i].model), cases[i].usage, &out);
        if (!slice_eq(buf_join(&out), slice_str(cases[i].spliced)))
            fail_msg("%s gives %.*s", cases[i].body, SLICE_ARGS(buf_join(&out)));
        assert_null(json_check(buf_join(&out), NULL));
        buf_release(&body);
        buf_release(&out);
    }
}

static void a_body_without_a_model_is_spliced_without_one(void **state)
{
    struct slice text = SLICE("{\"inputs\":\"x\"}");
    struct prompt p;
    struct slice param;
    struct buf body, out;

    (void)state;
    assert_null(parse_as("generate", text, SLICE(""), false, &p, &param));
    buf_init(&body, SIZE_MAX);
    buf_init(&out, SIZE_MAX);
    buf_add(&body, text);
    prompt_splice(&p, &body, SLICE("m"), false, &out);
    assert_true(slice_eq(buf_join(&out), text));
    buf_release(&body);
    buf_release(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_chat_request_is_read),
        TEST(nulls_are_as_good_as_nothing),
        TEST(values_are_taken_as_the_engines_take_them),
        TEST(what_is_wrong_is_refused_and_named),
        TEST(what_the_engine_would_take_passes),
        TEST(a_model_is_as_long_as_allowed_and_no_longer),
        TEST(only_labels_of_a_labels_length_are_written_out),
        TEST(trusted_peers_may_name_hosts),
        TEST(a_full_arena_is_a_reason),
        TEST(what_makes_tokens_unknowable_is_marked),
        TEST(what_shapes_a_chat_is_read_and_never_refused),
        TEST(media_types_are_told_apart),
        TEST(ollama_streams_unless_told_otherwise),
        TEST(native_calls_need_no_model),
        TEST(forms_are_read_for_their_model),
        TEST(forms_with_a_doubtful_model_are_refused),
        TEST(splices_change_what_they_should_and_no_byte_beside),
        TEST(a_body_without_a_model_is_spliced_without_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
