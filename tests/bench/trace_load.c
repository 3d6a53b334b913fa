/*
 * The simulator's workloads (fleet/workload.h) as real requests: each is asked at its time, whether
 * those before it were answered or not, as a completion with token ids whose blocks are equal where
 * the workload's keys are, and streamed. Prints one JSON object with the simulator's figures, in
 * its seconds.
 *
 *   trace_load PORT WORKLOAD SPEED PART SEED SCALE [REQUESTS [BUCKET]]
 *
 * SCALE: real seconds a simulated one. REQUESTS: the first so many; 0: all. BUCKET: also figures of
 * those that arrived in each so many simulated seconds. Exit status 1 when an answer was not whole.
 *
 * One thread: the worker's. HTTP/1.1; a link is a connection, it carries one ask at a time.
 */
#include "gateway/base/clock.h"
#include "gateway/base/metric.h"
#include "gateway/codec/conn.h"
#include "gateway/http/sse.h"
#include "gateway/io/worker.h"
#include "tests/bench/fleet/figures.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define ARENA_BYTES      (1 << 20)
#define DIGITS           22 /* octal ones that tell a block's key */
#define FAILURES_PRINTED 10
#define STUCK_S          (300 * CLOCK_US_PER_S)
#define KEEP_IDLE_MS     600000

struct replay;
struct ask;

struct link {
    struct replay *replay;
    struct conn *conn; /* NULL: it has closed */
    struct ask *ask;   /* NULL: none is on it */
    struct list all;   /* replay->links */
    struct list idle;  /* replay->idle while nothing is on it */
};

/* How many requests of a bucket, and what came of them. */
struct bucket {
    uint64_t asked, refused, broken, prompt_tokens, cached_tokens;
    double ttft_s;
};

struct ask {
    struct link *from;
    struct request *request;
    struct stream *stream;
    struct arena arena;
    struct sse sse;
    struct defer wake;
    struct timer stuck;
    struct list link; /* replay->asks */
    uint32_t tokens;
    bool done_seen, error_seen;
};

struct replay {
    struct worker *worker;
    struct sockaddr_in at;
    struct conn_settings settings;
    struct workload workload;
    double scale;
    double bucket_s; /* 0: none */
    struct bucket *buckets;
    size_t bucket_count;
    uint64_t begun_us;
    size_t next; /* request to ask */
    size_t ended;
    size_t refused; /* ended before any content: another endpoint could have answered */
    size_t broken;  /* ended within the answer */
    uint64_t events, dials;
    double late_s; /* sum: how long after their time requests were asked */
    struct list links, idle, asks;
    struct timer arrival;
    char filler[BLOCK_TOKENS * 2 + 1];
};

/* The simulator's clock. */
static uint64_t simulated_us(const struct replay *replay)
{
    return (uint64_t)((double)(clock_now_us() - replay->begun_us) / replay->scale);
}

static uint64_t real_us(const struct replay *replay, uint64_t simulated)
{
    return replay->begun_us + (uint64_t)((double)simulated * replay->scale);
}

static struct bucket *bucket_of(struct replay *replay, const struct request *rq)
{
    return &replay->buckets[(size_t)((double)rq->arrival_us * 1e-6 / replay->bucket_s)];
}

/* ---- what is asked ---- */

/* A block's ids: its key, and 0 as often as it takes. */
static void write_block(struct buf *body, const struct replay *replay, uint64_t key,
                        uint32_t tokens)
{
    char digits[DIGITS * 2];

    for (int i = 0; i < DIGITS; i++) {
        digits[2 * i] = (char)('0' + (i < 21 ? (key >> 3 * i & 7) : key >> 63));
        digits[2 * i + 1] = ',';
    }
    if (tokens > DIGITS) {
        buf_add(body, slice_of(digits, sizeof(digits)));
        buf_add(body, slice_of(replay->filler, 2 * (size_t)(tokens - DIGITS)));
    } else {
        buf_add(body, slice_of(digits, 2 * (size_t)tokens));
    }
}

/* What is not a whole block is nobody else's. The last id is 0 and has no comma. */
static void write_body(struct buf *body, const struct replay *replay, const struct request *rq)
{
    uint32_t left = rq->prompt_tokens - 1;

    buf_printf(body,
               "{\"model\":\"sim\",\"max_tokens\":%u,\"ignore_eos\":true,\"stream\":true,"
               "\"stream_options\":{\"include_usage\":true},\"prompt\":[",
               rq->output_tokens);
    for (uint32_t i = 0; i < rq->key_count; i++) {
        uint32_t tokens = left < BLOCK_TOKENS ? left : BLOCK_TOKENS;

        write_block(body, replay, rq->keys[i], tokens);
        left -= tokens;
    }
    write_block(body, replay, random_mix((uint64_t)(rq - replay->workload.requests)), left);
    buf_add(body, SLICE("0]}"));
}

static void ask_begin(struct ask *ask)
{
    struct replay *replay = ask->from->replay;
    struct buf body;
    struct message head;

    buf_init(&body, SIZE_MAX);
    write_body(&body, replay, ask->request);
    message_init(&head, &ask->arena);
    head.method = SLICE("POST");
    head.scheme = SLICE("http");
    head.authority = SLICE("bench.test");
    head.path = SLICE("/v1/completions");
    head.has_body = true;
    head.length = body.len;
    message_put(&head, FIELD_content_type, SLICE("application/json"));
    stream_send_head(ask->stream, &head);
    buf_move(&ask->stream->out, &body, body.len);
    stream_send(ask->stream);
    stream_send_end(ask->stream, NULL);
    buf_release(&body);
}

/* ---- what comes back ---- */

static void count(struct ask *ask, bool whole)
{
    struct replay *replay = ask->from->replay;
    struct request *rq = ask->request;

    replay->ended++;
    replay->refused += !whole && ask->tokens == 0;
    replay->broken += !whole && ask->tokens > 0;
    if (replay->bucket_s > 0) {
        struct bucket *bucket = bucket_of(replay, rq);

        bucket->asked++;
        bucket->refused += !whole && ask->tokens == 0;
        bucket->broken += !whole && ask->tokens > 0;
        if (whole) {
            bucket->prompt_tokens += rq->prompt_tokens;
            bucket->cached_tokens += rq->cached_tokens;
            bucket->ttft_s += (double)(rq->first_us - rq->arrival_us) * 1e-6;
        }
    }
}

static void complain(const struct ask *ask)
{
    const struct stream *stream = ask->stream;
    const struct request *rq = ask->request;

    if (ask->from->replay->refused + ask->from->replay->broken >= FAILURES_PRINTED)
        return;
    fprintf(stderr, "at %.1f s: status %u, %u of %u tokens, %s, %s\n",
            (double)rq->arrival_us * 1e-6, stream && stream->head ? stream->head->status : 0,
            ask->tokens, rq->output_tokens, ask->error_seen ? "an error event" : "no error event",
            stream && stream->reason ? stream->reason->name : "open");
}

/* Another may use it, once the ask is over and the connection is ready again, whichever comes
 * last. */
static void link_rest(struct link *link)
{
    if (!link->ask && link->conn && conn_room(link->conn) > 0 && !list_is_linked(&link->idle))
        list_push_front(&link->replay->idle, &link->idle);
}

static void finish(struct replay *replay)
{
    LIST_FOREACH (at, &replay->links) {
        struct link *link = CONTAINER_OF(at, struct link, all);

        if (link->conn)
            conn_close(link->conn, &reason_cancelled);
    }
    worker_stop(replay->worker);
}

static void ask_end(struct ask *ask)
{
    struct link *link = ask->from;
    struct request *rq = ask->request;
    bool whole = ask->done_seen && !ask->error_seen && ask->tokens == rq->output_tokens;

    if (!whole) {
        complain(ask);
        rq->first_us = rq->first_us ? rq->first_us : rq->arrival_us;
    }
    rq->end_us = rq->end_us > rq->first_us ? rq->end_us : rq->first_us;
    count(ask, whole);
    link->ask = NULL;
    timer_clear(&ask->stuck);
    defer_cancel(&ask->wake);
    list_remove(&ask->link);
    if (ask->stream)
        stream_release(ask->stream);
    sse_release(&ask->sse);
    arena_release(&ask->arena);
    free(ask);
    link_rest(link);
    if (link->replay->ended == link->replay->workload.count)
        finish(link->replay);
}

static void take_usage(struct ask *ask, struct slice data)
{
    static const char name[] = "\"cached_tokens\":";
    const char *at = memmem(data.at, data.len, name, sizeof(name) - 1);

    if (at)
        ask->request->cached_tokens = (uint32_t)strtoul(at + sizeof(name) - 1, NULL, 10);
}

/* First tokens are timed when they are read, not when the turn began. */
static void take_event(struct ask *ask, const struct sse_event *event)
{
    struct slice data = event->data;

    ask->from->replay->events += event->has_data;
    if (slice_eq(data, SLICE("[DONE]"))) {
        ask->done_seen = true;
    } else if (slice_starts(data, SLICE("{\"error\""))) {
        ask->error_seen = true;
    } else if (memmem(data.at, data.len, "\"text\":", 7)) {
        ask->request->end_us = simulated_us(ask->from->replay);
        if (ask->tokens++ == 0)
            ask->request->first_us = ask->request->end_us;
    } else {
        take_usage(ask, data);
    }
}

static void ask_read(struct ask *ask)
{
    struct buf *in = &ask->stream->in;
    struct sse_event event;
    bool took = false;

    while (!buf_is_empty(in)) {
        struct slice bytes = buf_front(in);
        size_t len = bytes.len;

        while (sse_next(&ask->sse, &bytes, &event))
            take_event(ask, &event);
        buf_drop(in, len);
        took = true;
    }
    if (took && !ask->stream->closed)
        stream_took(ask->stream);
}

static void ask_run(struct defer *defer)
{
    struct ask *ask = CONTAINER_OF(defer, struct ask, wake);

    if (ask->stream)
        ask_read(ask);
    if (!ask->stream || ask->stream->closed)
        ask_end(ask);
}

static void ask_on_event(struct stream *stream, void *user)
{
    struct ask *ask = user;

    (void)stream;
    worker_defer(ask->from->replay->worker, WORKER_WAKE, &ask->wake);
}

static const struct stream_events ask_events = { .on_event = ask_on_event };

static void ask_on_stuck(struct timer *timer)
{
    struct ask *ask = CONTAINER_OF(timer, struct ask, stuck);

    if (ask->stream && !ask->stream->closed)
        stream_reset(ask->stream, &reason_cancelled);
    worker_defer(ask->from->replay->worker, WORKER_WAKE, &ask->wake);
}

/* ---- connections ---- */

static void link_use(struct link *link)
{
    struct ask *ask = link->ask;

    ask->stream = conn_open(link->conn, &ask->arena);
    ask->stream->events = &ask_events;
    ask->stream->user = ask;
    ask_begin(ask);
}

static void link_on_ready(struct conn *conn, void *user)
{
    struct link *link = user;

    (void)conn;
    if (link->ask && !link->ask->stream)
        link_use(link);
}

static void link_on_idle(struct conn *conn, void *user)
{
    (void)conn;
    link_rest(user);
}

static void link_on_close(struct conn *conn, const struct reason *reason, void *user)
{
    struct link *link = user;

    (void)conn;
    (void)reason;
    link->conn = NULL;
    list_remove(&link->idle);
    if (link->ask && !link->ask->stream) /* it could not be dialled */
        worker_defer(link->replay->worker, WORKER_WAKE, &link->ask->wake);
}

static const struct conn_events link_events = { .on_ready = link_on_ready,
                                                .on_idle = link_on_idle,
                                                .on_close = link_on_close };

static struct link *link_new(struct replay *replay)
{
    struct link *link = xcalloc(1, sizeof(*link));

    link->replay = replay;
    list_init(&link->idle);
    list_push(&replay->links, &link->all);
    replay->dials++;
    link->conn = conn_dial(replay->worker, (struct sockaddr *)&replay->at, sizeof(replay->at), NULL,
                           "bench.test", /* h2= */ false, &replay->settings,
                           /* connect_ms= */ 10000, &link_events, link);
    return link;
}

/* The one used last, if its connection stands. */
static struct link *link_take(struct replay *replay)
{
    struct list *first;

    while ((first = list_pop(&replay->idle))) {
        struct link *link = CONTAINER_OF(first, struct link, idle);

        if (link->conn && conn_room(link->conn) > 0)
            return link;
    }
    return link_new(replay);
}

/* ---- the clock ---- */

static void ask_new(struct replay *replay, struct request *rq)
{
    struct ask *ask = xcalloc(1, sizeof(*ask));
    struct link *link = link_take(replay);

    ask->from = link;
    ask->request = rq;
    link->ask = ask;
    arena_init(&ask->arena, ARENA_BYTES);
    sse_init(&ask->sse);
    defer_init(&ask->wake, ask_run);
    timer_init(&ask->stuck, ask_on_stuck);
    timer_set(&replay->worker->timers, &ask->stuck, replay->worker->now_us + STUCK_S);
    list_push(&replay->asks, &ask->link);
    replay->late_s += (double)(simulated_us(replay) - rq->arrival_us) * 1e-6;
    if (conn_room(link->conn) > 0)
        link_use(link);
}

static void on_arrival(struct timer *timer)
{
    struct replay *replay = CONTAINER_OF(timer, struct replay, arrival);

    while (replay->next < replay->workload.count &&
           real_us(replay, replay->workload.requests[replay->next].arrival_us) <=
               replay->worker->now_us)
        ask_new(replay, &replay->workload.requests[replay->next++]);
    if (replay->next < replay->workload.count)
        timer_set(&replay->worker->timers, timer,
                  real_us(replay, replay->workload.requests[replay->next].arrival_us));
}

/* ---- the whole ---- */

static void print_buckets(const struct replay *replay)
{
    printf(",\n \"buckets\": [");
    for (size_t i = 0; i < replay->bucket_count; i++) {
        const struct bucket *b = &replay->buckets[i];
        uint64_t answered = b->asked - b->refused - b->broken;

        printf("%s\n  {\"from_s\": %.1f, \"asked\": %llu, \"refused\": %llu, \"broken\": %llu, "
               "\"hit\": %.2f, \"ttft\": %.4f}",
               i > 0 ? "," : "", (double)i * replay->bucket_s, (unsigned long long)b->asked,
               (unsigned long long)b->refused, (unsigned long long)b->broken,
               b->prompt_tokens > 0 ? 100.0 * (double)b->cached_tokens / (double)b->prompt_tokens
                                    : 0,
               answered > 0 ? b->ttft_s / (double)answered : 0);
    }
    printf("]");
}

static double hit_rate(const struct workload *w)
{
    uint64_t prompt = 0, cached = 0;

    for (size_t i = 0; i < w->count; i++) {
        prompt += w->requests[i].prompt_tokens;
        cached += w->requests[i].cached_tokens;
    }
    return (double)cached / (double)prompt;
}

static void print_report(const struct replay *replay)
{
    struct sim_result result = { .hit = hit_rate(&replay->workload) };
    struct figures f;
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    figures_summarize(&replay->workload, &result, &f);
    printf("{\"asked\": %zu, \"refused\": %zu, \"broken\": %zu, \"hit\": %.3f, \"ttft\": %.4f, "
           "\"p50\": %.4f, "
           "\"p90\": %.4f, \"p99\": %.4f, \"tpot99\": %.2f, \"e2e\": %.3f, \"late\": %.5f, "
           "\"events\": %llu, \"dials\": %llu, \"cpu_s\": %.2f, \"wall_s\": %.2f",
           replay->ended, replay->refused, replay->broken, f.hit, f.ttft, f.p50, f.p90, f.p99,
           f.tpot99, f.e2e, replay->late_s / (double)replay->ended,
           (unsigned long long)replay->events, (unsigned long long)replay->dials,
           (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6,
           (double)(clock_now_us() - replay->begun_us) * 1e-6);
    if (replay->bucket_s > 0)
        print_buckets(replay);
    puts("}");
}

static enum workload_part part_of(const char *name)
{
    if (strcmp(name, "train") == 0)
        return PART_TRAIN;
    return strcmp(name, "test") == 0 ? PART_TEST : PART_WHOLE;
}

static void replay_init(struct replay *replay, struct worker *worker, int argc, char **argv)
{
    struct workload *w = &replay->workload;

    *replay = (struct replay){ .worker = worker, .scale = atof(argv[6]) };
    replay->at = (struct sockaddr_in){ .sin_family = AF_INET,
                                       .sin_port = htons((uint16_t)atoi(argv[1])),
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    replay->settings = (struct conn_settings){ .head = { .fields = 100, .bytes = 32 << 10 },
                                               .streams = 1,
                                               .window_bytes = STREAM_IN_BYTES,
                                               .handshake_ms = 30000,
                                               .head_ms = 600000,
                                               .idle_ms = KEEP_IDLE_MS,
                                               .stall_ms = 60000 };
    workload_init(w, argv[2], atof(argv[3]), part_of(argv[4]), strtoull(argv[5], NULL, 10));
    if (argc > 7 && atol(argv[7]) > 0 && (size_t)atol(argv[7]) < w->count)
        w->count = (size_t)atol(argv[7]);
    replay->bucket_s = argc > 8 ? atof(argv[8]) : 0;
    if (replay->bucket_s > 0) {
        double last_s = (double)w->requests[w->count - 1].arrival_us * 1e-6;

        replay->bucket_count = (size_t)(last_s / replay->bucket_s) + 1;
        replay->buckets = xcalloc(replay->bucket_count, sizeof(struct bucket));
    }
    for (size_t i = 0; i < BLOCK_TOKENS; i++)
        memcpy(replay->filler + 2 * i, "0,", 2);
    list_init(&replay->links);
    list_init(&replay->idle);
    list_init(&replay->asks);
    timer_init(&replay->arrival, on_arrival);
    replay->begun_us = clock_now_us();
    timer_set(&worker->timers, &replay->arrival, replay->begun_us);
}

static void replay_release(struct replay *replay)
{
    LIST_FOREACH_SAFE (at, &replay->links)
        free(CONTAINER_OF(at, struct link, all));
    workload_release(&replay->workload);
    free(replay->buckets);
}

int main(int argc, char **argv)
{
    struct replay replay;
    struct metric_shard *metrics;
    bool whole;

    if (argc < 7) {
        fprintf(stderr, "usage: trace_load PORT WORKLOAD SPEED whole|train|test SEED SCALE "
                        "[REQUESTS [BUCKET]]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    metrics = metric_shard_new();
    replay_init(&replay, worker_new(/* index= */ 0, metrics), argc, argv);
    worker_run(replay.worker);
    print_report(&replay);
    whole = replay.refused + replay.broken == 0;
    worker_free(replay.worker);
    replay_release(&replay);
    metric_shard_free(metrics);
    return whole ? 0 : 1;
}
