/*
 * The admin listener: a page for people at /, and /metrics, /healthz, /readyz, /config, /fleet,
 * /exchanges, on an address of its own that clients never reach. GET only, HTTP/1.1 and h2c.
 *
 * Control thread. /metrics and /fleet are printed in pieces, a turn of the loop each, as fast as
 * they are read; /exchanges asks every worker by letter and waits for the answers without blocking.
 */
#ifndef SLUICE_ADMIN_H
#define SLUICE_ADMIN_H

#include "gateway/control.h"

struct admin;

extern const struct directive_set admin_set;

/* Opens it where the configuration has one; else *ret_admin does nothing. False and a complaint
 * when the address cannot be had. The address is read once: changing it needs a restart. */
bool admin_open(struct control *control, struct conf *conf, struct admin **ret_admin,
                struct buf *errors);
void admin_free(struct admin *admin); /* NULL is fine */
/* Whether `to` has it at another address than `from`. */
bool admin_moves(const struct conf *from, const struct conf *to);
/* Connections to it: they are no clients, a drain does not wait for them. */
size_t admin_connections(const struct admin *admin);

#endif
