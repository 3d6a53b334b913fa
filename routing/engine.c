/*
 * Engines: their tables. Sources: the engines' own route lists, as their documentation gives them.
 *
 * An allow-list, because engines put what steers them (sleep, adapters, weights, profilers) beside
 * what answers clients, and guard it little or not at all.
 */
#include "routing/engine.h"

#define PATHS_OPENAI                                                                               \
    "/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses",                  \
        "/v1/responses/*", "/v1/responses/*/cancel", "/v1/audio/transcriptions",                   \
        "/v1/audio/translations", "/v1/audio/speech", "/v1/images/generations",                    \
        "/v1/images/edits", "/v1/moderations"

static const char *const paths_openai[] = { PATHS_OPENAI, NULL };
static const char *const paths_vllm[] = { PATHS_OPENAI,
                                          "/v1/messages",
                                          "/v1/messages/count_tokens",
                                          "/v1/score",
                                          "/v1/rerank",
                                          "/v2/rerank",
                                          "/v2/embed",
                                          NULL };
static const char *const paths_sglang[] = {
    PATHS_OPENAI, "/v1/messages", "/v1/messages/count_tokens",
    "/v1/score",  "/v1/rerank",   "/v1/classify",
    NULL
};
static const char *const paths_llamacpp[] = {
    PATHS_OPENAI, "/v1/messages", "/v1/messages/count_tokens", "/v1/rerank", "/v1/reranking", NULL
};
static const char *const paths_ollama[] = { PATHS_OPENAI, "/v1/messages", NULL };

/* Under /v1, on any engine, with all that lies below them; outside /v1 only what is listed above is
 * forwarded. */
static const struct slice paths_admin[] = {
    SLICE_INIT("/v1/load_lora_adapter"),
    SLICE_INIT("/v1/unload_lora_adapter"),
    SLICE_INIT("/v1/decisions"),
    SLICE_INIT("/v1/loads"),
    SLICE_INIT("/v1/metrics"),
    SLICE_INIT("/v1/metadata"),
    SLICE_INIT("/v1/version"),
    SLICE_INIT("/v1/license"),
    SLICE_INIT("/v1/health"),
    SLICE_INIT("/v1/models/load"),
    SLICE_INIT("/v1/models/unload"),
    SLICE_INIT("/v1/realtime"),
    SLICE_INIT("/v1/pause"),
    SLICE_INIT("/v1/resume"),
    SLICE_INIT("/v1/sleep"),
    SLICE_INIT("/v1/wake_up"),
};

#define ALONE      false
#define AFTER_BASE true

const struct engine_type engine_types[ENGINE_COUNT] = {
#define ENGINE(id, name, health, metrics, loads, gauges, adapters, paths)                          \
    [ENGINE_##id] = { name, health, metrics, loads, ENGINE_##gauges, adapters, paths },
#include "routing/engines.def"
#undef ENGINE
};

const char *const engine_names[ENGINE_COUNT + 1] = {
#define ENGINE(id, name, ...) [ENGINE_##id] = name,
#include "routing/engines.def"
#undef ENGINE
};

void engine_split_name(const struct engine_type *engine, struct slice name, struct slice *ret_base,
                       struct slice *ret_adapter)
{
    size_t colon = engine->names_base ? slice_find(name, ':') : name.len;

    *ret_base = slice_head(name, colon);
    *ret_adapter = slice_skip(name, colon + 1);
}

/* '*' stands for one segment that is not empty. */
static bool path_matches(const char *pattern, struct slice path)
{
    size_t i = 0;

    for (;; pattern++) {
        size_t start;

        while (i < path.len && *pattern == path.at[i] && *pattern != '*') {
            pattern++;
            i++;
        }
        if (*pattern != '*')
            return *pattern == '\0' && i == path.len;
        start = i;
        while (i < path.len && path.at[i] != '/')
            i++;
        if (i == start)
            return false;
    }
}

static bool paths_match(const char *const *paths, struct slice path)
{
    for (; *paths; paths++)
        if (path_matches(*paths, path))
            return true;
    return false;
}

bool engine_allows(const struct engine_type *engine, struct slice path)
{
    return paths_match(engine->paths, path);
}

/* Whether `path` is one of `branch`'s, written in whatever case, or lies below it. */
static bool path_is_below(struct slice path, struct slice branch)
{
    if (path.len < branch.len || (path.len > branch.len && path.at[branch.len] != '/'))
        return false;
    return slice_ieq(slice_head(path, branch.len), branch);
}

bool engine_path_is_admin(struct slice path)
{
    for (size_t i = 0; i < ARRAY_LEN(paths_admin); i++)
        if (path_is_below(path, paths_admin[i]))
            return true;
    return false;
}

bool engine_allows_unlisted(const struct engine_type *engine, struct slice path)
{
    return engine_allows(engine, path) ||
           (slice_starts(path, SLICE("/v1/")) && !engine_path_is_admin(path));
}
