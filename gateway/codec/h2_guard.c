/*
 * The guard in front of nghttp2: a row a frame type says what it costs and what else is looked at.
 *
 * Costs are for frames that a peer can send for nothing. What honest peers send in return for our
 * own frames (a WINDOW_UPDATE or two for each DATA, a PING to measure with) is free for as long as
 * such frames were sent, because a client that reads a hundred token streams sends thousands a
 * second.
 */
#include "gateway/codec/h2_guard.h"

#include "gateway/base/clock.h"
#include "gateway/base/metric.h"
#include "gateway/codec/h2.h"

#define PREFACE_BYTES 24

#define BUCKET_POINTS   (1000u * H2_GLITCH_POINTS)
#define POINTS_A_SECOND (33u * H2_GLITCH_POINTS)

/* CONTINUATION frames a header block may have (nghttp2's own limit since CVE-2024-28182). */
#define CONTINUATIONS_MAX 8

/* DATA frames below these sizes carry little for their cost. */
#define SMALL_DATA_BYTES 128
#define TINY_DATA_BYTES  16

/* Two WINDOW_UPDATEs, of the stream and of the conn, and a PING. */
#define ACKS_A_FRAME 3
#define ACKS_MAX     65536u

struct frame {
    uint32_t len;
    uint8_t type, flags;
    int32_t id;
    const uint8_t *payload; /* what of it is here */
};

struct frame_rule {
    uint8_t points; /* a frame of this type costs */
    void (*check)(struct h2 *h2, const struct frame *frame);
    uint8_t judged_bytes; /* of the payload that `check` looks at */
};

void h2_guard_init(struct h2_guard *guard, bool server, uint64_t now_us)
{
    *guard = (struct h2_guard){ .preface_left = server ? PREFACE_BYTES : 0,
                                .points = BUCKET_POINTS,
                                .refilled_us = now_us };
}

static uint64_t now_us(const struct h2 *h2)
{
    return h2->conn->transport.worker->now_us;
}

static void guard_refill(struct h2_guard *guard, uint64_t now)
{
    uint64_t points = (now - guard->refilled_us) * POINTS_A_SECOND / CLOCK_US_PER_S;

    if (points == 0) /* the rest of a point is not lost */
        return;
    guard->refilled_us = now;
    points += guard->points;
    guard->points = points > BUCKET_POINTS ? BUCKET_POINTS : (uint32_t)points;
}

void h2_guard_charge(struct h2 *h2, unsigned points)
{
    struct h2_guard *guard = &h2->guard;

    if (points == 0)
        return;
    if (h2->side->server)
        metric_add(h2->conn->transport.worker->metrics, METRIC_ID_frames_refused, 1);
    if (guard->points < points)
        guard_refill(guard, now_us(h2));
    if (guard->points < points) {
        h2_fail(h2, &reason_client_flood, NGHTTP2_ENHANCE_YOUR_CALM);
        return;
    }
    guard->points -= points;
}

void h2_guard_credit(struct h2_guard *guard)
{
    if (guard->acks_due < ACKS_MAX)
        guard->acks_due += ACKS_A_FRAME;
}

void h2_guard_note_closed(struct h2 *h2, int32_t id, enum h2_closed how)
{
    struct h2_guard *guard = &h2->guard;
    uint32_t number = (uint32_t)id >> 1;
    uint32_t *slot = &guard->closed[number & (H2_GUARD_CLOSED - 1)];

    if (*slot >> 2 >= number && *slot != 0) /* noted, or of no interest any more */
        return;
    *slot = number << 2 | how;
    if (how == H2_CLOSED_BY_US)
        guard->ignored_left += h2->conn->settings->window_bytes;
}

enum h2_closed h2_guard_closed(const struct h2_guard *guard, int32_t id)
{
    uint32_t number = (uint32_t)id >> 1;
    uint32_t slot = guard->closed[number & (H2_GUARD_CLOSED - 1)];

    if (number + H2_GUARD_CLOSED <= (uint32_t)guard->last_id >> 1)
        return H2_CLOSED_LONG_AGO;
    return slot != 0 && slot >> 2 == number ? (enum h2_closed)(slot & 3) : H2_CLOSED_NEVER;
}

void h2_guard_ignored(struct h2 *h2, size_t bytes)
{
    h2->guard.ignored_left -= (int64_t)bytes;
    if (h2->guard.ignored_left >= 0)
        return;
    h2->guard.ignored_left = 0;
    h2_guard_charge(h2, H2_GLITCH_POINTS);
}

/* Frames that continue a stream which is not there any more (RFC 9113, 5.1 "closed"). */
static void check_closed(struct h2 *h2, const struct frame *frame)
{
    enum h2_closed how;

    if (frame->id <= 0 || (frame->id & 1) == 0 || frame->id > h2->guard.last_id)
        return; /* new, or an error the library finds */
    if (nghttp2_session_find_stream(h2->session, frame->id))
        return;
    how = h2->goaway_final ? H2_CLOSED_BY_US : h2_guard_closed(&h2->guard, frame->id);
    if (how == H2_CLOSED_NEVER && frame->type == NGHTTP2_HEADERS)
        h2_fail(h2, &reason_protocol_error, NGHTTP2_PROTOCOL_ERROR); /* 5.1.1: ids must rise */
    else if (how == H2_CLOSED_ENDED || how == H2_CLOSED_NEVER)
        h2_fail(h2, &reason_protocol_error, NGHTTP2_STREAM_CLOSED);
    else if (how != H2_CLOSED_BY_US)
        nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, frame->id, NGHTTP2_STREAM_CLOSED);
    else if (frame->type == NGHTTP2_DATA)
        h2_guard_ignored(h2, frame->len);
}

/* Engines stream one token a frame, so that only what carries nothing at all counts from them. */
static unsigned data_points(const struct h2 *h2, const struct frame *frame)
{
    bool padded = frame->flags & NGHTTP2_FLAG_PADDED;

    if (frame->flags & NGHTTP2_FLAG_END_STREAM)
        return 0;
    if (!h2->side->server)
        return frame->len == 0;
    if (frame->len == 0)
        return H2_GLITCH_POINTS;
    if (frame->len < TINY_DATA_BYTES ||
        (padded && frame->len <= 256)) /* perhaps nothing but padding */
        return 4;
    return frame->len < SMALL_DATA_BYTES;
}

static void check_data(struct h2 *h2, const struct frame *frame)
{
    h2_guard_charge(h2, data_points(h2, frame));
    check_closed(h2, frame);
}

static void check_headers(struct h2 *h2, const struct frame *frame)
{
    h2->guard.continuations = 0;
    h2->guard.block_open = !(frame->flags & NGHTTP2_FLAG_END_HEADERS);
    if (frame->len == 0 && h2->guard.block_open)
        h2_guard_charge(h2, H2_GLITCH_POINTS);
    check_closed(h2, frame);
    if (h2->side->server && (frame->id & 1) && frame->id > h2->guard.last_id)
        h2->guard.last_id = frame->id;
}

static void check_continuation(struct h2 *h2, const struct frame *frame)
{
    h2->guard.block_open = !(frame->flags & NGHTTP2_FLAG_END_HEADERS);
    if (frame->len == 0)
        h2_guard_charge(h2, H2_GLITCH_POINTS);
    if (++h2->guard.continuations > CONTINUATIONS_MAX)
        h2_fail(h2, &reason_client_flood, NGHTTP2_ENHANCE_YOUR_CALM);
}

/* The library does not look at them once priorities are off; these two rules stay (RFC 9113, 6.3).
 */
static void check_priority(struct h2 *h2, const struct frame *frame)
{
    uint32_t parent;

    if (frame->len != 5)
        return;
    parent = (uint32_t)(frame->payload[0] & 0x7f) << 24 | (uint32_t)frame->payload[1] << 16 |
             (uint32_t)frame->payload[2] << 8 | frame->payload[3];
    if (frame->id == 0 || parent == (uint32_t)frame->id)
        h2_fail(h2, &reason_protocol_error, NGHTTP2_PROTOCOL_ERROR);
}

/* Rapid reset: what costs is a request that was begun for nothing. */
static void check_reset(struct h2 *h2, const struct frame *frame)
{
    const struct h2_stream *s = nghttp2_session_get_stream_user_data(h2->session, frame->id);

    h2_guard_charge(h2, s && !s->stream.out_head_sent ? H2_GLITCH_POINTS : H2_GLITCH_POINTS / 4);
}

static void check_settings(struct h2 *h2, const struct frame *frame)
{
    if (!(frame->flags & NGHTTP2_FLAG_ACK))
        h2_guard_charge(h2, 4 * H2_GLITCH_POINTS);
}

/* No client may push, and no request leaves before the SETTINGS that forbid it to endpoints. */
static void check_push(struct h2 *h2, const struct frame *frame)
{
    (void)frame;
    h2_fail(h2, &reason_protocol_error, NGHTTP2_PROTOCOL_ERROR);
}

static void check_ack(struct h2 *h2, const struct frame *frame)
{
    (void)frame;
    if (h2->guard.acks_due > 0)
        h2->guard.acks_due--;
    else
        h2_guard_charge(h2, H2_GLITCH_POINTS / 4);
}

static const struct frame_rule rules[] = {
    [NGHTTP2_DATA] = { .check = check_data },
    [NGHTTP2_HEADERS] = { .check = check_headers },
    [NGHTTP2_PRIORITY] = { .points = 4, .check = check_priority, .judged_bytes = 4 },
    [NGHTTP2_RST_STREAM] = { .check = check_reset },
    [NGHTTP2_SETTINGS] = { .check = check_settings },
    [NGHTTP2_PUSH_PROMISE] = { .check = check_push },
    [NGHTTP2_PING] = { .check = check_ack },
    [NGHTTP2_GOAWAY] = { .points = 64 },
    [NGHTTP2_WINDOW_UPDATE] = { .check = check_ack },
    [NGHTTP2_CONTINUATION] = { .check = check_continuation },
};
static const struct frame_rule rule_unknown = { .points = 4 };

static struct frame frame_of(struct slice bytes)
{
    const uint8_t *at = (const uint8_t *)bytes.at;

    return (struct frame){
        .len = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2],
        .type = at[3],
        .flags = at[4],
        .id = (int32_t)((uint32_t)(at[5] & 0x7f) << 24 | (uint32_t)at[6] << 16 |
                        (uint32_t)at[7] << 8 | at[8]),
        .payload = at + H2_FRAME_HEAD,
    };
}

/* Judges the frame that begins at `bytes`; false: too little of it is here. */
static bool guard_frame(struct h2 *h2, struct slice bytes)
{
    const struct frame_rule *rule = &rule_unknown;
    struct frame frame;

    if (bytes.len < H2_FRAME_HEAD)
        return false;
    frame = frame_of(bytes);
    if (frame.type < ARRAY_LEN(rules))
        rule = &rules[frame.type];
    if (bytes.len - H2_FRAME_HEAD < rule->judged_bytes && bytes.len - H2_FRAME_HEAD < frame.len)
        return false;
    h2_guard_charge(h2, rule->points);
    if (rule->check)
        rule->check(h2, &frame);
    h2->guard.greeted = true;
    h2->guard.type = frame.type;
    h2->guard.frame_left = H2_FRAME_HEAD + frame.len;
    return true;
}

const struct reason *h2_guard_next(struct h2 *h2, struct slice bytes, size_t *ret_len)
{
    const struct h2_guard *guard = &h2->guard;
    size_t left = guard->preface_left;

    *ret_len = 0;
    if (left == 0 && guard->frame_left == 0 && !guard_frame(h2, bytes))
        return NULL;
    if (left == 0)
        left = guard->frame_left;
    *ret_len = left < bytes.len ? left : bytes.len;
    return h2->failed;
}

void h2_guard_passed(struct h2_guard *guard, size_t len)
{
    if (guard->preface_left > 0)
        guard->preface_left -= (uint8_t)len;
    else
        guard->frame_left -= (uint32_t)len;
}

bool h2_guard_in_head(const struct h2_guard *guard)
{
    bool inside = guard->frame_left > 0 &&
                  (guard->type == NGHTTP2_HEADERS || guard->type == NGHTTP2_CONTINUATION);

    return !guard->greeted || guard->block_open || inside;
}
