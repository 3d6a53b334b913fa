/*
 * What templates are given of a request, shown by templates that print it as JSON; and where a
 * conversation's text stops being known.
 */
#include "gateway/prompt/chat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define FOLDER "tests/engine/tokenizer"

struct rendering {
    const struct reason *reason;
    char *text; /* ours */
    size_t sure;
    bool media;
};

/* The text of `body` by `source`; `format` as the operator would say it. */
static struct rendering render(const char *source, int format, bool exclude_tools, const char *body)
{
    char path[] = "/tmp/sluice-chat-XXXXXX";
    int fd = mkstemp(path);
    struct recipe_settings settings = { .tokenizer = FOLDER,
                                        .chat_template = path,
                                        .chat_template_kwargs = "{\"style\": \"default\"}",
                                        .content_format = format,
                                        .exclude_tools = exclude_tools };
    struct rendering rendering = { 0 };
    struct chat_text text = { { NULL, 0 }, 0, false };
    struct prompt prompt;
    struct chat_call call = { .prompt = &prompt, .limits = { 1 << 20, 1000000, 100 } };
    struct slice param, message;
    struct buf errors, out;
    struct arena arena;
    struct recipe *recipe;

    assert_true(fd >= 0 && write(fd, source, strlen(source)) == (ssize_t)strlen(source));
    close(fd);
    buf_init(&errors, SIZE_MAX);
    buf_init(&out, SIZE_MAX);
    arena_init(&arena, 1 << 20);
    recipe = recipe_load(&settings, &errors);
    unlink(path);
    assert_non_null(recipe);
    assert_null(prompt_parse(dialect_named(SLICE("tokenize")), slice_str(body), slice_of(NULL, 0),
                             false, &arena, &prompt, &param));
    call.recipe = recipe;
    call.arena = &arena;
    rendering.reason = chat_render(&call, &out, &text, &message);
    if (!rendering.reason)
        rendering.text = slice_dup(text.text);
    rendering.sure = text.sure;
    rendering.media = text.media;
    recipe_unref(recipe);
    arena_release(&arena);
    buf_release(&out);
    buf_release(&errors);
    return rendering;
}

#define MESSAGES "{{ messages | tojson }}"

static const struct {
    const char *source;
    int format;
    const char *body, *text;
} cases[] = {
    /* content, in both forms */
    { MESSAGES, RECIPE_FORMAT_STRING,
      "{\"messages\":[{\"content\":\"a\\n\\u00e9\",\"role\":\"user\"}]}",
      "[{\"role\": \"user\", \"content\": \"a\\n\u00e9\"}]" },
    { MESSAGES, RECIPE_FORMAT_OPENAI, "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}",
      "[{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"a\"}]}]" },
    { MESSAGES, RECIPE_FORMAT_STRING,
      "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"a\",\"type\":\"text\",\"x\":1},"
      "\"b\","
      "{\"type\":\"text\",\"text\":null},{\"type\":\"refusal\",\"refusal\":\"c\"}]}]}",
      "[{\"role\": \"user\", \"content\": \"a\\nb\\nc\"}]" },
    { MESSAGES, RECIPE_FORMAT_STRING, "{\"messages\":[{\"role\":\"assistant\",\"content\":null}]}",
      "[{\"role\": \"assistant\", \"content\": \"\"}]" },
    { MESSAGES, RECIPE_FORMAT_OPENAI, "{\"messages\":[{\"role\":\"assistant\"}]}",
      "[{\"role\": \"assistant\", \"content\": []}]" },
    /* a tool's texts are one string whatever the form */
    { MESSAGES, RECIPE_FORMAT_OPENAI,
      "{\"messages\":[{\"role\":\"tool\",\"name\":\"n\",\"tool_call_id\":\"i\",\"content\":[{"
      "\"type\":"
      "\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]}]}",
      "[{\"role\": \"tool\", \"content\": \"a\\nb\", \"tool_call_id\": \"i\", \"name\": \"n\"}]" },
    /* tool calls: arguments parsed, keys as Pydantic has them, unknown ones behind */
    { MESSAGES, RECIPE_FORMAT_STRING,
      "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"index\":0,\"type\":\"function\","
      "\"id\":"
      "\"i\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"b\\\": 1, \\\"a\\\": [2.0]}\"}}]}]}",
      "[{\"role\": \"assistant\", \"content\": \"\", \"tool_calls\": [{\"id\": \"i\", "
      "\"function\": "
      "{\"arguments\": {\"b\": 1, \"a\": [2.0]}, \"name\": \"f\"}, \"type\": \"function\", "
      "\"index\": 0}]}]" },
    { "{{ messages[0].tool_calls | map(attribute='function') | map(attribute='arguments') | list | "
      "tojson }}",
      RECIPE_FORMAT_STRING,
      "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":["
      "{\"function\":{\"name\":\"f\",\"arguments\":\"\"}},"
      "{\"function\":{\"name\":\"f\",\"arguments\":\"{bad\"}},"
      "{\"function\":{\"name\":\"f\",\"arguments\":null}},"
      "{\"function\":{\"name\":\"f\",\"arguments\":{\"x\":1}}}]}]}",
      "[{}, {}, {}, {\"x\": 1}]" },
    { MESSAGES, RECIPE_FORMAT_STRING,
      "{\"messages\":[{\"role\":\"assistant\",\"content\":\"x\",\"tool_calls\":[]}]}",
      "[{\"role\": \"assistant\", \"content\": \"x\"}]" },
    /* reasoning under both names, of either; other members are not shown */
    { MESSAGES, RECIPE_FORMAT_STRING,
      "{\"messages\":[{\"role\":\"assistant\",\"content\":\"x\",\"reasoning_content\":\"r\","
      "\"extra\":1}]}",
      "[{\"role\": \"assistant\", \"content\": \"x\", \"reasoning\": \"r\", \"reasoning_content\": "
      "\"r\"}]" },
    /* tools as their models print them */
    { "{{ tools | tojson }}", RECIPE_FORMAT_STRING,
      "{\"messages\":[],\"tools\":[{\"function\":{\"strict\":true,\"parameters\":{\"z\":1,\"a\":2},"
      "\"name\":\"f\",\"odd\":1},\"cache_control\":{}}]}",
      "[{\"type\": \"function\", \"function\": {\"name\": \"f\", \"description\": null, "
      "\"parameters\": {\"z\": 1, \"a\": 2}, \"strict\": true}}]" },
    { "{{ tools | tojson }}", RECIPE_FORMAT_STRING, "{\"messages\":[]}", "null" },
    { "{{ tools is none }}", RECIPE_FORMAT_STRING,
      "{\"messages\":[],\"tools\":[{\"function\":{\"name\":\"f\"}}],\"tool_choice\":\"none\"}",
      "False" },
    /* arguments: the operator's below the request's, and what the request says apart above both */
    { "{{ style }} {{ eos_token }} {{ add_generation_prompt }} {{ documents }}",
      RECIPE_FORMAT_STRING, "{\"messages\":[]}", "default <|im_end|> True None" },
    { "{{ style }} {{ eos_token }} {{ add_generation_prompt }} {{ documents }}",
      RECIPE_FORMAT_STRING,
      "{\"messages\":[],\"chat_template_kwargs\":{\"style\":\"mine\",\"eos_token\":\"E\","
      "\"documents\":"
      "[1],\"add_generation_prompt\":true},\"add_generation_prompt\":false}",
      "mine E False [1]" },
    { "{{ reasoning_effort }} {{ enable_thinking }}", RECIPE_FORMAT_STRING,
      "{\"messages\":[],\"reasoning_effort\":\"none\"}", "none False" },
    { "{{ reasoning_effort is defined }} {{ enable_thinking }}", RECIPE_FORMAT_STRING,
      "{\"messages\":[],\"chat_template_kwargs\":{\"enable_thinking\":7}}", "False 7" },
    /* the last message goes on; trimmed where the template trims */
    { "{% for m in messages %}<{{ m.content }}>{% endfor %}", RECIPE_FORMAT_STRING,
      "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":"
      "\"b \"}],"
      "\"continue_final_message\":true,\"add_generation_prompt\":false}",
      "<a><b " },
    { "{% for m in messages %}<{{ m.content | trim }}>{% endfor %}", RECIPE_FORMAT_STRING,
      "{\"messages\":[{\"role\":\"assistant\",\"content\":\"b \"}],\"continue_final_message\":true,"
      "\"add_generation_prompt\":false}",
      "<b" },
};

static void templates_are_given_what_vllm_gives_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rendering got = render(cases[i].source, cases[i].format, false, cases[i].body);

        if (got.reason)
            print_message("%s: %s\n", cases[i].body, got.reason->name);
        assert_null(got.reason);
        assert_string_equal(got.text, cases[i].text);
        assert_int_equal(got.sure, strlen(cases[i].text));
        assert_false(got.media);
        free(got.text);
    }
}

static void tools_are_hidden_where_the_operator_says_so(void **state)
{
    struct rendering got = render(
        "{{ tools is none }}", RECIPE_FORMAT_STRING, true,
        "{\"messages\":[],\"tools\":[{\"function\":{\"name\":\"f\"}}],\"tool_choice\":\"none\"}");

    (void)state;
    assert_null(got.reason);
    assert_string_equal(got.text, "True");
    free(got.text);
}

/* A picture ends what is known; the same conversation up to there begins with the same text. */
static void text_is_sure_up_to_the_first_picture(void **state)
{
    static const char body[] = "{\"messages\":[{\"role\":\"system\",\"content\":\"be "
                               "brief\"},{\"role\":\"user\",\"content\":["
                               "{\"type\":\"text\",\"text\":\"before\"},{\"type\":\"image_url\","
                               "\"image_url\":{\"url\":\"u\"}},"
                               "{\"type\":\"text\",\"text\":\"after\"}]}]}";
    static const struct {
        const char *source;
        int format;
        const char *sure;
    } forms[] = {
        { "{% for m in messages %}<{{ m.role }}>{% for p in m.content %}{% if p.type == 'image' "
          "%}[IMG]{% else %}{{ p.text }}{% endif %}{% endfor %}{% endfor %}",
          RECIPE_FORMAT_AUTO, "<system>be brief<user>before" },
        { "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}", RECIPE_FORMAT_AUTO,
          "<system>be brief<user>" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct rendering got = render(forms[i].source, forms[i].format, false, body);

        assert_null(got.reason);
        assert_true(got.media);
        assert_int_equal(got.sure, strlen(forms[i].sure));
        assert_memory_equal(got.text, forms[i].sure, got.sure);
        free(got.text);
    }
}

static void what_no_engine_knows_is_no_conversation(void **state)
{
    static const char *const bodies[] = {
        "{\"messages\":{}}",
        "{\"messages\":[1]}",
        "{\"messages\":[{}]}",
        "{\"messages\":[{\"role\":5}]}",
        "{\"messages\":[{\"role\":\"user\",\"content\":5}]}",
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"hologram\"}]}]}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"\\ud800\"}]}",
        "{\"messages\":[],\"tools\":5}",
        "{\"messages\":[],\"chat_template_kwargs\":[]}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct rendering got = render(MESSAGES, RECIPE_FORMAT_STRING, false, bodies[i]);

        assert_ptr_equal(got.reason, &reason_bad_value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(templates_are_given_what_vllm_gives_them),
        cmocka_unit_test(tools_are_hidden_where_the_operator_says_so),
        cmocka_unit_test(text_is_sure_up_to_the_first_picture),
        cmocka_unit_test(what_no_engine_knows_is_no_conversation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
