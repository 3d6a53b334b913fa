/*
 * Explanations as lines: what a person asks of one, in the order of the steps.
 */
#include "gateway/command_explain.h"

#include <string.h>

/* Endpoints of a pool that are shown. */
#define SHOWN 20

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "-";
}

static long long number_of(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static double real_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void print_keys(const json_t *keys, FILE *to)
{
    const json_t *first = json_object_get(keys, "first");

    fprintf(to, "  block keys   %lld of %lld tokens, %s", number_of(keys, "count"),
            number_of(keys, "block"),
            json_is_true(json_object_get(keys, "exact")) ? "exact" : "approximate");
    for (size_t i = 0; i < json_array_size(first); i++)
        fprintf(to, "%s%s", i > 0 ? " " : ": ", json_string_value(json_array_get(first, i)));
    if ((size_t)number_of(keys, "count") > json_array_size(first))
        fprintf(to, " ...");
    fprintf(to, "\n");
    if (!json_is_true(json_object_get(keys, "seeded")))
        fprintf(to,
                "               (prefix_seed is left out: a gateway draws one, its keys differ)\n");
}

static void print_screens(const json_t *decision, FILE *to)
{
    const json_t *dropped = json_object_get(decision, "dropped");

    for (size_t i = 0; i < json_array_size(dropped) && i < SHOWN; i++) {
        const json_t *one = json_array_get(dropped, i);

        fprintf(to, "    %-40s dropped by %s\n", text_of(one, "endpoint"), text_of(one, "by"));
    }
    if (json_array_size(dropped) > SHOWN)
        fprintf(to, "    ... and %zu more dropped\n", json_array_size(dropped) - SHOWN);
}

static void print_terms(json_t *terms, FILE *to)
{
    const char *name;
    json_t *term;

    json_object_foreach(terms, name, term) fprintf(to, "  %s %.6f", name, json_number_value(term));
}

static void print_endpoint(const json_t *endpoint, FILE *to)
{
    json_t *terms = json_object_get(endpoint, "terms");

    fprintf(to, "    %s", text_of(endpoint, "endpoint"));
    if (terms) {
        fprintf(to, " %.6f s, %lld cached =", real_of(endpoint, "price_s"),
                number_of(endpoint, "cached_tokens"));
        print_terms(terms, to);
    }
    fprintf(to, "\n");
}

static void print_decision(const json_t *decision, FILE *to)
{
    const json_t *endpoints = json_object_get(decision, "endpoints");
    const char *outcome = text_of(decision, "outcome");
    size_t count = json_array_size(endpoints);

    if (strcmp(outcome, "nobody") == 0)
        fprintf(to, "  endpoint     none: %s\n",
                strcmp(text_of(decision, "policy"), "pin") == 0
                    ? "the one that is asked for is none of the pool's, refused with 503"
                    : "the pool has none without a network");
    else
        fprintf(to, "  endpoint     %s, by %s%s\n", text_of(decision, "endpoint"),
                text_of(decision, "policy"),
                strcmp(outcome, "waits") == 0 ? ", once it has room" : "");
    for (size_t i = 0; i < count && i < SHOWN; i++)
        print_endpoint(json_array_get(endpoints, i), to);
    if (count > SHOWN)
        fprintf(to, "    ... and %zu more\n", count - SHOWN);
    print_screens(decision, to);
}

static void print_version(const json_t *version, FILE *to)
{
    const json_t *tokens = json_object_get(version, "tokens");
    const json_t *refused = json_object_get(version, "refused");
    const json_t *decision = json_object_get(version, "decision");

    fprintf(to, "version %s, %.4g %% of requests, pool %s (%s), model %s there\n",
            text_of(version, "version"), 100 * real_of(version, "share"), text_of(version, "pool"),
            text_of(version, "engine"), text_of(version, "engine_model"));
    if (refused) {
        fprintf(to, "  refused      %s\n", json_string_value(refused));
        return;
    }
    fprintf(to, "  tokens       %lld, %s: %s\n", number_of(tokens, "count"),
            text_of(tokens, "exactness"), text_of(tokens, "why"));
    print_keys(json_object_get(version, "keys"), to);
    if (json_is_null(decision))
        fprintf(to, "  endpoint     none: the gateway answers by itself\n");
    else
        print_decision(decision, to);
}

void explain_print(const json_t *explained, FILE *to)
{
    const json_t *refused = json_object_get(explained, "refused");
    const json_t *versions = json_object_get(explained, "versions");

    fprintf(to, "POST %s, %lld bytes, dialect %s, model %s\n", text_of(explained, "path"),
            number_of(explained, "bytes"), text_of(explained, "dialect"),
            text_of(explained, "model"));
    if (refused) {
        fprintf(to, "refused: %lld %s: %s (%s)\n", number_of(refused, "status"),
                text_of(refused, "reason"), text_of(refused, "message"), text_of(refused, "param"));
        return;
    }
    for (size_t i = 0; i < json_array_size(versions); i++)
        print_version(json_array_get(versions, i), to);
    fprintf(to, "(load, caches and health are a running gateway's to know: here every endpoint is "
                "idle, well and cold, and dns: names have no addresses)\n");
}
