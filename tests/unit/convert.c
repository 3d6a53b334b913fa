/*
 * Requests of other APIs as the chat that vLLM makes of them: the messages and tools of each, as
 * they are written for the renderer.
 */
#include "gateway/prompt/convert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct converted {
    const struct reason *reason;
    struct prompt chat; /* without slices */
    char *messages, *tools;
};

static struct converted convert(const char *dialect, const char *body)
{
    struct converted got = { 0 };
    struct prompt prompt;
    struct slice param;
    struct arena arena;
    struct buf out;

    arena_init(&arena, 1 << 20);
    buf_init(&out, SIZE_MAX);
    assert_null(prompt_parse(dialect_named(slice_str(dialect)), slice_str(body), slice_of(NULL, 0),
                             false, &arena, &prompt, &param));
    got.reason = prompt.dialect->to_chat(&prompt, &out, &got.chat);
    if (!got.reason) {
        assert_null(json_check(got.chat.messages.raw, NULL));
        got.messages = slice_dup(got.chat.messages.raw);
        got.tools = slice_dup(got.chat.tools.raw);
        if (got.chat.tools.kind != JSON_KIND_NONE)
            assert_null(json_check(got.chat.tools.raw, NULL));
    }
    buf_release(&out);
    arena_release(&arena);
    return got;
}

/* tools NULL: the template is shown none. */
static const struct {
    const char *dialect, *rest, *messages, *tools;
} cases[] = {
    /* input and instructions */
    { "responses", "'input':'hi'", "[{'role':'user','content':'hi'}]", NULL },
    { "responses", "'input':'hi','instructions':'be\\nbrief','tools':[]",
      "[{'role':'system','content':'be\\nbrief'},{'role':'user','content':'hi'}]", NULL },
    { "responses", "'input':'hi','instructions':''", "[{'role':'user','content':'hi'}]", NULL },
    { "responses",
      "'input':[{'role':'developer','content':'d'},{'type':'message','role':'user','content':["
      "{'type':'input_text','text':'a'},{'type':'input_image','image_url':'u'}]}]",
      "[{'role':'developer','content':'d'},{'role':'user','content':["
      "{'type':'input_text','text':'a'},{'type':'input_image','image_url':'u'}]}]",
      NULL },
    /* an assistant's items become one message, in any order, until one says something again */
    { "responses",
      "'input':[{'type':'reasoning','summary':[],'content':[{'type':'reasoning_text','text':'r'}]},"
      "{'type':'message','role':'assistant','content':[{'type':'output_text','text':'x'},"
      "{'type':'output_text','text':'y'}]},"
      "{'type':'function_call','call_id':'c','name':'f','arguments':'{}'},"
      "{'type':'function_call','call_id':'d','name':'g','namespace':'n','arguments':''},"
      "{'type':'function_call_output','call_id':'c','output':'out'},"
      "{'role':'assistant','content':'p'},{'role':'assistant','content':'q'}]",
      "[{'role':'assistant','content':'x','reasoning':'r','tool_calls':["
      "{'id':'c','function':{'name':'f','arguments':'{}'},'type':'function'},"
      "{'id':'d','function':{'name':'n__g','arguments':''},'type':'function'}]},"
      "{'role':'tool','content':'out','tool_call_id':'c'},"
      "{'role':'assistant','content':'p'},{'role':'assistant','content':'q'}]",
      NULL },
    { "responses",
      "'input':[{'type':'function_call','call_id':'c','name':'f','arguments':'{}'},"
      "{'type':'reasoning','summary':[{'type':'summary_text','text':'s'}]},"
      "{'type':'reasoning','summary':[]},{'role':'assistant','content':[]}]",
      "[{'role':'assistant','reasoning':'s','tool_calls':["
      "{'id':'c','function':{'name':'f','arguments':'{}'},'type':'function'}]},"
      "{'role':'assistant','content':'','reasoning':''}]",
      NULL },
    { "responses",
      "'input':[{'type':'function_call_output','call_id':'c','output':["
      "{'type':'input_text','text':'o'}]}]",
      "[{'role':'tool','content':[{'type':'input_text','text':'o'}],'tool_call_id':'c'}]", NULL },
    /* functions, those of namespaces too; what the engine runs itself is not shown */
    { "responses",
      "'input':'hi','tools':[{'type':'function','strict':true,'name':'f','parameters':{'a':1}},"
      "{'type':'web_search'},{'type':'namespace','name':'n','description':'x','tools':["
      "{'type':'function','name':'g','description':'d'},{'type':'custom','name':'h'}]}]",
      "[{'role':'user','content':'hi'}]",
      "[{'type':'function','function':{'name':'f','parameters':{'a':1},'strict':true}},"
      "{'type':'function','function':{'name':'n__g','description':'d'}}]" },
    { "responses", "'input':'hi','tools':[{'type':'web_search'}]",
      "[{'role':'user','content':'hi'}]", "[]" },

    /* system in all its places, without the header that changes with each request */
    { "messages", "'system':'be brief','messages':[{'role':'user','content':'hi'}]",
      "[{'role':'system','content':'be brief'},{'role':'user','content':'hi'}]", NULL },
    { "messages",
      "'system':[{'type':'text','text':'x-anthropic-billing-header: 1'},{'type':'text','text':'a',"
      "'cache_control':{}},{'type':'text','text':''},{'type':'text','text':'\\n'}],'messages':["
      "{'role':'ctx','content':'hi'},{'role':'system','content':[{'type':'text','text':'b'}]}]",
      "[{'role':'system','content':'a\\nb'},{'role':'user','content':'hi'}]", NULL },
    { "messages", "'system':'','messages':[]", "[]", NULL },
    /* blocks */
    { "messages",
      "'messages':[{'role':'user','content':[{'type':'text','text':'a'},{'type':'text','text':''},"
      "{'type':'image','source':{'type':'url','url':'u'}}]},"
      "{'role':'assistant','content':[{'type':'thinking','thinking':'t','signature':'s'},"
      "{'type':'thinking','thinking':'u'},{'type':'redacted_thinking','data':'x'},"
      "{'type':'text','text':'b'},{'type':'tool_use','id':'i','name':'f','input':{'z':[1.0]}},"
      "{'type':'tool_use','id':'j','name':'g','input':null}]}]",
      "[{'role':'user','content':[{'type':'text','text':'a'},{'type':'image_url'}]},"
      "{'role':'assistant','reasoning':'tu','tool_calls':["
      "{'type':'function','id':'i','function':{'name':'f','arguments':{'z':[1.0]}}},"
      "{'type':'function','id':'j','function':{'name':'g','arguments':{}}}],"
      "'content':[{'type':'text','text':'b'}]}]",
      NULL },
    /* results come before what else the user says, which may be nothing */
    { "messages",
      "'messages':[{'role':'user','content':[{'type':'text','text':'after'},"
      "{'type':'tool_result','tool_use_id':'i','content':[{'type':'text','text':'a'},"
      "{'type':'text','text':'b'},{'type':'image','source':{}},{'type':'image','source':{}},"
      "{'type':'tool_reference','tool_name':'f'}]}]},"
      "{'role':'user','content':[{'type':'tool_result','tool_use_id':'j','content':'plain'},"
      "{'type':'tool_result','tool_use_id':'k','is_error':true}]},"
      "{'role':'assistant','content':[]}]",
      "[{'role':'tool','tool_call_id':'i','content':'a\\nb'},"
      "{'role':'user','content':[{'type':'image_url'},{'type':'image_url'}]},"
      "{'role':'tool','tool_call_id':'i','content':[{'type':'tool_reference','name':'f'}]},"
      "{'role':'user','content':[{'type':'text','text':'after'}]},"
      "{'role':'tool','tool_call_id':'j','content':'plain'},"
      "{'role':'tool','tool_call_id':'k','content':''},{'role':'assistant'}]",
      NULL },
    /* tools: a schema without a type is an object's */
    { "messages",
      "'messages':[],'tools':[{'name':'f','input_schema':{},'strict':true},"
      "{'name':'g','description':'d','input_schema':{'properties':{}}},"
      "{'name':'h','input_schema':{'type':'object'}}]",
      "[]",
      "[{'type':'function','function':{'parameters':{'type':'object'},'name':'f'}},"
      "{'type':'function','function':{'parameters':{'properties':{},'type':'object'},"
      "'name':'g','description':'d'}},"
      "{'type':'function','function':{'parameters':{'type':'object'},'name':'h'}}]" },
    { "messages", "'messages':[],'tools':[]", "[]", "[]" },
};

/* The tables say ' for ": bodies stay readable. */
static char *quoted(const char *before, const char *text, const char *after)
{
    char *all = NULL;

    assert_true(asprintf(&all, "%s%s%s", before, text, after) >= 0);
    for (char *at = all; *at; at++)
        if (*at == '\'')
            *at = '"';
    return all;
}

static void requests_become_the_chats_that_vllm_makes_of_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *body = quoted("{'model':'m',", cases[i].rest, "}");
        char *messages = quoted("", cases[i].messages, "");
        char *tools = quoted("", cases[i].tools ? cases[i].tools : "", "");
        struct converted got = convert(cases[i].dialect, body);

        if (got.reason)
            fail_msg("%s: %s", body, got.reason->name);
        assert_string_equal(got.messages, messages);
        assert_string_equal(got.tools, tools);
        assert_int_equal(got.chat.tools.kind != JSON_KIND_NONE, cases[i].tools != NULL);
        assert_int_equal(got.chat.exactness, EXACTNESS_exact);
        free(got.messages);
        free(got.tools);
        free(body);
        free(messages);
        free(tools);
    }
}

static void what_vllm_would_refuse_is_no_chat(void **state)
{
    static const struct {
        const char *dialect, *rest;
    } bad[] = {
        { "responses", "'input':5" },
        { "responses", "'x':1" },
        { "responses", "'input':[5]" },
        { "responses", "'input':[{'type':'item_reference','id':'i'}]" },
        { "responses", "'input':[{'type':'function_call','name':'f'}]" },
        { "responses", "'input':[{'type':'function_call_output','output':'x'}]" },
        { "responses",
          "'input':[{'role':'assistant','content':[{'type':'refusal','refusal':'r'}]}]" },
        { "responses", "'input':'hi','prompt':{'id':'p'}" },
        { "responses", "'input':'hi','tools':[{'type':'function'}]" },
        { "responses", "'input':'hi','tools':{'type':'function'}" },
        { "messages", "'x':1" },
        { "messages", "'messages':[{'role':'tool','content':'x'}]" },
        { "messages", "'messages':[{'role':'user'}]" },
        { "messages", "'messages':[{'role':'user','content':[{'type':'document'}]}]" },
        { "messages", "'messages':[{'role':'user','content':['x']}]" },
        { "messages",
          "'messages':[{'role':'assistant','content':[{'type':'tool_use','name':'f'}]}]" },
        { "messages", "'messages':[{'role':'assistant','content':[{'type':'tool_result'}]}]" },
        { "messages", "'messages':[],'system':5" },
        { "messages", "'messages':[],'tools':[{'type':'web_search_20250305','name':'w'}]" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char *body = quoted("{'model':'m',", bad[i].rest, "}");
        struct converted got = convert(bad[i].dialect, body);

        if (got.reason != &reason_bad_value)
            fail_msg("%s became %s", body, got.messages);
        free(body);
    }
}

/* What stands beside messages and tools. */
static void responses_are_framed_as_vllm_frames_them(void **state)
{
    static const struct {
        const char *rest;
        enum exactness exactness;
        enum prompt_switch continues;
    } rows[] = {
        { "'input':'hi'", EXACTNESS_exact, PROMPT_OFF },
        { "'input':'hi','truncation':'disabled','previous_response_id':null", EXACTNESS_exact,
          PROMPT_OFF },
        { "'input':'hi','truncation':'auto'", EXACTNESS_truncated, PROMPT_OFF },
        { "'input':'hi','previous_response_id':'resp_1'", EXACTNESS_remembered, PROMPT_OFF },
        { "'input':[{'role':'assistant','content':'It','status':'incomplete'}]", EXACTNESS_exact,
          PROMPT_ON },
        { "'input':[{'role':'assistant','content':'It','status':'incomplete'},"
          "{'role':'user','content':'x'}]",
          EXACTNESS_exact, PROMPT_OFF },
        { "'input':[{'type':'function_call','call_id':'c','name':'f','arguments':'',"
          "'status':'incomplete'}]",
          EXACTNESS_exact, PROMPT_OFF },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *body = quoted("{'model':'m','documents':[1],", rows[i].rest, "}");
        struct converted got = convert("responses", body);

        assert_null(got.reason);
        assert_int_equal(got.chat.exactness, rows[i].exactness);
        assert_int_equal(got.chat.continue_final_message, rows[i].continues);
        assert_int_equal(got.chat.add_generation_prompt, !rows[i].continues);
        assert_int_equal(got.chat.add_special_tokens, PROMPT_ON);
        assert_int_equal(got.chat.documents.kind, JSON_KIND_NONE);
        assert_true(got.chat.plain_calls);
        free(got.messages);
        free(got.tools);
        free(body);
    }
}

static void efforts_and_choices_are_where_each_api_has_them(void **state)
{
    char *asked = quoted("{'model':'m','input':'hi','reasoning':", "{'effort':'low'}", "}");
    char *said = quoted("{'model':'m','messages':[],'reasoning_effort':'high','output_config':",
                        "{'effort':'max'},'tool_choice':{'type':'none'}", "}");
    struct converted responses = convert("responses", asked), messages = convert("messages", said);

    (void)state;
    assert_true(json_text_is(responses.chat.reasoning_effort, SLICE("low")));
    assert_true(json_text_is(messages.chat.reasoning_effort, SLICE("max")));
    assert_true(json_text_is(messages.chat.tool_choice, SLICE("none")));
    assert_int_equal(messages.chat.add_special_tokens, PROMPT_UNSAID);
    assert_false(messages.chat.plain_calls);
    free(responses.messages);
    free(responses.tools);
    free(messages.messages);
    free(messages.tools);
    free(asked);
    free(said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_become_the_chats_that_vllm_makes_of_them),
        cmocka_unit_test(what_vllm_would_refuse_is_no_chat),
        cmocka_unit_test(responses_are_framed_as_vllm_frames_them),
        cmocka_unit_test(efforts_and_choices_are_where_each_api_has_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
