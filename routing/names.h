/*
 * Names of "dns:" endpoints, followed: every address of a name is an endpoint of its own.
 *
 * Control thread. Asked anew when the TTL has passed; a name that fails keeps its last addresses.
 * When a set of addresses changes, on_change is called, once a turn, and the fleet is built again.
 */
#ifndef SLUICE_ROUTING_NAMES_H
#define SLUICE_ROUTING_NAMES_H

#include "conf/conf.h"
#include "gateway/io/resolve.h"

struct names;

struct names *names_new(struct worker *control, void (*on_change)(void *user), void *user);
void names_free(struct names *names);

/* Follows the "dns:" names of this configuration's pools, too. */
void names_add(struct names *names, const struct conf *conf);
/* Follows exactly these from now on. */
void names_follow(struct names *names, const struct conf *conf);

/* The addresses of a host, sorted, as text ("10.0.0.1"); NULL and 0 when none is known yet.
 * Borrowed. */
const char *const *names_addresses(const struct names *names, struct slice host, size_t *ret_count);

/* Whether every followed name has been answered once, with addresses or not. */
bool names_are_settled(const struct names *names);

#endif
