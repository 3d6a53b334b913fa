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

static size_t pick(struct decision *decision)
{
    uint32_t turn = decide_turn(decision->call);
    size_t count = decision->left_count;
    size_t best = turn % count;
    double best_load = load(decision_left(decision, best));

    for (size_t i = 1; i < count; i++) {
        size_t at = (turn + i) % count;
        double at_load = load(decision_left(decision, at));

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
