/*
 * Counting what is at an endpoint.
 */
#include "routing/signals.h"

/* How fast the part that prompts share follows what metrics say; and no less than this, whatever
 * they say: an engine that claims to use nothing must not be filled without end. */
#define SHARED_GAIN 0.1
#define SHARED_MIN  0.05

/* No prefill is believed to take longer, a day: sums of them stay numbers, whatever was learned. */
#define PREFILL_MAX_S 86400.0

#define ADD(field, n) atomic_fetch_add_explicit(field, n, memory_order_relaxed)
#define SUB(field, n) atomic_fetch_sub_explicit(field, n, memory_order_relaxed)
#define GET(field)    atomic_load_explicit(field, memory_order_relaxed)
#define SET(field, n) atomic_store_explicit(field, n, memory_order_relaxed)

void signals_read(const struct signals *s, uint64_t now_us, struct load *ret_load)
{
    uint64_t head_us = GET(&s->head_us);
    int32_t prefills = GET(&s->prefills);
    double live = (double)GET(&s->live_tokens);
    double shared = GET(&s->shared);

    *ret_load = (struct load){
        .queued_s = (double)GET(&s->queued_us) * 1e-6,
        .head_s = prefills > 0 && now_us > head_us ? (double)(now_us - head_us) * 1e-6 : 0,
        .queued_tokens = (double)GET(&s->queued_tokens),
        .live_tokens = live,
        .prefills = prefills,
        .decodes = GET(&s->decodes),
        .used = shared > 0 ? live * shared : live,
        .shared = shared > 0 ? shared : 1,
        .capacity = shared > 0 ? (double)GET(&s->capacity) : 0,
    };
}

/* Metrics are old when they are read; how much prompts share changes slowly, so it is that part
 * which is kept, and applied to what is under way now. */
void signals_cache(struct signals *s, uint64_t capacity, double usage)
{
    double live = (double)GET(&s->live_tokens);
    double before = GET(&s->shared);
    double now = live > 0 ? usage * (double)capacity / live : 1;

    if (now > 1)
        now = 1;
    if (now < SHARED_MIN)
        now = SHARED_MIN;
    SET(&s->shared, before > 0 ? before + SHARED_GAIN * (now - before) : now);
    SET(&s->capacity, capacity);
}

void signals_cache_unknown(struct signals *s)
{
    SET(&s->shared, 0);
}

static int64_t prefill_us(double prefill_s)
{
    double s = prefill_s > 0 ? prefill_s : 0; /* not a number is not above 0 */

    return (int64_t)((s < PREFILL_MAX_S ? s : PREFILL_MAX_S) * 1e6);
}

void signals_sent(struct signals *s, struct share *share, uint32_t tokens, uint32_t uncached,
                  double prefill_s, uint64_t now_us)
{
    CHECK(share->state == SHARE_NONE);
    *share = (struct share){
        .sent_us = now_us,
        .prefill_us = prefill_us(prefill_s),
        .uncached = uncached,
        .tokens = tokens,
        .state = SHARE_PREFILL,
    };
    ADD(&s->queued_us, share->prefill_us);
    ADD(&s->queued_tokens, uncached);
    ADD(&s->live_tokens, tokens);
    if (ADD(&s->prefills, 1) == 0)
        SET(&s->head_us, now_us);
}

uint64_t signals_prefilled_us(const struct load *before, const struct share *share)
{
    return share->sent_us + (uint64_t)(before->queued_s * 1e6) + (uint64_t)share->prefill_us;
}

static void leave_prefill(struct signals *s, const struct share *share, uint64_t now_us)
{
    SUB(&s->queued_us, share->prefill_us);
    SUB(&s->queued_tokens, share->uncached);
    SUB(&s->prefills, 1);
    SET(&s->head_us, now_us);
}

void signals_first_token(struct signals *s, struct share *share, uint64_t now_us)
{
    if (share->state != SHARE_PREFILL)
        return;
    leave_prefill(s, share, now_us);
    ADD(&s->decodes, 1);
    share->state = SHARE_DECODE;
}

void signals_tokens(struct signals *s, struct share *share, uint32_t count)
{
    if (share->state == SHARE_NONE)
        return;
    share->tokens += count;
    ADD(&s->live_tokens, count);
}

void signals_ended(struct signals *s, struct share *share, uint64_t now_us)
{
    if (share->state == SHARE_NONE)
        return;
    if (share->state == SHARE_PREFILL)
        leave_prefill(s, share, now_us);
    else
        SUB(&s->decodes, 1);
    SUB(&s->live_tokens, share->tokens);
    share->state = SHARE_NONE;
}
