/*
 * `sluice explain FILE`: what a gateway with this configuration would do with the request on
 * standard input, by the code that would do it, without asking anybody.
 *
 * What only a running gateway knows (load, health, what engines hold, addresses of names) is
 * empty here: every endpoint is idle, well and cold. A version is chosen by chance, so each that
 * can be is explained.
 */
#include "gateway/command_explain.h"

#include "gateway/base/clock.h"
#include "gateway/commands.h"
#include "gateway/control.h"
#include "gateway/prompt/pipeline.h"
#include "gateway/proxy/prediction.h"
#include "gateway/proxy/process.h"
#include "routing/explain.h"
#include "routing/router.h"

#include <stdio.h>
#include <stdlib.h>

/* A request of a hundred megabytes is no longer one. */
#define BODY_BYTES_MAX (100u << 20)
/* What a person reads of keys and endpoints; --json has no such end. */
#define KEYS_SHOWN     4
#define DECISION_BYTES (1u << 20)

struct options {
    const char *file;
    struct slice path;
    bool json;
    struct message head; /* its fields are those of --header */
};

/* What a request has gone through so far; the JSON grows with it. */
struct walk {
    const struct options *options;
    struct arena *arena;
    struct fleet *fleet;
    const struct dialect_type *dialect;
    struct prompt prompt;
    struct slice param; /* of a refusal */
    const struct model *model;
    struct slice model_name;
    struct pipeline *pipeline;
    struct decision *decision;
    json_t *out;
};

/* ---- the command line ---- */

static bool add_header(struct options *options, struct arena *arena, const char *text)
{
    struct slice value = slice_str(text), name = arena_copy(arena, slice_cut(&value, ':'));
    const struct reason *reason;

    for (size_t i = 0; i < name.len; i++)
        ((char *)name.at)[i] = slice_lower(name.at[i]);
    if (field_flags(field_find(name)) & FIELD_FLAG_FRAME)
        return false;
    reason = message_add(&options->head, name, slice_trim(value), NULL);
    return !reason;
}

static bool read_options(char **arguments, struct arena *arena, struct options *ret_options)
{
    struct options *options = ret_options;

    *options = (struct options){ .file = arguments[0], .path = SLICE("/v1/chat/completions") };
    message_init(&options->head, arena);
    for (char **at = arguments + 1; *at; at++)
        if (strcmp(*at, "--json") == 0)
            options->json = true;
        else if (strcmp(*at, "--path") == 0 && at[1])
            options->path = slice_str(*++at);
        else if (strcmp(*at, "--header") != 0 || !at[1] || !add_header(options, arena, *++at))
            return false;
    return true;
}

static bool read_body(struct buf *body)
{
    char piece[1 << 16];
    size_t n;

    while ((n = fread(piece, 1, sizeof(piece), stdin)) > 0)
        if (!buf_append(body, slice_of(piece, n)))
            return false;
    return !ferror(stdin);
}

/* ---- what comes before a version ---- */

static json_t *text_json(struct slice text)
{
    json_t *json = json_stringn(text.at ? text.at : "", text.len);

    return json ? json : json_null(); /* not UTF-8 */
}

static const struct reason *find_dialect(struct walk *w)
{
    w->dialect = dialect_find(SLICE("POST"), w->options->path);
    if (!w->dialect || engine_path_is_admin(w->options->path))
        return &reason_not_found;
    json_object_set_new(w->out, "dialect", json_string(w->dialect->name));
    return NULL;
}

static const struct reason *read_prompt(struct walk *w, struct slice body)
{
    struct slice type = message_value(&w->options->head, FIELD_content_type);

    return prompt_parse(w->dialect, body, type, /* trusted= */ true, w->arena, &w->prompt,
                        &w->param);
}

static const struct reason *find_model(struct walk *w)
{
    w->model_name = w->prompt.model;
    w->model = fleet_model(w->fleet, w->model_name);
    if (!w->model) {
        json_object_set_new(w->out, "model", text_json(w->model_name));
        return w->model_name.len > 0 ? &reason_model_not_found : &reason_no_model;
    }
    json_object_set_new(w->out, "model", json_string(w->model->name));
    return NULL;
}

/* ---- a version ---- */

static struct slice tenant_of(const struct walk *w)
{
    struct slice name = slice_str(process_conf(w->fleet->conf)->tenant_header);
    const struct field *field = name.len > 0 ? message_find_name(&w->options->head, name) : NULL;

    return field ? field->value : slice_of(NULL, 0);
}

static bool is_open(const struct walk *w, const struct version *version)
{
    return w->dialect->answered_here || router_opens(w->fleet, w->model, version, w->options->path);
}

static void count_tokens(const struct walk *w, const struct version *version,
                         struct pipeline_tokens *ret_tokens)
{
    struct pipeline_call call = {
        .conf = conf_section(w->fleet->conf, &pipeline_set),
        .prompt = &w->prompt,
        .recipe = version->recipe,
        .scope = prediction_scope(w->model, version, &w->prompt, tenant_of(w),
                                  process_conf(w->fleet->conf)->prefix_seed),
        .token_bytes = agreement_token_bytes(version->agreement),
        .wall_us = clock_wall_us(),
    };

    if (prediction_is_possible(&w->prompt))
        pipeline_run(w->pipeline, &call, ret_tokens);
    else
        *ret_tokens = (struct pipeline_tokens){ .exactness = EXACTNESS_malformed };
}

static json_t *tokens_json(const struct pipeline_tokens *tokens)
{
    const struct exactness_row *row = &exactness_rows[tokens->exactness];

    return json_pack("{s:I, s:s, s:s}", "count", (json_int_t)tokens->count, "exactness", row->name,
                     "why", row->words);
}

static json_t *keys_json(const struct walk *w, const struct pipeline_tokens *tokens)
{
    json_t *first = json_array();
    char text[17];

    for (size_t i = 0; i < tokens->keys.count && i < KEYS_SHOWN; i++) {
        snprintf(text, sizeof(text), "%016llx", (unsigned long long)tokens->keys.at[i]);
        json_array_append_new(first, json_string(text));
    }
    return json_pack("{s:I, s:I, s:b, s:b, s:o}", "count", (json_int_t)tokens->keys.count, "block",
                     (json_int_t)tokens->keys.block, "exact", (int)tokens->keys_exact, "seeded",
                     (int)(process_conf(w->fleet->conf)->prefix_seed > 0), "first", first);
}

static json_t *decision_json(const struct walk *w, const struct version *version,
                             const struct pipeline_tokens *tokens)
{
    const struct message *head = &w->options->head;
    struct decide_call call = {
        .pool = version->pool,
        .now_us = clock_now_us(),
        .pin = message_value(head, FIELD_x_sluice_endpoint),
        .session = router_session(version->pool->conf->sticky, head),
        .tokens = tokens->count < UINT32_MAX ? (uint32_t)tokens->count : UINT32_MAX,
        .output = prediction_output(version, &w->prompt),
        .prompt = { .keys = tokens->keys.at,
                    .count = tokens->keys.count,
                    .block = tokens->keys.block,
                    .tokens = tokens->count },
        .keys_exact = tokens->keys_exact,
    };
    const struct endpoint *endpoint;
    struct choice choice;
    enum decide_outcome outcome = decide(w->decision, &call, &endpoint, &choice);

    return explain_decision(w->decision, &call, outcome, DECISION_BYTES);
}

static json_t *version_json(const struct walk *w, const struct version *version, double share)
{
    const struct pool *pool = version->pool;
    struct pipeline_tokens tokens;
    json_t *json = json_pack("{s:s, s:f, s:s, s:s, s:o}", "version", version->name, "share", share,
                             "pool", pool->name, "engine", pool->engine->name, "engine_model",
                             text_json(version->model.len > 0 ? version->model : w->model_name));

    if (!is_open(w, version)) {
        json_object_set_new(json, "refused",
                            json_string("the engine's clients may not reach this path"));
        return json;
    }
    count_tokens(w, version, &tokens);
    json_object_set_new(json, "tokens", tokens_json(&tokens));
    json_object_set_new(json, "keys", keys_json(w, &tokens));
    json_object_set_new(json, "decision",
                        w->dialect->answered_here ? json_null()
                                                  : decision_json(w, version, &tokens));
    blocks_release(&tokens.keys);
    pipeline_forget(w->pipeline);
    return json;
}

/* Each that the request may get; with a sticky header, the one that it will. */
static const struct reason *add_versions(struct walk *w)
{
    bool sticks = w->model->count > 1 && router_session(w->model->conf->sticky, &w->options->head);
    const struct version *only =
        sticks ? router_version(w->model, &w->options->head, /* random= */ 0) : NULL;
    const struct reason *reason =
        w->model->weight_sum > 0 ? &reason_not_found : &reason_no_endpoint;
    json_t *versions = json_array();
    uint32_t before = 0;

    for (size_t i = 0; i < w->model->count; i++) {
        const struct version *version = &w->model->versions[i];
        uint32_t weight = version->weight_until - before;

        before = version->weight_until;
        if (weight == 0 || (only && version != only))
            continue;
        if (is_open(w, version))
            reason = NULL;
        json_array_append_new(
            versions, version_json(w, version, only ? 1 : (double)weight / w->model->weight_sum));
    }
    json_object_set_new(w->out, "versions", versions);
    return reason;
}

/* ---- the walk ---- */

static const struct reason *walk(struct walk *w, struct slice body)
{
    const struct reason *reason = find_dialect(w);

    json_object_set_new(w->out, "bytes", json_integer((json_int_t)body.len));
    if (!reason)
        reason = read_prompt(w, body);
    if (!reason)
        reason = find_model(w);
    return reason ? reason : add_versions(w);
}

static json_t *refusal_json(const struct walk *w, const struct reason *reason)
{
    return json_pack("{s:i, s:s, s:s, s:o}", "status", (int)reason->status, "reason", reason->name,
                     "message", reason->text, "param",
                     w->param.len > 0 ? text_json(w->param) : json_null());
}

static int explain(const struct options *options, struct arena *arena, struct fleet *fleet,
                   struct slice body)
{
    struct walk w = { .options = options,
                      .arena = arena,
                      .fleet = fleet,
                      .pipeline = pipeline_new(),
                      .decision = decision_new(),
                      .out = json_object() };
    const struct reason *reason;

    json_object_set_new(w.out, "path", text_json(options->path));
    reason = walk(&w, body);
    if (reason)
        json_object_set_new(w.out, "refused", refusal_json(&w, reason));
    if (options->json) {
        json_dumpf(w.out, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
        putchar('\n');
    } else {
        explain_print(w.out, stdout);
    }
    json_decref(w.out);
    decision_free(w.decision);
    pipeline_free(w.pipeline);
    return reason ? 1 : 0;
}

static struct fleet *load_fleet(const char *path)
{
    struct fleet *fleet = NULL;
    struct buf errors;
    struct conf *conf;

    buf_init(&errors, 1 << 20);
    conf = conf_load(path, all_directives, &errors);
    if (conf)
        fleet = fleet_new(conf, /* names= */ NULL, /* before= */ NULL, /* workers= */ 1, &errors);
    if (fleet && !fleet->inspect) {
        buf_printf(&errors, "%s: bodies pass through unread (inspect: off)\n", path);
        fleet_unref(fleet);
        fleet = NULL;
    }
    fprintf(stderr, "%.*s", SLICE_ARGS(buf_join(&errors)));
    buf_release(&errors);
    conf_unref(conf);
    return fleet;
}

int command_explain(char **arguments)
{
    struct options options;
    struct arena arena;
    struct fleet *fleet = NULL;
    struct buf body;
    int code = 2;

    arena_init(&arena, BODY_BYTES_MAX);
    buf_init(&body, BODY_BYTES_MAX);
    if (!read_options(arguments, &arena, &options))
        fprintf(stderr, "usage: sluice explain FILE [--path PATH] [--header 'NAME: VALUE'] "
                        "[--json] < REQUEST\n");
    else if (!read_body(&body))
        fprintf(stderr, "the request on standard input cannot be read, or is too large\n");
    else if ((fleet = load_fleet(options.file)))
        code = explain(&options, &arena, fleet, buf_join(&body));
    fleet_unref(fleet);
    buf_release(&body);
    arena_release(&arena);
    return code;
}
