/*
 * One after the other.
 *
 * An endpoint that returns slowly is passed over in as many rounds as its weight says.
 */
#include "routing/decide.h"

static size_t pick(struct decision *decision)
{
    uint32_t turn = decide_turn(decision->call);
    size_t count = decision->left_count;
    size_t first = turn % count;
    double share =
        (double)(turn / count % 16) / 16; /* the round's threshold, over sixteen rounds */

    for (size_t i = 0; i < count; i++) {
        size_t at = (first + i) % count;

        if (decision_left(decision, at)->weight > share)
            return at;
    }
    return first;
}

const struct pick_type pick_round_robin = {
    .name = "round_robin",
    .help = "One endpoint after the other.",
    .pick = pick,
};
