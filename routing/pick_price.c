/*
 * The endpoint that costs least: seconds, what they are a sum of says scorers.def.
 */
#include "routing/decide.h"

static size_t pick(struct decision *decision)
{
    decision_price(decision);
    return price_best(&decision->request, decision->at, decision->prices, decision->left_count);
}

const struct pick_type pick_price = {
    .name = "price",
    .help = "The endpoint that costs least: where the prefix is warm and the wait short.",
    .pick = pick,
};
