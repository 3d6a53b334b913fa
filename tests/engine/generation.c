/*
 * From the request to sequences, from their progress to events.
 */
#include "tests/engine/generation.h"

#include "gateway/base/clock.h"
#include "tests/engine/publisher.h"

#include <stdio.h>
#include <stdlib.h>

static void on_progress(struct sequence *sequence)
{
    const struct generation *g = CONTAINER_OF(sequence, struct choice, sequence)->generation;

    if (g->ask.stream || sequence->item.state == BATCH_DONE)
        call_wake(g->call);
}

static uint32_t next_token(struct sequence *sequence, uint32_t index)
{
    return script_token(&CONTAINER_OF(sequence, struct choice, sequence)->script, index);
}

/* What a prompt is told by, whatever it is cached under. */
static uint64_t prompt_key(const struct tokens *prompt)
{
    uint64_t h = 0;

    for (size_t i = 0; i < prompt->count; i++)
        h = (h + prompt->at[i] + 1) * 0x9e3779b97f4a7c15ull;
    return h ^ h >> 32;
}

/* Tenants' salts and adapters have caches of their own; aliases of the model share one. */
static uint64_t cache_root_of(const struct generation *g)
{
    const struct adapter *adapter = adapters_find(&g->call->engine->adapters, g->ask.model);
    struct buf salt;
    uint64_t root;

    buf_init(&salt, SIZE_MAX);
    if (adapter)
        buf_printf(&salt, "adapter %s ", adapter->name);
    buf_add(&salt, g->ask.salt);
    root = cache_root(buf_join(&salt));
    buf_release(&salt);
    publisher_name_root(g->call->engine->publisher, root,
                        adapter ? slice_str(adapter->name) : slice_of(NULL, 0), g->ask.salt);
    return root;
}

static void choice_init(struct choice *choice, struct generation *g, uint32_t index, uint64_t root)
{
    const struct tokens *prompt = &g->ask.prompts[index / g->ask.n];
    const struct options *options = g->call->engine->options;

    choice->generation = g;
    choice->index = index;
    script_init(&choice->script, options->seed, prompt_key(prompt), index % g->ask.n,
                g->ask.mid_text);
    if (g->ask.function)
        script_set_tool(&choice->script, g->ask.function);
    sequence_init(&choice->sequence);
    tokens_append(&choice->sequence.tokens, prompt->at, prompt->count);
    choice->sequence.item.prompt_tokens = (uint32_t)prompt->count;
    choice->sequence.item.output_goal = script_length(&choice->script, g->ask.tokens);
    choice->sequence.item.root = root;
    choice->sequence.token = next_token;
    choice->sequence.on_progress = on_progress;
}

static void make_choices(struct generation *g)
{
    uint64_t root = cache_root_of(g);

    g->count = (uint32_t)g->ask.prompts_count * g->ask.n;
    g->choices = xcalloc(g->count, sizeof(*g->choices));
    for (uint32_t i = 0; i < g->count; i++)
        choice_init(&g->choices[i], g, i, root);
}

/* An id goes into JSON and event text as it is. */
static bool is_plain_id(struct slice id)
{
    for (size_t i = 0; i < id.len; i++)
        if (id.at[i] <= ' ' || id.at[i] > '~' || id.at[i] == '"' || id.at[i] == '\\')
            return false;
    return id.len > 0;
}

/* vLLM's: the prefix, then the client's request id or one that no other engine makes. */
static void make_id(struct generation *g)
{
    const struct engine *engine = g->call->engine;
    struct slice asked = call_field(g->call, SLICE("x-request-id"));

    if (is_plain_id(asked))
        snprintf(g->id, sizeof(g->id), "%s%.*s", g->form->id_prefix,
                 SLICE_ARGS(slice_head(asked, 64)));
    else
        snprintf(g->id, sizeof(g->id), "%s%016llx%016llx", g->form->id_prefix,
                 (unsigned long long)engine->instance, (unsigned long long)engine->requests);
}

/* False when the cache is too small for one of them. */
static bool schedule(struct generation *g)
{
    for (uint32_t i = 0; i < g->count; i++)
        if (!scheduler_add(&g->call->engine->scheduler, &g->choices[i].sequence))
            return false;
    return true;
}

void generation_start(struct call *call, const struct form *form, struct ask *ask)
{
    struct generation *g = xcalloc(1, sizeof(*g));

    g->call = call;
    g->form = form;
    g->ask = *ask;
    ask_init(ask);
    g->created_s = call->engine->worker->wall_us / CLOCK_US_PER_S;
    buf_init(&g->event, SIZE_MAX);
    buf_init(&g->head, SIZE_MAX);
    call->generation = g;
    call->engine->requests++;
    make_id(g);
    make_choices(g);
    if (!schedule(g)) {
        generation_fail(g);
        call_refuse(call, 400, "BadRequestError",
                    "The prompt and its answer need more than the %u tokens of the KV cache.",
                    scheduler_room(&call->engine->scheduler));
    } else if (g->ask.stream) {
        call_begin_stream(call);
    }
}

static bool all_done(const struct generation *g)
{
    for (uint32_t i = 0; i < g->count; i++)
        if (g->choices[i].sequence.item.state != BATCH_DONE)
            return false;
    return true;
}

static bool all_given(const struct generation *g)
{
    for (uint32_t i = 0; i < g->count; i++)
        if (g->choices[i].given < g->choices[i].sequence.item.output_goal)
            return false;
    return true;
}

static void count_finished(const struct generation *g)
{
    for (uint32_t i = 0; i < g->count; i++)
        g->call->engine->finished[choice_finish(&g->choices[i])]++;
}

void generation_emit(struct generation *g)
{
    call_emit(g->call, &g->event);
}

static void give_tokens(struct generation *g, struct choice *choice)
{
    while (choice->given < choice->sequence.item.output_tokens && call_has_room(g->call)) {
        if (!g->begun && g->form->begin)
            g->form->begin(g);
        g->begun = true;
        g->form->token(g, choice);
        choice->given++;
    }
}

static void end_stream(struct generation *g)
{
    const struct fault *fault = &g->call->fault;
    bool unended = fault->kind && fault->kind->when == FAULT_AT_END;

    if (g->form->end && !(unended && !g->form->ends_with_done))
        g->form->end(g);
    if (g->form->ends_with_done && !unended) {
        buf_add(&g->event, SLICE("data: [DONE]\n\n"));
        generation_emit(g);
    }
    call_end(g->call);
}

void generation_progress(struct generation *g)
{
    if (g->finished)
        return;
    for (uint32_t i = 0; g->ask.stream && i < g->count; i++)
        give_tokens(g, &g->choices[i]);
    if (!all_done(g) || (g->ask.stream && !all_given(g)))
        return;
    g->finished = true;
    if (g->ask.stream) {
        count_finished(g);
        end_stream(g);
    } else {
        for (uint32_t i = 0; i < g->count; i++)
            g->choices[i].given = g->choices[i].sequence.item.output_tokens;
        count_finished(g);
        call_answer_json(g->call, 200, g->form->whole(g));
    }
}

bool generation_is_under_way(const struct generation *g)
{
    return !g->finished && !all_done(g);
}

void generation_fail(struct generation *g)
{
    for (uint32_t i = 0; i < g->count; i++) {
        struct sequence *sequence = &g->choices[i].sequence;

        scheduler_cancel(&g->call->engine->scheduler, sequence);
    }
    g->finished = true;
}

void generation_free(struct generation *g)
{
    if (!g)
        return;
    for (uint32_t i = 0; i < g->count; i++) {
        struct choice *choice = &g->choices[i];

        if (!g->finished && choice->sequence.item.state != BATCH_DONE)
            g->call->engine->finished[FINISH_ABORT]++;
        scheduler_cancel(&g->call->engine->scheduler, &choice->sequence);
        sequence_release(&choice->sequence);
        script_release(&choice->script);
    }
    free(g->choices);
    ask_release(&g->ask);
    buf_release(&g->event);
    buf_release(&g->head);
    free(g);
}

struct usage generation_usage(const struct generation *g)
{
    struct usage usage = { 0 };

    for (uint32_t i = 0; i < g->count; i++) {
        usage.completion_tokens += g->choices[i].given;
        if (i % g->ask.n == 0) {
            usage.prompt_tokens += g->choices[i].sequence.item.prompt_tokens;
            usage.cached_tokens += g->choices[i].sequence.item.cached_tokens;
        }
    }
    return usage;
}

enum finish choice_finish(const struct choice *choice)
{
    if (choice->given + 1 < choice->sequence.item.output_goal)
        return FINISH_COUNT;
    return choice->generation->ask.cut_short && !choice->script.tool ? FINISH_LENGTH : FINISH_STOP;
}

const char *choice_finish_text(const struct choice *choice)
{
    enum finish finish = choice_finish(choice);

    if (finish == FINISH_COUNT)
        return NULL;
    return choice->script.tool ? "tool_calls" : finish_name[finish];
}

uint32_t choice_reasoning(const struct choice *choice)
{
    bool reasons = choice->generation->ask.reasons && !choice->script.tool;

    return reasons ? choice->sequence.item.output_goal / 4 : 0;
}

void choice_text(const struct choice *choice, uint32_t from, uint32_t to, struct buf *out)
{
    const struct sequence *sequence = &choice->sequence;
    char text[TOKEN_TEXT_MAX];

    for (uint32_t i = from; i < to; i++)
        buf_add(out, token_text(sequence->tokens.at[sequence->item.prompt_tokens + i], text));
}
