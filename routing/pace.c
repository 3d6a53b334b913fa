/*
 * Fits of three factors, and when an exchange's times say something about them.
 */
#include "routing/pace.h"

#include <math.h>

/* facts of public simulators and measurements: 15,928 tokens/s of prefill; attention and reads by
 * roofline (4 * 8192 * 64 FLOP at 45 % of two H100; 262 KB of KV a token at 6.7 TB/s). */
const struct pace pace_default = {
    .token_s = 62.8e-6,
    .square_s = 2.36e-9,
    .step_s = 12e-3,
    .sequence_s = 30e-6,
    .context_s = 39e-9,
};

/* How much of what was known a new sample leaves: some thirty count. */
#define FADE 0.97
/* ... and the ones after a surprise that went on: the endpoint has changed. */
#define FADE_CHANGED 0.7
/* What the common level weighs against samples: it decides where they say nothing. */
#define RIDGE 0.05
/* The level follows at least this fast. */
#define LEVEL_GAIN_MIN 0.1
/* A sample counts as at most so much more, or less, than was expected; from the third surprise in a
 * row on, on the same side, more. */
#define SURPRISE_MAX  2.0
#define SURPRISES_MAX 8.0
#define SURPRISES     3
/* What a sample weighs that says the endpoint is faster than was thought. */
#define FASTER_WEIGHT 0.5
/* No factor is farther from the level than this; no level farther from 1. */
#define APART_MAX 8.0
#define LEVEL_MAX 1e4

/* Samples with which an endpoint is believed as much as its pool. */
#define BELIEVED 2.0
/* Age at which what it showed is believed half as much. */
#define STALE_US 60e6

/* Content events whose time is one sample of a step. */
#define WINDOW_CONTENTS 8

#define GET(field)    atomic_load_explicit(field, memory_order_relaxed)
#define SET(field, n) atomic_store_explicit(field, n, memory_order_relaxed)

double pace_prefill_s(const struct pace *pace, uint32_t tokens, uint32_t uncached)
{
    double u = uncached;

    return pace->token_s * u + pace->square_s * u * ((double)tokens - u / 2);
}

double pace_step_s(const struct pace *pace, double decodes, double live_tokens)
{
    return pace->step_s + pace->sequence_s * decodes + pace->context_s * live_tokens;
}

/* ---- fits ---- */

/* Solves m x = y for a symmetric positive definite m (Cholesky, without square roots). */
static void solve(double m[PACE_TERMS][PACE_TERMS], double y[PACE_TERMS])
{
    for (int i = 0; i < PACE_TERMS; i++)
        for (int k = i + 1; k < PACE_TERMS; k++) {
            double f = m[k][i] / m[i][i];

            for (int j = i; j < PACE_TERMS; j++)
                m[k][j] -= f * m[i][j];
            y[k] -= f * y[i];
        }
    for (int i = PACE_TERMS - 1; i >= 0; i--) {
        for (int j = i + 1; j < PACE_TERMS; j++)
            y[i] -= m[i][j] * y[j];
        y[i] /= m[i][i];
    }
}

static double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

static void publish(struct pace_fit *fit)
{
    double level = exp(fit->level);
    double m[PACE_TERMS][PACE_TERMS], y[PACE_TERMS];

    for (int i = 0; i < PACE_TERMS; i++) {
        for (int j = 0; j < PACE_TERMS; j++)
            m[i][j] = fit->a[i][j] + (i == j ? RIDGE : 0);
        y[i] = fit->b[i] + RIDGE * level;
    }
    solve(m, y);
    for (int i = 0; i < PACE_TERMS; i++)
        SET(&fit->factors[i], clamp(y[i], level / APART_MAX, level * APART_MAX));
}

/* What a sample is expected to be: shares are the terms' parts of its time by pace_default. */
static double expected(const struct pace_fit *fit, const double shares[PACE_TERMS])
{
    double sum = 0;

    for (int i = 0; i < PACE_TERMS; i++)
        sum += shares[i] * (GET(&fit->count) > 0 ? GET(&fit->factors[i]) : 1);
    return sum;
}

static bool has_changed(const struct pace_fit *fit)
{
    return fit->surprises >= SURPRISES || fit->surprises <= -SURPRISES;
}

/* What of a ratio is believed; counts surprises. */
static double believable(struct pace_fit *fit, double ratio, double before)
{
    double most;

    if (ratio > before * SURPRISE_MAX)
        fit->surprises = fit->surprises < 0 ? 1 : fit->surprises + (fit->surprises < SURPRISES);
    else if (ratio < before / SURPRISE_MAX)
        fit->surprises = fit->surprises > 0 ? -1 : fit->surprises - (fit->surprises > -SURPRISES);
    else
        fit->surprises = 0;
    most = has_changed(fit) ? SURPRISES_MAX : SURPRISE_MAX;
    return clamp(ratio, before / most, before * most);
}

/* `terms` are the seconds that pace_default gives each; `seconds` is what it took. What is no
 * number would stay in the fit for ever. */
static void fit_add(struct pace_fit *fit, const double terms[PACE_TERMS], double seconds)
{
    double sum = terms[0] + terms[1] + terms[2], shares[PACE_TERMS];
    double weight, gain, ratio, before, fade;
    uint32_t count = GET(&fit->count);

    if (!(sum > 0 && isfinite(sum) && seconds > 0 && isfinite(seconds / sum)))
        return;
    for (int i = 0; i < PACE_TERMS; i++)
        shares[i] = terms[i] / sum;
    before = expected(fit, shares);
    ratio = believable(fit, seconds / sum, before);
    fade = has_changed(fit) ? FADE_CHANGED : FADE;
    weight = ratio < before ? FASTER_WEIGHT : 1;
    gain = 1.0 / (count + 1);
    gain = weight * (gain > LEVEL_GAIN_MIN ? gain : LEVEL_GAIN_MIN);
    fit->level += gain * (log(ratio) - fit->level);
    fit->level = clamp(fit->level, -log(LEVEL_MAX), log(LEVEL_MAX));
    for (int i = 0; i < PACE_TERMS; i++) {
        for (int j = 0; j < PACE_TERMS; j++)
            fit->a[i][j] = fade * fit->a[i][j] + weight * shares[i] * shares[j];
        fit->b[i] = fade * fit->b[i] + weight * shares[i] * ratio;
    }
    publish(fit);
    SET(&fit->count, count + 1);
}

/* ---- learners ---- */

static bool claim(struct pace_learner *learner)
{
    return !atomic_exchange_explicit(&learner->claimed, true, memory_order_acquire);
}

static void let_go(struct pace_learner *learner, uint64_t now_us)
{
    SET(&learner->learned_us, now_us);
    atomic_store_explicit(&learner->claimed, false, memory_order_release);
}

static void learn_first(struct pace_learner *learner, const double terms[PACE_TERMS],
                        double seconds, uint64_t now_us)
{
    if (!claim(learner))
        return;
    fit_add(&learner->first, terms, seconds);
    let_go(learner, now_us);
}

static void learn_step(struct pace_learner *learner, const double terms[PACE_TERMS], double seconds,
                       uint64_t now_us)
{
    if (!claim(learner))
        return;
    fit_add(&learner->step, terms, seconds);
    let_go(learner, now_us);
}

/* From `value`, the pool's, towards what the endpoint has shown. */
static double towards(double value, double usual, double factor, double trust)
{
    return value + trust * (usual * factor - value);
}

static double trust_in(const struct pace_fit *fit, double fresh)
{
    uint32_t count = GET(&fit->count);

    return count > 0 ? fresh * count / (count + BELIEVED) : 0;
}

void pace_read(const struct pace_learner *learner, const struct pace *pool, uint64_t now_us,
               struct pace *ret_pace)
{
    const struct pace_fit *first = &learner->first, *step = &learner->step;
    uint64_t then_us = GET(&learner->learned_us);
    double fresh = now_us > then_us ? STALE_US / (STALE_US + (double)(now_us - then_us)) : 1;
    double trust = trust_in(first, fresh);

    *ret_pace = *pool;
    if (trust > 0) {
        ret_pace->token_s =
            towards(pool->token_s, pace_default.token_s, GET(&first->factors[1]), trust);
        ret_pace->square_s =
            towards(pool->square_s, pace_default.square_s, GET(&first->factors[2]), trust);
    }
    trust = trust_in(step, fresh);
    if (trust > 0) {
        ret_pace->step_s =
            towards(pool->step_s, pace_default.step_s, GET(&step->factors[0]), trust);
        ret_pace->sequence_s =
            towards(pool->sequence_s, pace_default.sequence_s, GET(&step->factors[1]), trust);
        ret_pace->context_s =
            towards(pool->context_s, pace_default.context_s, GET(&step->factors[2]), trust);
    }
}

void pace_read_pool(const struct pace_learner *pool, struct pace *ret_pace)
{
    pace_read(pool, &pace_default, GET(&pool->learned_us), ret_pace);
}

/* ---- watching ---- */

void pace_watch_sent(struct pace_watch *watch, const struct load *before, uint32_t tokens,
                     uint64_t now_us)
{
    *watch = (struct pace_watch){ .before = *before, .sent_us = now_us, .tokens = tokens };
}

/* Engines begin prefills in their order: with others before it, its own began when the last of them
 * was done. */
void pace_watch_first(struct pace_watch *watch, const struct signals *signals, uint64_t now_us)
{
    uint64_t began_us = watch->sent_us;

    if (watch->sent_us == 0)
        return;
    if (watch->before.prefills > 0 && GET(&signals->head_us) > began_us)
        began_us = GET(&signals->head_us);
    watch->first_s = now_us > began_us ? (double)(now_us - began_us) * 1e-6 : 0;
}

static void open_window(struct pace_watch *watch, const struct signals *signals, uint64_t now_us)
{
    watch->contents = 0;
    watch->head_us = GET(&signals->head_us);
    watch->window_us = GET(&signals->prefills) == 0 ? now_us : 0;
}

/* No prefill was there while the window was open. */
static bool is_undisturbed(const struct pace_watch *watch, const struct signals *signals)
{
    return watch->window_us > 0 && GET(&signals->prefills) == 0 &&
           GET(&signals->head_us) == watch->head_us;
}

void pace_watch_contents(struct pace_watch *watch, const struct pace_learners *learners,
                         const struct signals *signals, uint32_t count, uint64_t now_us)
{
    double terms[PACE_TERMS], seconds;

    if (watch->sent_us == 0)
        return;
    watch->contents += count;
    if (watch->window_us > 0 && watch->contents < WINDOW_CONTENTS)
        return;
    if (is_undisturbed(watch, signals) && now_us > watch->window_us) {
        terms[0] = pace_default.step_s;
        terms[1] = pace_default.sequence_s * GET(&signals->decodes);
        terms[2] = pace_default.context_s * (double)GET(&signals->live_tokens);
        seconds = (double)(now_us - watch->window_us) * 1e-6 / watch->contents;
        learn_step(learners->endpoint, terms, seconds, now_us);
        learn_step(learners->pool, terms, seconds, now_us);
    }
    open_window(watch, signals, now_us);
}

void pace_watch_paused(struct pace_watch *watch)
{
    watch->window_us = 0;
}

/* Behind others a short prefill shares their last step, and nothing tells how much of it was its
 * own. */
static bool tells_prefill(const struct pace_watch *watch, uint32_t uncached, double step_tokens)
{
    return watch->first_s > 0 && uncached > 0 &&
           (watch->before.prefills == 0 || uncached >= step_tokens / 2);
}

/* `uncached` is the engine's word and `tokens` what was counted before: a prompt of which more was
 * computed than it has was longer than was counted. */
static double prefill_square(uint32_t tokens, double uncached)
{
    return uncached * ((tokens > uncached ? tokens : uncached) - uncached / 2);
}

void pace_watch_ended(struct pace_watch *watch, const struct pace_learners *learners,
                      uint32_t uncached, double step_tokens, uint64_t now_us)
{
    const struct load *before = &watch->before;
    double u = uncached, terms[PACE_TERMS];

    if (tells_prefill(watch, uncached, step_tokens)) {
        terms[0] = (1 + floor(u / step_tokens)) *
                   pace_step_s(&pace_default, before->decodes, before->live_tokens);
        terms[1] = pace_default.token_s * u;
        terms[2] = pace_default.square_s * prefill_square(watch->tokens, u);
        learn_first(learners->endpoint, terms, watch->first_s, now_us);
        learn_first(learners->pool, terms, watch->first_s, now_us);
    }
    watch->sent_us = 0;
}
