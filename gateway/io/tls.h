/*
 * TLS settings: what a listener offers and what is demanded of an endpoint. OpenSSL stops in io/.
 *
 * A tls_context is an immutable, counted snapshot, made on the control thread (it reads files) and
 * used by all workers. A reload makes a new one; conns keep the one they were born with.
 * TLS 1.2 and 1.3; no renegotiation, no compression, no early data; tickets with rotating keys, a
 * session id context per listener; KeyUpdates bounded.
 */
#ifndef SLUICE_IO_TLS_H
#define SLUICE_IO_TLS_H

#include "gateway/base/slice.h"

struct tls_context;

/* Once, before anything else of OpenSSL is used: its buffers come from base/slab. */
void tls_setup(void);

struct tls_certificate {
    const char *certificate; /* PEM chain, path */
    const char *key;         /* PEM, path */
};

struct tls_server_settings {
    /*
     * The first is the default; the others are chosen by SNI from their names ("*.example.com"
     * stands for one label more). A name that several carry is the first one's.
     */
    const struct tls_certificate *certificates;
    size_t count;
    const char *client_ca;        /* PEM, path; NULL: no client certificates */
    bool client_required;         /* refuse clients without one */
    bool refuse_unknown_name;     /* SNI that no certificate names: alert instead of the default */
    struct slice session_context; /* tells listeners apart, so that resumption cannot cross them */
};

struct tls_client_settings {
    const char *ca;          /* PEM, path; NULL: the system's */
    const char *certificate; /* client certificate, path; NULL: none */
    const char *key;
    bool verify; /* false only when the operator said so */
};

/* On failure ret_error has words for people (path, and OpenSSL's), and nothing is made. */
#define TLS_ERROR_SIZE 512
struct tls_context *tls_context_server(const struct tls_server_settings *settings,
                                       char ret_error[TLS_ERROR_SIZE]) MUST_USE;
struct tls_context *tls_context_client(const struct tls_client_settings *settings,
                                       char ret_error[TLS_ERROR_SIZE]) MUST_USE;
struct tls_context *tls_context_ref(struct tls_context *context); /* any thread */
void tls_context_unref(struct tls_context *context);              /* any thread; NULL is fine */

/* Control thread, about every hour: ticket keys rotate, the previous one still opens. */
void tls_context_rotate(struct tls_context *context);

#endif
