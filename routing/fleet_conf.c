/*
 * The directives of models and pools.
 */
#include "routing/decide.h"
#include "routing/fleet.h"
#include "routing/fleet_check.h"
#include "routing/kv_feed.h"

static const struct directive timeouts_rows[] = {
    DIRECTIVE_DURATION(struct timeouts_conf, connect, "2s", 1, 600e3,
                       "To reach an endpoint, TLS included."),
    DIRECTIVE_DURATION(struct timeouts_conf, queue, "120s", 0, 3600e3,
                       "To wait in the gateway for an endpoint with room; past it 503."),
    DIRECTIVE_DURATION(struct timeouts_conf, first_token, "120s", 1, 86400e3,
                       "From sending a request to the first content of its stream."),
    DIRECTIVE_DURATION(struct timeouts_conf, idle, "60s", 1, 86400e3,
                       "Between two content events of a stream; comments do not count."),
    DIRECTIVE_DURATION(struct timeouts_conf, total, "1h", 1, 7 * 86400e3,
                       "For the whole exchange."),
};

static const struct directive_set timeouts_set = {
    .key = "timeouts",
    .shape = DIRECTIVE_OBJECT,
    .help = "How long each part of an exchange may take.",
    .rows = timeouts_rows,
    .count = ARRAY_LEN(timeouts_rows),
    .size = sizeof(struct timeouts_conf),
};

static const struct directive retry_rows[] = {
    DIRECTIVE_NUMBER(struct retry_conf, attempts, "3", 1, 8,
                     "Endpoints tried in all, before the first content has been passed on."),
    DIRECTIVE_NUMBER(struct retry_conf, budget, "20", 0, 100,
                     "Retries as a percentage of the pool's exchanges; a few are always allowed."),
};

static const struct directive_set retry_set = {
    .key = "retry",
    .shape = DIRECTIVE_OBJECT,
    .help = "When another endpoint is tried.",
    .rows = retry_rows,
    .count = ARRAY_LEN(retry_rows),
    .size = sizeof(struct retry_conf),
};

static const struct directive metrics_rows[] = {
    DIRECTIVE_BOOL(struct metrics_conf, active, "on",
                   "Read what each endpoint says of its load: who waits and runs there, how full "
                   "its cache is, which LoRA adapters it holds."),
    { .key = "path",
      .type = DIRECTIVE_TYPE_TEXT,
      .offset = offsetof(struct metrics_conf, path),
      .format = "path",
      .help = "Path of the metrics page; left out: the engine's own." },
    DIRECTIVE_DURATION(struct metrics_conf, interval, "200ms", 10, 3600e3,
                       "Between two pages of an endpoint; longer with more than 200 endpoints: all "
                       "together are read 1000 times a second at most."),
    DIRECTIVE_DURATION(struct metrics_conf, timeout, "1s", 10, 60e3, "How long a page may take."),
};

static const struct directive_set metrics_set = {
    .key = "metrics",
    .shape = DIRECTIVE_OBJECT,
    .help = "What endpoints say of their load, from the metrics pages of their engines.",
    .rows = metrics_rows,
    .count = ARRAY_LEN(metrics_rows),
    .size = sizeof(struct metrics_conf),
};

static const struct directive pool_tls_rows[] = {
    DIRECTIVE_PATH(struct pool_tls_conf, ca,
                   "PEM file of the authorities that are trusted; left out: the system's."),
    DIRECTIVE_PATH(struct pool_tls_conf, certificate,
                   "PEM file of the gateway's own certificate for endpoints that ask for one."),
    DIRECTIVE_PATH(struct pool_tls_conf, key, "PEM file of its key."),
    DIRECTIVE_TEXT(struct pool_tls_conf, server_name, NULL,
                   "Name to send and to verify; left out: the endpoint's host."),
    DIRECTIVE_BOOL(struct pool_tls_conf, verify, "on", "Off accepts any certificate."),
};

static const struct directive_set pool_tls_set = {
    .key = "tls",
    .shape = DIRECTIVE_OBJECT,
    .help = "TLS towards a pool's https and h2 endpoints.",
    .rows = pool_tls_rows,
    .count = ARRAY_LEN(pool_tls_rows),
    .size = sizeof(struct pool_tls_conf),
};

static const struct directive sticky_rows[] = {
    { .key = "header",
      .type = DIRECTIVE_TYPE_TEXT,
      .offset = offsetof(struct sticky_conf, header),
      .default_text = "x-session-id",
      .format = "header",
      .help = "Requests with the same value of this header are a session." },
};

static const struct directive_set sticky_set = {
    .key = "sticky",
    .shape = DIRECTIVE_OBJECT,
    .help = "Keeps a session together.",
    .rows = sticky_rows,
    .count = ARRAY_LEN(sticky_rows),
    .size = sizeof(struct sticky_conf),
};

static const struct directive pool_rows[] = {
    { .key = "name",
      .type = DIRECTIVE_TYPE_TEXT,
      .offset = offsetof(struct pool_conf, name),
      .required = true,
      .format = "name",
      .help = "Name of the pool." },
    DIRECTIVE_WORD(
        struct pool_conf, engine, "openai", engine_names,
        "What the endpoints run: names the health path and the paths that clients may reach."),
    { .key = "endpoints",
      .type = DIRECTIVE_TYPE_TEXTS,
      .offset = offsetof(struct pool_conf, endpoints),
      .required = true,
      .help = "URLs: http, https (HTTP/1.1), h2c, h2 (HTTP/2 over TLS), a path prefix allowed. "
              "\"dns:http://name:8000\" follows every address of the name." },
    DIRECTIVE_PATH(struct pool_conf, key_file,
                   "File with the key sent to the endpoints as Authorization: Bearer, in place of "
                   "the client's; on checks too."),
    DIRECTIVE_TEXT(
        struct pool_conf, kv_events, NULL,
        "Where each endpoint publishes its KV-cache events: \"tcp://{host}:5557\". {host} "
        "and {port} are the endpoint's, {port+N} where engines share a host."),
    DIRECTIVE_TEXT(struct pool_conf, kv_events_replay, NULL,
                   "Where each endpoint sends events again: the engine's replay_endpoint, written "
                   "as kv_events is. Left out: after a loss its cache is unknown until it has been "
                   "stored anew."),
    DIRECTIVE_TEXT(struct pool_conf, kv_events_topic, NULL,
                   "What the topics of its events begin with: \"kv@\". Left out: all are heard."),
    DIRECTIVE_NUMBER(struct pool_conf, kv_events_ranks, "1", 1, KV_FEED_RANKS_MAX,
                     "Data-parallel ranks of an endpoint's engine (vLLM's --data-parallel-size, "
                     "SGLang's --dp): each publishes by itself, at ports counted up from those of "
                     "kv_events and kv_events_replay."),
    DIRECTIVE_NUMBER(struct pool_conf, kv_cache_tokens, "300000", 1, 1e12,
                     "Tokens that an endpoint's cache has room for, where its metrics do not say "
                     "so; the model of its cache stands on it where there are no events."),
    DIRECTIVE_SUB(struct pool_conf, tls, &pool_tls_set, "TLS towards the endpoints."),
    DIRECTIVE_IMPLIED(struct pool_conf, health, &health_set, "How endpoints are found healthy."),
    DIRECTIVE_IMPLIED(struct pool_conf, metrics, &metrics_set, "What endpoints say of their load."),
    DIRECTIVE_IMPLIED(struct pool_conf, timeouts, &timeouts_set, "Deadlines."),
    DIRECTIVE_IMPLIED(struct pool_conf, retry, &retry_set, "Retries."),
    DIRECTIVE_WORD(struct pool_conf, route, "price", pick_names, "How an endpoint is chosen."),
    DIRECTIVE_IMPLIED(struct pool_conf, price, &price_set,
                      "Weights of what makes an endpoint dear (route: price)."),
    DIRECTIVE_SUB(struct pool_conf, sticky, &sticky_set,
                  "Keeps a session at one endpoint while that is ready."),
    DIRECTIVE_NUMBER(
        struct pool_conf, concurrency, "0", 0, 1e6,
        "Exchanges at an endpoint at a time, per gateway; more wait in the gateway. 0: no limit."),
    DIRECTIVE_DURATION(
        struct pool_conf, keep_alive, "4s", 0, 3600e3,
        "How long an idle connection is kept: less than the engine keeps it (uvicorn: 5 s)."),
};

const struct directive_set pools_set = {
    .key = "pools",
    .shape = DIRECTIVE_LIST,
    .help = "Named sets of endpoints that serve one model version alike.",
    .rows = pool_rows,
    .count = ARRAY_LEN(pool_rows),
    .size = sizeof(struct pool_conf),
    .check = fleet_check_pool,
};

static const struct directive version_rows[] = {
    { .key = "name",
      .type = DIRECTIVE_TYPE_TEXT,
      .offset = offsetof(struct version_conf, name),
      .required = true,
      .format = "name",
      .help = "Name of the version." },
    { .key = "pool",
      .type = DIRECTIVE_TYPE_TEXT,
      .offset = offsetof(struct version_conf, pool),
      .required = true,
      .format = "name",
      .help = "The pool that serves it." },
    DIRECTIVE_NUMBER(struct version_conf, weight, "100", 0, 1e6,
                     "Its share among the model's versions; 0: none."),
    DIRECTIVE_TEXT(struct version_conf, model, NULL,
                   "What the engines call it; left out: the model's name."),
    DIRECTIVE_TEXTS(struct version_conf, adapters,
                    "LoRA adapters of it, which clients may name as models; those that engines "
                    "list are found by themselves."),
    DIRECTIVE_PATH(struct version_conf, tokenizer,
                   "Folder of its tokenizer; left out: the model's."),
    DIRECTIVE_PATH(struct version_conf, chat_template,
                   "File with its chat template; left out: its tokenizer folder's, or the model's "
                   "where the tokenizer is."),
};

static const struct directive_set version_set = {
    .key = "versions",
    .shape = DIRECTIVE_LIST,
    .help = "Weighted variants of a model.",
    .rows = version_rows,
    .count = ARRAY_LEN(version_rows),
    .size = sizeof(struct version_conf),
};

static const struct directive model_rows[] = {
    { .key = "name",
      .type = DIRECTIVE_TYPE_TEXT,
      .offset = offsetof(struct model_conf, name),
      .required = true,
      .help = "What clients call it. \"*\" takes what no other model takes." },
    DIRECTIVE_TEXTS(struct model_conf, aliases, "Other names for it."),
    DIRECTIVE_TEXTS(struct model_conf, adapters,
                    "LoRA adapters that all its versions serve, which clients may name as models."),
    DIRECTIVE_TEXT(struct model_conf, pool, NULL, "The pool that serves it; instead of versions."),
    DIRECTIVE_PATH(
        struct model_conf, tokenizer,
        "Folder with tokenizer.json and tokenizer_config.json, as the engine has it. Left "
        "out: tokens are estimated and block keys are approximate."),
    DIRECTIVE_PATH(struct model_conf, chat_template,
                   "File with the chat template that the engine was started with "
                   "(--chat-template); left out: the tokenizer folder's."),
    DIRECTIVE_WORD(struct model_conf, chat_template_content_format, "auto", recipe_format_names,
                   "What the engine gives the template as a message's content "
                   "(--chat-template-content-format)."),
    DIRECTIVE_TEXT(struct model_conf, default_chat_template_kwargs, NULL,
                   "JSON object with the engine's --default-chat-template-kwargs."),
    DIRECTIVE_WORD(struct model_conf, tokenizer_mode, "auto", recipe_mode_names,
                   "The engine's --tokenizer-mode, or harmony (gpt-oss). Chats of mistral, "
                   "deepseek_v32 and harmony are approximate: no template renders them. auto looks "
                   "at the folder."),
    DIRECTIVE_BOOL(struct model_conf, exclude_tools_when_tool_choice_none, "off",
                   "The engine was started with --exclude-tools-when-tool-choice-none."),
    DIRECTIVE_BOOL(struct model_conf, share_prefixes, "on",
                   "Off keeps the block keys of different tenants apart, so that none is routed by "
                   "what another one has asked."),
    DIRECTIVE_SUBS(struct model_conf, versions, &version_set, "Weighted versions."),
    DIRECTIVE_SUB(struct model_conf, sticky, &sticky_set, "Keeps a session at one version."),
    DIRECTIVE_BOOL(struct model_conf, inspect, "on",
                   "Off passes bodies through unread; only where \"*\" is the only model."),
};

const struct directive_set models_set = {
    .key = "models",
    .shape = DIRECTIVE_LIST,
    .help = "What clients may name, and which pools serve it.",
    .rows = model_rows,
    .count = ARRAY_LEN(model_rows),
    .size = sizeof(struct model_conf),
    .check = fleet_check_model,
};
