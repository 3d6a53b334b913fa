/*
 * The admin listener: a table of pages, each printed into a buf, the large ones in pieces.
 */
#include "gateway/admin.h"

#include "gateway/base/clock.h"
#include "gateway/base/held.h"
#include "gateway/base/mailbox.h"
#include "gateway/base/metric.h"
#include "gateway/codec/conn.h"
#include "gateway/fleet_page.h"
#include "gateway/io/listener.h"
#include "gateway/live_page.h"
#include "gateway/proxy/exchanges.h"
#include "gateway/proxy/server.h"
#include "routing/decide.h"
#include "routing/holdings.h"
#include "routing/own_address.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

struct admin_conf {
    char *address;
};

static const struct directive admin_rows[] = {
    { .key = "address",
      .type = DIRECTIVE_TYPE_TEXT,
      .offset = offsetof(struct admin_conf, address),
      .format = "address",
      .help = "host:port; keep it from clients. Left out: no admin listener. Needs a restart." },
};

static void admin_check(struct conf_checker *checker, const void *section)
{
    const struct admin_conf *admin = section;
    const struct conf_list *listeners = conf_section(conf_checker_conf(checker), &listeners_set);
    const struct listener_conf *listener = listeners->items;

    if (!admin->address)
        return;
    own_address_check(checker, admin->address, "`admin`");
    for (size_t i = 0; i < listeners->count; i++)
        if (strcmp(admin->address, listener[i].address) == 0)
            conf_complain(checker, &admin->address, "a listener for clients has this address");
}

const struct directive_set admin_set = {
    .key = "admin",
    .shape = DIRECTIVE_OBJECT,
    .help =
        "Where the fleet's page, /metrics, /healthz, /readyz, /fleet, /config and /exchanges are.",
    .rows = admin_rows,
    .count = ARRAY_LEN(admin_rows),
    .size = sizeof(struct admin_conf),
    .check = admin_check,
};

struct admin {
    struct control *control;
    struct listener *listener;
    struct list conns;    /* admin_conn->link */
    struct list requests; /* admin_request->link */
    uint64_t started_wall_us;
};

struct admin_conn {
    struct list link;
    struct admin *admin;
    struct conn *conn;
};

struct admin_request {
    struct list link;
    struct admin *admin;
    struct stream *stream;
    const struct page *page; /* NULL: there is none with that path */
    struct defer wake;
    struct buf body;
    struct fleet_page *fleet; /* what is printed in pieces: one of these; NULL: no more */
    struct metric_page *metrics;
    unsigned waiting; /* workers that have not answered yet */
    bool answered;
};

struct page {
    const char *path;
    const char *media;
    unsigned (*print)(struct admin_request *request); /* status; 0: later, by admin_answer */
    const char *policy; /* Content-Security-Policy; NULL: nothing in it is for a browser */
};

/* Few may ask, and little at a time. */
static const struct conn_settings admin_settings = {
    .head = { .fields = 100, .bytes = 16 * 1024 },
    .target_bytes = 2048,
    .streams = 16,
    .window_bytes = 16 * 1024,
    .handshake_ms = 5000,
    .head_ms = 5000,
    .idle_ms = 60 * 1000,
    .stall_ms = 10 * 1000,
};

/* ---- what is measured elsewhere ---- */

/* What is not known has no sample. */
static void collect_reported(struct metric_writer *writer, const struct endpoint *endpoint,
                             const struct slice *labels, uint64_t now_us)
{
    static const struct {
        enum gauge gauge;
        enum metric_id metric;
    } rows[] = {
        { GAUGE_WAITING, METRIC_ID_reported_waiting },
        { GAUGE_RUNNING, METRIC_ID_reported_running },
        { GAUGE_USAGE, METRIC_ID_reported_usage },
    };
    struct gauges gauges;

    reported_read(&endpoint->state->reported, now_us, &gauges);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (gauges_know(&gauges, rows[i].gauge))
            metric_sample(writer, rows[i].metric, labels, gauges.values[rows[i].gauge]);
}

static void collect_signals(struct metric_writer *writer, const struct slice *labels,
                            const struct endpoint *endpoint, uint64_t now_us)
{
    struct load load;

    signals_read(&endpoint->state->signals, now_us, &load);
    metric_sample(writer, METRIC_ID_endpoint_prefills, labels, load.prefills);
    metric_sample(writer, METRIC_ID_endpoint_decodes, labels, load.decodes);
    metric_sample(writer, METRIC_ID_endpoint_queued, labels, load.queued_s);
    metric_sample(writer, METRIC_ID_endpoint_live_tokens, labels, load.live_tokens);
}

static void collect_pool(struct metric_writer *writer, const struct pool *pool, uint64_t now_us)
{
    struct slice name = slice_str(pool->name);
    struct pace usual, pace;

    pace_read_pool(&pool->state->pace, &usual);
    metric_sample(writer, METRIC_ID_panic, &name,
                  atomic_load_explicit(&pool->state->panicking, memory_order_relaxed));
    metric_sample(writer, METRIC_ID_pool_waiting, &name,
                  atomic_load_explicit(&pool->state->room.waiting, memory_order_relaxed));
    for (size_t i = 0; i < pool->count; i++) {
        const struct endpoint *endpoint = &pool->endpoints[i];
        struct slice labels[] = { name, slice_str(endpoint->name) };

        metric_sample(writer, METRIC_ID_endpoint_state, labels,
                      health_weight(endpoint, pool->conf->health, now_us) > 0);
        metric_sample(writer, METRIC_ID_endpoint_inflight, labels,
                      atomic_load_explicit(&endpoint->state->inflight, memory_order_relaxed));
        collect_reported(writer, endpoint, labels, now_us);
        pace_read(&endpoint->state->pace, &usual, now_us, &pace);
        metric_sample(writer, METRIC_ID_token_seconds, labels, pace.token_s);
        collect_signals(writer, labels, endpoint, now_us);
    }
}

static void collect_model(struct metric_writer *writer, const struct model *model)
{
    for (size_t i = 0; i < model->count; i++) {
        struct slice labels[] = { slice_str(model->name), slice_str(model->versions[i].name) };

        metric_sample(writer, METRIC_ID_tokens_exact, labels,
                      fleet_page_exactness(&model->versions[i]) == EXACTNESS_exact);
    }
}

static void collect(struct metric_writer *writer, void *user)
{
    struct admin *admin = user;
    const struct fleet *fleet = control_fleet(admin->control);
    struct slice version = slice_str(SLUICE_VERSION);

    metric_sample(writer, METRIC_ID_buffered_bytes, NULL, (double)held_bytes());
    metric_sample(writer, METRIC_ID_build_info, &version, 1);
    metric_sample(writer, METRIC_ID_start_time, NULL,
                  (double)admin->started_wall_us / CLOCK_US_PER_S);
    metric_sample(writer, METRIC_ID_config_generation, NULL,
                  (double)control_conf(admin->control)->generation);
    for (size_t i = 0; i < fleet->model_count; i++)
        collect_model(writer, &fleet->models[i]);
    for (size_t i = 0; i < fleet->pool_count; i++)
        collect_pool(writer, &fleet->pools[i], clock_now_us());
    holdings_collect(writer, control_worker(admin->control)->holdings, fleet);
}

/* ---- pages ---- */

static unsigned print_metrics(struct admin_request *request)
{
    request->metrics = metric_page_new();
    return 200;
}

static unsigned print_healthz(struct admin_request *request)
{
    buf_add(&request->body, SLICE("ok\n"));
    return 200;
}

static unsigned print_readyz(struct admin_request *request)
{
    bool ready = control_is_ready(request->admin->control);

    buf_add(&request->body, ready ? SLICE("ready\n") : SLICE("not ready\n"));
    return ready ? 200 : 503;
}

static unsigned print_config(struct admin_request *request)
{
    conf_print_json(control_conf(request->admin->control), &request->body);
    return 200;
}

static unsigned print_fleet(struct admin_request *request)
{
    struct slice query =
        slice_skip(request->stream->head->path, slice_find(request->stream->head->path, '?') + 1);

    request->fleet = fleet_page_new(control_fleet(request->admin->control), query);
    return 200;
}

static unsigned print_page(struct admin_request *request)
{
    buf_add(&request->body, live_page);
    return 200;
}

/* ---- /exchanges: a letter to every worker, and one back ---- */

struct survey {
    struct letter letter;
    struct admin_request *request;
    struct mailbox *back;
    struct buf text; /* made by the worker, handed back whole */
};

/* More are there than anybody reads. */
#define SURVEY_EXCHANGES_MAX 1000

static void admin_answer(struct admin_request *request, unsigned status);
static void admin_request_wake(struct admin_request *request);

static void survey_back(struct letter *letter, void *receiver)
{
    struct survey *survey = CONTAINER_OF(letter, struct survey, letter);
    struct admin_request *request = survey->request;

    (void)receiver;
    buf_move(&request->body, &survey->text, survey->text.len);
    buf_release(&survey->text);
    free(survey);
    if (--request->waiting > 0)
        return;
    admin_answer(request, 200);
    admin_request_wake(request); /* its stream may be over already */
}

static void survey_worker(struct letter *letter, void *receiver)
{
    struct survey *survey = CONTAINER_OF(letter, struct survey, letter);

    exchanges_print(receiver, SURVEY_EXCHANGES_MAX, &survey->text);
    survey->letter.open = survey_back;
    mailbox_send(survey->back, &survey->letter);
}

static unsigned print_exchanges(struct admin_request *request)
{
    struct control *control = request->admin->control;

    request->waiting = control_worker_count(control);
    for (unsigned i = 0; i < control_worker_count(control); i++) {
        struct survey *survey = xcalloc(1, sizeof(*survey));

        survey->letter.open = survey_worker;
        survey->request = request;
        survey->back = control_worker(control)->mailbox;
        buf_init(&survey->text, SIZE_MAX);
        mailbox_send(control_worker_at(control, i)->mailbox, &survey->letter);
    }
    return 0;
}

static const struct page pages[] = {
    { "/", "text/html; charset=utf-8", print_page, live_page_policy },
    { "/metrics", "text/plain; version=0.0.4; charset=utf-8", print_metrics, NULL },
    { "/healthz", "text/plain; charset=utf-8", print_healthz, NULL },
    { "/readyz", "text/plain; charset=utf-8", print_readyz, NULL },
    { "/config", "application/json", print_config, NULL },
    { "/fleet", "application/json", print_fleet, NULL },
    { "/exchanges", "text/plain; charset=utf-8", print_exchanges, NULL },
};

/* ---- requests ---- */

static bool has_pieces(const struct admin_request *request)
{
    return request->fleet || request->metrics;
}

static void admin_answer(struct admin_request *request, unsigned status)
{
    const struct page *page = request->page;
    struct stream *stream = request->stream;
    struct message head;

    request->answered = true;
    if (stream->closed)
        return;
    message_init(&head, stream->arena);
    head.status = (uint16_t)status;
    head.has_body = true;
    head.length = has_pieces(request) ? MESSAGE_LENGTH_UNKNOWN : request->body.len;
    message_put(&head, FIELD_content_type,
                page ? slice_str(page->media) : SLICE("text/plain; charset=utf-8"));
    message_put_other(&head, SLICE("cache-control"), SLICE("no-store"));
    message_put_other(&head, SLICE("x-content-type-options"), SLICE("nosniff"));
    if (page && page->policy)
        message_put_other(&head, SLICE("content-security-policy"), slice_str(page->policy));
    stream_send_head(stream, &head);
    buf_move(&stream->out, &request->body, request->body.len);
    stream_send(stream);
    if (!has_pieces(request))
        stream_send_end(stream, NULL);
}

static bool print_piece(struct admin_request *request, struct buf *out)
{
    return request->fleet ? fleet_page_print(request->fleet, clock_now_us(), out)
                          : metric_page_print(request->metrics, out);
}

static void forget_pieces(struct admin_request *request)
{
    fleet_page_free(request->fleet);
    metric_page_free(request->metrics);
    request->fleet = NULL;
    request->metrics = NULL;
}

/* Another piece each turn, as long as the client takes them. */
static void go_on(struct admin_request *request)
{
    struct stream *stream = request->stream;

    if (stream->out.len >= STREAM_OUT_HIGH)
        return; /* it is told when there is less */
    if (print_piece(request, &stream->out)) {
        stream_send(stream);
        worker_defer_next(control_worker(request->admin->control), &request->wake);
        return;
    }
    forget_pieces(request);
    stream_send(stream);
    stream_send_end(stream, NULL);
}

static const struct page *page_at(struct slice path)
{
    for (size_t i = 0; i < ARRAY_LEN(pages); i++)
        if (slice_eq(path, slice_str(pages[i].path)))
            return &pages[i];
    return NULL;
}

static void admin_serve(struct admin_request *request)
{
    const struct message *head = request->stream->head;
    unsigned status;

    if (!slice_eq(head->method, SLICE("GET")) && !slice_eq(head->method, SLICE("HEAD"))) {
        admin_answer(request, 405);
        return;
    }
    request->page = page_at(slice_head(head->path, slice_find(head->path, '?')));
    if (!request->page)
        for (size_t i = 0; i < ARRAY_LEN(pages); i++)
            buf_printf(&request->body, "%s\n", pages[i].path);
    status = request->page ? request->page->print(request) : 404;
    if (status > 0)
        admin_answer(request, status);
}

static void admin_request_free(struct admin_request *request)
{
    defer_cancel(&request->wake);
    list_remove(&request->link);
    buf_release(&request->body);
    forget_pieces(request);
    stream_release(request->stream);
    free(request);
}

static void on_wake(struct defer *defer)
{
    struct admin_request *request = CONTAINER_OF(defer, struct admin_request, wake);
    struct stream *stream = request->stream;

    if (!stream->closed && !stream->in_ended) { /* nothing is wanted of a body */
        buf_drop(&stream->in, stream->in.len);
        stream_took(stream);
        return;
    }
    if (!request->answered && request->waiting == 0)
        admin_serve(request);
    if (has_pieces(request) && !stream->closed)
        go_on(request);
    if (stream->closed && request->waiting == 0)
        admin_request_free(request);
}

static void admin_request_wake(struct admin_request *request)
{
    worker_defer(control_worker(request->admin->control), WORKER_WAKE, &request->wake);
}

static void on_stream_event(struct stream *stream, void *user)
{
    (void)stream;
    admin_request_wake(user);
}

static const struct stream_events admin_stream_events = { .on_event = on_stream_event };

static void on_stream(struct conn *conn, struct stream *stream, void *user)
{
    struct admin_conn *admin_conn = user;
    struct admin_request *request = xcalloc(1, sizeof(*request));

    (void)conn;
    request->admin = admin_conn->admin;
    request->stream = stream;
    buf_init(&request->body, SIZE_MAX);
    defer_init(&request->wake, on_wake);
    list_push(&request->admin->requests, &request->link);
    stream->events = &admin_stream_events;
    stream->user = request;
    on_stream_event(stream, request);
}

static void on_close(struct conn *conn, const struct reason *reason, void *user)
{
    struct admin_conn *admin_conn = user;

    (void)conn;
    (void)reason;
    list_remove(&admin_conn->link);
    free(admin_conn);
}

static const struct conn_events admin_conn_events = { .on_stream = on_stream,
                                                      .on_close = on_close };

static void on_accept(struct worker *worker, int fd, void *user)
{
    struct admin *admin = user;
    struct admin_conn *admin_conn = xcalloc(1, sizeof(*admin_conn));

    admin_conn->admin = admin;
    list_push(&admin->conns, &admin_conn->link);
    admin_conn->conn =
        conn_accept(worker, fd, NULL, &admin_settings, &admin_conn_events, admin_conn);
}

bool admin_open(struct control *control, struct conf *conf, struct admin **ret_admin,
                struct buf *errors)
{
    const struct admin_conf *settings = conf_section(conf, &admin_set);
    struct admin *admin = xcalloc(1, sizeof(*admin));
    int fd;

    *ret_admin = admin;
    admin->control = control;
    admin->started_wall_us = clock_wall_us();
    list_init(&admin->conns);
    list_init(&admin->requests);
    if (!settings->address)
        return true;
    fd = listener_bind(settings->address, false); /* a second gateway is a mistake */
    if (fd < 0) {
        buf_printf(errors, "admin %s: %s\n", settings->address, strerror(errno));
        return false;
    }
    metric_collector_add(collect, admin);
    admin->listener = listener_open(control_worker(control), fd, on_accept, admin);
    return true;
}

bool admin_moves(const struct conf *from, const struct conf *to)
{
    const struct admin_conf *a = conf_section(from, &admin_set), *b = conf_section(to, &admin_set);

    return !slice_eq(slice_str(a->address), slice_str(b->address));
}

void admin_free(struct admin *admin)
{
    if (!admin)
        return;
    if (admin->listener)
        listener_close(admin->listener);
    LIST_FOREACH_SAFE (at, &admin->conns) {
        conn_close(CONTAINER_OF(at, struct admin_conn, link)->conn, &reason_draining);
        list_remove(at); /* its on_close comes when this is gone */
    }
    LIST_FOREACH_SAFE (at, &admin->requests)
        admin_request_free(CONTAINER_OF(at, struct admin_request, link));
    free(admin);
}

size_t admin_connections(const struct admin *admin)
{
    size_t count = 0;

    LIST_FOREACH (at, (struct list *)&admin->conns)
        count++;
    return count;
}
