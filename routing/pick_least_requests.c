/*
 * The endpoint with the fewest exchanges under way; among equals, one after the other.
 */
#include "routing/decide.h"

#include <stdatomic.h>

static double load(const struct candidate *candidate)
{
    uint32_t inflight =
        atomic_load_explicit(&candidate->endpoint->state->inflight, memory_order_relaxed);

    return ((double)inflight + 1) / candidate->weight;
}

static size_t pick(const struct decide_call *call, const struct candidate *candidates, size_t count)
{
    uint32_t turn = decide_turn(call);
    size_t best = turn % count;
    double best_load = load(&candidates[best]);

    for (size_t i = 1; i < count; i++) {
        size_t at = (turn + i) % count;
        double at_load = load(&candidates[at]);

        if (at_load < best_load) {
            best = at;
            best_load = at_load;
        }
    }
    return best;
}

const struct pick_type pick_least_requests = {
    .name = "least_requests",
    .help = "The endpoint with the fewest exchanges under way.",
    .pick = pick,
};
