/*
 * Decisions as JSON.
 */
#include "routing/explain.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

/* A name that is longer is cut: six times as much when every byte of it must be escaped. */
#define NAME_BYTES 256
/* ,"endpoints":[],"dropped":[],"more":{"endpoints":N,"dropped":N} */
#define TAIL_BYTES 96

static const char *const outcome_names[] = {
    [DECIDE_CHOSEN] = "chosen",
    [DECIDE_WAIT] = "waits",
    [DECIDE_NONE] = "nobody",
};

/* A list that may grow by so many bytes, and how many did not fit. */
struct listing {
    json_t *list;
    size_t *left;
    json_int_t cut;
};

/* Takes the entry. */
static void listing_add(struct listing *listing, json_t *entry)
{
    size_t need = json_dumpb(entry, NULL, 0, EXPLAIN_FLAGS) + 1; /* and a comma */

    if (need <= *listing->left) {
        *listing->left -= need;
        json_array_append_new(listing->list, entry);
        return;
    }
    *listing->left = 0;
    listing->cut++;
    json_decref(entry);
}

static bool listing_is_full(const struct listing *listing)
{
    return *listing->left == 0;
}

/* Names are the operator's, and UTF-8: a cut one ends with a whole character. */
static json_t *name_json(const char *name)
{
    size_t len = strlen(name);

    if (len > NAME_BYTES)
        for (len = NAME_BYTES; len > 0 && ((unsigned char)name[len] & 0xc0) == 0x80;)
            len--;
    return json_stringn(name, len);
}

/* JSON knows no infinity. */
static json_t *seconds_json(double seconds)
{
    return isfinite(seconds) ? json_real(seconds) : json_null();
}

/* ---- who was left ---- */

static json_t *terms_json(const struct price *price)
{
    json_t *terms = json_object();

    for (size_t i = 0; i < SCORER_COUNT; i++)
        if (price->terms[i] != 0)
            json_object_set_new(terms, scorer_names[i], seconds_json(price->terms[i]));
    return terms;
}

static json_t *load_json(const struct load *load)
{
    return json_pack("{s:o, s:I, s:I, s:I}", "queued_s", seconds_json(load->queued_s), "prefills",
                     (json_int_t)load->prefills, "decodes", (json_int_t)load->decodes,
                     "live_tokens", (json_int_t)load->live_tokens);
}

static json_t *priced_json(const struct decision *decision, const struct decide_call *call,
                           size_t i)
{
    const struct price_candidate *at = &decision->at[i];
    const struct price *price = &decision->prices[i];

    return json_pack("{s:o, s:I, s:I, s:o, s:o, s:o, s:b, s:o}", "endpoint",
                     name_json(decision_left(decision, i)->endpoint->name), "blocks",
                     (json_int_t)decision->matches[decision->left[i]].blocks, "cached_tokens",
                     (json_int_t)at->cached, "prefill_s", seconds_json(price->prefill_s), "price_s",
                     seconds_json(price->total_s), "terms", terms_json(price), "room",
                     (int)price_has_room(call->pool->conf->price, &decision->request, at), "load",
                     load_json(&at->load));
}

static json_t *left_json(const struct decision *decision, const struct decide_call *call, size_t i)
{
    const struct endpoint *endpoint = decision_left(decision, i)->endpoint;

    if (decision->priced)
        return priced_json(decision, call, i);
    return json_pack(
        "{s:o, s:I}", "endpoint", name_json(endpoint->name), "inflight",
        (json_int_t)atomic_load_explicit(&endpoint->state->inflight, memory_order_relaxed));
}

struct ranked {
    double price_s;
    uint32_t at; /* index into decision->left */
};

static int by_price(const void *a, const void *b)
{
    const struct ranked *one = a, *other = b;

    if (one->price_s != other->price_s)
        return one->price_s < other->price_s ? -1 : 1;
    return one->at < other->at ? -1 : 1;
}

/* Indexes into decision->left: the best one, then the others by price or in the pool's order. */
static struct ranked *rank(const struct decision *decision)
{
    struct ranked *ranked = xcalloc(decision->left_count + 1, sizeof(*ranked));

    for (size_t i = 0; i < decision->left_count; i++)
        ranked[i] =
            (struct ranked){ decision->priced ? decision->prices[i].total_s : 0, (uint32_t)i };
    if (decision->left_count > 0) {
        ranked[decision->best].price_s = -1;
        qsort(ranked, decision->left_count, sizeof(*ranked), by_price);
    }
    return ranked;
}

static void list_left(const struct decision *decision, const struct decide_call *call,
                      struct listing *listing)
{
    struct ranked *ranked = rank(decision);

    for (size_t i = 0; i < decision->left_count; i++)
        if (listing_is_full(listing))
            listing->cut++;
        else
            listing_add(listing, left_json(decision, call, ranked[i].at));
    free(ranked);
}

/* ---- who was dropped ---- */

static void list_dropped(const struct decision *decision, struct listing *listing)
{
    for (size_t i = 0; i < decision->count; i++) {
        const struct candidate *candidate = &decision->all[i];

        if (candidate->dropped_by == SCREEN_COUNT)
            continue;
        if (listing_is_full(listing))
            listing->cut++;
        else
            listing_add(listing,
                        json_pack("{s:o, s:s}", "endpoint", name_json(candidate->endpoint->name),
                                  "by", screen_names[candidate->dropped_by]));
    }
}

static json_t *screens_json(const struct decision *decision)
{
    json_int_t dropped[SCREEN_COUNT] = { 0 };
    json_t *screens = json_object();

    for (size_t i = 0; i < decision->count; i++)
        if (decision->all[i].dropped_by < SCREEN_COUNT)
            dropped[decision->all[i].dropped_by]++;
    for (size_t i = 0; i < SCREEN_COUNT; i++)
        if (dropped[i] > 0)
            json_object_set_new(screens, screen_names[i], json_integer(dropped[i]));
    return screens;
}

/* ---- the whole ---- */

static json_t *best_json(const struct decision *decision, enum decide_outcome outcome)
{
    if (outcome == DECIDE_NONE || decision->left_count == 0)
        return json_null();
    return name_json(decision_left(decision, decision->best)->endpoint->name);
}

static json_t *head_json(const struct decision *decision, const struct decide_call *call,
                         enum decide_outcome outcome)
{
    const struct pool *pool = call->pool;

    return json_pack(
        "{s:s, s:o, s:o, s:s, s:I, s:I, s:s, s:f, s:o}", "outcome", outcome_names[outcome],
        "endpoint", best_json(decision, outcome), "pool", name_json(pool->name), "policy",
        call->pin.len > 0 ? "pin" : pick_names[pool->conf->route], "tokens",
        (json_int_t)call->tokens, "blocks", (json_int_t)call->prompt.count, "keys",
        call->keys_exact ? "exact" : "approximate", "busy",
        decision->priced ? decision->request.busy : 0.0, "screens", screens_json(decision));
}

json_t *explain_decision(const struct decision *decision, const struct decide_call *call,
                         enum decide_outcome outcome, size_t limit)
{
    json_t *whole = head_json(decision, call, outcome);
    size_t used = json_dumpb(whole, NULL, 0, EXPLAIN_FLAGS) + TAIL_BYTES;
    size_t left = limit > used ? limit - used : 0;
    struct listing endpoints = { json_array(), &left, 0 }, dropped = { json_array(), &left, 0 };

    list_left(decision, call, &endpoints);
    list_dropped(decision, &dropped);
    json_object_set_new(whole, "endpoints", endpoints.list);
    json_object_set_new(whole, "dropped", dropped.list);
    if (endpoints.cut + dropped.cut > 0)
        json_object_set_new(
            whole, "more",
            json_pack("{s:I, s:I}", "endpoints", endpoints.cut, "dropped", dropped.cut));
    return whole;
}

char *explain_text(const struct decision *decision, const struct decide_call *call,
                   enum decide_outcome outcome)
{
    json_t *whole = explain_decision(decision, call, outcome, EXPLAIN_TEXT_BYTES);
    char *text = json_dumps(whole, EXPLAIN_FLAGS);

    CHECK(text);
    json_decref(whole);
    return text;
}
