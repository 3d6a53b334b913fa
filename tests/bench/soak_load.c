/*
 * The soak's clients: asks for what soak_kinds.def says, at full speed over HTTP/1.1, h2c and TLS,
 * checks how each answer ends, and prints what came of it as JSON. Connections are closed and
 * dialled anew every few hundred requests.
 *
 *   soak_load SECONDS PLAIN-PORT TLS-PORT [SCALE]
 *
 * SCALE multiplies how much is under way at a time (default 1: 152 requests). Exit status 0 when
 * every answer ended in a way its row allows.
 *
 * One thread: the worker's. A link is a place for a connection; an ask, a request on one.
 */
#include "gateway/base/clock.h"
#include "gateway/base/metric.h"
#include "gateway/codec/conn.h"
#include "gateway/http/sse.h"
#include "gateway/io/tls.h"
#include "gateway/io/worker.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum plan {
    PLAN_READ,  /* as fast as it comes */
    PLAN_SLOW,  /* a little every few milliseconds */
    PLAN_LEAVE, /* after a few events */
    PLAN_FLEE,  /* at any moment */
};

enum outcome {
    DONE,   /* the whole answer, with its last event if it is a stream */
    REFUSE, /* an error's status and body */
    TELL,   /* a stream that ends with an error event */
    END,    /* a stream that ends properly, but without [DONE] */
    CUT,    /* the connection or stream broke in the middle */
    LEAVE,  /* we left */
    STUCK,  /* no end came */
    OUTCOMES,
};

#define MAY_DONE   (1u << DONE)
#define MAY_REFUSE (1u << REFUSE)
#define MAY_TELL   (1u << TELL)
#define MAY_END    (1u << END)
#define MAY_CUT    (1u << CUT)
#define MAY_LEAVE  (1u << LEAVE)

static const char *const outcome_names[OUTCOMES] = { "done", "refuse", "tell", "end",
                                                     "cut",  "leave",  "stuck" };

struct kind {
    const char *name;
    unsigned share;
    const char *model, *fault;
    unsigned tokens, pad;
    enum plan plan;
    unsigned may; /* 1 << enum outcome */
};

static const struct kind kinds[] = {
#define KIND(id, share, model, fault, tokens, pad, plan, may)                                      \
    { #id, share, model, fault, tokens, pad, plan, may },
#include "tests/bench/soak_kinds.def"
#undef KIND
};

struct tally {
    uint64_t outcomes[OUTCOMES], wrong;
    uint64_t events; /* of an answer that is DONE: always the same */
};

#define LEAVE_AFTER_EVENTS 3
#define FLEE_WITHIN_US     30000
#define SLOW_BYTES         8192
#define SLOW_EVERY_US      4000
#define STUCK_US           (60 * CLOCK_US_PER_S)
#define WRONG_PRINTED_MAX  20
#define ARENA_BYTES        (1 << 20)
/* Requests after which a connection is given up: somewhere below twice this. */
#define LINK_REQUESTS 300
#define REDIAL_US     20000

struct load;

struct link { /* a place for a connection */
    struct load *load;
    bool h2, tls;
    unsigned streams; /* asked at a time */
    struct conn *conn;
    bool retiring;
    uint64_t requests_left;
    struct defer fill;
    struct timer redial;
};

struct ask {
    struct link *from;
    struct list link; /* load->asks */
    const struct kind *kind;
    struct stream *stream;
    struct arena arena;
    struct buf body;
    struct sse sse;
    struct defer wake;
    struct timer timer; /* PLAN_SLOW: may read on; PLAN_FLEE: goes */
    uint64_t begun_us;
    size_t allowed; /* bytes it may read now */
    uint64_t bytes, events;
    bool done_seen, error_seen, leaves;
};

struct load {
    struct worker *worker;
    struct tls_context *tls;
    struct sockaddr_in plain_at, tls_at;
    struct conn_settings settings;
    struct link *links;
    size_t link_count;
    struct list asks;
    uint64_t asked, bytes, events, wrong, dials;
    uint64_t until_us;
    uint64_t random;
    unsigned shares;
    struct timer tick;
    struct tally tallies[ARRAY_LEN(kinds)];
};

/* G. Marsaglia: Xorshift RNGs, 2003. */
static uint64_t load_random(struct load *load)
{
    load->random ^= load->random << 13;
    load->random ^= load->random >> 7;
    load->random ^= load->random << 17;
    return load->random;
}

static bool load_is_over(const struct load *load)
{
    return load->worker->now_us >= load->until_us;
}

/* ---- an ask's end ---- */

static enum outcome ask_outcome(const struct ask *ask)
{
    const struct stream *stream = ask->stream;

    if (ask->leaves)
        return LEAVE;
    if (!stream->in_ended)
        return CUT;
    if (stream->head->status != 200)
        return REFUSE;
    if (ask->kind->tokens == 0 || ask->done_seen)
        return ask->error_seen ? TELL : DONE;
    return ask->error_seen ? TELL : END;
}

static void ask_complain(struct ask *ask, enum outcome outcome, const char *what)
{
    const struct stream *stream = ask->stream;
    struct load *load = ask->from->load;

    load->tallies[ask->kind - kinds].wrong++;
    if (load->wrong++ >= WRONG_PRINTED_MAX)
        return;
    fprintf(stderr,
            "wrong: %s on %s%s: %s (%s), status %u, %llu events, %llu bytes, after %llu ms, %s\n",
            ask->kind->name, ask->from->h2 ? "h2" : "h1", ask->from->tls ? " tls" : "",
            outcome_names[outcome], what, stream && stream->head ? stream->head->status : 0,
            (unsigned long long)ask->events, (unsigned long long)ask->bytes,
            (unsigned long long)(load->worker->now_us - ask->begun_us) / CLOCK_US_PER_MS,
            stream && stream->reason ? stream->reason->name : "open");
}

/* An event that is lost or doubled on the way shows here: whole answers of a kind have the same
 * number of them. */
static void ask_count(struct ask *ask, enum outcome outcome)
{
    struct tally *tally = &ask->from->load->tallies[ask->kind - kinds];

    tally->outcomes[outcome]++;
    if (!(ask->kind->may & 1u << outcome)) {
        ask_complain(ask, outcome, "not allowed");
    } else if (outcome == DONE) {
        tally->events = tally->events ? tally->events : ask->events;
        if (tally->events != ask->events)
            ask_complain(ask, outcome, "another number of events");
    }
}

static void ask_end(struct ask *ask, enum outcome outcome)
{
    struct link *from = ask->from;

    ask_count(ask, outcome);
    from->load->bytes += ask->bytes;
    from->load->events += ask->events;
    timer_clear(&ask->timer);
    defer_cancel(&ask->wake);
    list_remove(&ask->link);
    stream_release(ask->stream);
    sse_release(&ask->sse);
    buf_release(&ask->body);
    arena_release(&ask->arena);
    free(ask);
    worker_defer(from->load->worker, WORKER_WAKE, &from->fill);
}

/* ---- an ask's answer ---- */

static void ask_take_event(struct ask *ask, const struct sse_event *event)
{
    ask->events += event->has_data || event->oversized;
    if (slice_eq(event->data, SLICE("[DONE]")))
        ask->done_seen = true;
    else if (slice_starts(event->data, SLICE("{\"error\"")))
        ask->error_seen = true;
}

static void ask_take(struct ask *ask, struct slice bytes)
{
    struct sse_event event;

    ask->bytes += bytes.len;
    if (ask->kind->tokens == 0)
        return;
    while (sse_next(&ask->sse, &bytes, &event))
        ask_take_event(ask, &event);
}

static void ask_read(struct ask *ask)
{
    struct buf *in = &ask->stream->in;
    bool took = false;

    while (!buf_is_empty(in) && ask->allowed > 0) {
        struct slice bytes = slice_head(buf_front(in), ask->allowed);

        ask_take(ask, bytes);
        if (ask->kind->plan == PLAN_SLOW)
            ask->allowed -= bytes.len;
        buf_drop(in, bytes.len);
        took = true;
    }
    if (took && !ask->stream->closed)
        stream_took(ask->stream);
}

static bool ask_wants_to_leave(const struct ask *ask)
{
    return ask->leaves || (ask->kind->plan == PLAN_LEAVE && ask->events >= LEAVE_AFTER_EVENTS);
}

static void ask_run(struct defer *defer)
{
    struct ask *ask = CONTAINER_OF(defer, struct ask, wake);
    struct load *load = ask->from->load;

    ask_read(ask);
    if (!ask->stream->closed && ask_wants_to_leave(ask)) {
        ask->leaves = true;
        stream_reset(ask->stream, &reason_cancelled);
    }
    if (ask->kind->plan == PLAN_SLOW && ask->allowed == 0 && !timer_is_set(&ask->timer))
        timer_set(&load->worker->timers, &ask->timer, load->worker->now_us + SLOW_EVERY_US);
    if (ask->stream->closed && (ask->leaves || buf_is_empty(&ask->stream->in)))
        ask_end(ask, ask_outcome(ask));
}

static void ask_on_event(struct stream *stream, void *user)
{
    struct ask *ask = user;

    (void)stream;
    worker_defer(ask->from->load->worker, WORKER_WAKE, &ask->wake);
}

static void ask_on_timer(struct timer *timer)
{
    struct ask *ask = CONTAINER_OF(timer, struct ask, timer);

    if (ask->kind->plan == PLAN_SLOW)
        ask->allowed = SLOW_BYTES;
    else
        ask->leaves = !ask->stream->closed;
    worker_defer(ask->from->load->worker, WORKER_WAKE, &ask->wake);
}

static const struct stream_events ask_events = { .on_event = ask_on_event };

/* ---- asking ---- */

static const struct kind *choose_kind(struct load *load)
{
    unsigned at = (unsigned)(load_random(load) % load->shares);
    const struct kind *kind = kinds;

    while (at >= kind->share)
        at -= kind++->share;
    return kind;
}

static void write_body(struct buf *body, const struct kind *kind, unsigned number)
{
    static const char words[] = "the river runs past the mill and the mill stands still ";

    buf_printf(body,
               "{\"model\":\"%s\",\"max_tokens\":%u,%s\"messages\":[{\"role\":\"user\",\"content\":"
               "\"Question %02u. ",
               kind->model, kind->tokens ? kind->tokens : 8, kind->tokens ? "\"stream\":true," : "",
               number);
    for (size_t n = 0; n < kind->pad; n += sizeof(words) - 1)
        buf_add(body, slice_str(words));
    buf_add(body, SLICE("\"}]}"));
}

static void write_head(struct ask *ask, struct message *head)
{
    message_init(head, &ask->arena);
    head->method = SLICE("POST");
    head->scheme = ask->from->tls ? SLICE("https") : SLICE("http");
    head->authority = SLICE("soak.test");
    head->path = SLICE("/v1/chat/completions");
    head->has_body = true;
    head->length = ask->body.len;
    message_put(head, FIELD_content_type, SLICE("application/json"));
    if (ask->kind->fault)
        message_put_other(head, SLICE("x-fault"), slice_str(ask->kind->fault));
}

static struct ask *ask_new(struct link *from, const struct kind *kind)
{
    struct ask *ask = xcalloc(1, sizeof(*ask));
    struct load *load = from->load;

    ask->from = from;
    ask->kind = kind;
    ask->begun_us = load->worker->now_us;
    ask->allowed = kind->plan == PLAN_SLOW ? SLOW_BYTES : SIZE_MAX;
    arena_init(&ask->arena, ARENA_BYTES);
    buf_init(&ask->body, SIZE_MAX);
    sse_init(&ask->sse);
    defer_init(&ask->wake, ask_run);
    timer_init(&ask->timer, ask_on_timer);
    list_push(&load->asks, &ask->link);
    load->asked++;
    return ask;
}

static void ask_begin(struct link *from)
{
    struct load *load = from->load;
    struct ask *ask = ask_new(from, choose_kind(load));
    struct message head;

    write_body(&ask->body, ask->kind, (unsigned)(load_random(load) % 100));
    write_head(ask, &head);
    ask->stream = conn_open(from->conn, &ask->arena);
    ask->stream->events = &ask_events;
    ask->stream->user = ask;
    stream_send_head(ask->stream, &head);
    buf_share(&ask->stream->out, &ask->body);
    stream_send(ask->stream);
    stream_send_end(ask->stream, NULL);
    if (ask->kind->plan == PLAN_FLEE)
        timer_set(&load->worker->timers, &ask->timer,
                  load->worker->now_us + load_random(load) % FLEE_WITHIN_US);
}

/* ---- connections ---- */

static void link_fill(struct defer *defer)
{
    struct link *link = CONTAINER_OF(defer, struct link, fill);

    while (link->conn && !link->retiring && !load_is_over(link->load) &&
           link->conn->streams < link->streams && conn_room(link->conn) > 0) {
        ask_begin(link);
        if (--link->requests_left == 0) {
            link->retiring = true;
            conn_drain(link->conn);
        }
    }
}

static void link_on_change(struct conn *conn, void *user)
{
    struct link *link = user;

    (void)conn;
    worker_defer(link->load->worker, WORKER_WAKE, &link->fill);
}

static void link_on_close(struct conn *conn, const struct reason *reason, void *user)
{
    struct link *link = user;
    struct worker *worker = link->load->worker;

    (void)conn;
    (void)reason;
    link->conn = NULL;
    timer_set(&worker->timers, &link->redial,
              worker->now_us + (link->retiring ? 0 : load_random(link->load) % REDIAL_US));
}

static const struct conn_events link_events = { .on_ready = link_on_change,
                                                .on_idle = link_on_change,
                                                .on_close = link_on_close };

static void link_dial(struct timer *timer)
{
    struct link *link = CONTAINER_OF(timer, struct link, redial);
    struct load *load = link->load;
    struct sockaddr_in *at = link->tls ? &load->tls_at : &load->plain_at;

    if (load_is_over(load))
        return;
    link->retiring = false;
    link->requests_left = LINK_REQUESTS + load_random(load) % LINK_REQUESTS;
    load->dials++;
    link->conn = conn_dial(load->worker, (struct sockaddr *)at, sizeof(*at),
                           link->tls ? load->tls : NULL, "soak.test", link->h2, &load->settings,
                           /* connect_ms= */ 10000, &link_events, link);
}

static void make_links(struct load *load, unsigned scale)
{
    static const struct {
        bool h2, tls;
        unsigned links, streams;
    } rows[] = { { false, false, 32, 1 },
                 { false, true, 24, 1 },
                 { true, false, 4, 16 },
                 { true, true, 2, 16 } };

    for (size_t r = 0; r < ARRAY_LEN(rows); r++)
        for (unsigned i = 0; i < rows[r].links * scale; i++)
            load->links[load->link_count++] = (struct link){
                .load = load, .h2 = rows[r].h2, .tls = rows[r].tls, .streams = rows[r].streams
            };
    for (size_t i = 0; i < load->link_count; i++) {
        defer_init(&load->links[i].fill, link_fill);
        timer_init(&load->links[i].redial, link_dial);
        timer_set(&load->worker->timers, &load->links[i].redial, load->worker->now_us + i);
    }
}

#define LINKS_A_SCALE 62 /* the sum of make_links' rows */

/* ---- the whole ---- */

static void find_stuck(struct load *load)
{
    LIST_FOREACH_SAFE (at, &load->asks) {
        struct ask *ask = CONTAINER_OF(at, struct ask, link);

        if (load->worker->now_us < ask->begun_us + STUCK_US)
            return; /* the oldest come first */
        if (!ask->stream->closed)
            stream_reset(ask->stream, &reason_cancelled);
        ask_end(ask, STUCK);
    }
}

static void close_links(struct load *load)
{
    for (size_t i = 0; i < load->link_count; i++) {
        timer_clear(&load->links[i].redial);
        if (load->links[i].conn)
            conn_close(load->links[i].conn, &reason_cancelled);
    }
    worker_stop(load->worker);
}

static void on_tick(struct timer *timer)
{
    struct load *load = CONTAINER_OF(timer, struct load, tick);

    find_stuck(load);
    if (load_is_over(load) && list_is_empty(&load->asks))
        close_links(load);
    else
        timer_set(&load->worker->timers, timer, load->worker->now_us + CLOCK_US_PER_S / 10);
}

static void print_kind(const struct load *load, size_t k)
{
    const struct tally *tally = &load->tallies[k];

    printf("%s\"%s\": {", k > 0 ? ", " : "", kinds[k].name);
    for (int outcome = 0; outcome < OUTCOMES; outcome++)
        printf("\"%s\": %llu, ", outcome_names[outcome],
               (unsigned long long)tally->outcomes[outcome]);
    printf("\"wrong\": %llu}", (unsigned long long)tally->wrong);
}

static void print_report(const struct load *load)
{
    printf("{\"asked\": %llu, \"events\": %llu, \"bytes\": %llu, \"dials\": %llu, \"wrong\": %llu, "
           "\"kinds\": {",
           (unsigned long long)load->asked, (unsigned long long)load->events,
           (unsigned long long)load->bytes, (unsigned long long)load->dials,
           (unsigned long long)load->wrong);
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
        print_kind(load, k);
    puts("}}");
}

static struct sockaddr_in loopback(const char *port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)atoi(port)),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

/* Streams have small windows, so that who reads slowly is felt by the gateway. */
static void load_init(struct load *load, struct worker *worker, char **argv)
{
    struct tls_client_settings tls = { .verify = false };
    char error[TLS_ERROR_SIZE];

    load->worker = worker;
    load->settings = (struct conn_settings){ .head = { .fields = 100, .bytes = 32 << 10 },
                                             .streams = 1000,
                                             .window_bytes = 32 << 10,
                                             .handshake_ms = 30000,
                                             .head_ms = 60000,
                                             .idle_ms = 60000,
                                             .stall_ms = 60000 };
    load->plain_at = loopback(argv[2]);
    load->tls_at = loopback(argv[3]);
    load->tls = tls_context_client(&tls, error);
    CHECK(load->tls);
    load->random = clock_now_us() | 1;
    load->until_us = worker->now_us + (uint64_t)atoll(argv[1]) * CLOCK_US_PER_S;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
        load->shares += kinds[k].share;
    list_init(&load->asks);
    timer_init(&load->tick, on_tick);
    timer_set(&worker->timers, &load->tick, worker->now_us + 1);
}

int main(int argc, char **argv)
{
    struct load load = { 0 };
    struct metric_shard *metrics;
    unsigned scale = argc > 4 ? (unsigned)atoi(argv[4]) : 1;

    if (argc < 4) {
        fprintf(stderr, "usage: soak_load SECONDS PLAIN-PORT TLS-PORT [SCALE]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    tls_setup();
    metrics = metric_shard_new();
    load_init(&load, worker_new(/* index= */ 0, metrics), argv);
    load.links = xcalloc((size_t)LINKS_A_SCALE * scale, sizeof(*load.links));
    make_links(&load, scale);
    worker_run(load.worker);
    print_report(&load);
    tls_context_unref(load.tls);
    worker_free(load.worker);
    metric_shard_free(metrics);
    free(load.links);
    return load.wrong > 0;
}
