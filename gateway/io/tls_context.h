/*
 * What io/tls and io/tls_session share: the inside of a tls_context.
 */
#ifndef SLUICE_IO_TLS_CONTEXT_H
#define SLUICE_IO_TLS_CONTEXT_H

#include "gateway/base/map.h"
#include "gateway/base/snapshot.h"
#include "gateway/io/tls.h"
#include "gateway/io/tls_ticket.h"

#include <openssl/ssl.h>

/* A name that some certificate carries. */
struct tls_name {
    char *text;           /* lower case; "*.example.com" stands for one label more */
    SSL_CTX *certificate; /* borrowed from the context's array */
};

struct tls_context {
    struct snapshot snapshot;
    SSL_CTX **certificates; /* one a certificate, all alike but for it; a client has one */
    size_t count;
    struct map names; /* server: text to struct tls_name, which it owns */
    bool refuse_unknown_name;
    bool verify;                /* client */
    struct tls_tickets tickets; /* server */
};

#endif
