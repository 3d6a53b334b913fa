/*
 * What both sides of HTTP/1.1 share: the stream object, bodies read into stream->in and written
 * from stream->out, and the stream's end.
 *
 * A conn carries one stream at a time, behind conn->codec; NULL there means that the conn is idle
 * and owns nothing. A stream object has two holders, the conn and the owner, and is freed when both
 * have let go: the conn by h1_detach, the owner by stream_release.
 */
#ifndef SLUICE_CODEC_H1_H
#define SLUICE_CODEC_H1_H

#include "gateway/codec/conn.h"
#include "gateway/codec/h1_chunks.h"
#include "gateway/codec/h1_head.h"

/* The half that comes in. */
struct h1_incoming {
    uint8_t framing; /* enum h1_framing */
    bool discard;  /* nobody wants it any more: the answer is out, the rest makes room for the next
                      request */
    uint64_t left; /* H1_LENGTH: bytes still to come */
    struct h1_chunks chunks;
    struct message trailers;
};

/* The half that goes out. */
struct h1_outgoing {
    uint8_t framing;
    bool open;       /* the head was written */
    bool done;       /* all of it lies in conn->out or has left */
    uint64_t length; /* H1_LENGTH: as declared */
    struct buf last; /* H1_CHUNKED: the last chunk, once it is known */
};

struct h1_stream {
    struct stream stream;
    struct conn *conn;   /* NULL: the conn has let go */
    bool owned;          /* the owner has not */
    bool persistent;     /* the conn may carry another stream afterwards */
    bool to_head;        /* the request's method is HEAD */
    struct arena arena;  /* server's streams */
    struct message head; /* server: the request; client: the answer */
    struct h1_incoming in;
    struct h1_outgoing out;

    bool keep_alive_said; /* server: HTTP/1.0, wants to hear that the conn stays */
    bool takes_trailers;  /* server: the client said TE: trailers */
    bool expects_100;     /* server: waits for 100 Continue */
    bool answer_begun;    /* client: a byte of the answer came */
    uint8_t interims;     /* client: interim answers skipped */
};

static inline struct h1_stream *h1_stream_of(struct stream *stream)
{
    return CONTAINER_OF(stream, struct h1_stream, stream);
}

/* Becomes the conn's. arena NULL: the stream has one of its own, as large as a head's limits ask.
 */
struct h1_stream *h1_stream_new(struct conn *conn, const struct stream_type *type,
                                struct arena *arena);
/* Before anybody has seen it. */
void h1_stream_discard(struct h1_stream *s);

/* What follows the head that was read. */
void h1_expect_body(struct h1_stream *s, enum h1_framing framing);
/* Reads on; pauses the conn when stream->in is full. Does not tell the owner. */
const struct reason *h1_read_body(struct h1_stream *s, struct slice bytes,
                                  size_t *ret_used) MUST_USE;

/* The head was written; this is what it declared. */
void h1_open_out(struct h1_stream *s, enum h1_framing framing, uint64_t length);
/* Moves what may leave from stream->out to conn->out. */
void h1_fill(struct h1_stream *s);

/* The conn lets go: it is free for another stream. `s` may be gone afterwards. */
void h1_detach(struct h1_stream *s);
/* Closes the stream, telling its owner; then h1_detach. */
void h1_finish(struct h1_stream *s, const struct reason *reason);

/* Rows of a stream_type that are the same on both sides. */
void h1_send(struct stream *stream);
void h1_send_end(struct stream *stream, const struct message *trailers);
void h1_reset(struct stream *stream, const struct reason *reason);
void h1_release(struct stream *stream);
/* Resumes reading when there is room again worth a read. */
void h1_reopen_window(struct h1_stream *s);

#endif
