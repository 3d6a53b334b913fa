/*
 * The pipeline: a request's prompt in, the engine's tokens and their block keys out.
 *
 *     parsed body -> text (chat.h) -> what earlier turns had (turns.h) -> tokens -> keys (blocks.h)
 *
 * What cannot be had exactly is estimated (rough.h), and the result says why. Nothing here refuses
 * a request: whether the engine takes it is the engine's to say.
 *
 * A struct pipeline is one worker's: encoders with their caches, the turns it has seen, and how
 * long a byte takes it. Its work is bounded by the budget: what cannot be done in time even if all
 * goes well is not begun (values, ids, bytes), encoding is given up when the time has passed, and
 * rendering is bounded by steps, memory and output as well.
 */
#ifndef SLUICE_PROMPT_PIPELINE_H
#define SLUICE_PROMPT_PIPELINE_H

#include "conf/conf.h"
#include "gateway/prompt/prompt.h"
#include "gateway/prompt/recipe.h"
#include "gateway/token/blocks.h"

/* The directive `tokens`. */
struct pipeline_conf {
    uint64_t key_block;    /* tokens a key */
    uint64_t budget;       /* ms */
    uint64_t prompt_bytes; /* of a body; longer ones are not rendered */
    uint64_t turn_cache;   /* bytes, a worker */
    uint64_t piece_cache;  /* bytes, a worker and tokenizer */
};

extern const struct directive_set pipeline_set;

struct pipeline;

struct pipeline *pipeline_new(void);
void pipeline_free(struct pipeline *pipeline);

/* Borrowed for the call, but for the recipe, which an encoder keeps. */
struct pipeline_call {
    const struct pipeline_conf *conf;
    const struct prompt *prompt;
    struct recipe *recipe; /* NULL: the model has none */
    struct blocks_scope scope;
    double token_bytes; /* of text, as usage has taught: for estimates */
    uint64_t wall_us;   /* what strftime_now prints */
    bool distrusted;    /* exact keys are not wanted: the last ones were wrong */
    bool unbounded; /* whatever it takes, and by the template whatever the engine does: for tools */
};

struct pipeline_tokens {
    uint64_t count;        /* prompt tokens that the engine will report; an estimate unless exact */
    struct blocks keys;    /* ours: blocks_release */
    uint8_t exactness;     /* enum exactness: of the count; and of the keys, unless keys_exact */
    bool keys_exact;       /* keys are block keys: of the whole prompt, or of its beginning */
    size_t text_bytes;     /* of the rendered text or the request's own */
    size_t reused;         /* tokens that an earlier turn had */
    const struct ids *ids; /* borrowed until the next call; NULL: there are none */
    struct slice text;     /* likewise: what the ids were made from; empty for ids in the request */
    struct slice message;  /* likewise: why rendering failed; may be empty */
    const struct reason
        *reason; /* why rendering or reading failed or was given up; NULL: neither */
};

/* Always gives keys (none for a prompt shorter than a block). */
void pipeline_run(struct pipeline *pipeline, const struct pipeline_call *call,
                  struct pipeline_tokens *ret_tokens);
/* What the last call gave to borrow is no longer needed: its text counts as buffered bytes. */
void pipeline_forget(struct pipeline *pipeline);

/* About how long pipeline_run will take, in microseconds: for who wants to let others go first. */
uint64_t pipeline_forecast_us(const struct pipeline *pipeline, const struct pipeline_call *call);

/* Of its caches: turns as they are, words met before as much as they may be. */
size_t pipeline_bytes(const struct pipeline *pipeline);

/* Once a fleet: says which recipes it has, then lets go of the encoders of all others. */
void pipeline_keep(struct pipeline *pipeline, const struct recipe *recipe);
void pipeline_tidy(struct pipeline *pipeline);

#endif
