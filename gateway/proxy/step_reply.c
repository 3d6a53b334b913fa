/*
 * Step 10, reply: an answer of the gateway's own, an error in the client's dialect most of the
 * time.
 */
#include "gateway/base/clock.h"
#include "gateway/proxy/exchange.h"
#include "gateway/proxy/explanation.h"
#include "gateway/proxy/own.h"

/* When it may be worth asking again, where nobody said: queues and restarts are a matter of
 * seconds. */
#define RETRY_AFTER_S 1

/* So much of a body is dropped before the answer; more is not worth waiting for. */
#define REPLY_DROP_BYTES (64 * 1024)

static struct slice retry_after(struct exchange *x)
{
    return arena_printf(x->arena, "%u", x->retry_after_s ? x->retry_after_s : RETRY_AFTER_S);
}

/* What is asked of our own pages may be asked for its head alone. */
static struct slice allowed(struct exchange *x)
{
    struct slice methods = dialect_allow(x->path, x->arena);

    if (!own_answers(SLICE("HEAD"), x->path))
        return methods;
    return arena_printf(x->arena, "%.*s, HEAD", SLICE_ARGS(methods));
}

static struct message *make_head(struct exchange *x, unsigned status, const char *media,
                                 size_t length)
{
    struct message *head = arena_zalloc(x->arena, sizeof(*head));

    message_init(head, x->arena);
    head->status = (uint16_t)status;
    head->has_body = true;
    head->length = length;
    message_put(head, FIELD_content_type, slice_str(media));
    if (status == 503 || status == 429)
        message_put(head, FIELD_retry_after, retry_after(x));
    if (status == 405)
        message_put_other(head, SLICE("allow"), allowed(x));
    if (x->filter.request_id.len > 0)
        message_put(head, FIELD_x_request_id, x->filter.request_id);
    explanation_put(x, head);
    return head;
}

static void send_answer(struct exchange *x, unsigned status, const char *media, struct buf *body)
{
    struct stream *client = x->client;

    x->status = (uint16_t)status;
    x->committed = true;
    stream_send_head(client, make_head(x, status, media, body->len));
    buf_move(&client->out, body, body->len);
    stream_send(client);
    stream_send_end(client, NULL);
}

static void send_error(struct exchange *x, const struct reason *reason)
{
    const struct dialect_type *dialect = x->dialect ? x->dialect : dialect_for_errors(x->path);
    struct buf body;

    buf_init(&body, SIZE_MAX);
    dialect->error(&body, reason, x->message, x->param);
    send_answer(x, reason->status, dialect->error_media, &body);
    buf_release(&body);
}

/*
 * A short body is let in first: many clients read nothing before they have written all, and what is
 * wrong with its framing is still the codec's to say. Not for one that waits for 100 Continue.
 */
static bool waits_for_body(const struct exchange *x)
{
    const struct stream *client = x->client;

    if (client->head->length != MESSAGE_LENGTH_UNKNOWN && client->head->length > REPLY_DROP_BYTES)
        return false;
    return !client->in_ended && !client->head->expects_100 && client->in_bytes < REPLY_DROP_BYTES &&
           x->reason != &reason_body_too_large &&
           x->worker->now_us < x->begun_us + EXCHANGE_REPLY_WAIT_MS * CLOCK_US_PER_MS;
}

static const struct step *run(struct exchange *x)
{
    struct buf body;

    if (waits_for_body(x)) {
        buf_drop(&x->client->in, x->client->in.len);
        stream_took(x->client);
        exchange_arm(x);
        return NULL;
    }
    exchange_leave_endpoint(x, x->reason ? x->reason : &reason_done);
    buf_init(&body, SIZE_MAX);
    if (!x->reason && x->own) {
        send_answer(x, 200, "application/json", x->own);
        x->reason = &reason_done;
    } else if (!x->reason) {
        const struct reason *reason = own_answer(x->fleet, x->path, &body);

        if (!reason)
            send_answer(x, 200, "application/json", &body);
        x->param = reason ? SLICE("model") : x->param;
        x->reason = reason ? reason : &reason_done;
    }
    if (!x->committed)
        send_error(x, x->reason);
    buf_release(&body);
    return &step_finish;
}

const struct step step_reply = { "reply", run };
