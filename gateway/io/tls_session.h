/*
 * The TLS half of a transport: turns ciphertext into plain bytes and back. It never sees the
 * socket: io/transport reads for it and sends what lies in `wire`.
 *
 * Belongs to its transport; the worker's thread.
 */
#ifndef SLUICE_IO_TLS_SESSION_H
#define SLUICE_IO_TLS_SESSION_H

#include "gateway/base/buf.h"
#include "gateway/io/worker.h"

struct ssl_st;
struct tls_context;
struct transport;

struct tls_session {
    struct transport *transport;
    struct worker *worker;
    struct tls_context *context; /* holds a reference */
    struct ssl_st *ssl;
    struct slice in; /* ciphertext at hand; borrowed, empty outside calls */
    char *kept;      /* ciphertext that came behind the handshake's last byte; NULL: none */
    size_t kept_at, kept_len;
    struct buf wire;           /* ciphertext to be sent */
    struct defer step;         /* the next step of the handshake: io/transport's */
    uint64_t control_since_us; /* start of the second in which control_count counts */
    uint32_t control_count;    /* handshake messages of the peer after the handshake */
    bool client;               /* we dialled */
    bool demands_h2;           /* client: nothing but h2 will do */
    bool ended;                /* close_notify came */
    bool failed;               /* broken: nothing more comes of it */
};

enum tls_progress {
    TLS_DONE,   /* handshake: open; read: all bytes at hand were used */
    TLS_WAITS,  /* handshake: needs more of the peer's bytes */
    TLS_ENDED,  /* close_notify */
    TLS_FAILED, /* an alert for the peer may lie in `wire` */
};

struct tls_session *tls_session_server(struct worker *worker, struct tls_context *context);
/* server_name: see transport_dial. Borrows. */
struct tls_session *tls_session_client(struct worker *worker, struct tls_context *context,
                                       const char *server_name, bool alpn_h2);
void tls_session_free(struct tls_session *session);

/* Takes a step with the ciphertext that came, which may be empty. */
enum tls_progress tls_session_handshake(struct tls_session *session, struct slice cipher);

/*
 * Decrypts what was kept and `cipher` into `plain`, whose `size` must be larger than both by a
 * record, so that all of it is used. *ret_len may be more than 0 whatever is returned.
 */
enum tls_progress tls_session_read(struct tls_session *session, struct slice cipher, char *plain,
                                   size_t size, size_t *ret_len);

/* What a session holds back of a record at most: `size` above exceeds the ciphertext by it. */
#define TLS_SESSION_RECORD_BYTES (17 * 1024)

/* Encrypts bytes from the front of `out` into `wire` until about `max` lie there. False: failed. */
bool tls_session_write(struct tls_session *session, struct buf *out, size_t max) MUST_USE;

/* Puts close_notify into `wire`. */
void tls_session_shutdown(struct tls_session *session);

static inline bool tls_session_has_kept(const struct tls_session *session)
{
    return session->kept != NULL;
}

/* Client: the peer's certificate was looked at and refused; why, in OpenSSL's words. NULL: it was
 * not. */
const char *tls_session_verify_error(const struct tls_session *session);
bool tls_session_is_h2(const struct tls_session *session);
bool tls_session_may_h2(const struct tls_session *session);

#endif
