/*
 * Compiling, counting, and the run as a whole.
 */
#include "gateway/prompt/template.h"

#include "gateway/prompt/template_eval.h"
#include "gateway/prompt/template_lex.h"
#include "gateway/prompt/template_parse.h"
#include "gateway/prompt/template_parts.h"
#include "gateway/prompt/template_scope.h"

#include <stdlib.h>

/* A compiled template's memory: 128 bytes a byte of the largest source. The largest known ones, 17
 * KB, take 0.4 MB; only sources that are nothing but short tokens meet it. */
#define COMPILED_MAX ((size_t)64 << 20)

static bool compile(struct template *template, struct slice source, struct buf *errors)
{
    const struct token *tokens;

    if (source.len > TEMPLATE_SOURCE_MAX) {
        buf_printf(errors, "line 1: the template is larger than %u bytes\n", TEMPLATE_SOURCE_MAX);
        return false;
    }
    tokens = template_lex(source, &template->arena, errors);
    template->root = tokens ? template_parse(tokens, &template->arena, errors) : NULL;
    if (!template->root)
        return false;
    template->takes_parts = parts_taken(template->root);
    return template_scope(template, errors);
}

struct template *template_compile(struct slice source, struct buf *errors)
{
    return template_compile_within(source, COMPILED_MAX, errors);
}

struct template *template_compile_within(struct slice source, size_t limit_bytes,
                                         struct buf *errors)
{
    struct template *template = xcalloc(1, sizeof(*template));

    atomic_init(&template->refs, 1);
    arena_init(&template->arena, limit_bytes);
    if (compile(template, source, errors))
        return template;
    template_unref(template);
    return NULL;
}

struct template *template_ref(struct template *template)
{
    atomic_fetch_add_explicit(&template->refs, 1, memory_order_relaxed);
    return template;
}

void template_unref(struct template *template)
{
    if (!template || atomic_fetch_sub_explicit(&template->refs, 1, memory_order_acq_rel) != 1)
        return;
    arena_release(&template->arena);
    free(template);
}

bool template_takes_parts(const struct template *template)
{
    return template->takes_parts;
}

const struct reason *template_render(const struct template *template,
                                     const struct template_call *call, struct buf *out,
                                     struct slice *ret_message)
{
    struct run run = {
        .arena = call->arena,
        .call = call,
        .out = out,
        .out_start = out->len,
        .top.to_buf = true,
        .steps_left = call->limits.steps,
        .depth_left = call->limits.depth,
        .line = 1,
    };
    struct frame *frame;

    run.sink = &run.top;
    buf_reserve(out, 1);
    frame = frame_new(&run, NULL, &template->function);
    run.resolved = run_zalloc(&run, template->resolved * sizeof(*run.resolved));
    if (frame && run.resolved) {
        scope_enter(&run, frame, &template->scope);
        exec(&run, frame, template->root);
    }
    if (run.top.at > run.top.begin)
        buf_commit(out, (size_t)(run.top.at - run.top.begin));
    if (run.reason)
        *ret_message = run.message;
    return run.reason;
}
