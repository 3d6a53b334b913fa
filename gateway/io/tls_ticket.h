/*
 * Session tickets: the keys they are sealed with, which rotate. Any thread seals and opens; the
 * control thread rotates.
 *
 * A ticket of the previous key still opens and is replaced by a fresh one; older ones mean a full
 * handshake. Keys live in memory only and never leave it: a stolen disk decrypts nothing.
 */
#ifndef SLUICE_IO_TLS_TICKET_H
#define SLUICE_IO_TLS_TICKET_H

#include "gateway/base/snapshot.h"

struct ssl_ctx_st;

struct tls_tickets {
    struct snapshot_slot keys; /* of struct ticket_keys, in tls_ticket.c */
};

void tls_tickets_init(struct tls_tickets *tickets);
void tls_tickets_release(struct tls_tickets *tickets);
void tls_tickets_rotate(struct tls_tickets *tickets);

/* Makes the SSL_CTX seal with these keys; they must outlive it. */
void tls_tickets_use(struct tls_tickets *tickets, struct ssl_ctx_st *ssl_context);

#endif
