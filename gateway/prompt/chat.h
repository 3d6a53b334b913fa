/*
 * A chat request as the text that the engine makes of it: messages brought into the form that vLLM
 * gives its templates, then rendered.
 *
 * The form is that of vLLM (entrypoints/chat_utils.py, renderers/hf.py and the request's Pydantic
 * models): content as a string or as a list of parts, whichever the template takes; tool calls'
 * arguments parsed; tools as their models print them, keys in the models' order and an absent
 * description as null.
 *
 * Pure; any thread.
 */
#ifndef SLUICE_PROMPT_CHAT_H
#define SLUICE_PROMPT_CHAT_H

#include "gateway/prompt/prompt.h"
#include "gateway/prompt/recipe.h"

struct chat_call {
    const struct recipe *recipe;
    const struct prompt *prompt; /* with `messages` */
    struct arena *arena;         /* scratch; its limit bounds what a request may cost */
    struct tm now;
    struct template_limits limits;
};

struct chat_text {
    struct slice text; /* in the arena of the call or in the buf it was rendered into */
    /*
     * So many bytes of it are the engine's beginning for sure: all of it, unless there is an image,
     * audio or video part; then what stands before the first one.
     */
    size_t sure;
    bool media;
};

/*
 * Renders into `out`, which must be empty. On failure ret_message (in the arena, or static) may say
 * why: reason_bad_value: messages or tools have no form that vLLM knows; memory_limit;
 * template_raised, template_failed, template_limit as template_render gives them.
 */
const struct reason *chat_render(const struct chat_call *call, struct buf *out,
                                 struct chat_text *ret_text, struct slice *ret_message) MUST_USE;

#endif
