/*
 * The directives of a pool's price: a weight for each row of scorers.def, and what room is.
 */
#include "conf/directive.h"
#include "routing/price.h"

#define STEP_TOKENS  8192 /* vLLM's on H100 */
#define ROOM_S       1
#define ROOM_WAITING 1

#define TEXT_OF(number) TEXT(number)
#define TEXT(number)    #number

#define REAL(key_, field, def, lo, hi, words_)                                                     \
    {                                                                                              \
        .key = key_, .type = DIRECTIVE_TYPE_REAL, .offset = offsetof(struct price_conf, field),    \
        .default_text = def, .min = lo, .max = hi, .help = words_                                  \
    }

static const struct directive price_rows[] = {
#define SCORER(id, weight, help) REAL(#id, weights[SCORER_##id], #weight, 0, 1e6, help),
#include "routing/scorers.def"
#undef SCORER
    REAL("step_tokens", step_tokens, TEXT_OF(STEP_TOKENS), 1, 1e9,
         "Tokens of prefill in one step of the engine (--max-num-batched-tokens)."),
    REAL("room", room_s, TEXT_OF(ROOM_S), 0, 3600,
         "An endpoint has room while no more seconds of prefill than this are queued there."),
    REAL("room_waiting", room_waiting, TEXT_OF(ROOM_WAITING), 0, 1e6,
         "And no more prefills than this, unless all of them fit into a step."),
};

const struct directive_set price_set = {
    .key = "price",
    .shape = DIRECTIVE_OBJECT,
    .help = "Weights of what makes an endpoint dear (route: price).",
    .rows = price_rows,
    .count = ARRAY_LEN(price_rows),
    .size = sizeof(struct price_conf),
};

void price_conf_default(struct price_conf *ret_conf)
{
    *ret_conf = (struct price_conf){
        .weights = {
#define SCORER(id, weight, help) [SCORER_##id] = weight,
#include "routing/scorers.def"
#undef SCORER
        },
        .step_tokens = STEP_TOKENS,
        .room_s = ROOM_S,
        .room_waiting = ROOM_WAITING,
    };
}
