/*
 * A conn: a transport with a codec on it.
 *
 * What all four codecs share lives here: reading into the codec, writing what it made once a turn,
 * the unread rest, deadlines, closing. A codec (h1_server, h1_client, h2_server, h2_client) is a
 * struct conn_type and its own state behind conn->codec; a server's codec is chosen when ALPN or
 * the first bytes are known.
 *
 *   OPENING --transport open--> OPEN --conn_drain--> DRAINING --last stream over, out empty--+
 *      |                          |                      |                                    |
 *      |                          +--codec gave a reason-+--> CLOSING --out empty, or stalled-+
 *      |                                                                                      v
 *      +------ conn_close(reason), from anywhere, once -------------------------------> CLOSED
 *
 * CLOSING: the codec is gone, its last words are on their way. CLOSED: on_close and the freeing
 * follow at WORKER_FREE.
 *
 * One thread: the worker's. Callbacks of the transport note and defer; codecs' on_bytes runs from
 * the loop's callback and may call stream_notify (which only wakes). Within on_bytes, on_end,
 * on_peer_closed, fill and expire a codec never calls conn_close: it returns a reason.
 */
#ifndef SLUICE_CODEC_CONN_H
#define SLUICE_CODEC_CONN_H

#include "gateway/http/stream.h"
#include "gateway/io/transport.h"

struct conn;

/* Limits and times of a side; immutable, outlives its conns (a counted snapshot's part). */
struct conn_settings {
    struct message_limits head; /* fields and bytes of a head, trailers counted with it */
    uint32_t target_bytes;      /* request target; past it 414 */
    uint32_t streams;           /* h2: SETTINGS_MAX_CONCURRENT_STREAMS */
    uint32_t window_bytes;      /* a stream's incoming window (h2: SETTINGS_INITIAL_WINDOW_SIZE) */
    unsigned handshake_ms;      /* TLS, and the first byte or preface after accept */
    unsigned head_ms;  /* a whole request head, from its first byte; not moved by each byte */
    unsigned idle_ms;  /* without a stream: the conn is closed, without a word */
    unsigned stall_ms; /* peer takes nothing of what waits to be sent: the conn is closed with
                          client_stalled */
    bool half_close;   /* h1 server: a FIN while an answer is owed does not abort it */
    uint32_t requests; /* h1/h2 server: after so many on one conn it is drained; 0: never */
    size_t held_bytes; /* h2 server: while the process holds more (base/held.h) no stream begins; 0:
                          never */
};

/* Who uses a conn. All are called from phases or the loop; none may free the conn. */
struct conn_events {
    /* Client side: open; streams may be opened. Also when an h2 peer raised its stream limit. */
    void (*on_ready)(struct conn *conn, void *user);
    /* Server side: a request's head is complete. Set stream->events and user before returning. */
    void (*on_stream)(struct conn *conn, struct stream *stream, void *user);
    /* A stream was freed: the conn may be idle or can take another (client side). */
    void (*on_idle)(struct conn *conn, void *user);
    /* Exactly once, last. All its streams were closed before. */
    void (*on_close)(struct conn *conn, const struct reason *reason, void *user);
};

struct conn_type {
    const char *name; /* "h1", "h2" */
    void (*open)(struct conn *conn);
    /* Parses; sets *ret_used. What is not used comes again, in front of what arrives next. A
     * reason: fatal for the conn (a final answer may have been put into conn->out before). */
    const struct reason *(*on_bytes)(struct conn *conn, struct slice bytes, size_t *ret_used);
    /* The peer's orderly end. NULL: the conn goes on (an answer may still be sent). */
    const struct reason *(*on_end)(struct conn *conn);
    /* Optional. The peer's FIN was seen while reading is paused; what came before it may still be
     * unread. A reason: fatal for the conn. */
    const struct reason *(*on_peer_closed)(struct conn *conn);
    /* Optional. head_due_us passed. A reason: fatal for the conn (an answer may have been put into
     * conn->out); NULL: it goes on. Without it the conn ends with head_timeout. */
    const struct reason *(*expire)(struct conn *conn);
    /*
     * Puts what is to be sent into conn->out, up to about STREAM_OUT_LOW bytes at a time (pieces
     * that are moved, not copied: STREAM_OUT_HIGH). Called until nothing is added, so a codec sees
     * here also that all it made before has left (out is empty). What is fatal here is put into
     * conn->reason.
     */
    void (*fill)(struct conn *conn);
    /* No new streams (GOAWAY, Connection: close). */
    void (*drain)(struct conn *conn);
    /* Ends all streams with `reason`, releases the codec's own memory. */
    void (*close)(struct conn *conn, const struct reason *reason);
    struct stream *(*open_stream)(struct conn *conn, struct arena *arena); /* client */
    unsigned (*room)(const struct conn *conn); /* client; asked while OPEN only */
};

/* Why reading is stopped: reading goes on when no bit is left. */
enum conn_pause {
    CONN_PAUSE_WINDOW = 1, /* a stream's `in` is full (h1) */
    CONN_PAUSE_ANSWER = 2, /* an answer is owed before the next request is looked at (h1 server) */
    CONN_PAUSE_OUT = 4,    /* too much waits to be sent to this peer */
};

enum conn_state { CONN_OPENING, CONN_OPEN, CONN_DRAINING, CONN_CLOSING, CONN_CLOSED };

struct conn {
    uint32_t magic;
    uint8_t state;    /* enum conn_state */
    uint8_t pause;    /* bits of enum conn_pause */
    bool server;      /* accepted, not dialled */
    bool linger;      /* close with TRANSPORT_CLOSE_LINGER once `out` is empty */
    bool close_after; /* close when `out` is empty and no stream is left */
    bool abort;       /* close with RST: nobody may take what was sent for complete */
    bool peer_closed; /* the peer's end was read or its FIN seen */
    bool send_broken; /* client: the peer takes nothing more, its answer is still being read */
    bool opened;      /* type->open was called and type->close was not */
    struct transport transport;
    const struct conn_type *type; /* NULL until it is known what is spoken */
    void *codec;                  /* the type's state; made by type->open, freed by type->close */
    const struct conn_settings *settings; /* borrows */
    const struct conn_events *events;
    void *user;
    struct buf out; /* bytes for the transport */
    char *rest;     /* bytes the codec did not use yet, NULL while none; at most one read of the
                       worker's and what the codec waits for */
    uint32_t rest_at, rest_len, rest_size; /* they lie in [rest_at, rest_at + rest_len) */
    uint32_t scanned;            /* the codec's: how far into the unused bytes it has looked (h1) */
    const struct reason *reason; /* why it closes; NULL before */
    uint32_t streams;            /* streams of it that exist */
    uint64_t served;             /* streams ever */
    struct timer deadline;       /* head, idle or stall, whichever comes first */
    /* 0: none; conn_arm after making one earlier. */
    uint64_t head_due_us, stall_due_us, idle_due_us;
    struct defer flush_defer, read_defer; /* flush_defer frees it, once it is closed */
    struct list link;                     /* its owner's: a pool, or the worker's clients */
};

/*
 * Server. Takes fd. With TLS the codec follows ALPN; on cleartext the first bytes decide (h2
 * preface, HTTP/1.x request line, else closed without an answer). `settings`, `events`, `user` are
 * borrowed until on_close. `tls` is reffed.
 */
struct conn *conn_accept(struct worker *worker, int fd, struct tls_context *tls,
                         const struct conn_settings *settings, const struct conn_events *events,
                         void *user);

/* Client. Never probes: `h2` says what is spoken. */
struct conn *conn_dial(struct worker *worker, const struct sockaddr *address, socklen_t address_len,
                       struct tls_context *tls, const char *server_name, bool h2,
                       const struct conn_settings *settings, unsigned connect_ms,
                       const struct conn_events *events, void *user);

/* Client: how many more streams can be opened now (h1: 0 or 1; h2: the peer's limit less ours). */
unsigned conn_room(const struct conn *conn);
/* Client, with room: a new stream. `arena` is the owner's and outlives the stream. */
struct stream *conn_open(struct conn *conn, struct arena *arena);

/* No new streams; closes when the last one is over. */
void conn_drain(struct conn *conn);
/* Now. Streams get `closed` with that reason. */
void conn_close(struct conn *conn, const struct reason *reason);

/* The four codecs. */
extern const struct conn_type conn_h1_server, conn_h1_client, conn_h2_server, conn_h2_client;

/* For codecs. */
void conn_dirty(struct conn *conn); /* something to send: fill and write at FLUSH */
void conn_pause(struct conn *conn, enum conn_pause bit);
void conn_resume(struct conn *conn, enum conn_pause bit); /* reads on at the next WAKE */
/* A *_due_us was set or made earlier; clearing one needs nothing. */
void conn_arm(struct conn *conn);
/* Counted as served, too; drains when settings->requests are reached. */
void conn_stream_added(struct conn *conn);
void conn_stream_removed(struct conn *conn); /* calls on_idle; closes when draining, at FLUSH */
/* Counts a request that was refused before it became an exchange. */
void conn_count_refused(struct conn *conn, const struct reason *reason);

#endif
