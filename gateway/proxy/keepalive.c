/*
 * Heads and comments of the gateway's own.
 */
#include "gateway/proxy/keepalive.h"

#include "gateway/base/clock.h"
#include "gateway/proxy/exchange.h"
#include "routing/hold_conf.h"

/* To readers of server-sent events a line that begins with a colon is nothing. */
#define COMMENT ": keep-alive\n\n"

static uint64_t interval_us(const struct exchange *x)
{
    return hold_limits(x->fleet->conf)->keepalive * CLOCK_US_PER_MS;
}

static void open_stream(struct exchange *x)
{
    struct message *head = arena_zalloc(x->arena, sizeof(*head));

    message_init(head, x->arena);
    head->status = 200;
    head->has_body = true;
    head->length = MESSAGE_LENGTH_UNKNOWN;
    message_put(head, FIELD_content_type, SLICE("text/event-stream; charset=utf-8"));
    message_put_other(head, SLICE("cache-control"), SLICE("no-cache"));
    message_put_other(head, SLICE("x-accel-buffering"), SLICE("no"));
    x->filter.answer = head;
    filters_on_answer(&x->filter);
    stream_send_head(x->client, head);
    x->opened = true;
    x->status = 200;
}

void keepalive_on_due(struct timer *timer)
{
    struct exchange *x = CONTAINER_OF(timer, struct exchange, comment);

    if (x->committed || x->client->closed || x->step == &step_reply || x->step == &step_finish)
        return;
    if (!x->opened)
        open_stream(x);
    if (x->client->out.len < STREAM_OUT_LOW) { /* else it does not even take what there is */
        buf_add(&x->client->out, SLICE(COMMENT));
        stream_send(x->client);
    }
    timer_set(&x->worker->timers, timer, x->worker->now_us + interval_us(x));
}

void keepalive_arm(struct exchange *x)
{
    uint64_t at_us = x->begun_us + interval_us(x);

    if (!x->streams || !x->dialect->keeps_alive || interval_us(x) == 0 || timer_is_set(&x->comment))
        return;
    timer_set(&x->worker->timers, &x->comment,
              at_us > x->worker->now_us ? at_us : x->worker->now_us + 1);
}

bool keepalive_is_let_down(const struct exchange *x)
{
    return x->opened && !x->committed &&
           (x->attempt.stream->head->status != 200 || x->reader.form != USAGE_FORM_SSE);
}

/* {"error":{"message":...}}, {"message":...} or {"detail":...}; empty: none of them. */
static struct slice find_message(struct slice body)
{
    static const struct json_member members[] = {
        { SLICE_INIT("error"), 0 * sizeof(struct json_value) },
        { SLICE_INIT("message"), 1 * sizeof(struct json_value) },
        { SLICE_INIT("detail"), 2 * sizeof(struct json_value) },
    };
    struct json_value found[ARRAY_LEN(members)] = { 0 };
    struct json_reader r;

    json_open(&r, body, NULL);
    if (json_enter_object(&r))
        json_pick(&r, members, ARRAY_LEN(members), found);
    if (json_close(&r))
        return slice_of(NULL, 0);
    if (found[0].kind == JSON_KIND_OBJECT)
        return find_message(found[0].raw);
    for (size_t i = 0; i < ARRAY_LEN(found); i++)
        if (found[i].kind == JSON_KIND_STRING)
            return found[i].raw;
    return slice_of(NULL, 0);
}

const struct reason *keepalive_read_refusal(struct exchange *x)
{
    unsigned status = x->attempt.stream->head->status;
    struct slice raw = find_message(buf_join(&x->ready)), text;
    struct json_value value = { .raw = raw, .kind = JSON_KIND_STRING, .escaped = true };

    if (raw.len > 0 && !json_text(value, x->arena, &text))
        x->message = arena_copy(x->arena, text);
    return status >= 400 && status < 500 ? &reason_endpoint_refusal : &reason_endpoint_status;
}
