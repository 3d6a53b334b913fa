/*
 * TLS over memory: OpenSSL reads the ciphertext its caller brings and writes into a buffer that its
 * caller sends. So a turn costs one recv and one send, however many records they carry.
 */
#include "gateway/io/tls_session.h"

#include "gateway/base/clock.h"
#include "gateway/io/tls_context.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>

/* A record's plain bytes; RFC 8446, 5.1. */
#define RECORD_BYTES 16384
/*
 * Handshake messages a second once the handshake is over (T-02): KeyUpdates, tickets, refused
 * renegotiations. Each may cost a signature's worth of work; an honest peer sends a handful an
 * hour.
 */
#define CONTROL_PER_S 32

static BIO_METHOD *bio_method;

/* What lies at hand, in the order it came. */
static int on_bio_read(BIO *bio, char *bytes, int size)
{
    struct tls_session *session = BIO_get_data(bio);
    size_t n = (size_t)size;

    BIO_clear_retry_flags(bio);
    if (session->kept) {
        n = n < session->kept_len - session->kept_at ? n : session->kept_len - session->kept_at;
        memcpy(bytes, session->kept + session->kept_at, n);
        session->kept_at += n;
        if (session->kept_at == session->kept_len) {
            free(session->kept);
            session->kept = NULL;
        }
        return (int)n;
    }
    if (session->in.len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    n = n < session->in.len ? n : session->in.len;
    memcpy(bytes, session->in.at, n);
    session->in = slice_skip(session->in, n);
    return (int)n;
}

static int on_bio_write(BIO *bio, const char *bytes, int size)
{
    struct tls_session *session = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    buf_add(&session->wire, slice_of(bytes, (size_t)size));
    return size;
}

static long on_bio_ctrl(BIO *bio UNUSED, int command, long number UNUSED, void *pointer UNUSED)
{
    return command == BIO_CTRL_FLUSH; /* whoever called us sends */
}

static void bio_method_make(void)
{
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sluice");
    CHECK(bio_method);
    BIO_meth_set_read(bio_method, on_bio_read);
    BIO_meth_set_write(bio_method, on_bio_write);
    BIO_meth_set_ctrl(bio_method, on_bio_ctrl);
}

static struct tls_session *tls_session_new(struct worker *worker, struct tls_context *context)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct tls_session *session = xcalloc(1, sizeof(*session));
    BIO *bio;

    pthread_once(&once, bio_method_make);
    session->worker = worker;
    session->context = tls_context_ref(context);
    session->ssl = SSL_new(context->certificates[0]);
    bio = BIO_new(bio_method);
    CHECK(session->ssl && bio);
    BIO_set_data(bio, session);
    BIO_set_init(bio, 1);
    SSL_set_bio(session->ssl, bio, bio); /* takes */
    buf_init(&session->wire, 0);
    return session;
}

struct tls_session *tls_session_server(struct worker *worker, struct tls_context *context)
{
    struct tls_session *session = tls_session_new(worker, context);

    SSL_set_accept_state(session->ssl);
    return session;
}

/*
 * Demands that the certificate is for `name`, and asks for it; an address is never asked for.
 * False: it is no name that a certificate could have.
 */
static bool tls_session_set_name(struct tls_session *session, const char *name)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(session->ssl);
    unsigned char address[sizeof(struct in6_addr)];
    char host[TLSEXT_MAXLEN_host_name + 1];
    struct slice bare = slice_str(name);

    if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1;
    if (slice_ends(bare, SLICE("."))) /* the root's dot is resolvers' business (RFC 6066, 3) */
        bare.len--;
    if (bare.len == 0 || bare.len > TLSEXT_MAXLEN_host_name)
        return false;
    memcpy(host, bare.at, bare.len);
    host[bare.len] = '\0';
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(param, host, 0) == 1 &&
           SSL_set_tlsext_host_name(session->ssl, host) == 1;
}

struct tls_session *tls_session_client(struct worker *worker, struct tls_context *context,
                                       const char *server_name, bool alpn_h2)
{
    static const unsigned char h1[] = "\x08http/1.1", h2[] = "\x02h2";
    struct tls_session *session = tls_session_new(worker, context);

    session->client = true;
    session->demands_h2 = alpn_h2;
    SSL_set_connect_state(session->ssl);
    session->failed = !tls_session_set_name(session, server_name);
    CHECK(SSL_set_alpn_protos(session->ssl, alpn_h2 ? h2 : h1,
                              (alpn_h2 ? sizeof(h2) : sizeof(h1)) - 1) == 0);
    return session;
}

void tls_session_free(struct tls_session *session)
{
    if (!session)
        return;
    SSL_free(session->ssl);
    buf_release(&session->wire);
    free(session->kept);
    tls_context_unref(session->context);
    free(session);
}

/*
 * SSL_get_error looks at the thread's error queue, so it must be empty before a call. It nearly
 * always is, and emptying an empty one costs more than looking.
 */
static void errors_forget(void)
{
    if (UNLIKELY(ERR_peek_error() != 0))
        ERR_clear_error();
}

/* Keeps the rest of what was brought: the caller's bytes are gone after the call. */
static void tls_session_keep(struct tls_session *session)
{
    if (session->in.len > 0) {
        session->kept = xmalloc(session->in.len);
        memcpy(session->kept, session->in.at, session->in.len);
        session->kept_at = 0;
        session->kept_len = session->in.len;
    }
    session->in = slice_of(NULL, 0);
}

/* Sees every message of the peer after the handshake; only handshake messages count. */
static void on_message(int write_p, int version UNUSED, int content_type, const void *bytes UNUSED,
                       size_t len UNUSED, SSL *ssl UNUSED, void *arg)
{
    struct tls_session *session = arg;

    if (write_p || content_type != SSL3_RT_HANDSHAKE)
        return;
    if (session->worker->now_us - session->control_since_us >= CLOCK_US_PER_S) {
        session->control_since_us = session->worker->now_us;
        session->control_count = 0;
    }
    if (++session->control_count > CONTROL_PER_S)
        session->failed = true;
}

static enum tls_progress tls_session_opened(struct tls_session *session)
{
    /* An endpoint that was told to be h2 and is not would take the preface for a request. */
    if (session->demands_h2 && !tls_session_is_h2(session))
        return TLS_FAILED;
    SSL_set_msg_callback(session->ssl, on_message);
    SSL_set_msg_callback_arg(session->ssl, session);
    return TLS_DONE;
}

enum tls_progress tls_session_handshake(struct tls_session *session, struct slice cipher)
{
    int result, error;

    if (session->failed)
        return TLS_FAILED;
    session->in = cipher;
    errors_forget();
    result = SSL_do_handshake(session->ssl);
    error = SSL_get_error(session->ssl, result);
    tls_session_keep(session);
    if (result == 1)
        return tls_session_opened(session);
    return error == SSL_ERROR_WANT_READ ? TLS_WAITS : TLS_FAILED;
}

/* What an SSL_read that gave no bytes means. */
static enum tls_progress tls_session_read_end(struct tls_session *session, int result)
{
    switch (SSL_get_error(session->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return TLS_DONE;
    case SSL_ERROR_ZERO_RETURN:
        session->ended = true;
        return TLS_ENDED;
    default:
        session->failed = true;
        return TLS_FAILED;
    }
}

enum tls_progress tls_session_read(struct tls_session *session, struct slice cipher, char *plain,
                                   size_t size, size_t *ret_len)
{
    enum tls_progress progress = session->failed  ? TLS_FAILED
                                 : session->ended ? TLS_ENDED
                                                  : TLS_DONE;

    *ret_len = 0;
    session->in = cipher;
    errors_forget();
    while (progress == TLS_DONE && (session->in.len > 0 || session->kept)) {
        int n = SSL_read(session->ssl, plain + *ret_len, (int)(size - *ret_len));

        if (n > 0)
            *ret_len += (size_t)n;
        else
            progress = tls_session_read_end(session, n);
        if (session->failed)
            progress = TLS_FAILED;
    }
    session->in = slice_of(NULL, 0);
    return progress;
}

/* The next record's bytes: lying together as they are, or gathered in `record`. */
static struct slice record_of(const struct buf *out, char record[RECORD_BYTES])
{
    struct slice front = buf_front(out);

    if (front.len >= RECORD_BYTES || front.len == out->len)
        return slice_head(front, RECORD_BYTES);
    return slice_of(record, buf_peek(out, 0, record, RECORD_BYTES));
}

bool tls_session_write(struct tls_session *session, struct buf *out, size_t max)
{
    char record[RECORD_BYTES];

    errors_forget();
    while (!buf_is_empty(out) && session->wire.len < max) {
        struct slice plain = record_of(out, record);
        int n = SSL_write(session->ssl, plain.at, (int)plain.len);

        if (n <= 0) {
            session->failed = true;
            return false;
        }
        buf_drop(out, (size_t)n);
    }
    return true;
}

void tls_session_shutdown(struct tls_session *session)
{
    errors_forget();
    if (!session->failed)
        (void)SSL_shutdown(session->ssl); /* the peer's own close_notify is not waited for */
}

const char *tls_session_verify_error(const struct tls_session *session)
{
    long result = SSL_get_verify_result(session->ssl);

    return result == X509_V_OK ? NULL : X509_verify_cert_error_string(result);
}

bool tls_session_is_h2(const struct tls_session *session)
{
    const unsigned char *protocol;
    unsigned len;

    SSL_get0_alpn_selected(session->ssl, &protocol, &len);
    return slice_eq(slice_of((const char *)protocol, len), SLICE("h2"));
}

bool tls_session_may_h2(const struct tls_session *session)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(session->ssl);
    int exchange = cipher ? SSL_CIPHER_get_kx_nid(cipher) : NID_undef;

    if (!cipher || SSL_version(session->ssl) < TLS1_2_VERSION)
        return false;
    return SSL_CIPHER_is_aead(cipher) &&
           (exchange == NID_kx_any || exchange == NID_kx_ecdhe || exchange == NID_kx_dhe);
}
