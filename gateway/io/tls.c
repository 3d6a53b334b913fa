/*
 * TLS contexts: made of files on the control thread, read-only afterwards but for the ticket keys,
 * which are a snapshot of their own.
 *
 * A server has one SSL_CTX a certificate. A handshake starts on the first and moves to another when
 * the client's SNI names it.
 */
#include "gateway/io/tls.h"

#include "gateway/base/slab.h"
#include "gateway/io/tls_context.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <stdlib.h>

/*
 * Only suites that HTTP/2 allows (RFC 9113, appendix A), so that none has to be refused after ALPN.
 * All clients of the last ten years have one of them. TLS 1.3 has its own list, all allowed.
 */
#define SERVER_CIPHERS                                                                             \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"     \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

#define NAME_MAX_BYTES 255 /* of a DNS name */

/* "cannot <what> <path>: <OpenSSL's words>" */
static void tls_complain(char ret_error[TLS_ERROR_SIZE], const char *what, const char *path)
{
    unsigned long error = ERR_get_error(); /* the first is nearest to the cause */
    const char *words =
        ERR_SYSTEM_ERROR(error) ? strerror(ERR_GET_REASON(error)) : ERR_reason_error_string(error);

    snprintf(ret_error, TLS_ERROR_SIZE, "cannot %s %s: %s", what, path,
             words ? words : "unknown error");
    ERR_clear_error();
}

/* A key with a passphrase fails to load; OpenSSL's default would ask the terminal. */
static int no_passphrase(char *text UNUSED, int size UNUSED, int writing UNUSED, void *user UNUSED)
{
    return 0;
}

static SSL_CTX *ssl_context_new(const SSL_METHOD *method)
{
    SSL_CTX *ssl_context = SSL_CTX_new(method);

    CHECK(ssl_context);
    CHECK(SSL_CTX_set_min_proto_version(ssl_context, TLS1_2_VERSION) == 1);
    SSL_CTX_set_options(ssl_context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ssl_context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ssl_context, SSL_SESS_CACHE_OFF); /* tickets need none */
    SSL_CTX_set_default_passwd_cb(ssl_context, no_passphrase);
    return ssl_context;
}

static bool ssl_context_load(SSL_CTX *ssl_context, const char *certificate, const char *key,
                             char ret_error[TLS_ERROR_SIZE])
{
    if (SSL_CTX_use_certificate_chain_file(ssl_context, certificate) != 1) {
        tls_complain(ret_error, "use certificate", certificate);
        return false;
    }
    if (SSL_CTX_use_PrivateKey_file(ssl_context, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ssl_context) != 1) {
        tls_complain(ret_error, "use key", key);
        return false;
    }
    return true;
}

static void tls_context_free(struct snapshot *snapshot)
{
    struct tls_context *context = CONTAINER_OF(snapshot, struct tls_context, snapshot);
    struct tls_name *name;
    size_t at = 0;

    while ((name = map_next(&context->names, &at))) {
        free(name->text);
        free(name);
    }
    map_release(&context->names);
    for (size_t i = 0; i < context->count; i++)
        SSL_CTX_free(context->certificates[i]);
    free(context->certificates);
    tls_tickets_release(&context->tickets);
    free(context);
}

static void *mem_alloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return slab_alloc(size);
}

static void *mem_realloc(void *block, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return slab_realloc(block, size);
}

static void mem_free(void *block, const char *file, int line)
{
    (void)file;
    (void)line;
    slab_free(block);
}

void tls_setup(void)
{
    CHECK(CRYPTO_set_mem_functions(mem_alloc, mem_realloc, mem_free) == 1);
}

static struct tls_context *tls_context_new(size_t certificates)
{
    struct tls_context *context = xcalloc(1, sizeof(*context));

    snapshot_init(&context->snapshot, tls_context_free);
    context->certificates = xcalloc(certificates, sizeof(*context->certificates));
    map_init(&context->names);
    tls_tickets_init(&context->tickets);
    return context;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
    snapshot_ref(&context->snapshot);
    return context;
}

void tls_context_unref(struct tls_context *context)
{
    if (context)
        snapshot_unref(&context->snapshot);
}

void tls_context_rotate(struct tls_context *context)
{
    tls_tickets_rotate(&context->tickets);
}

/* Lower case, without the dot of the root. False: no name that a certificate could have. */
static bool name_normalize(struct slice name, char ret_text[NAME_MAX_BYTES + 1])
{
    if (slice_ends(name, SLICE(".")))
        name.len--;
    if (name.len == 0 || name.len > NAME_MAX_BYTES || memchr(name.at, 0, name.len))
        return false;
    for (size_t i = 0; i < name.len; i++)
        ret_text[i] = slice_lower(name.at[i]);
    ret_text[name.len] = '\0';
    return true;
}

/* The first certificate that has a name keeps it. */
static void tls_context_add_name(struct tls_context *context, SSL_CTX *certificate,
                                 const ASN1_STRING *name)
{
    char text[NAME_MAX_BYTES + 1];
    struct tls_name *entry;

    if (!name_normalize(
            slice_of((const char *)ASN1_STRING_get0_data(name), (size_t)ASN1_STRING_length(name)),
            text) ||
        map_get(&context->names, slice_str(text)))
        return;
    entry = xmalloc(sizeof(*entry));
    *entry = (struct tls_name){ .text = xstrdup(text), .certificate = certificate };
    map_put(&context->names, slice_str(entry->text), entry);
}

/* RFC 6125: the subject's common name counts only where there are no alternative names. */
static void tls_context_add_names(struct tls_context *context, SSL_CTX *certificate)
{
    const X509 *x509 = SSL_CTX_get0_certificate(certificate);
    GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
    const X509_NAME *subject = X509_get_subject_name(x509);
    int at = names ? -1 : X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type == GEN_DNS)
            tls_context_add_name(context, certificate, name->d.dNSName);
    }
    GENERAL_NAMES_free(names);
    if (at >= 0)
        tls_context_add_name(context, certificate,
                             X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

/* The certificate for a name: its own, or one with a wildcard for its first label. */
static SSL_CTX *tls_context_by_name(const struct tls_context *context, struct slice name)
{
    char text[NAME_MAX_BYTES + 1];
    const struct tls_name *entry;
    char *dot;

    if (!name_normalize(name, text))
        return NULL;
    entry = map_get(&context->names, slice_str(text));
    dot = strchr(text, '.');
    if (!entry && dot && dot > text) {
        dot[-1] = '*';
        entry = map_get(&context->names, slice_str(dot - 1));
    }
    return entry ? entry->certificate : NULL;
}

static int on_server_name(SSL *ssl, int *ret_alert, void *arg)
{
    const struct tls_context *context = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    SSL_CTX *certificate;

    if (!name)
        return SSL_TLSEXT_ERR_NOACK;
    certificate = tls_context_by_name(context, slice_str(name));
    if (!certificate && context->refuse_unknown_name) {
        *ret_alert = SSL_AD_UNRECOGNIZED_NAME;
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    if (!certificate)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_set_SSL_CTX(ssl, certificate);
    return SSL_TLSEXT_ERR_OK;
}

/* Called only when the client offers protocols. */
static int on_alpn(SSL *ssl UNUSED, const unsigned char **ret_protocol, unsigned char *ret_len,
                   const unsigned char *offered, unsigned offered_len, void *arg UNUSED)
{
    static const unsigned char ours[] = "\x02h2\x08http/1.1";

    if (SSL_select_next_proto((unsigned char **)ret_protocol, ret_len, ours, sizeof(ours) - 1,
                              offered, offered_len) == OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_OK;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Tickets of one listener open at no other: OpenSSL compares this before it resumes. */
static void server_set_session_context(SSL_CTX *ssl_context, struct slice text)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    CHECK(EVP_Digest(text.at, text.len, digest, &len, EVP_sha256(), NULL) == 1);
    CHECK(SSL_CTX_set_session_id_context(ssl_context, digest, len) == 1);
}

static bool server_set_client_ca(SSL_CTX *ssl_context, const struct tls_server_settings *settings,
                                 char ret_error[TLS_ERROR_SIZE])
{
    STACK_OF(X509_NAME) * names;

    if (!settings->client_ca)
        return true;
    names = SSL_load_client_CA_file(settings->client_ca);
    if (!names || SSL_CTX_load_verify_file(ssl_context, settings->client_ca) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        tls_complain(ret_error, "use client CA", settings->client_ca);
        return false;
    }
    SSL_CTX_set_client_CA_list(ssl_context, names); /* takes */
    SSL_CTX_set_verify(ssl_context,
                       settings->client_required ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                                                 : SSL_VERIFY_PEER,
                       NULL);
    return true;
}

/* One certificate with all the listener's settings. */
static bool server_add(struct tls_context *context, const struct tls_server_settings *settings,
                       const struct tls_certificate *certificate, char ret_error[TLS_ERROR_SIZE])
{
    SSL_CTX *ssl_context = ssl_context_new(TLS_server_method());

    context->certificates[context->count++] = ssl_context;
    CHECK(SSL_CTX_set_cipher_list(ssl_context, SERVER_CIPHERS) == 1);
    SSL_CTX_set_options(ssl_context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    server_set_session_context(ssl_context, settings->session_context);
    tls_tickets_use(&context->tickets, ssl_context);
    SSL_CTX_set_alpn_select_cb(ssl_context, on_alpn, NULL);
    SSL_CTX_set_tlsext_servername_callback(ssl_context, on_server_name);
    SSL_CTX_set_tlsext_servername_arg(ssl_context, context);
    if (!ssl_context_load(ssl_context, certificate->certificate, certificate->key, ret_error))
        return false;
    tls_context_add_names(context, ssl_context);
    return server_set_client_ca(ssl_context, settings, ret_error);
}

struct tls_context *tls_context_server(const struct tls_server_settings *settings,
                                       char ret_error[TLS_ERROR_SIZE])
{
    struct tls_context *context = tls_context_new(settings->count);

    CHECK(settings->count > 0);
    context->refuse_unknown_name = settings->refuse_unknown_name;
    for (size_t i = 0; i < settings->count; i++) {
        if (!server_add(context, settings, &settings->certificates[i], ret_error)) {
            tls_context_unref(context);
            return NULL;
        }
    }
    return context;
}

static bool client_set_ca(SSL_CTX *ssl_context, const struct tls_client_settings *settings,
                          char ret_error[TLS_ERROR_SIZE])
{
    if (!settings->verify)
        return true;
    SSL_CTX_set_verify(ssl_context, SSL_VERIFY_PEER, NULL);
    if (settings->ca && SSL_CTX_load_verify_file(ssl_context, settings->ca) != 1) {
        tls_complain(ret_error, "use CA", settings->ca);
        return false;
    }
    if (!settings->ca && SSL_CTX_set_default_verify_paths(ssl_context) != 1) {
        tls_complain(ret_error, "use the system's", "CAs");
        return false;
    }
    return true;
}

struct tls_context *tls_context_client(const struct tls_client_settings *settings,
                                       char ret_error[TLS_ERROR_SIZE])
{
    struct tls_context *context = tls_context_new(1);
    SSL_CTX *ssl_context = ssl_context_new(TLS_client_method());

    context->certificates[context->count++] = ssl_context;
    context->verify = settings->verify;
    if (!client_set_ca(ssl_context, settings, ret_error) ||
        (settings->certificate &&
         !ssl_context_load(ssl_context, settings->certificate, settings->key, ret_error))) {
        tls_context_unref(context);
        return NULL;
    }
    return context;
}
