/*
 * The endpoint that costs least: seconds, what they are a sum of says scorers.def.
 */
#include "routing/decide.h"

static size_t pick(struct decision *decision)
{
    if (decision->call->tokens == 0) /* of what nothing is known only the number can be compared */
        return pick_types[PICK_least_requests]->pick(decision);
    decision_price(decision);
    return price_best(&decision->request, decision->at, decision->prices, decision->left_count);
}

const struct pick_type pick_price = {
    .name = "price",
    .help = "The endpoint that costs least: where the prefix is warm and the wait short. "
            "Requests whose prompt is not known go where the fewest are under way.",
    .pick = pick,
};
