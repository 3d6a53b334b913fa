/*
 * Paths for operators. They do what they say where the engine has such a thing, and answer 200
 * where it has not: tests look at whether they were reached (/debug/stats, admin_calls).
 */
#include "tests/engine/call.h"
#include "tests/engine/handlers.h"

static void answer_text(struct call *call, unsigned status, const char *text)
{
    call_answer(call, status, SLICE("text/plain; charset=utf-8"), slice_str(text));
}

static void answer_flag(struct call *call, const char *name, bool value)
{
    call_answer_json(call, 200, json_pack("{s:b}", name, value));
}

void serve_sleep(struct call *call)
{
    call->engine->sleeping = true;
    cache_clear(&call->engine->cache);
    answer_text(call, 200, "");
}

void serve_wake_up(struct call *call)
{
    call->engine->sleeping = false;
    answer_text(call, 200, "");
}

void serve_is_sleeping(struct call *call)
{
    answer_flag(call, "is_sleeping", call->engine->sleeping);
}

void serve_pause(struct call *call)
{
    call->engine->paused = true;
    answer_text(call, 200, "");
}

void serve_resume(struct call *call)
{
    call->engine->paused = false;
    answer_text(call, 200, "");
}

void serve_is_paused(struct call *call)
{
    answer_flag(call, "is_paused", call->engine->paused);
}

void serve_reset_prefix_cache(struct call *call)
{
    cache_clear(&call->engine->cache);
    answer_text(call, 200, "");
}

static struct slice text_of(const json_t *object, const char *key)
{
    const json_t *string = json_object_get(object, key);

    return slice_of(json_string_value(string), json_string_length(string));
}

/* "Success: LoRA adapter 'sql' added successfully." */
static void answer_adapter(struct call *call, struct slice name, const char *what)
{
    struct buf text;

    buf_init(&text, SIZE_MAX);
    buf_printf(&text, "Success: LoRA adapter '%.*s' %s successfully.", SLICE_ARGS(name), what);
    call_answer(call, 200, SLICE("text/plain; charset=utf-8"), buf_join(&text));
    buf_release(&text);
}

void serve_load_lora_adapter(struct call *call)
{
    struct slice body = call_body(call);
    json_t *root = json_loadb(body.at ? body.at : "", body.len, 0, NULL);
    struct slice name = text_of(root, "lora_name"), path = text_of(root, "lora_path");

    if (name.len == 0 || path.len == 0)
        call_refuse(call, 400, "InvalidUserInput",
                    "Both 'lora_name' and 'lora_path' must be provided.");
    else if (engine_serves(call->engine, name) ||
             !adapters_add(&call->engine->adapters, name, path))
        call_refuse(call, 400, "InvalidUserInput",
                    "The lora adapter '%.*s' has already been loaded.",
                    SLICE_ARGS(slice_head(name, 100)));
    else
        answer_adapter(call, name, "added");
    json_decref(root);
}

void serve_unload_lora_adapter(struct call *call)
{
    struct slice body = call_body(call);
    json_t *root = json_loadb(body.at ? body.at : "", body.len, 0, NULL);
    struct slice name = text_of(root, "lora_name");

    if (adapters_remove(&call->engine->adapters, name))
        answer_adapter(call, name, "removed");
    else
        call_refuse(call, 404, "NotFoundError", "The lora adapter '%.*s' cannot be found.",
                    SLICE_ARGS(slice_head(name, 100)));
    json_decref(root);
}

void serve_nothing(struct call *call)
{
    answer_text(call, 200, "");
}
