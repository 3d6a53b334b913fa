/*
 * What tests ask of the engine beside what engines do: its counters, and faults for requests to
 * come.
 */
#include "tests/engine/call.h"
#include "tests/engine/handlers.h"
#include "tests/engine/publisher.h"
#include "tests/engine/server.h"

void serve_stats(struct call *call)
{
    const struct engine *engine = call->engine;
    const struct scheduler *scheduler = &engine->scheduler;

    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        { "requests", engine->requests },
        { "aborts", engine->aborts },
        { "in_flight", engine->calls_count - 1 }, /* without this one */
        { "running", scheduler->batch.running_count },
        { "waiting", scheduler->batch.waiting_count },
        { "connections", server_connections(engine->server) },
        { "cached_blocks", engine->cache.keyed_count },
        { "free_blocks", engine->cache.free_count },
        { "steps", scheduler->batch.counts.steps },
        { "preemptions", scheduler->batch.counts.preemptions },
        { "prompt_tokens", scheduler->batch.counts.prompt_tokens },
        { "cached_tokens", scheduler->batch.counts.prompt_tokens_cached },
        { "generation_tokens", scheduler->batch.counts.generation_tokens },
        { "idles", scheduler->idle.count },
        { "idle_us", scheduler->idle.total_us },
        { "idles_over_ms", scheduler->idle.over_ms },
        { "idle_longest_us", scheduler->idle.longest_us },
        { "admin_calls", engine->admin_calls },
        { "faults", engine->faults_struck },
        { "kv_batches", publisher_batches(engine->publisher) },
    };
    json_t *stats = json_object();

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        json_object_set_new(stats, rows[i].name, json_integer((json_int_t)rows[i].value));
    call_answer_json(call, 200, stats);
}

/* The fault that the body names: "kind" as in the x-fault header, "a" and "b" beside it if they are
 * given. */
static bool read_fault(const json_t *root, struct fault *ret_fault)
{
    const json_t *kind = json_object_get(root, "kind");
    const json_t *a = json_object_get(root, "a"), *b = json_object_get(root, "b");

    if (!fault_parse(slice_of(json_string_value(kind), json_string_length(kind)), ret_fault))
        return false;
    if (json_is_integer(a))
        ret_fault->a = (uint64_t)json_integer_value(a);
    if (json_is_integer(b))
        ret_fault->b = (uint64_t)json_integer_value(b);
    return true;
}

static bool add_rule(struct faults *faults, const struct fault *fault, const json_t *root)
{
    const json_t *count = json_object_get(root, "count"),
                 *probability = json_object_get(root, "probability");
    const json_t *path = json_object_get(root, "path");
    json_int_t n = json_is_integer(count) ? json_integer_value(count) : 1;

    return faults_add(faults, fault, n < 0 ? UINT64_MAX : (uint64_t)n,
                      json_is_number(probability) ? json_number_value(probability) : 1,
                      json_is_string(path) ? slice_str(json_string_value(path)) : SLICE("/v1/"));
}

/* {"kind": "reset-events=3", "count": 1 (-1: all), "probability": 1, "path": "/v1/"}; kind "none"
 * forgets all rules. */
void serve_fault(struct call *call)
{
    struct slice body = call_body(call);
    json_t *root = json_loadb(body.at ? body.at : "", body.len, 0, NULL);
    const char *kind = json_string_value(json_object_get(root, "kind"));
    struct faults *faults = &call->engine->faults;
    struct fault fault;

    if (kind && strcmp(kind, "none") == 0) {
        faults_clear(faults);
        call_answer_json(call, 200, json_pack("{s:i}", "rules", 0));
    } else if (!read_fault(root, &fault)) {
        call_refuse(call, 400, "BadRequestError", "kind: no such fault, or wrong numbers");
    } else if (fault.kind->when == FAULT_AT_ONCE) {
        call->fault = fault;
        fault.kind->strike(call);
        call_answer_json(call, 200, json_pack("{s:I}", "rules", (json_int_t)faults->count));
    } else if (!add_rule(faults, &fault, root)) {
        call_refuse(call, 400, "BadRequestError", "There are too many rules.");
    } else {
        call_answer_json(call, 200, json_pack("{s:I}", "rules", (json_int_t)faults->count));
    }
    json_decref(root);
}
