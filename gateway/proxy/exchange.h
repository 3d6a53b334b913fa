/*
 * An exchange: one request and its answer, with every try in between.
 *
 *   head -> admit -> body -> prompt -> version -> tokens -> route -> attempt -> relay -> finish
 *                                                             ^         |         |
 *                                                             +--retry--+---------+
 *   any step -> reply -> finish
 *
 * Each step is a function in a file of its own (step_NAME.c) that does what can be done now and
 * returns the next step, or NULL to wait. Callbacks of streams, attempts and timers only wake the
 * exchange; exchange_run moves it. Everything ends in finish, exactly once.
 *
 * One worker's. Lives in the arena of its client stream, and ends by releasing that stream.
 */
#ifndef SLUICE_PROXY_EXCHANGE_H
#define SLUICE_PROXY_EXCHANGE_H

#include "filters/filter.h"
#include "gateway/account/usage.h"
#include "gateway/base/log.h"
#include "gateway/prompt/prompt.h"
#include "gateway/proxy/exchanges.h"
#include "gateway/proxy/keepalive.h"
#include "gateway/proxy/prediction.h"
#include "gateway/proxy/server.h"
#include "gateway/proxy/share.h"
#include "gateway/proxy/tally.h"
#include "gateway/proxy/waiting.h"
#include "gateway/upstream/attempt.h"
#include "routing/decide.h"

struct exchange;

struct step {
    const char *name;
    const struct step *(*run)(struct exchange *x);
};

extern const struct step step_head, step_admit, step_body, step_prompt, step_version, step_tokens,
    step_route, step_attempt, step_relay, step_reply, step_finish;

/* A body that streams through unread is kept up to here for a second try. */
#define EXCHANGE_KEEP_BYTES (128 * 1024)

/* What is held of an answer that may still be replaced by another endpoint's. */
#define EXCHANGE_HOLD_BYTES (64 * 1024)

/* So long a short body may take before the gateway answers by itself. */
#define EXCHANGE_REPLY_WAIT_MS 100

struct exchange {
    uint32_t magic;
    struct log_subject subject;
    struct list link; /* exchanges->active */
    struct worker *worker;
    struct client *peer; /* whose connection it came on */
    struct stream *client;
    struct arena *arena; /* the client stream's */
    const struct step *step;
    struct defer wake;
    struct timer deadline;
    struct fleet *fleet; /* reffed: the one it was born with */

    /* when; worker->now_us, 0: not yet */
    uint64_t begun_us, body_us, sent_us, first_content_us, last_content_us;
    uint64_t queued_us; /* since when it waits for room at an endpoint; 0: it does not */
    uint64_t held_us;   /* how long it has waited for that before */
    uint64_t begun_wall_us;

    /* what was asked */
    const struct dialect_type *dialect;
    struct slice path; /* without the query */
    struct filter_call filter;
    struct buf body; /* as the client sent it, kept for another try until the answer is committed */
    struct buf sent; /* what goes to endpoints: shares the body's bytes, spliced */
    bool inspected;  /* the body is read */
    bool body_complete;
    bool body_replayable;    /* all of it that came so far is in `body` */
    bool usage_added;        /* include_usage is ours: to be stripped again */
    struct prompt *prompt;   /* ours; lives as long as `body`, which it points into; NULL: unread */
    struct slice model_name; /* as the client said it; empty: it did not */
    bool streams;            /* the client asked for a stream */
    struct slice param;      /* of a refusal: the parameter that is wrong */
    struct slice message;    /* of a refusal: instead of the reason's text */
    struct buf *own;         /* the gateway's own answer, where a step has made one; NULL */

    /* where it goes */
    const struct model *model;
    const struct version *version;
    struct prediction prediction;
    const struct endpoint *endpoint; /* of the attempt at hand */
    const struct endpoint *tried[TRIES_MAX];
    uint32_t tries;
    struct choice choice;
    char *explanation; /* of the last decision, where it was asked for (explanation.h); NULL */
    bool counted;      /* the endpoint's inflight counts it, and its signals do */
    struct exchange_share share;
    struct ticket *ticket;   /* it waits for room: ours; NULL: it does not */
    uint64_t cold_us;        /* since when it waits for one that answers at all; 0: it does not */
    bool was_sent;           /* an endpoint has had it */
    bool none_answered;      /* nobody could be reached where it was tried last */
    uint32_t retry_after_s;  /* of a refusal; 0: not known */
    struct message *request; /* as the endpoint gets it */
    struct attempt attempt;

    /* what comes back */
    struct usage_reader reader;
    bool reading;     /* reader is in use */
    struct buf ready; /* read, not yet given to the client */
    bool opened;      /* the client has a head of ours and comments (keepalive), and no answer */
    bool committed;   /* the client has an answer's head or, opened, its bytes: no other try */
    struct timer comment; /* keepalive's */
    bool finishing;       /* step finish has begun */
    bool answer_streamed;
    bool cut_inside;         /* it ended in the middle of an event */
    struct tally_gaps *gaps; /* between content events; NULL until there is one */

    /* how it ended */
    const struct reason *reason; /* NULL while it has not */
    uint16_t status;             /* the client got */
};

/* A worker's (proxy/exchanges.h). */
struct exchanges {
    struct worker *worker;
    struct list active;
    struct tally *tally;
    struct decision *decision;   /* scratch: the last one's, whoever it was for */
    struct home *home;           /* the pools that wait here */
    struct worker *const *peers; /* all workers with exchanges, by index; borrowed */
    unsigned peer_count;
    struct pipeline *pipeline;
    uint64_t pipeline_fleet;   /* number of the newest fleet it has worked for */
    size_t pipeline_bytes;     /* of it that the metric has */
    uint64_t pipeline_long_us; /* the turn (worker->now_us) in which it did its last long work */
    uint64_t prefix_seed;      /* of all workers, where the directive is left out */
    uint64_t random;           /* state of random_next */
};

/* A request's head is complete. From a conn's on_stream. */
void exchange_start(struct client *client, struct stream *stream);

/* Runs it later in this turn. From any callback. */
void exchange_wake(struct exchange *x);

/* Notes why it ends, unless that is known already, and returns the step to go on with: reply if the
 * client can still be told, else finish. */
const struct step *exchange_fail(struct exchange *x, const struct reason *reason);

/*
 * The deadlines that hold now; the timer is set to the earliest. To be called when one begins to
 * hold; one that moves further away is noticed when the timer fires.
 */
void exchange_arm(struct exchange *x);

/* What routing is asked for it; borrowed from the exchange, and for it only. */
struct decide_call exchange_decide_call(const struct exchange *x);

/*
 * Ends the attempt at hand, if there is one, gives its place at the endpoint back and reports how
 * it was: `reason` is the attempt's end (reason_done: well), or why it is no longer wanted.
 */
void exchange_leave_endpoint(struct exchange *x, const struct reason *reason);

/*
 * The attempt at hand ended with `reason`, or its answer is one that another endpoint should
 * better: leaves the endpoint and returns step_route if another may be tried, else NULL with
 * nothing done.
 */
const struct step *exchange_retry(struct exchange *x, const struct reason *reason);

/* A body that streams through: what has come from the client since goes on to the endpoint. A
 * reason: it is over the limit. */
const struct reason *exchange_push_body(struct exchange *x) MUST_USE;
/* No other try will be made with what is kept of the body. */
void exchange_forget_body(struct exchange *x);

/* Tells the client inside its stream, which has begun and is between events, why there is no more
 * of it, and ends it. False where the dialect has no words for that: nothing was done. */
bool exchange_end_stream(struct exchange *x, const struct reason *reason);

/* For /exchanges: one line. */
void exchange_print(const struct exchange *x, struct buf *out);

uint64_t exchange_random(struct exchanges *exchanges);

#endif
