/*
 * Ticket keys for OpenSSL: AES-256-CBC with HMAC-SHA-256 (RFC 5077, 4).
 */
#include "gateway/io/tls_ticket.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define TICKET_NAME_BYTES 16 /* OpenSSL's, as are those of the IV */
#define TICKET_KEY_BYTES  32

struct ticket_key {
    unsigned char name[TICKET_NAME_BYTES]; /* goes in clear in front of each ticket */
    unsigned char aes[TICKET_KEY_BYTES];
    unsigned char hmac[TICKET_KEY_BYTES];
};

struct ticket_keys {
    struct snapshot snapshot;
    struct ticket_key current;
    struct ticket_key previous; /* meaningless until has_previous */
    bool has_previous;
};

static void ticket_keys_free(struct snapshot *snapshot)
{
    struct ticket_keys *keys = CONTAINER_OF(snapshot, struct ticket_keys, snapshot);

    OPENSSL_cleanse(keys, sizeof(*keys));
    free(keys);
}

/* A reference on the keys in use. */
static struct ticket_keys *ticket_keys_get(struct tls_tickets *tickets)
{
    uint64_t generation;
    struct snapshot *snapshot = snapshot_get(&tickets->keys, &generation);

    return snapshot ? CONTAINER_OF(snapshot, struct ticket_keys, snapshot) : NULL;
}

void tls_tickets_rotate(struct tls_tickets *tickets)
{
    struct ticket_keys *before = ticket_keys_get(tickets);
    struct ticket_keys *keys = xcalloc(1, sizeof(*keys));

    snapshot_init(&keys->snapshot, ticket_keys_free);
    /* Without randomness there is no TLS at all. */
    CHECK(RAND_bytes((unsigned char *)&keys->current, sizeof(keys->current)) == 1);
    if (before) {
        keys->previous = before->current;
        keys->has_previous = true;
        snapshot_unref(&before->snapshot);
    }
    snapshot_publish(&tickets->keys, &keys->snapshot);
}

void tls_tickets_init(struct tls_tickets *tickets)
{
    snapshot_slot_init(&tickets->keys);
    tls_tickets_rotate(tickets);
}

void tls_tickets_release(struct tls_tickets *tickets)
{
    snapshot_slot_release(&tickets->keys);
}

static bool ticket_key_set_mac(const struct ticket_key *key, EVP_MAC_CTX *mac)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->hmac, sizeof(key->hmac)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end(),
    };

    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

static int ticket_seal(const struct ticket_key *key, unsigned char *name, unsigned char *iv,
                       EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    if (RAND_bytes(iv, EVP_MAX_IV_LENGTH) != 1)
        return -1;
    memcpy(name, key->name, TICKET_NAME_BYTES);
    if (EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->aes, iv) != 1 ||
        !ticket_key_set_mac(key, mac))
        return -1;
    return 1;
}

/*
 * 0: not ours, a full handshake follows; 2: opened, and a fresh one is given: when the key has
 * rotated, and always in TLS 1.3, whose clients use a ticket once (RFC 8446, C.4).
 */
static int ticket_open(const struct ticket_keys *keys, bool is_tls13, const unsigned char *name,
                       const unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    bool is_current = memcmp(name, keys->current.name, TICKET_NAME_BYTES) == 0;
    const struct ticket_key *key = is_current ? &keys->current : &keys->previous;

    if (!is_current && (!keys->has_previous || memcmp(name, key->name, TICKET_NAME_BYTES) != 0))
        return 0;
    if (!ticket_key_set_mac(key, mac) ||
        EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->aes, iv) != 1)
        return -1;
    return is_current && !is_tls13 ? 1 : 2;
}

static int tickets_index(void)
{
    static int index = -1;

    if (index < 0) /* first called on the control thread, by tls_tickets_use */
        index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    return index;
}

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int sealing)
{
    struct tls_tickets *tickets = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), tickets_index());
    struct ticket_keys *keys = ticket_keys_get(tickets);
    bool is_tls13 = SSL_version(ssl) >= TLS1_3_VERSION;
    int result = sealing ? ticket_seal(&keys->current, name, iv, cipher, mac)
                         : ticket_open(keys, is_tls13, name, iv, cipher, mac);

    snapshot_unref(&keys->snapshot);
    return result;
}

void tls_tickets_use(struct tls_tickets *tickets, SSL_CTX *ssl_context)
{
    CHECK(SSL_CTX_set_ex_data(ssl_context, tickets_index(), tickets) == 1);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl_context, on_ticket);
}
