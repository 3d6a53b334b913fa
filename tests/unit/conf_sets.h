/*
 * A small configuration to test with: every shape of set and every type of row.
 */
#ifndef SLUICE_TESTS_UNIT_CONF_SETS_H
#define SLUICE_TESTS_UNIT_CONF_SETS_H

#include "conf/conf.h"

struct top_conf {
    uint64_t workers;
    uint64_t seed;
    uint64_t drain_timeout;
    uint64_t buffer;
    double budget;
    char *tenant_header;
    struct sticky_conf *sticky;
};

struct sticky_conf {
    char *header;
    bool strict;
};

struct admin_conf {
    char *address;
    bool open;
};

struct hold_conf {
    uint64_t queue;
    uint64_t deadline;
};

struct tls_conf {
    char *ca;
    bool verify;
};

struct retry_conf {
    uint64_t attempts;
    uint64_t budget;
};

struct pool_conf {
    struct retry_conf *retry; /* implied */
    char *name;
    int route;
    struct conf_texts endpoints;
    char *key_file;
    struct tls_conf *tls;
};

struct version_conf {
    char *name;
    char *pool;
    uint64_t weight;
};

struct model_conf {
    char *name;
    struct conf_texts aliases;
    struct conf_list versions;
};

struct limit_conf {
    char *model;
    uint64_t requests_per_minute;
};

static const char *const pool_routes[] = { "price", "least_requests", "round_robin", NULL };

static const struct directive sticky_rows[] = {
    { .key = "header",
      .type = DIRECTIVE_TYPE_TEXT,
      .offset = offsetof(struct sticky_conf, header),
      .required = true,
      .format = "header",
      .help = "The header whose value sticks." },
    DIRECTIVE_BOOL(struct sticky_conf, strict, "off", "Refuses requests without it."),
};
static const struct directive_set sticky_set = {
    .key = "sticky sessions",
    .shape = DIRECTIVE_OBJECT,
    .help = "Stickiness.",
    .rows = sticky_rows,
    .count = ARRAY_LEN(sticky_rows),
    .size = sizeof(struct sticky_conf),
};

static const struct directive top_rows[] = {
    DIRECTIVE_NUMBER(struct top_conf, workers, "2", 1, 1024, "How many threads | loops."),
    DIRECTIVE_NUMBER(struct top_conf, seed, NULL, 0, 0, "Seed of hashes."),
    DIRECTIVE_DURATION(struct top_conf, drain_timeout, "5s", 0, 3600000, "Time to drain."),
    DIRECTIVE_SIZE(struct top_conf, buffer, "64 KiB", 4096, 1 << 20, "Bytes of a buffer."),
    DIRECTIVE_REAL(struct top_conf, budget, "20%", 0, 1, "Part of requests that may be retried."),
    { .key = "tenant_header",
      .type = DIRECTIVE_TYPE_TEXT,
      .offset = offsetof(struct top_conf, tenant_header),
      .format = "header",
      .help = "Tenant." },
    DIRECTIVE_SUB(struct top_conf, sticky, &sticky_set, "Stickiness."),
};
static const struct directive_set top_set = {
    .shape = DIRECTIVE_ROOT,
    .help = "The process.",
    .rows = top_rows,
    .count = ARRAY_LEN(top_rows),
    .size = sizeof(struct top_conf),
};

static const struct directive admin_rows[] = {
    { .key = "address",
      .type = DIRECTIVE_TYPE_TEXT,
      .offset = offsetof(struct admin_conf, address),
      .required = true,
      .format = "address",
      .help = "Where it is served." },
    DIRECTIVE_BOOL(struct admin_conf, open, "off", "Without a key."),
};
static const struct directive_set admin_set = {
    .key = "admin",
    .shape = DIRECTIVE_OBJECT,
    .help = "For operators.",
    .rows = admin_rows,
    .count = ARRAY_LEN(admin_rows),
    .size = sizeof(struct admin_conf),
};

static const struct directive hold_rows[] = {
    DIRECTIVE_NUMBER(struct hold_conf, queue, "10000", 0, 1000000, "Requests that may wait."),
    DIRECTIVE_DURATION(struct hold_conf, deadline, "50s", 1, 0, "How long."),
};
static const struct directive_set hold_set = {
    .key = "hold",
    .shape = DIRECTIVE_OBJECT,
    .help = "Waiting.",
    .rows = hold_rows,
    .count = ARRAY_LEN(hold_rows),
    .size = sizeof(struct hold_conf),
};

static const struct directive tls_rows[] = {
    DIRECTIVE_PATH(struct tls_conf, ca, "Authorities."),
    DIRECTIVE_BOOL(struct tls_conf, verify, "on", "Verifies."),
};
static const struct directive_set tls_set = {
    .key = "endpoint TLS",
    .shape = DIRECTIVE_OBJECT,
    .help = "TLS to endpoints.",
    .rows = tls_rows,
    .count = ARRAY_LEN(tls_rows),
    .size = sizeof(struct tls_conf),
};

/* More than one try needs a budget: what only both rows together can say. */
static void retry_check(struct conf_checker *checker, const void *section)
{
    const struct retry_conf *retry = section;

    if (retry->attempts > 1 && retry->budget == 0)
        conf_complain(checker, &retry->attempts, "%llu attempts without a budget",
                      (unsigned long long)retry->attempts);
}

static const struct directive retry_rows[] = {
    DIRECTIVE_NUMBER(struct retry_conf, attempts, "1", 1, 8, "Endpoints tried."),
    DIRECTIVE_NUMBER(struct retry_conf, budget, NULL, 0, 100, "Percentage of retries."),
};
static const struct directive_set retry_set = {
    .key = "retry",
    .shape = DIRECTIVE_OBJECT,
    .help = "Trying again.",
    .rows = retry_rows,
    .count = ARRAY_LEN(retry_rows),
    .size = sizeof(struct retry_conf),
    .check = retry_check,
};

static const struct directive pool_rows[] = {
    { .key = "name",
      .type = DIRECTIVE_TYPE_TEXT,
      .offset = offsetof(struct pool_conf, name),
      .required = true,
      .format = "name",
      .help = "Its name." },
    DIRECTIVE_WORD(struct pool_conf, route, "price", pool_routes, "How one is chosen."),
    { .key = "endpoints",
      .type = DIRECTIVE_TYPE_TEXTS,
      .offset = offsetof(struct pool_conf, endpoints),
      .required = true,
      .format = "url",
      .help = "Where it runs." },
    DIRECTIVE_PATH(struct pool_conf, key_file, "The key's file."),
    DIRECTIVE_SUB(struct pool_conf, tls, &tls_set, "TLS to its endpoints."),
    DIRECTIVE_IMPLIED(struct pool_conf, retry, &retry_set, "Trying again."),
};
static const struct directive_set pool_set = {
    .key = "pools",
    .shape = DIRECTIVE_LIST,
    .help = "Endpoints.",
    .rows = pool_rows,
    .count = ARRAY_LEN(pool_rows),
    .size = sizeof(struct pool_conf),
};

/* A version's pool must be there: what a check is for. */
static void version_check(struct conf_checker *checker, const void *section)
{
    const struct version_conf *version = section;
    const struct conf_list *pools = conf_section(conf_checker_conf(checker), &pool_set);
    const struct pool_conf *pool = pools->items;
    const char *names[16];
    size_t count = 0;

    for (; count < pools->count && count < ARRAY_LEN(names); count++) {
        names[count] = pool[count].name;
        if (strcmp(pool[count].name, version->pool) == 0)
            return;
    }
    conf_complain_word(checker, &version->pool, slice_str(version->pool), names, count,
                       "no pool `%s`", version->pool);
}

static const struct directive version_rows[] = {
    { .key = "name",
      .type = DIRECTIVE_TYPE_TEXT,
      .offset = offsetof(struct version_conf, name),
      .required = true,
      .format = "name",
      .help = "Its name." },
    { .key = "pool",
      .type = DIRECTIVE_TYPE_TEXT,
      .offset = offsetof(struct version_conf, pool),
      .required = true,
      .format = "name",
      .help = "Who serves it." },
    DIRECTIVE_NUMBER(struct version_conf, weight, "1", 0, 1000, "Its part of the traffic."),
};
static const struct directive_set version_set = {
    .key = "version",
    .shape = DIRECTIVE_LIST,
    .help = "A version of a model.",
    .rows = version_rows,
    .count = ARRAY_LEN(version_rows),
    .size = sizeof(struct version_conf),
    .check = version_check,
};

static void model_check(struct conf_checker *checker, const void *section)
{
    const struct model_conf *model = section;

    for (size_t i = 0; i < model->aliases.count; i++)
        if (strcmp(model->aliases.at[i], model->name) == 0)
            conf_complain(checker, &model->aliases.at[i], "`%s` is its own alias", model->name);
    if (model->versions.count == 0)
        conf_complain(checker, &model->versions, "model `%s` has no version", model->name);
}

static const struct directive model_rows[] = {
    { .key = "name",
      .type = DIRECTIVE_TYPE_TEXT,
      .offset = offsetof(struct model_conf, name),
      .required = true,
      .format = "pattern",
      .help = "Its name." },
    DIRECTIVE_TEXTS(struct model_conf, aliases, "Other names."),
    DIRECTIVE_SUBS(struct model_conf, versions, &version_set, "Its versions."),
};
static const struct directive_set model_set = {
    .key = "models",
    .shape = DIRECTIVE_LIST,
    .help = "What clients name.",
    .rows = model_rows,
    .count = ARRAY_LEN(model_rows),
    .size = sizeof(struct model_conf),
    .check = model_check,
};

static const struct directive limit_rows[] = {
    { .key = "model",
      .type = DIRECTIVE_TYPE_TEXT,
      .offset = offsetof(struct limit_conf, model),
      .default_text = "*",
      .format = "pattern",
      .help = "Which." },
    DIRECTIVE_NUMBER(struct limit_conf, requests_per_minute, NULL, 0, 0, "How many."),
};
static const struct directive_set limit_set = {
    .key = "limits",
    .shape = DIRECTIVE_LIST,
    .help = "Limits.",
    .rows = limit_rows,
    .count = ARRAY_LEN(limit_rows),
    .size = sizeof(struct limit_conf),
};

static const struct directive_set *const test_sets[] = {
    &top_set, &admin_set, &hold_set, &pool_set, &model_set, &limit_set, NULL,
};

#endif
