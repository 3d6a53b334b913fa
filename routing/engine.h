/*
 * What is known of each kind of engine: where its health and metrics are, which of its paths
 * clients may reach.
 */
#ifndef SLUICE_ROUTING_ENGINE_H
#define SLUICE_ROUTING_ENGINE_H

#include "gateway/base/slice.h"

enum engine_id {
#define ENGINE(id, ...) ENGINE_##id,
#include "routing/engines.def"
#undef ENGINE
    ENGINE_COUNT
};

struct engine_type {
    const char *name;
    const char *health_path;
    const char *metrics_path; /* NULL: none */
    const char *loads_path;   /* its load as JSON, where it has no metrics page; NULL: none */
    enum engine_id gauges;    /* whose rows of gauges.def tell what is on it */
    bool names_base;          /* its requests name an adapter "base:adapter", its lists "adapter" */
    /* Allow-list for clients, NULL-terminated; a '*' stands for one segment that is not empty. */
    const char *const *paths;
};

extern const struct engine_type engine_types[ENGINE_COUNT];
/* Their names, NULL-terminated: the words of the `engine` directive. */
extern const char *const engine_names[ENGINE_COUNT + 1];

/* What such an engine takes a request's model for, if it names no model that it lists:
 * "base:adapter" where that is how adapters are named, up to the first colon. ret_adapter: empty,
 * it names none. */
void engine_split_name(const struct engine_type *engine, struct slice name, struct slice *ret_base,
                       struct slice *ret_adapter);

/* Whether clients may reach `path` (without its query) on such an engine. */
bool engine_allows(const struct engine_type *engine, struct slice path);

/* The same for the model "*": any path under /v1 beside them that steers no engine. */
bool engine_allows_unlisted(const struct engine_type *engine, struct slice path);

/* Whether `path` steers an engine (sleep, adapters, weights...), whatever the engine: never
 * forwarded. */
bool engine_path_is_admin(struct slice path);

#endif
