/*
 * A fleet: the immutable picture of all models, pools and endpoints an exchange is born with.
 *
 * A counted snapshot, built on the control thread from a configuration and from what names resolve
 * to; workers see the newest through fleet_view_get. What is observed (endpoint and pool states)
 * outlives fleets.
 */
#ifndef SLUICE_ROUTING_FLEET_H
#define SLUICE_ROUTING_FLEET_H

#include "conf/conf.h"
#include "gateway/base/map.h"
#include "gateway/prompt/agreement.h"
#include "gateway/prompt/recipe.h"
#include "routing/endpoint.h"
#include "routing/engine.h"
#include "routing/health.h"
#include "routing/heat.h"
#include "routing/price.h"
#include "routing/room.h"

struct timeouts_conf {
    uint64_t connect, queue, first_token, idle, total; /* ms */
};

struct retry_conf {
    uint64_t attempts; /* in all */
    uint64_t budget;   /* percent of the pool's exchanges */
};

struct sticky_conf {
    char *header;
};

struct pool_tls_conf {
    char *ca, *certificate, *key;
    char *server_name;
    bool verify;
};

struct metrics_conf {
    bool active;
    char *path;                 /* NULL: the engine's */
    uint64_t interval, timeout; /* ms */
};

struct pool_conf {
    char *name;
    int engine;
    struct conf_texts endpoints;
    char *key_file;
    char *kv_events, *kv_events_replay, *kv_events_topic;
    uint64_t kv_events_ranks;
    uint64_t kv_cache_tokens; /* an endpoint's cache, where its metrics do not say */
    struct pool_tls_conf *tls;
    struct health_conf *health;
    struct metrics_conf *metrics;
    struct timeouts_conf *timeouts;
    struct retry_conf *retry;
    int route;
    struct price_conf *price;
    struct sticky_conf *sticky; /* NULL: sessions are not kept at endpoints */
    uint64_t concurrency;       /* exchanges at an endpoint at a time; 0: no limit */
    uint64_t keep_alive;        /* ms */
};

struct version_conf {
    char *name, *pool, *model, *tokenizer, *chat_template;
    struct conf_texts adapters;
    uint64_t weight;
};

struct model_conf {
    char *name;
    struct conf_texts aliases, adapters;
    char *pool; /* instead of versions */
    char *tokenizer, *chat_template;
    char *default_chat_template_kwargs;
    int chat_template_content_format; /* enum recipe_format */
    int tokenizer_mode;               /* enum recipe_mode */
    bool exclude_tools_when_tool_choice_none;
    bool share_prefixes;       /* tenants' block keys are the same for the same prompt */
    struct conf_list versions; /* struct version_conf */
    struct sticky_conf *sticky;
    bool inspect;
};

extern const struct directive_set pools_set, models_set;

/* What a pool's exchanges share beyond a fleet's life; found again by name. */
struct pool_state {
    struct snapshot snapshot;
    _Atomic uint32_t cursor;      /* round robin */
    _Atomic int64_t retry_tokens; /* thousandths of a retry */
    _Atomic bool panicking;
    _Atomic bool unreached;     /* an exchange found nobody there, and nobody answered since */
    struct pace_learner pace;   /* how fast its endpoints are */
    struct heat heat;           /* what many of its prompts begin with */
    struct room room;           /* who waits for room at an endpoint */
    uint64_t hash;              /* of its name: which worker is its home */
    struct pool_hold *hold;     /* gateway/proxy/home: those who wait; the home's thread */
    struct snapshot_slot cards; /* routing/catalog: what its engines say they serve */
};

struct pool {
    const char *name;
    const struct pool_conf *conf; /* of the fleet's configuration */
    const struct engine_type *engine;
    struct pool_state *state;
    struct endpoint *endpoints;
    size_t count;
    char *authorization; /* "Bearer ...", from key_file; NULL: the client's passes */
};

struct version {
    const char *name;
    struct slice model;   /* what the engine calls it: put into the body if it differs there */
    struct slice base;    /* the same, or of an adapter the model that it adapts */
    struct slice adapter; /* of an adapter what the engine lists it as; empty: it is none */
    char *model_text;     /* `model` where it was put together, the version's own; else NULL */
    struct pool *pool;
    uint32_t weight_until;           /* running sum of the model's weights */
    uint32_t index;                  /* among all versions of the fleet */
    struct recipe_settings settings; /* of `recipe`; its texts are the configuration's */
    uint64_t recipe_stamp;           /* recipe_stamp of them when it was loaded */
    struct recipe *recipe;           /* NULL: it has no tokenizer */
    struct agreement *agreement;     /* outlives fleets */
};

struct model {
    const char *name;
    const struct model *base; /* it is a LoRA adapter of this one; NULL: it is none */
    const struct model_conf *conf;
    struct version *versions;
    size_t count;
    uint32_t weight_sum;
};

struct fleet {
    struct snapshot snapshot;
    uint64_t number; /* of the fleet, from 1: a name that resolves anew makes another */
    struct conf *conf;
    struct pool *pools;
    size_t pool_count;
    struct model *models;
    size_t model_count;
    uint32_t version_count;
    struct model **adapters; /* LoRA adapters, each a model with the versions that serve it */
    size_t adapter_count;
    struct map models_by_name;     /* aliases and adapters included */
    const struct model *catch_all; /* the model "*", or NULL */
    bool inspect;                  /* false: the only model is "*" and it is not inspected */
};

/* What "dns:" names resolve to now; routing/names.c. */
struct names;

/*
 * Builds one; `before` (may be NULL) lends the states of what stays. NULL and complaints in
 * `errors` when a file cannot be read.
 */
struct fleet *fleet_new(struct conf *conf, const struct names *names, const struct fleet *before,
                        unsigned workers, struct buf *errors) MUST_USE;
struct fleet *fleet_ref(struct fleet *fleet);
void fleet_unref(struct fleet *fleet);
/* Marks the endpoints of `before` that `after` no longer has as gone, and those of `after` as not.
 */
void fleet_retire(const struct fleet *before, const struct fleet *after);

/* Whether it has an endpoint of which active checks, where there are any, do not say that it is
 * down. Any thread. */
bool pool_answers(const struct pool *pool);
/* An endpoint of it answered an exchange, or a check well: those that wait because they could reach
 * nobody may try again. Any thread; costs a look while nobody does. */
void pool_note_answer(struct pool_state *state);
/* The one with that state; NULL: it has none. */
const struct endpoint *pool_endpoint_with(const struct pool *pool,
                                          const struct endpoint_state *state);

/* By name, alias or adapter; NULL when there is none and no "*". Who names none (empty) means the
 * only one. */
const struct model *fleet_model(const struct fleet *fleet, struct slice name);

/* A worker's view of the newest fleet. */
struct fleet_view;
struct fleet_view *fleet_view_new(struct snapshot_slot *slot);
void fleet_view_free(struct fleet_view *view);
/* Borrowed until the next call; take a reference to keep it. */
struct fleet *fleet_view_get(struct fleet_view *view);

#endif
