/*
 * Explanations on answers.
 */
#include "gateway/proxy/explanation.h"

#include "gateway/proxy/exchange.h"

#include <stdlib.h>

void explanation_take(struct exchange *x, char *text)
{
    free(x->explanation);
    x->explanation = text;
}

void explanation_put(const struct exchange *x, struct message *answer)
{
    if (x->explanation)
        message_put(answer, FIELD_x_sluice_explain, slice_str(x->explanation));
}
