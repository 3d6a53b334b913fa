/*
 * One after the other.
 *
 * An endpoint that returns slowly is passed over in as many rounds as its weight says.
 */
#include "routing/decide.h"

static size_t pick(const struct decide_call *call, const struct candidate *candidates, size_t count)
{
    uint32_t turn = decide_turn(call);
    size_t first = turn % count;
    double share =
        (double)(turn / count % 16) / 16; /* the round's threshold, over sixteen rounds */

    for (size_t i = 0; i < count; i++) {
        size_t at = (first + i) % count;

        if (candidates[at].weight > share)
            return at;
    }
    return first;
}

const struct pick_type pick_round_robin = {
    .name = "round_robin",
    .help = "One endpoint after the other.",
    .pick = pick,
};
