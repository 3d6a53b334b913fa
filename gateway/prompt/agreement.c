/*
 * Agreement. The word: bits 0..31 the last comparisons (1: differed), newest lowest; bits 32..47
 * how many there were since trust changed; bit 48 set while distrusted.
 */
#include "gateway/prompt/agreement.h"

#include <stdatomic.h>
#include <stdlib.h>

#define DISTRUSTED  (1ull << 48)
#define COUNT_SHIFT 32
#define COUNT_MAX   0xffffu

/* Fewer tokens than this say little about how long one is. */
#define LEARN_TOKENS_LEAST 16
/* A longer answer counts as one of these, so that a single one changes little. */
#define LEARN_OUTPUT_MOST 16384

static void agreement_free(struct snapshot *snapshot)
{
    free(CONTAINER_OF(snapshot, struct agreement, snapshot));
}

struct agreement *agreement_new(void)
{
    struct agreement *agreement = xcalloc(1, sizeof(*agreement));

    snapshot_init(&agreement->snapshot, agreement_free);
    agreement->token_milli = (uint32_t)(AGREEMENT_TOKEN_BYTES * 1000);
    agreement->output_milli = AGREEMENT_OUTPUT * 1000;
    return agreement;
}

struct agreement *agreement_after(const struct agreement *before)
{
    struct agreement *agreement = agreement_new();

    if (before) {
        agreement->token_milli = atomic_load_explicit(&before->token_milli, memory_order_relaxed);
        agreement->output_milli = atomic_load_explicit(&before->output_milli, memory_order_relaxed);
    }
    return agreement;
}

struct agreement *agreement_ref(struct agreement *agreement)
{
    snapshot_ref(&agreement->snapshot);
    return agreement;
}

void agreement_unref(struct agreement *agreement)
{
    if (agreement)
        snapshot_unref(&agreement->snapshot);
}

bool agreement_is_trusted(const struct agreement *agreement)
{
    return !(atomic_load_explicit(&agreement->word, memory_order_relaxed) & DISTRUSTED);
}

bool agreement_wants_exact(struct agreement *agreement)
{
    if (agreement_is_trusted(agreement))
        return true;
    return atomic_fetch_add_explicit(&agreement->asked, 1, memory_order_relaxed) %
               AGREEMENT_PROBE ==
           0;
}

static enum agreement_change judge(uint32_t history, uint32_t count, bool distrusted)
{
    uint32_t recent = history & ((1u << AGREEMENT_RECOVER) - 1);

    if (!distrusted && __builtin_popcount(history) >= AGREEMENT_DIFFER)
        return AGREEMENT_LOST;
    if (distrusted && count >= AGREEMENT_RECOVER && __builtin_popcount(recent) <= 1)
        return AGREEMENT_REGAINED;
    return AGREEMENT_STAYS;
}

enum agreement_change agreement_note(struct agreement *agreement, bool same)
{
    uint64_t before = atomic_load_explicit(&agreement->word, memory_order_relaxed), after;
    enum agreement_change change;

    do {
        uint32_t history = (uint32_t)before << 1 | !same;
        uint32_t count = (uint32_t)(before >> COUNT_SHIFT & COUNT_MAX);
        bool distrusted = before & DISTRUSTED;

        count += count < COUNT_MAX;
        change = judge(history, count, distrusted);
        if (change != AGREEMENT_STAYS) {
            distrusted = change == AGREEMENT_LOST;
            history = count = 0; /* a new beginning, in either direction */
        }
        after = history | (uint64_t)count << COUNT_SHIFT | (distrusted ? DISTRUSTED : 0);
    } while (!atomic_compare_exchange_weak_explicit(&agreement->word, &before, after,
                                                    memory_order_relaxed, memory_order_relaxed));
    return change;
}

void agreement_learn(struct agreement *agreement, uint64_t bytes, uint64_t tokens)
{
    int64_t seen, before;

    if (tokens < LEARN_TOKENS_LEAST || bytes < tokens / 16 || bytes > tokens * 4000)
        return; /* an image, or text that is hardly any: no measure of text */
    seen = (int64_t)(bytes * 1000 / tokens);
    before = (int64_t)atomic_load_explicit(&agreement->token_milli, memory_order_relaxed);
    before += (seen - before) / 16;
    atomic_store_explicit(&agreement->token_milli, (uint32_t)(before > 100 ? before : 100),
                          memory_order_relaxed);
}

void agreement_learn_output(struct agreement *agreement, uint64_t tokens)
{
    int64_t seen = (int64_t)(tokens < LEARN_OUTPUT_MOST ? tokens : LEARN_OUTPUT_MOST) * 1000;
    int64_t before = atomic_load_explicit(&agreement->output_milli, memory_order_relaxed);

    atomic_store_explicit(&agreement->output_milli, (uint32_t)(before + (seen - before) / 16),
                          memory_order_relaxed);
}

double agreement_output(const struct agreement *agreement)
{
    return atomic_load_explicit(&agreement->output_milli, memory_order_relaxed) / 1000.0;
}

double agreement_token_bytes(const struct agreement *agreement)
{
    return (double)atomic_load_explicit(&agreement->token_milli, memory_order_relaxed) / 1000;
}
