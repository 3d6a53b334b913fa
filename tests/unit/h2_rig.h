/*
 * A raw HTTP/2 peer: it sends whatever frames it is told to and keeps what comes back.
 *
 * The conn under test runs on a worker of this thread, turn by turn, over a loopback socket. The
 * peer's HPACK is literals only, so that a test says every byte.
 */
#ifndef SLUICE_TESTS_UNIT_H2_RIG_H
#define SLUICE_TESTS_UNIT_H2_RIG_H

#include "gateway/codec/conn.h"
#include "tests/unit/io_rig.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <sys/socket.h>

#define PEER_STREAMS 4096

static const struct slice peer_preface = SLICE_INIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

struct pair {
    const char *name, *value;
};

/* What the peer saw of a stream. */
struct peer_stream {
    unsigned heads; /* HEADERS frames, trailers included */
    unsigned datas; /* DATA frames */
    char status[4];
    struct buf fields; /* "name: value\n" */
    struct buf body;
    bool ended, reset;
    uint32_t error;
};

struct peer {
    struct rig rig;
    int fd;
    struct conn *conn; /* NULL after its on_close */
    const struct reason *closed;
    struct buf out, in;
    bool dribble;        /* a byte a turn */
    size_t preface_left; /* of the conn's, when it is a client */
    bool no_acks;        /* SETTINGS are not acknowledged */
    bool ended;          /* the conn's side closed the socket */
    bool settled;        /* a turn moved nothing */
    unsigned pongs, goaways, frames, window_updates;
    int32_t goaway_last;
    uint32_t goaway_error;
    uint32_t settings[16]; /* of the conn, by id */
    nghttp2_hd_inflater *inflater;
    struct peer_stream streams[PEER_STREAMS]; /* by id / 2 */
    void *test;                               /* the test's own */
};

/* ---- frames ---- */

static inline void put_frame(struct buf *out, unsigned type, unsigned flags, uint32_t id,
                             struct slice payload)
{
    char head[9] = { (char)(payload.len >> 16),
                     (char)(payload.len >> 8),
                     (char)payload.len,
                     (char)type,
                     (char)flags,
                     (char)(id >> 24),
                     (char)(id >> 16),
                     (char)(id >> 8),
                     (char)id };

    buf_add(out, slice_of(head, sizeof(head)));
    buf_add(out, payload);
}

static inline void put_u32(char at[4], uint32_t n)
{
    at[0] = (char)(n >> 24);
    at[1] = (char)(n >> 16);
    at[2] = (char)(n >> 8);
    at[3] = (char)n;
}

/* RST_STREAM, WINDOW_UPDATE. */
static inline void put_frame_u32(struct buf *out, unsigned type, uint32_t id, uint32_t n)
{
    char payload[4];

    put_u32(payload, n);
    put_frame(out, type, 0, id, slice_of(payload, 4));
}

static inline void put_setting(struct buf *out, unsigned id, uint32_t value)
{
    char payload[6] = { (char)(id >> 8), (char)id };

    put_u32(payload + 2, value);
    put_frame(out, NGHTTP2_SETTINGS, 0, 0, slice_of(payload, 6));
}

static inline void put_goaway(struct buf *out, uint32_t last, uint32_t error)
{
    char payload[8];

    put_u32(payload, last);
    put_u32(payload + 4, error);
    put_frame(out, NGHTTP2_GOAWAY, 0, 0, slice_of(payload, 8));
}

static inline void put_ping(struct buf *out)
{
    put_frame(out, NGHTTP2_PING, 0, 0, SLICE("01234567"));
}

/* HPACK: a length with a prefix of seven bits, then the bytes. */
static inline void put_text(struct buf *block, struct slice text)
{
    size_t n = text.len;

    if (n < 127) {
        buf_add(block, slice_of(&(char){ (char)n }, 1));
    } else {
        buf_add(block, SLICE("\x7f"));
        for (n -= 127; n >= 128; n >>= 7)
            buf_add(block, slice_of(&(char){ (char)(n | 128) }, 1));
        buf_add(block, slice_of(&(char){ (char)n }, 1));
    }
    buf_add(block, text);
}

/* A literal without indexing. */
static inline void put_field(struct buf *block, struct slice name, struct slice value)
{
    buf_add(block, slice_of("\0", 1));
    put_text(block, name);
    put_text(block, value);
}

static inline void put_pairs(struct buf *block, const struct pair *pairs)
{
    for (; pairs->name; pairs++)
        put_field(block, slice_str(pairs->name), slice_str(pairs->value));
}

/* HEADERS with END_HEADERS and `flags`; pairs end with a NULL name. */
static inline void put_head(struct buf *out, uint32_t id, unsigned flags, const struct pair *pairs)
{
    struct buf block;

    buf_init(&block, SIZE_MAX);
    put_pairs(&block, pairs);
    put_frame(out, NGHTTP2_HEADERS, flags | NGHTTP2_FLAG_END_HEADERS, id, buf_join(&block));
    buf_release(&block);
}

static inline void put_data(struct buf *out, uint32_t id, unsigned flags, const char *text)
{
    put_frame(out, NGHTTP2_DATA, flags, id, slice_str(text));
}

static const struct pair get_head[] UNUSED = { { ":method", "GET" },
                                               { ":scheme", "http" },
                                               { ":authority", "a.test" },
                                               { ":path", "/v1/models" },
                                               { NULL, NULL } };
static const struct pair post_head[] UNUSED = { { ":method", "POST" },
                                                { ":scheme", "http" },
                                                { ":authority", "a.test" },
                                                { ":path", "/v1/chat/completions" },
                                                { NULL, NULL } };

static inline void put_get(struct buf *out, uint32_t id)
{
    put_head(out, id, NGHTTP2_FLAG_END_STREAM, get_head);
}

/* ---- what comes back ---- */

static inline struct peer_stream *peer_stream(struct peer *peer, uint32_t id)
{
    if (id / 2 >= PEER_STREAMS)
        abort();
    return &peer->streams[id / 2];
}

static inline void peer_on_fields(struct peer *peer, struct peer_stream *s, struct slice block)
{
    const uint8_t *at = (const uint8_t *)block.at;
    size_t left = block.len;
    int flags = 0;
    nghttp2_nv nv;

    s->heads++;
    while (!(flags & NGHTTP2_HD_INFLATE_FINAL)) {
        ssize_t used = nghttp2_hd_inflate_hd2(peer->inflater, &nv, &flags, at, left, 1);

        if (used < 0)
            abort();
        at += used;
        left -= (size_t)used;
        if (!(flags & NGHTTP2_HD_INFLATE_EMIT))
            continue;
        if (nv.namelen == 7 && memcmp(nv.name, ":status", 7) == 0)
            snprintf(s->status, sizeof(s->status), "%.3s", (const char *)nv.value);
        buf_printf(&s->fields, "%.*s: %.*s\n", (int)nv.namelen, (const char *)nv.name,
                   (int)nv.valuelen, (const char *)nv.value);
    }
    nghttp2_hd_inflate_end_headers(peer->inflater);
}

static inline uint32_t get_u32(const char *at)
{
    const unsigned char *b = (const unsigned char *)at;

    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static inline void peer_on_settings(struct peer *peer, unsigned flags, struct slice payload)
{
    if (flags & NGHTTP2_FLAG_ACK)
        return;
    for (; payload.len >= 6; payload = slice_skip(payload, 6))
        if (payload.at[1] < 16)
            peer->settings[(int)payload.at[1]] = get_u32(payload.at + 2);
    if (!peer->no_acks)
        put_frame(&peer->out, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, SLICE(""));
}

static inline void peer_on_frame(struct peer *peer, unsigned type, unsigned flags, uint32_t id,
                                 struct slice payload)
{
    struct peer_stream *s = id || type <= NGHTTP2_RST_STREAM ? peer_stream(peer, id) : NULL;

    peer->frames++;
    switch (type) {
    case NGHTTP2_DATA:
        s->datas++;
        buf_add(&s->body, payload);
        s->ended |= flags & NGHTTP2_FLAG_END_STREAM;
        break;
    case NGHTTP2_HEADERS:
        peer_on_fields(peer, s, payload);
        s->ended |= flags & NGHTTP2_FLAG_END_STREAM;
        break;
    case NGHTTP2_RST_STREAM:
        s->reset = true;
        s->error = get_u32(payload.at);
        break;
    case NGHTTP2_SETTINGS:
        peer_on_settings(peer, flags, payload);
        break;
    case NGHTTP2_PING:
        if (flags & NGHTTP2_FLAG_ACK)
            peer->pongs++;
        else
            put_frame(&peer->out, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, payload);
        break;
    case NGHTTP2_GOAWAY:
        peer->goaways++;
        peer->goaway_last = (int32_t)get_u32(payload.at);
        peer->goaway_error = get_u32(payload.at + 4);
        break;
    case NGHTTP2_WINDOW_UPDATE:
        peer->window_updates++;
        break;
    }
}

static inline void peer_parse(struct peer *peer)
{
    for (;;) {
        struct slice all = buf_join(&peer->in);
        size_t len = peer->preface_left < all.len ? peer->preface_left : all.len;

        if (len > 0) {
            buf_drop(&peer->in, len);
            peer->preface_left -= len;
            continue;
        }

        if (all.len < 9)
            return;
        len = get_u32(all.at) >> 8;
        if (all.len < 9 + len)
            return;
        peer_on_frame(peer, (unsigned char)all.at[3], (unsigned char)all.at[4],
                      get_u32(all.at + 5) & 0x7fffffff, slice_of(all.at + 9, len));
        buf_drop(&peer->in, 9 + len);
    }
}

/* ---- turns ---- */

static inline bool peer_write(struct peer *peer)
{
    struct slice front = buf_join(&peer->out);
    ssize_t n;

    if (front.len == 0 || peer->ended)
        return false;
    n = send(peer->fd, front.at, peer->dribble ? 1 : front.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0)
        buf_drop(&peer->out, (size_t)n);
    else if (errno != EAGAIN)
        buf_drop(&peer->out, peer->out.len);
    return n > 0;
}

static inline bool peer_read(struct peer *peer)
{
    char bytes[65536];
    ssize_t n;

    if (peer->ended)
        return false;
    n = recv(peer->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        peer->ended = true;
    if (n > 0)
        buf_add(&peer->in, slice_of(bytes, (size_t)n));
    peer_parse(peer);
    return n > 0;
}

struct peer_stop {
    struct defer defer;
    struct worker *worker;
};

static inline void peer_stop_run(struct defer *defer)
{
    worker_stop(CONTAINER_OF(defer, struct peer_stop, defer)->worker);
}

/* One look at the sockets and what follows from it, without waiting. */
static inline void peer_turn(struct peer *peer)
{
    struct peer_stop stop = { .worker = peer->rig.worker };
    bool moved = peer_write(peer);

    defer_init(&stop.defer, peer_stop_run);
    worker_defer_next(stop.worker, &stop.defer);
    worker_run(stop.worker);
    moved |= peer_read(peer);
    peer->settled = !moved && buf_is_empty(&peer->out);
}

/* Turns until so(peer). False at the deadline. */
static inline bool peer_until(struct peer *peer, bool (*so)(struct peer *peer))
{
    uint64_t deadline_us = clock_now_us() + RIG_WAIT_US;

    while (!so(peer)) {
        if (clock_now_us() > deadline_us)
            return false;
        peer_turn(peer);
    }
    return true;
}

static inline bool peer_is_closed(struct peer *peer)
{
    return peer->closed && peer->ended;
}

/* The PING at the end of what was sent was answered, or there is nobody left who would. */
static inline bool peer_is_answered(struct peer *peer)
{
    return peer_is_closed(peer) || peer->pongs > 0;
}

/* Everything sent so far was read and dealt with. */
static inline bool peer_sync(struct peer *peer)
{
    peer->pongs = 0;
    put_ping(&peer->out);
    if (!peer_until(peer, peer_is_answered))
        return false;
    for (int i = 0; i < 3; i++) /* what deferred work still sends */
        peer_turn(peer);
    return true;
}

/* ---- life ---- */

/* The conn's end and the peer's: what one writes the other can read at once, which TCP does not
 * promise. */
static inline void peer_connect(int ret_fds[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ret_fds) != 0)
        abort();
}

static inline void peer_open(struct peer *peer, int fd)
{
    peer->fd = fd;
    buf_init(&peer->out, SIZE_MAX);
    buf_init(&peer->in, SIZE_MAX);
    nghttp2_hd_inflate_new(&peer->inflater);
    for (int i = 0; i < PEER_STREAMS; i++) {
        buf_init(&peer->streams[i].fields, SIZE_MAX);
        buf_init(&peer->streams[i].body, SIZE_MAX);
    }
}

static inline bool peer_has_no_conn(struct peer *peer)
{
    return !peer->conn;
}

static inline void peer_free(struct peer *peer)
{
    if (peer->conn)
        conn_close(peer->conn, &reason_cancelled);
    if (!peer_until(peer, peer_has_no_conn))
        abort();
    close(peer->fd);
    rig_close(&peer->rig);
    nghttp2_hd_inflate_del(peer->inflater);
    buf_release(&peer->out);
    buf_release(&peer->in);
    for (int i = 0; i < PEER_STREAMS; i++) {
        buf_release(&peer->streams[i].fields);
        buf_release(&peer->streams[i].body);
    }
    free(peer);
}

static inline void peer_on_conn_close(struct conn *conn, const struct reason *reason, void *user)
{
    struct peer *peer = user;

    (void)conn;
    peer->conn = NULL;
    peer->closed = reason;
}

/* The bytes of a buf as a terminated text; valid until the buf changes. */
static inline const char *buf_text(struct buf *buf)
{
    buf_add(buf, slice_of("\0", 1));
    return buf_join(buf).at;
}

#endif
