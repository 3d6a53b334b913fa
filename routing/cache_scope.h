/*
 * What separates an engine's caches, and so the keys of its blocks: one rule, for requests and for
 * KV events alike, because what the two call differently must come to the same keys.
 *
 * A request names a model, or an adapter as if it were one (vLLM), or a model and an adapter behind
 * a colon or beside it (SGLang). An event names the adapter only: a publisher has one base model,
 * under whatever names it is served. So in pools with events the pool stands for the base model,
 * and elsewhere the name that the engine gets. The salt is the request's. A tenant is in the scope
 * only where tenants do not share prefixes; no event knows of one, so such keys are none that
 * events come to.
 */
#ifndef SLUICE_ROUTING_CACHE_SCOPE_H
#define SLUICE_ROUTING_CACHE_SCOPE_H

#include "gateway/token/blocks.h"

struct version;

/* The cache that requests for `name`, as the engine gets it, are answered from. Borrowed. */
struct slice cache_of(const struct version *version, struct slice name);

/* The one place that makes scopes of keys. `adapter` by its bare name, empty: none. */
struct blocks_scope cache_scope(uint64_t prefix_seed, struct slice cache, struct slice adapter,
                                struct slice salt);

#endif
