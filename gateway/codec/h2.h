/*
 * HTTP/2: what the server's and the client's codec share. nghttp2 stops here.
 *
 * One struct h2 a conn, behind conn->codec; one struct h2_stream a stream. The library's send and
 * receive are called in h2_on_bytes and h2_fill only, never from a callback. Bodies go from
 * stream->out to conn->out by moving pieces; the library only frames them.
 *
 *   h2_stream: made --head complete--> on_stream (server), head set (client)
 *                   --both halves over, or reset--> closed --owner's release--> freed
 *
 * A server's stream that never got an owner (refused, or reset inside its head) is freed by the
 * codec: at the end of h2_on_bytes or h2_fill.
 */
#ifndef SLUICE_CODEC_H2_H
#define SLUICE_CODEC_H2_H

#include "gateway/codec/conn.h"
#include "gateway/codec/h2_guard.h"

#include <nghttp2/nghttp2.h>

#define H2_MAGIC        0x68326332u
#define H2_STREAM_MAGIC 0x68327374u

struct h2_stream;

/* What differs between the sides. */
struct h2_side {
    bool server;
    /* Server: a new stream's head begins. */
    void (*on_begin)(struct h2 *h2, int32_t id);
    /* A field of the head. A reason: the head is refused with it, its other fields are dropped. */
    const struct reason *(*on_field)(struct h2_stream *s, struct slice name, struct slice value);
    /* The head is complete. */
    void (*on_head)(struct h2_stream *s, bool end_stream);
    /* Why a stream ended that nobody reset from here; `from_peer`: by RST_STREAM or GOAWAY. */
    const struct reason *(*why_closed)(const struct h2_stream *s, uint32_t h2_error,
                                       bool from_peer);
    /* Why a stream ended with its conn. */
    const struct reason *(*why_lost)(const struct h2_stream *s, const struct reason *conn_reason);
};

struct h2 {
    uint32_t magic;
    struct conn *conn;
    const struct h2_side *side;
    nghttp2_session *session;
    struct list streams; /* h2_stream.link: all that are not freed */
    struct list orphans; /* h2_stream.link: closed, without an owner, freed outside callbacks */
    struct timer sweep;  /* looks for streams whose peer takes nothing; set while something waits */
    const struct reason *failed; /* the first trouble that is fatal for the conn */
    uint32_t failed_error;       /* its HTTP/2 error code */
    bool goaway_final;           /* a GOAWAY that names the last stream was submitted */
    int32_t peer_reset_id;       /* the stream of the last RST_STREAM received */
    uint32_t own_resets;         /* RST_STREAM frames submitted by our own will and not sent yet */
    uint32_t peer_streams;       /* client: the peer's stream limit as it was last seen */
    struct h2_guard guard;
};

struct h2_stream {
    uint32_t magic;
    int32_t id;    /* 0: client, its request was not handed over yet */
    struct h2 *h2; /* NULL: the conn is gone */
    struct list link;
    struct stream stream;
    struct message message;       /* what becomes stream.head; client: may be an interim answer's */
    struct message *trailers_out; /* sent after the last byte of stream.out */
    struct slice host;            /* server: the Host field, compared with :authority at the end */
    const struct reason *refused; /* why the head is refused; its other fields are dropped */
    uint64_t window_given;        /* body bytes whose window was given back */
    uint64_t length_out;          /* declared, or MESSAGE_LENGTH_UNKNOWN */
    uint64_t swept_bytes;         /* stream.out_bytes at the last sweep */
    struct arena arena;           /* server's: holds this struct, too */
    uint8_t idle_sweeps;          /* without progress, in a row */
    uint8_t interims;             /* client: 1xx answers skipped */
    bool head_done;               /* the head is complete; further fields are trailers' */
    bool interim;                 /* client: the head at hand is a 1xx */
    bool owned;                   /* somebody will call release */
    bool deferred;                /* the library waits for nghttp2_session_resume_data */
    bool out_done;                /* END_STREAM was sent */
    bool continued;               /* server: 100 was sent */
};

static inline struct h2_stream *h2_stream_of(struct stream *stream)
{
    return CONTAINER_OF(stream, struct h2_stream, stream);
}

static inline struct h2 *h2_of(const struct conn *conn)
{
    return CAST(struct h2, conn->codec, H2_MAGIC);
}

/* conn_type's functions. */
void h2_open(struct conn *conn, const struct h2_side *side);
const struct reason *h2_on_bytes(struct conn *conn, struct slice bytes, size_t *ret_used);
void h2_fill(struct conn *conn);
const struct reason *h2_expire(struct conn *conn);
void h2_close(struct conn *conn, const struct reason *reason);

/* The conn cannot go on; the first call counts. Told to conn.c by h2_on_bytes. */
void h2_fail(struct h2 *h2, const struct reason *reason, uint32_t h2_error);
/* Something was submitted. */
void h2_dirty(struct h2 *h2);
/* GOAWAY that names the last stream; once. */
void h2_goaway(struct h2 *h2);

/* RST_STREAM by our own will: no glitch of the peer's. */
void h2_submit_reset(struct h2 *h2, int32_t id, uint32_t h2_error);

/* Puts a stream on the conn: `s` lies zeroed in `arena`, or in itself. */
void h2_stream_init(struct h2_stream *s, struct h2 *h2, struct arena *arena);
/* RST_STREAM by the codec's will: closed is set, the owner is told. */
void h2_stream_abort(struct h2_stream *s, const struct reason *reason, uint32_t h2_error);

/* stream_type's functions that both sides share. */
nghttp2_data_provider h2_body(struct h2_stream *s);
void h2_stream_send(struct stream *stream);
void h2_stream_send_end(struct stream *stream, const struct message *trailers);
void h2_stream_took(struct stream *stream);
void h2_stream_reset(struct stream *stream, const struct reason *reason);
void h2_stream_release(struct stream *stream);

#endif
