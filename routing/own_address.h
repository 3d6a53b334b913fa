/*
 * Endpoints that are the gateway itself: an address that a listener of ours has, seen in time.
 *
 * What a file can show is refused when it is read; a name or an address that leads back by another
 * way shows in the request that comes back (filters/via.c).
 */
#ifndef SLUICE_ROUTING_OWN_ADDRESS_H
#define SLUICE_ROUTING_OWN_ADDRESS_H

#include "conf/conf.h"
#include "gateway/upstream/origin.h"

/*
 * Whether who dials `url` is answered at `listener` ("host:port", "[v6]:port"; "unix:" never is).
 * No name is looked up: `localhost` is both loopback addresses, any other name only itself. A
 * listener of all addresses is met by loopback ones; what else the machine is called is not known
 * here.
 */
bool own_address_meets(const char *listener, const struct origin_url *url);

/* In a set's check: complains about every endpoint of a pool that dials `listener`; `whose` says
 * what that is: "a listener". Control thread. */
void own_address_check(struct conf_checker *checker, const char *listener, const char *whose);

#endif
