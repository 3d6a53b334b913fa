/*
 * TLS: contexts, and transports that speak it, against each other and against OpenSSL's own client
 * that does what an honest one would not.
 */
#include "gateway/io/tls.h"

#include "tests/unit/io_cert.h"
#include "tests/unit/io_rig.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MEGABYTE (1024 * 1024)

/* ca signs all but self, which is trusted by nobody. */
static struct cert ca, a, wild, ip, expired, early, self, client;

static int make_certificates(void **state UNUSED)
{
    cert_folder_make();
    cert_make(&ca, NULL, "ca", NULL, -1, 10);
    cert_make(&a, &ca, "a", "DNS:a.example,DNS:www.a.example", -1, 10);
    cert_make(&wild, &ca, "wild", "DNS:*.b.example", -1, 10);
    cert_make(&ip, &ca, "ip", "IP:127.0.0.1,IP:::1", -1, 10);
    cert_make(&expired, &ca, "expired", "DNS:a.example", -10, -1);
    cert_make(&early, &ca, "early", "DNS:a.example", 5, 10);
    cert_make(&self, NULL, "self", "DNS:a.example", -1, 10);
    cert_make(&client, &ca, "client", "DNS:client.example", -1, 10);
    return 0;
}

static int remove_certificates(void **state UNUSED)
{
    struct cert *const all[] = { &ca, &a, &wild, &ip, &expired, &early, &self, &client };

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        cert_release(all[i]);
    cert_folder_remove();
    return 0;
}

static struct tls_context *server_of(const struct cert *first, const struct cert *second)
{
    struct tls_certificate certificates[2] = { { first->certificate_path, first->key_path } };
    struct tls_server_settings settings = { .certificates = certificates,
                                            .count = second ? 2 : 1,
                                            .session_context = SLICE("0.0.0.0:443") };
    char error[TLS_ERROR_SIZE] = "";
    struct tls_context *context;

    if (second)
        certificates[1] = (struct tls_certificate){ second->certificate_path, second->key_path };
    context = tls_context_server(&settings, error);
    assert_string_equal(error, "");
    assert_non_null(context);
    return context;
}

static struct tls_context *client_of(bool verify, const struct cert *certificate)
{
    struct tls_client_settings settings = {
        .ca = ca.certificate_path,
        .verify = verify,
        .certificate = certificate ? certificate->certificate_path : NULL,
        .key = certificate ? certificate->key_path : NULL,
    };
    char error[TLS_ERROR_SIZE] = "";
    struct tls_context *context = tls_context_client(&settings, error);

    assert_string_equal(error, "");
    assert_non_null(context);
    return context;
}

/* Two transports, one accepted and one dialled. */
struct pair {
    struct rig rig;
    struct end server, client;
    struct tls_context *server_tls, *client_tls;
    size_t len;
};

static bool pair_is_open(void *user)
{
    struct pair *pair = user;

    return pair->server.opened && pair->client.opened;
}

static bool pair_is_settled(void *user)
{
    struct pair *pair = user;

    return (pair->server.opened || pair->server.failed ||
            pair->client.failed == &reason_dial_failed) &&
           (pair->client.opened || pair->client.failed);
}

/* Takes both contexts. */
static void pair_dial(struct pair *pair, struct tls_context *server, struct tls_context *client_tls,
                      const char *name, bool h2)
{
    struct sockaddr_in address;
    int listening = rig_listen(&address, 4), fd;

    rig_open(&pair->rig);
    end_init(&pair->server);
    end_init(&pair->client);
    pair->server_tls = server;
    pair->client_tls = client_tls;
    transport_dial(&pair->client.transport, pair->rig.worker, (struct sockaddr *)&address,
                   sizeof(address), client_tls, name, h2, 5000, &end_events);
    fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK);
    close(listening);
    transport_accept(&pair->server.transport, pair->rig.worker, fd, server, 5000, &end_events);
    assert_true(rig_until(&pair->rig, pair_is_settled, pair));
}

static void pair_open(struct pair *pair)
{
    pair_dial(pair, server_of(&a, NULL), client_of(true, NULL), "a.example", true);
    assert_true(pair_is_open(pair));
}

static void pair_release(struct pair *pair)
{
    end_release(&pair->server, TRANSPORT_CLOSE_NOW);
    end_release(&pair->client, TRANSPORT_CLOSE_NOW);
    tls_context_unref(pair->server_tls);
    tls_context_unref(pair->client_tls);
    rig_close(&pair->rig);
}

static void handshake_opens_both_ends_with_the_protocol_the_client_offers(void **state UNUSED)
{
    for (int h2 = 0; h2 < 2; h2++) {
        struct pair pair;

        pair_dial(&pair, server_of(&a, NULL), client_of(true, NULL), "a.example", h2);
        assert_true(pair_is_open(&pair));
        assert_int_equal(transport_is_h2(&pair.server.transport), h2);
        assert_int_equal(transport_is_h2(&pair.client.transport), h2);
        assert_true(transport_is_tls(&pair.server.transport));
        assert_true(transport_may_h2(&pair.server.transport));
        assert_int_equal(metric_total(METRIC_ID_tls_handshakes), 1);
        pair_release(&pair);
    }
}

static void endpoints_certificates_are_verified_and_refusals_fail_closed(void **state UNUSED)
{
    static char long_name[300];
    const struct {
        const struct cert *server;
        const char *name;
        bool verify;
        const struct reason *expected; /* NULL: opens */
        const char *why;
    } rows[] = {
        { &a, "a.example", true, NULL, "its name" },
        { &a, "WWW.A.example", true, NULL, "another name of its, in capitals" },
        { &a, "a.example.", true, NULL, "its name with the root's dot" },
        { &a, "", true, &reason_dial_failed, "no name at all" },
        { &a, long_name, true, &reason_dial_failed, "longer than a name can be" },
        { &a, "b.example", true, &reason_endpoint_tls, "not its name" },
        { &a, "127.0.0.1", true, &reason_endpoint_tls, "an address it does not carry" },
        { &wild, "x.b.example", true, NULL, "a wildcard's label" },
        { &wild, "x.y.b.example", true, &reason_endpoint_tls, "two labels" },
        { &wild, "b.example", true, &reason_endpoint_tls, "no label" },
        { &ip, "127.0.0.1", true, NULL, "its address" },
        { &ip, "::1", true, NULL, "its IPv6 address" },
        { &ip, "127.0.0.2", true, &reason_endpoint_tls, "another address" },
        { &expired, "a.example", true, &reason_endpoint_tls, "expired" },
        { &early, "a.example", true, &reason_endpoint_tls, "not valid yet" },
        { &self, "a.example", true, &reason_endpoint_tls, "signed by itself" },
        { &self, "b.example", false, NULL, "the operator wants no verification" },
    };

    memset(long_name, 'a', sizeof(long_name) - 1);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct pair pair;

        pair_dial(&pair, server_of(rows[i].server, NULL), client_of(rows[i].verify, NULL),
                  rows[i].name, false);
        if (pair.client.failed != rows[i].expected)
            fail_msg("row %zu, %s: got %s", i, rows[i].why,
                     pair.client.failed ? pair.client.failed->name : "open");
        assert_int_equal(pair.client.opened, rows[i].expected == NULL);
        if (rows[i].expected == &reason_endpoint_tls)
            assert_ptr_equal(pair.server.failed, &reason_tls_failed);
        pair_release(&pair);
    }
}

static bool has_crossed(void *user)
{
    struct pair *pair = user;

    return pair->server.in.len == pair->len && pair->client.in.len == pair->len;
}

static void a_megabyte_crosses_both_ways_through_small_socket_buffers(void **state UNUSED)
{
    struct pair pair;

    pair_open(&pair);
    pair.len = MEGABYTE;
    setsockopt(pair.server.transport.fd, SOL_SOCKET, SO_SNDBUF, &(int){ 8192 }, sizeof(int));
    setsockopt(pair.client.transport.fd, SOL_SOCKET, SO_SNDBUF, &(int){ 8192 }, sizeof(int));
    rig_fill(&pair.server.out, MEGABYTE);
    rig_fill(&pair.client.out, MEGABYTE);
    end_flush(&pair.server);
    end_flush(&pair.client);
    assert_false(transport_is_flushed(&pair.server.transport));
    assert_true(rig_until(&pair.rig, has_crossed, &pair));
    assert_true(rig_is_filled(&pair.server.in, MEGABYTE));
    assert_true(rig_is_filled(&pair.client.in, MEGABYTE));
    assert_true(transport_is_flushed(&pair.server.transport));
    pair_release(&pair);
}

static void many_small_pieces_become_one_record(void **state UNUSED)
{
    struct pair pair;
    struct buf source;

    pair_open(&pair);
    buf_init(&source, SIZE_MAX);
    rig_fill(&source, 8000);
    for (size_t i = 0; i < 8000; i += 100)
        buf_share_range(&pair.server.out, &source, i, 100);
    buf_release(&source);
    pair.len = 8000;
    rig_fill(&pair.client.out, 8000);
    end_flush(&pair.server);
    end_flush(&pair.client);
    assert_true(rig_until(&pair.rig, has_crossed, &pair));
    assert_true(rig_is_filled(&pair.client.in, 8000));
    assert_int_equal(pair.client.reads, 1);
    pair_release(&pair);
}

static bool server_is_over(void *user)
{
    struct pair *pair = user;

    return pair->server.ended || pair->server.broken;
}

static void close_notify_is_an_end_and_a_bare_fin_is_not(void **state UNUSED)
{
    for (int cut = 0; cut < 2; cut++) {
        struct pair pair;

        pair_open(&pair);
        buf_add(&pair.client.out, SLICE("an answer"));
        end_flush(&pair.client);
        if (cut)
            shutdown(pair.client.transport.fd, SHUT_WR);
        else
            transport_close(&pair.client.transport, TRANSPORT_CLOSE_NOW);
        assert_true(rig_until(&pair.rig, server_is_over, &pair));
        assert_true(slice_eq(buf_join(&pair.server.in), SLICE("an answer")));
        assert_int_equal(pair.server.ended, !cut);
        assert_int_equal(pair.server.broken, cut);
        pair_release(&pair);
    }
}

static bool server_sees_peer_closed(void *user)
{
    return ((struct pair *)user)->server.peer_closed > 0;
}

static void a_fin_is_reported_while_nobody_reads(void **state UNUSED)
{
    struct pair pair;

    pair_open(&pair);
    pair.server.paused = true;
    buf_add(&pair.client.out, SLICE("unread"));
    end_flush(&pair.client);
    assert_true(rig_turns(&pair.rig));
    assert_int_equal(pair.server.peer_closed, 0);
    transport_close(&pair.client.transport, TRANSPORT_CLOSE_NOW);
    assert_true(rig_until(&pair.rig, server_sees_peer_closed, &pair));
    assert_int_equal(pair.server.in.len, 0);
    pair.server.paused = false;
    end_read(&pair.server);
    assert_true(pair.server.ended);
    assert_true(slice_eq(buf_join(&pair.server.in), SLICE("unread")));
    pair_release(&pair);
}

static void lingering_sends_what_tls_still_holds(void **state UNUSED)
{
    struct pair pair;
    size_t taken;

    pair_open(&pair);
    pair.client.paused = true;
    setsockopt(pair.server.transport.fd, SOL_SOCKET, SO_SNDBUF, &(int){ 8192 }, sizeof(int));
    rig_fill(&pair.server.out, 8 * MEGABYTE);
    end_flush(&pair.server);
    assert_false(transport_is_flushed(&pair.server.transport));
    taken = 8 * MEGABYTE - pair.server.out.len;
    transport_close(&pair.server.transport, TRANSPORT_CLOSE_LINGER);
    pair.client.paused = false;
    end_read(&pair.client);
    while (!pair.client.ended && !pair.client.broken)
        assert_true(rig_turns(&pair.rig));
    assert_true(pair.client.ended); /* close_notify came too */
    assert_true(rig_is_filled(&pair.client.in, taken));
    pair_release(&pair);
}

/* OpenSSL's client on a socket, and the accepted transport it talks to. */
struct raw {
    struct rig rig;
    struct end server;
    struct tls_context *tls;
    SSL_CTX *ssl_context;
    SSL *ssl;
    int fd, shaken; /* SSL_do_handshake's last result */
    bool refused;
};

/* Takes the context. */
static void raw_init(struct raw *raw, struct tls_context *tls)
{
    int fd[2];

    rig_open(&raw->rig);
    rig_connect(fd);
    fcntl(fd[1], F_SETFL, O_NONBLOCK);
    end_init(&raw->server);
    raw->tls = tls;
    raw->fd = fd[1];
    raw->shaken = 0;
    raw->refused = false;
    transport_accept(&raw->server.transport, raw->rig.worker, fd[0], tls, 5000, &end_events);
    raw->ssl_context = SSL_CTX_new(TLS_client_method());
    raw->ssl = SSL_new(raw->ssl_context);
    SSL_set_connect_state(raw->ssl);
    SSL_set_fd(raw->ssl, fd[1]);
}

static void raw_release(struct raw *raw)
{
    SSL_free(raw->ssl);
    SSL_CTX_free(raw->ssl_context);
    end_release(&raw->server, TRANSPORT_CLOSE_NOW);
    close(raw->fd);
    tls_context_unref(raw->tls);
    rig_close(&raw->rig);
}

static bool raw_is_settled(void *user)
{
    struct raw *raw = user;

    if (raw->shaken != 1 && !raw->refused) {
        ERR_clear_error();
        raw->shaken = SSL_do_handshake(raw->ssl);
        raw->refused = raw->shaken != 1 && SSL_get_error(raw->ssl, raw->shaken) == SSL_ERROR_SSL;
    }
    return raw->server.failed || (raw->shaken == 1 && raw->server.opened) ||
           (raw->refused && raw->server.ended);
}

static bool raw_shake(struct raw *raw)
{
    assert_true(rig_until(&raw->rig, raw_is_settled, raw));
    return raw->shaken == 1 && raw->server.opened;
}

static void alpn_chooses_h2_first_and_refuses_what_it_does_not_know(void **state UNUSED)
{
    static const struct {
        const char *offered; /* NULL: nothing is offered */
        bool opens, h2;
    } rows[] = {
        { NULL, true, false },
        { "\x08http/1.1", true, false },
        { "\x02h2", true, true },
        { "\x08http/1.1\x02h2", true, true },
        { "\x03h17\x08http/1.1", true, false },
        { "\x03h17", false, false },
        { "\x08http/1.0\x06spdy/3", false, false },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct raw raw;

        raw_init(&raw, server_of(&a, NULL));
        if (rows[i].offered)
            SSL_set_alpn_protos(raw.ssl, (const unsigned char *)rows[i].offered,
                                (unsigned)strlen(rows[i].offered));
        if (raw_shake(&raw) != rows[i].opens)
            fail_msg("row %zu", i);
        if (rows[i].opens)
            assert_int_equal(transport_is_h2(&raw.server.transport), rows[i].h2);
        else
            assert_ptr_equal(raw.server.failed, &reason_tls_failed);
        raw_release(&raw);
    }
}

static void the_name_a_client_asks_for_chooses_the_certificate(void **state UNUSED)
{
    static const struct {
        const char *name; /* NULL: no SNI */
        bool refuse_unknown;
        const char *expected; /* common name; NULL: refused */
    } rows[] = {
        { NULL, false, "a" },
        { NULL, true, "a" },
        { "a.example", false, "a" },
        { "WWW.a.example", false, "a" },
        { "x.b.example", false, "wild" },
        { "X.B.Example", true, "wild" },
        { "b.example", false, "a" },
        { "x.y.b.example", false, "a" },
        { "other.example", false, "a" },
        { "other.example", true, NULL },
        { ".b.example", true, NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tls_certificate both[] = { { a.certificate_path, a.key_path },
                                          { wild.certificate_path, wild.key_path } };
        struct tls_server_settings settings = { .certificates = both,
                                                .count = 2,
                                                .refuse_unknown_name = rows[i].refuse_unknown };
        char error[TLS_ERROR_SIZE], name[64] = "";
        struct raw raw;
        X509 *got;

        raw_init(&raw, tls_context_server(&settings, error));
        if (rows[i].name)
            SSL_set_tlsext_host_name(raw.ssl, rows[i].name);
        if (raw_shake(&raw) != (rows[i].expected != NULL))
            fail_msg("row %zu", i);
        got = SSL_get1_peer_certificate(raw.ssl);
        if (got)
            X509_NAME_get_text_by_NID(X509_get_subject_name(got), NID_commonName, name,
                                      sizeof(name));
        X509_free(got);
        assert_string_equal(name, rows[i].expected ? rows[i].expected : "");
        raw_release(&raw);
    }
}

static void old_versions_and_weak_ciphers_are_refused(void **state UNUSED)
{
    static const struct {
        int version;
        const char *ciphers;
        bool opens;
    } rows[] = {
        { TLS1_3_VERSION, NULL, true },
        { TLS1_2_VERSION, NULL, true },
        { TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", true },
        { TLS1_2_VERSION, "ECDHE-ECDSA-AES256-SHA384", false }, /* prohibited in HTTP/2 */
        { TLS1_2_VERSION, "AES128-GCM-SHA256", false },         /* no forward secrecy */
        { TLS1_1_VERSION, "ALL:@SECLEVEL=0", false },
        { TLS1_VERSION, "ALL:@SECLEVEL=0", false },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct raw raw;

        raw_init(&raw, server_of(&a, NULL));
        if (rows[i].ciphers)
            assert_int_equal(SSL_set_cipher_list(raw.ssl, rows[i].ciphers), 1);
        SSL_set_min_proto_version(raw.ssl, rows[i].version);
        SSL_set_max_proto_version(raw.ssl, rows[i].version);
        if (raw_shake(&raw) != rows[i].opens)
            fail_msg("row %zu", i);
        if (rows[i].opens)
            assert_true(transport_may_h2(&raw.server.transport));
        raw_release(&raw);
    }
}

static bool raw_server_is_over(void *user)
{
    struct raw *raw = user;
    char drop[256];

    while (SSL_read(raw->ssl, drop, sizeof(drop)) > 0)
        ;
    return raw->server.ended || raw->server.broken;
}

static void renegotiation_is_refused(void **state UNUSED)
{
    struct raw raw;

    raw_init(&raw, server_of(&a, NULL));
    SSL_set_max_proto_version(raw.ssl, TLS1_2_VERSION);
    SSL_set_options(raw.ssl, SSL_OP_LEGACY_SERVER_CONNECT);
    assert_true(raw_shake(&raw));
    assert_int_equal(SSL_renegotiate(raw.ssl), 1);
    raw.shaken = 0;
    raw.server.opened = 0;
    for (int i = 0; i < 5 && !raw.refused; i++) {
        raw_is_settled(&raw);
        assert_true(rig_turns(&raw.rig));
    }
    assert_true(raw.refused);
    raw_release(&raw);
}

static bool raw_server_has_bytes(void *user)
{
    return ((struct raw *)user)->server.in.len > 0;
}

static void some_key_updates_are_fine_and_a_flood_of_them_is_not(void **state UNUSED)
{
    struct raw raw;

    raw_init(&raw, server_of(&a, NULL));
    assert_true(raw_shake(&raw));
    for (int i = 0; i < 10; i++) {
        assert_int_equal(SSL_key_update(raw.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(raw.ssl), 1);
    }
    assert_int_equal(SSL_write(raw.ssl, "hello", 5), 5);
    assert_true(rig_until(&raw.rig, raw_server_has_bytes, &raw));
    assert_false(raw.server.broken);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(SSL_key_update(raw.ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(raw.ssl), 1);
    }
    assert_true(rig_until(&raw.rig, raw_server_is_over, &raw));
    assert_true(raw.server.broken);
    raw_release(&raw);
}

static void plain_bytes_instead_of_a_handshake_fail_it(void **state UNUSED)
{
    struct raw raw;

    raw_init(&raw, server_of(&a, NULL));
    assert_int_equal(write(raw.fd, "GET / HTTP/1.1\r\n\r\n", 18), 18);
    raw.refused = true; /* it does not shake */
    assert_true(rig_until(&raw.rig, raw_is_settled, &raw));
    assert_ptr_equal(raw.server.failed, &reason_tls_failed);
    raw_release(&raw);
}

static bool end_has_failed(void *user)
{
    return ((struct end *)user)->failed != NULL;
}

static void a_handshake_that_does_not_go_on_times_out(void **state UNUSED)
{
    for (int first = 0; first < 2; first++) { /* not a byte, or a few */
        struct tls_context *tls = server_of(&a, NULL);
        struct end end;
        struct rig rig;
        int fd[2];

        rig_open(&rig);
        rig_connect(fd);
        end_init(&end);
        transport_accept(&end.transport, rig.worker, fd[0], tls, 50, &end_events);
        if (first)
            assert_int_equal(write(fd[1], "\x16\x03\x01\x02", 4), 4);
        assert_true(rig_until(&rig, end_has_failed, &end));
        assert_ptr_equal(end.failed, &reason_tls_timeout);
        end_release(&end, TRANSPORT_CLOSE_NOW);
        close(fd[1]);
        tls_context_unref(tls);
        rig_close(&rig);
    }
}

static void an_endpoint_that_never_shakes_hands_times_the_dial_out(void **state UNUSED)
{
    struct tls_context *tls = client_of(true, NULL);
    struct sockaddr_in address;
    int listening = rig_listen(&address, 4);
    struct end end;
    struct rig rig;

    rig_open(&rig);
    end_init(&end);
    transport_dial(&end.transport, rig.worker, (struct sockaddr *)&address, sizeof(address), tls,
                   "a.example", false, 50, &end_events);
    assert_true(rig_until(&rig, end_has_failed, &end));
    assert_ptr_equal(end.failed, &reason_dial_timeout);
    end_release(&end, TRANSPORT_CLOSE_NOW);
    close(listening);
    tls_context_unref(tls);
    rig_close(&rig);
}

static bool raw_hello_dripped(void *user)
{
    struct raw *raw = user;
    BIO *wire = SSL_get_wbio(raw->ssl);
    char byte;

    if (raw->shaken != 1)
        raw->shaken = SSL_do_handshake(raw->ssl);
    for (int i = 0; i < 20 && BIO_read(wire, &byte, 1) == 1; i++)
        if (write(raw->fd, &byte, 1) != 1)
            return false;
    return raw->server.opened && BIO_ctrl_pending(wire) == 0;
}

static void a_handshake_in_single_bytes_opens(void **state UNUSED)
{
    struct raw raw;

    raw_init(&raw, server_of(&a, NULL));
    SSL_set0_wbio(raw.ssl, BIO_new(BIO_s_mem()));
    assert_true(rig_until(&raw.rig, raw_hello_dripped, &raw));
    assert_int_equal(raw.shaken, 1);
    raw_release(&raw);
}

static void bytes_behind_the_handshake_are_not_lost(void **state UNUSED)
{
    struct raw raw;
    char flight[4096];
    int len;

    raw_init(&raw, server_of(&a, NULL));
    while (!SSL_is_init_finished(raw.ssl)) {
        SSL_set0_wbio(raw.ssl, BIO_new(BIO_s_mem())); /* its Finished stays here */
        raw.shaken = SSL_do_handshake(raw.ssl);
        if (raw.shaken != 1) {
            len = BIO_read(SSL_get_wbio(raw.ssl), flight, sizeof(flight));
            if (len > 0)
                assert_int_equal(write(raw.fd, flight, (size_t)len), len);
            assert_true(rig_turns(&raw.rig));
        }
    }
    raw.server.paused = true; /* so that the bytes must be kept */
    assert_int_equal(SSL_write(raw.ssl, "first ", 6), 6);
    assert_int_equal(SSL_write(raw.ssl, "second", 6), 6);
    len = BIO_read(SSL_get_wbio(raw.ssl), flight, sizeof(flight));
    assert_int_equal(write(raw.fd, flight, (size_t)len), len);
    assert_true(rig_until(&raw.rig, raw_is_settled, &raw));
    assert_int_equal(raw.server.opened, 1);
    assert_int_equal(raw.server.in.len, 0);
    memset(raw.rig.worker->scratch, 'x', raw.rig.worker->scratch_size); /* somebody else reads */
    raw.server.paused = false;
    end_read(&raw.server);
    assert_true(slice_eq(buf_join(&raw.server.in), SLICE("first second")));
    raw_release(&raw);
}

static void records_of_one_byte_arrive_in_order(void **state UNUSED)
{
    struct raw raw;

    raw_init(&raw, server_of(&a, NULL));
    assert_true(raw_shake(&raw));
    for (size_t i = 0; i < 300; i++)
        assert_int_equal(SSL_write(raw.ssl, &(char){ (char)(i * 31 + i / 253) }, 1), 1);
    SSL_shutdown(raw.ssl);
    assert_true(rig_until(&raw.rig, raw_server_is_over, &raw));
    assert_true(raw.server.ended);
    assert_true(rig_is_filled(&raw.server.in, 300));
    raw_release(&raw);
}

/* Counts how many handshakes one turn finished. */
struct herd {
    struct end ends[200]; /* dialled and accepted by turns */
    struct worker *worker;
    size_t opened, most_a_turn;
};

static size_t herd_opened(const struct herd *herd)
{
    size_t opened = 0;

    for (size_t i = 0; i < ARRAY_LEN(herd->ends); i++)
        opened += herd->ends[i].opened;
    return opened;
}

static struct defer herd_defer;
static struct herd herd;

static void herd_turn(struct defer *defer)
{
    size_t opened = herd_opened(&herd);

    if (opened - herd.opened > herd.most_a_turn)
        herd.most_a_turn = opened - herd.opened;
    herd.opened = opened;
    worker_defer_next(herd.worker, defer);
}

static bool herd_is_open(void *user UNUSED)
{
    return herd.opened == ARRAY_LEN(herd.ends);
}

static void a_herd_of_handshakes_leaves_turns_to_others(void **state UNUSED)
{
    struct tls_context *server = server_of(&a, NULL), *dialling = client_of(true, NULL);
    struct sockaddr_in address;
    int listening = rig_listen(&address, 128);
    struct rig rig;

    rig_open(&rig);
    herd.worker = rig.worker;
    defer_init(&herd_defer, herd_turn);
    worker_defer_next(rig.worker, &herd_defer);
    for (size_t i = 0; i < ARRAY_LEN(herd.ends); i += 2) {
        end_init(&herd.ends[i]);
        end_init(&herd.ends[i + 1]);
        transport_dial(&herd.ends[i].transport, rig.worker, (struct sockaddr *)&address,
                       sizeof(address), dialling, "a.example", true, 9000, &end_events);
        transport_accept(&herd.ends[i + 1].transport, rig.worker,
                         accept4(listening, NULL, NULL, SOCK_NONBLOCK), server, 9000, &end_events);
    }
    assert_true(rig_until(&rig, herd_is_open, NULL));
    assert_in_range(herd.most_a_turn, 1, ARRAY_LEN(herd.ends) / 4);
    for (size_t i = 0; i < ARRAY_LEN(herd.ends); i++)
        end_release(&herd.ends[i], TRANSPORT_CLOSE_NOW);
    defer_cancel(&herd_defer);
    close(listening);
    tls_context_unref(server);
    tls_context_unref(dialling);
    rig_close(&rig);
}

static SSL_SESSION *kept_session;

/* Shakes hands with `tls`, offering the session kept from before; whether it was resumed. */
static bool resumes(struct tls_context *tls, int version)
{
    struct raw raw;
    char drop[16];
    bool reused;

    raw_init(&raw, tls_context_ref(tls));
    SSL_set_max_proto_version(raw.ssl, version);
    if (kept_session)
        assert_int_equal(SSL_set_session(raw.ssl, kept_session), 1);
    assert_true(raw_shake(&raw));
    reused = SSL_session_reused(raw.ssl);
    assert_int_equal(SSL_read(raw.ssl, drop, sizeof(drop)), -1); /* takes the ticket */
    SSL_SESSION_free(kept_session);
    kept_session = SSL_get1_session(raw.ssl);
    SSL_shutdown(raw.ssl); /* or OpenSSL forgets the session */
    raw_release(&raw);
    return reused;
}

static void sessions_resume_until_their_key_was_rotated_twice(void **state UNUSED)
{
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct tls_context *tls = server_of(&a, NULL);

        kept_session = NULL;
        assert_false(resumes(tls, versions[i]));
        assert_true(resumes(tls, versions[i]));
        tls_context_rotate(tls);
        assert_true(resumes(tls, versions[i])); /* and gets a ticket of the new key */
        assert_true(
            resumes(tls, versions[i])); /* a ticket is good for one use: this gave another */
        tls_context_rotate(tls);
        assert_true(resumes(tls, versions[i]));
        tls_context_rotate(tls);
        tls_context_rotate(tls);
        assert_false(resumes(tls, versions[i]));
        SSL_SESSION_free(kept_session);
        tls_context_unref(tls);
    }
}

static void a_session_of_another_listener_does_not_resume(void **state UNUSED)
{
    struct tls_context *one = server_of(&a, NULL), *other = server_of(&a, NULL);

    kept_session = NULL;
    assert_false(resumes(one, TLS1_3_VERSION));
    assert_true(resumes(one, TLS1_3_VERSION));
    assert_false(resumes(other, TLS1_3_VERSION));
    SSL_SESSION_free(kept_session);
    tls_context_unref(one);
    tls_context_unref(other);
}

static void client_certificates_are_demanded_where_the_listener_says_so(void **state UNUSED)
{
    static const struct {
        const struct cert *certificate;
        bool required, opens;
    } rows[] = {
        { NULL, false, true },     { NULL, true, false },  { &client, false, true },
        { &client, true, true },   { &self, true, false }, { &self, false, false },
        { &expired, true, false },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tls_certificate certificate = { a.certificate_path, a.key_path };
        struct tls_server_settings settings = { .certificates = &certificate,
                                                .count = 1,
                                                .client_ca = ca.certificate_path,
                                                .client_required = rows[i].required };
        char error[TLS_ERROR_SIZE];
        struct pair pair;

        pair_dial(&pair, tls_context_server(&settings, error), client_of(true, rows[i].certificate),
                  "a.example", false);
        if ((pair.server.opened > 0) != rows[i].opens)
            fail_msg("row %zu", i);
        if (!rows[i].opens)
            assert_ptr_equal(pair.server.failed, &reason_tls_failed);
        pair_release(&pair);
    }
}

static void an_endpoint_that_is_not_the_h2_it_should_be_fails_the_dial(void **state UNUSED)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method()); /* chooses no protocol */
    struct tls_context *tls = client_of(true, NULL);
    struct sockaddr_in address;
    int listening = rig_listen(&address, 4), fd;
    struct end end;
    struct rig rig;
    SSL *ssl;

    SSL_CTX_use_certificate_file(context, a.certificate_path, SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(context, a.key_path, SSL_FILETYPE_PEM);
    rig_open(&rig);
    end_init(&end);
    transport_dial(&end.transport, rig.worker, (struct sockaddr *)&address, sizeof(address), tls,
                   "a.example", true, 5000, &end_events);
    fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK);
    ssl = SSL_new(context);
    SSL_set_accept_state(ssl);
    SSL_set_fd(ssl, fd);
    for (int i = 0; i < 20 && !end.failed; i++) {
        SSL_do_handshake(ssl);
        assert_true(rig_turns(&rig));
    }
    assert_ptr_equal(end.failed, &reason_dial_failed);
    end_release(&end, TRANSPORT_CLOSE_NOW);
    SSL_free(ssl);
    SSL_CTX_free(context);
    close(fd);
    close(listening);
    tls_context_unref(tls);
    rig_close(&rig);
}

static void files_that_cannot_be_used_are_named_with_the_reason(void **state UNUSED)
{
    static const struct {
        const char *certificate, *key, *ca, *expected;
    } rows[] = {
        { "/nonexistent.crt", a.key_path, NULL,
          "cannot use certificate /nonexistent.crt: No such file or directory" },
        { a.certificate_path, "/nonexistent.key", NULL,
          "cannot use key /nonexistent.key: No such file or directory" },
        { a.certificate_path, wild.key_path, NULL, "cannot use key *: key values mismatch" },
        { a.key_path, a.key_path, NULL, "cannot use certificate *: no start line" },
        { a.certificate_path, a.key_path, "/nonexistent.pem",
          "cannot use client CA /nonexistent.pem: No such file or directory" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tls_certificate certificate = { rows[i].certificate, rows[i].key };
        struct tls_server_settings settings = { .certificates = &certificate,
                                                .count = 1,
                                                .client_ca = rows[i].ca };
        struct slice expected = slice_str(rows[i].expected), got;
        char error[TLS_ERROR_SIZE] = "";
        size_t star = slice_find(expected, '*');

        assert_null(tls_context_server(&settings, error));
        got = slice_str(error);
        if (!slice_starts(got, slice_head(expected, star)) ||
            !slice_ends(got, slice_skip(expected, star < expected.len ? star + 1 : 0)))
            fail_msg("row %zu: %s", i, error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshake_opens_both_ends_with_the_protocol_the_client_offers),
        cmocka_unit_test(endpoints_certificates_are_verified_and_refusals_fail_closed),
        cmocka_unit_test(a_megabyte_crosses_both_ways_through_small_socket_buffers),
        cmocka_unit_test(many_small_pieces_become_one_record),
        cmocka_unit_test(close_notify_is_an_end_and_a_bare_fin_is_not),
        cmocka_unit_test(a_fin_is_reported_while_nobody_reads),
        cmocka_unit_test(lingering_sends_what_tls_still_holds),
        cmocka_unit_test(alpn_chooses_h2_first_and_refuses_what_it_does_not_know),
        cmocka_unit_test(the_name_a_client_asks_for_chooses_the_certificate),
        cmocka_unit_test(old_versions_and_weak_ciphers_are_refused),
        cmocka_unit_test(renegotiation_is_refused),
        cmocka_unit_test(some_key_updates_are_fine_and_a_flood_of_them_is_not),
        cmocka_unit_test(plain_bytes_instead_of_a_handshake_fail_it),
        cmocka_unit_test(a_handshake_that_does_not_go_on_times_out),
        cmocka_unit_test(an_endpoint_that_never_shakes_hands_times_the_dial_out),
        cmocka_unit_test(a_handshake_in_single_bytes_opens),
        cmocka_unit_test(bytes_behind_the_handshake_are_not_lost),
        cmocka_unit_test(records_of_one_byte_arrive_in_order),
        cmocka_unit_test(a_herd_of_handshakes_leaves_turns_to_others),
        cmocka_unit_test(sessions_resume_until_their_key_was_rotated_twice),
        cmocka_unit_test(a_session_of_another_listener_does_not_resume),
        cmocka_unit_test(client_certificates_are_demanded_where_the_listener_says_so),
        cmocka_unit_test(an_endpoint_that_is_not_the_h2_it_should_be_fails_the_dial),
        cmocka_unit_test(files_that_cannot_be_used_are_named_with_the_reason),
    };

    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
