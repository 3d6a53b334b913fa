/*
 * Step 4, prompt: what the body asks for, and the model that is meant.
 */
#include "gateway/proxy/exchange.h"

/* A refusal that names what is taken instead. */
static struct slice media_message(const struct exchange *x)
{
    static const char *const taken[] = {
        [DIALECT_BODY_NONE] = "none",
        [DIALECT_BODY_JSON] = "application/json, in UTF-8",
        [DIALECT_BODY_FORM] = "multipart/form-data, with a boundary",
        [DIALECT_BODY_ANY] = "application/json, in UTF-8, or multipart/form-data, with a boundary",
    };

    return arena_printf(x->arena, "%s; what is taken here: %s", reason_bad_media.text,
                        taken[x->dialect->body]);
}

static const struct reason *read_prompt(struct exchange *x)
{
    struct slice type = message_value(x->client->head, FIELD_content_type);
    const struct reason *reason;

    x->prompt = xmalloc(sizeof(*x->prompt));
    reason = prompt_parse(x->dialect, buf_join(&x->body), type, x->filter.peer->trusted, x->arena,
                          x->prompt, &x->param);
    if (reason == &reason_bad_media)
        x->message = media_message(x);
    if (reason)
        return reason;
    x->model_name = x->prompt->model;
    x->streams = x->prompt->stream;
    return NULL;
}

static const struct reason *find_model(struct exchange *x)
{
    struct slice name = x->model_name;

    x->model = fleet_model(x->fleet, name);
    if (x->model)
        return NULL;
    x->param = SLICE("model");
    if (name.len == 0)
        return &reason_no_model;
    x->message = arena_printf(x->arena, "The model `%.*s` does not exist", SLICE_ARGS(name));
    return &reason_model_not_found;
}

static const struct step *run(struct exchange *x)
{
    const struct reason *reason = x->inspected ? read_prompt(x) : NULL;

    if (!reason)
        reason = find_model(x);
    return reason ? exchange_fail(x, reason) : &step_version;
}

const struct step step_prompt = { "prompt", run };
