/*
 * From a request to a template's context, and from there to text.
 *
 * A conversation with a part that is no text is rendered twice: as it is, and with a mark where the
 * first such part stands. What both texts begin with is what the engine's prompt begins with,
 * whatever the template makes of the part.
 */
#include "gateway/prompt/chat.h"

#include "gateway/prompt/chat_build.h"

/* ---- the context ---- */

/* chat_template_kwargs. Sets whether enable_thinking is among them. */
static void put_kwargs(struct build *build, struct value *context, bool *ret_thinking)
{
    struct json_value kwargs = build->call->prompt->chat_template_kwargs, key, value;
    struct json_reader r;

    *ret_thinking = false;
    if (kwargs.kind <= JSON_KIND_NULL)
        return;
    json_open_checked(&r, kwargs);
    if (!json_enter_object(&r)) {
        build_fail(build, &reason_bad_value);
        return;
    }
    while (!build->reason && json_next(&r, &key)) {
        json_take(&r, &value);
        *ret_thinking |= json_text_is(key, SLICE("enable_thinking"));
        build_put(build, context, build_text_of(build, key), build_any(build, value));
    }
}

/* reasoning_effort also turns thinking on or off where nobody else has (vLLM's request model). */
static void put_effort(struct build *build, struct value *context, bool thinking_said)
{
    struct json_value effort = build->call->prompt->reasoning_effort;

    if (effort.kind <= JSON_KIND_NULL)
        return;
    build_put(build, context, SLICE("reasoning_effort"), build_any(build, effort));
    if (!thinking_said)
        build_put(build, context, SLICE("enable_thinking"),
                  value_bool(!json_text_is(effort, SLICE("none"))));
}

static struct value *context_value(struct build *build)
{
    const struct prompt *prompt = build->call->prompt;
    const struct recipe *recipe = build->call->recipe;
    struct value *context = build_dict(build);
    bool thinking_said;

    build_put(build, context, SLICE("documents"), value_none());
    for (size_t i = 0; i < recipe->pair_count; i++)
        build_put(build, context, recipe->pairs[i].key, recipe->pairs[i].value);
    put_kwargs(build, context, &thinking_said);
    put_effort(build, context, thinking_said);
    if (prompt->documents.kind > JSON_KIND_NULL)
        build_put(build, context, SLICE("documents"), build_any(build, prompt->documents));
    build_put(build, context, SLICE("add_generation_prompt"),
              value_bool(prompt->add_generation_prompt != PROMPT_OFF));
    build_put(build, context, SLICE("tools"), chat_tools(build));
    build_put(build, context, SLICE("messages"), chat_messages(build));
    return build->reason ? NULL : context;
}

/* ---- rendering ---- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* What stands before the tag; without trailing white space where the template has trimmed the
 * message. False: the template has dropped it, which transformers refuses. */
static bool cut_at_tag(struct slice *text)
{
    struct slice tag = SLICE(CONTINUE_TAG);

    for (size_t at = text->len; at-- > 0;) {
        if (!slice_starts(slice_skip(*text, at), tag))
            continue;
        if (!slice_starts(slice_skip(*text, at + tag.len), SLICE(" ")))
            while (at > 0 && is_space(text->at[at - 1]))
                at--;
        *text = slice_head(*text, at);
        return true;
    }
    return false;
}

/* One rendering, with or without the mark. */
static const struct reason *render(struct build *build, const struct template *template,
                                   struct buf *out, struct slice *ret_text,
                                   struct slice *ret_message)
{
    const struct chat_call *call = build->call;
    struct template_call run = { .arena = call->arena, .now = call->now, .limits = call->limits };
    const struct reason *reason;

    build->media_seen = false;
    /* Texts without their escapes, and less than that for values. */
    arena_expect(call->arena, 2 * call->prompt->body.len);
    run.context = context_value(build);
    if (build->reason)
        return build->reason;
    /* In one run, most of the time: marks around messages are more than their JSON was. */
    buf_reserve(out, call->prompt->body.len + call->prompt->body.len / 8 + 1024);
    reason = template_render(template, &run, out, ret_message);
    if (reason)
        return reason;
    *ret_text = buf_join(out);
    return !build->continues || cut_at_tag(ret_text) ? NULL : &reason_bad_value;
}

static size_t common_bytes(struct slice a, struct slice b)
{
    size_t n = 0;

    while (n < a.len && n < b.len && a.at[n] == b.at[n])
        n++;
    return n;
}

/* How much of `text`, rendered with a part that is no text, stands before that part. */
static const struct reason *find_media(struct build *build, const struct template *template,
                                       struct slice text, size_t *ret_sure)
{
    struct slice marked = { NULL, 0 }, message;
    const struct reason *reason;
    struct buf out;

    buf_init(&out, SIZE_MAX);
    build->marked = true;
    reason = render(build, template, &out, &marked, &message);
    *ret_sure = reason ? 0 : common_bytes(text, marked);
    buf_release(&out);
    return reason == &reason_memory_limit ? reason : NULL;
}

const struct reason *chat_render(const struct chat_call *call, struct buf *out,
                                 struct chat_text *ret_text, struct slice *ret_message)
{
    const struct recipe_template *chosen = recipe_template(call->recipe, chat_shows_tools(call));
    struct build build = { .call = call, .arena = call->arena };
    struct chat_text text = { .media = false };
    const struct reason *reason;

    *ret_message = slice_of(NULL, 0);
    if (!chosen) {
        *ret_message = slice_str(exactness_rows[EXACTNESS_no_template].words);
        return &reason_template_failed;
    }
    build.takes_parts = chosen->takes_parts;
    build.continues = call->prompt->continue_final_message == PROMPT_ON;
    reason = render(&build, chosen->template, out, &text.text, ret_message);
    text.sure = text.text.len;
    text.media = build.media_seen;
    if (!reason && text.media)
        reason = find_media(&build, chosen->template, text.text, &text.sure);
    if (!reason)
        *ret_text = text;
    return reason;
}
