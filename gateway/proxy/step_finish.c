/*
 * Step 11, finish: everything ends here, once: places are given back, the answer is waited for
 * until the client has it, metrics and the access line are written, memory goes.
 */
#include "gateway/account/access_log.h"
#include "gateway/base/metric.h"
#include "gateway/proxy/exchange.h"
#include "routing/hold_conf.h"

#include <stdlib.h>

/* What must not outlive the wish for an answer. */
static void let_go(struct exchange *x)
{
    struct stream *client = x->client;

    x->finishing = true;
    exchange_leave_endpoint(x, x->reason);
    waiting_end(x);
    timer_clear(&x->deadline);
    timer_clear(&x->comment);
    exchange_forget_body(x);
    buf_release(&x->ready);
    if (!client->closed && !client->out_ended)
        stream_reset(client, x->reason);
}

static int64_t since(const struct exchange *x, uint64_t when_us)
{
    return when_us > 0 ? (int64_t)(when_us - x->begun_us) : -1;
}

static int64_t tokens(const struct exchange *x, unsigned bit, uint64_t count)
{
    return x->reader.usage.known & bit ? (int64_t)count : -1;
}

/* Before it has a fleet nothing is configured for it. */
static struct slice class_of(const struct exchange *x)
{
    return x->fleet ? slice_str(class_named(x->fleet->conf, x->filter.class_name)->name)
                    : slice_of(NULL, 0);
}

static void write_access_line(const struct exchange *x)
{
    const struct answer_usage *usage = &x->reader.usage;
    const struct message *head = x->client->head;
    struct access_entry entry;

    access_entry_init(&entry);
    entry.wall_us = x->begun_wall_us;
    entry.request_id = x->filter.request_id;
    entry.client = x->filter.client.len > 0 ? x->filter.client : client_address(x->peer);
    entry.listener = slice_str(x->peer->server->listener->address);
    entry.tenant = x->filter.tenant;
    entry.class_name = class_of(x);
    entry.method = head->method;
    entry.path = x->path;
    entry.http_version = head->version;
    entry.model = x->model_name;
    entry.traceparent = message_value(head, FIELD_traceparent);
    if (x->version) {
        entry.version = slice_str(x->version->name);
        entry.pool = slice_str(x->version->pool->name);
    }
    if (x->endpoint) {
        entry.endpoint = slice_str(x->endpoint->name);
        entry.choice = &x->choice;
        if (x->choice.priced)
            entry.predicted_cached_tokens = x->choice.cached_tokens;
    }
    entry.reason = x->reason;
    entry.status = x->status;
    entry.attempts = x->tries;
    entry.streamed = x->answer_streamed;
    entry.request_bytes = x->client->in_bytes;
    entry.response_bytes = x->client->out_bytes;
    entry.duration_us = since(x, x->worker->now_us);
    entry.held_us = x->held_us > 0 ? (int64_t)x->held_us : -1;
    entry.first_token_us = since(x, x->first_content_us);
    entry.prompt_tokens = tokens(x, ANSWER_USAGE_PROMPT, usage->prompt);
    entry.cached_tokens = tokens(x, ANSWER_USAGE_CACHED, usage->cached);
    entry.output_tokens = tokens(x, ANSWER_USAGE_COMPLETION, usage->completion);
    if (x->prediction.made) {
        entry.predicted_prompt_tokens = (int64_t)x->prediction.tokens;
        entry.reused_tokens = (int64_t)x->prediction.reused;
        entry.tokens = slice_str(exactness_rows[x->prediction.exactness].name);
    }
    access_log_write(x->worker->access_log, &entry);
}

static const struct step *run(struct exchange *x)
{
    struct exchanges *exchanges = x->worker->exchanges;

    if (!x->finishing)
        let_go(x);
    if (!x->client->closed)
        return NULL;
    if (x->reason == &reason_done && x->client->reason != &reason_done)
        x->reason = x->client->reason;
    prediction_settle(x);
    tally_exchange(exchanges->tally, x, x->worker->now_us);
    if (x->worker->access_log)
        write_access_line(x);
    defer_cancel(&x->wake);
    list_remove(&x->link);
    usage_reader_release(&x->reader);
    prediction_release(&x->prediction);
    free(x->explanation);
    if (x->own)
        buf_release(x->own);
    fleet_unref(x->fleet);
    stream_release(x->client); /* x lay in its arena */
    return NULL;
}

const struct step step_finish = { "finish", run };
