/*
 * A generation: the answers to one request, token by token, in the form of one API.
 *
 * It holds a choice for every prompt and every of its n answers; each choice is a sequence of the
 * scheduler. When sequences make progress the call is woken, and generation_progress hands what is
 * new to the form: streamed, as events, while the client takes them; else as one body when all are
 * done.
 */
#ifndef SLUICE_ENGINE_GENERATION_H
#define SLUICE_ENGINE_GENERATION_H

#include "tests/engine/ask.h"
#include "tests/engine/call.h"
#include "tests/engine/script.h"

struct generation;

struct choice {
    struct sequence sequence;
    struct script script;
    struct generation *generation;
    uint32_t index;
    uint32_t given; /* output tokens handed to the form */
};

/* One API's way to say it. Functions append one event to g->event and call generation_emit, any
 * number of times. */
struct form {
    const char *id_prefix;               /* "chatcmpl-" */
    const char *object;                  /* of a whole answer */
    void (*begin)(struct generation *g); /* once, before the first event; may be NULL */
    void (*token)(struct generation *g, struct choice *choice); /* the token at choice->given */
    void (*end)(struct generation *g); /* after all tokens: usage and the like; may be NULL */
    json_t *(*whole)(const struct generation *g); /* gives */
    bool ends_with_done;                          /* "data: [DONE]" */
};

struct generation {
    struct call *call;
    const struct form *form;
    struct ask ask;
    struct choice *choices;
    uint32_t count;
    char id[96];
    uint64_t created_s;
    struct buf event;         /* the event being made */
    struct buf head;          /* what every event of the form begins with */
    uint64_t sequence_number; /* events so far, where the form numbers them */
    bool begun;               /* the first event was sent */
    bool finished;            /* the answer was handed out whole, or the stream ended */
};

/* Takes the ask. Answers the call by itself, now (a refusal) or later; call->generation is set. */
void generation_start(struct call *call, const struct form *form, struct ask *ask);
void generation_progress(struct generation *g);
/* Whether something is still to be computed. */
bool generation_is_under_way(const struct generation *g);
/* Stops computing without counting it as an abort: the engine failed, not the client. */
void generation_fail(struct generation *g);
/* Unfinished sequences are aborted. NULL is fine. */
void generation_free(struct generation *g);

/* Sends g->event. */
void generation_emit(struct generation *g);

struct usage {
    uint64_t prompt_tokens, completion_tokens, cached_tokens;
};
/* Of all choices, as far as they were handed out. */
struct usage generation_usage(const struct generation *g);
/* Of a choice that ends; FINISH_COUNT while it goes on after the token at choice->given. */
enum finish choice_finish(const struct choice *choice);
/* The words of vLLM's APIs for it; "tool_calls" for a call. */
const char *choice_finish_text(const struct choice *choice);
/* Output tokens that are reasoning: the first ones. */
uint32_t choice_reasoning(const struct choice *choice);
/* The text of the output tokens [from, to). Appends. */
void choice_text(const struct choice *choice, uint32_t from, uint32_t to, struct buf *out);

#endif
