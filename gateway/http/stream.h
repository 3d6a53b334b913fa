/*
 * A stream: a codec's half of an exchange, on either side. Codecs end here; above this header
 * nobody knows which version of HTTP is spoken.
 *
 * A narrated request, client's side (codec = server):
 *   1. A head is complete. The codec makes a stream and calls the conn's on_stream(conn, stream);
 *      the owner fills in stream->user and stream->events. stream->head is the request.
 *   2. Body bytes arrive: the codec appends them to stream->in and calls events->on_event. The
 *      window is buf_room(&stream->in): a codec takes no more bytes than fit (h1 stops reading, h2
 *      grants no window). Whoever takes bytes out of `in` calls stream_took() afterwards.
 *   3. The body is complete: in_ended is set (trailers, if any, in in_trailers), on_event.
 *   4. The owner answers: stream_send_head(), bytes moved into stream->out, stream_send(), and at
 *      the end stream_send_end(). The codec drains `out` as the peer takes it, and calls on_event
 *      when it has become less full (below STREAM_OUT_LOW after it was above).
 *   5. The stream is over for the codec: closed is set, with why in `reason` (reason_done when both
 *      halves ended properly), on_event, once. Nothing is called afterwards.
 *   6. The owner calls stream_release() when it wants no more of it: before `closed` that is an
 *      abort (use stream_reset to say why first), after it frees the object. The pointer is gone.
 *
 * Engine's side (codec = client): the owner gets a stream from the conn by conn_open(),
 * fills stream->out and calls stream_send_head() with the request; then the answer appears in
 * stream->head (with on_event), interim 1xx answers never show, then in/in_ended as above.
 *
 * Rules. on_event may note what happened and wake somebody; it must not call any stream_ function,
 * nor free anything. The stream_ functions are called from wake-ups (worker phases), never from a
 * codec's callback; they only change state and mark the conn dirty: bytes move at the end of the
 * loop turn, once a connection. One thread: the worker's.
 */
#ifndef SLUICE_HTTP_STREAM_H
#define SLUICE_HTTP_STREAM_H

#include "gateway/base/buf.h"
#include "gateway/http/message.h"

struct stream;

struct stream_events {
    /* Something of the stream changed; look at its fields. See the rules above. */
    void (*on_event)(struct stream *stream, void *user);
};

/* What a codec does for streams; called through the functions below only. */
struct stream_type {
    void (*send_head)(struct stream *stream, const struct message *head);
    void (*send)(struct stream *stream);
    void (*send_end)(struct stream *stream, const struct message *trailers);
    void (*took)(struct stream *stream);
    void (*reset)(struct stream *stream, const struct reason *reason);
    void (*release)(struct stream *stream);
};

/* Default windows: what a stream holds at most before its writer is stopped. */
#define STREAM_IN_BYTES (256 * 1024)
#define STREAM_OUT_HIGH (256 * 1024)
#define STREAM_OUT_LOW  (64 * 1024)

struct stream {
    const struct stream_type *type;     /* the codec's */
    const struct stream_events *events; /* the owner's; NULL: nobody listens yet */
    void *user;
    struct arena *arena; /* server: made by the codec, dies with the stream; client: the owner's,
                            outlives it */

    /* incoming half; written by the codec */
    struct message *head; /* server: the request; client: the final answer, NULL until it is here */
    struct buf in; /* body bytes nobody took yet; limit = window, may be raised by the owner before
                      the body */
    struct message *in_trailers; /* NULL: none; framing and identity fields dropped */
    bool in_ended;               /* the last byte is in `in` or was taken */
    bool closed;                 /* nothing will happen any more */
    bool peer_gone; /* h1 server: closed because the client's FIN was seen while an answer was owed;
                       never with half_close */
    bool reused_conn;            /* client: the conn had carried an exchange before */
    const struct reason *reason; /* why closed; NULL before */
    uint64_t in_bytes;           /* body bytes received in all */

    /* outgoing half; written by the owner, drained by the codec */
    struct buf out;
    bool out_head_sent; /* head was handed to the codec */
    bool out_ended;     /* send_end was called */
    uint64_t out_bytes; /* body bytes handed to the transport's buffer in all */
};

/*
 * Server: the answer's head (an interim one when the status is 1xx). Client: the request's head.
 * The message is read during the call. message->length decides the framing: known, or unknown
 * (chunked in h1); has_body false: none, the stream's half ends with the head. The codec adds
 * framing fields itself, and Date and Connection where HTTP/1 wants them.
 */
static inline void stream_send_head(struct stream *stream, const struct message *head)
{
    if (head->status == 0 || head->status >= 200)
        stream->out_head_sent = true;
    stream->type->send_head(stream, head);
}

/* Bytes were added to stream->out. Past STREAM_OUT_HIGH the owner should stop until on_event. */
static inline void stream_send(struct stream *stream)
{
    stream->type->send(stream);
}

/* No more bytes after those in `out`. trailers may be NULL; read during the call. */
static inline void stream_send_end(struct stream *stream, const struct message *trailers)
{
    stream->out_ended = true;
    stream->type->send_end(stream, trailers);
}

/* Bytes were taken out of stream->in: the codec reads on or grants window. */
static inline void stream_took(struct stream *stream)
{
    stream->type->took(stream);
}

/*
 * Ends the stream at once, both ways, with the reason's h2_error in HTTP/2 and by closing the
 * connection in HTTP/1, so that nobody can take what was sent for complete. `closed` is set before
 * it returns; no event follows.
 */
static inline void stream_reset(struct stream *stream, const struct reason *reason)
{
    stream->type->reset(stream, reason);
}

static inline void stream_release(struct stream *stream)
{
    stream->type->release(stream);
}

/* For codecs: tells the owner. */
static inline void stream_notify(struct stream *stream)
{
    if (stream->events)
        stream->events->on_event(stream, stream->user);
}

#endif
