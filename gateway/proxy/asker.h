/*
 * Who asks, to those that count and take turns (routing/hold.h).
 *
 * On a listener that is not trusted anybody can make up credentials, one a request: there nobody
 * vouches for a tenant. So they are counted by where they come from as well, and of one source only
 * so many tenants are told apart; more of its credentials share their turns.
 */
#ifndef SLUICE_PROXY_ASKER_H
#define SLUICE_PROXY_ASKER_H

#include "gateway/base/slice.h"

/* Tenants of a source: enough for those behind one address to have turns of their own. */
#define ASKER_TENANTS 16

struct asker {
    uint64_t tenant;
    uint64_t source; /* an address, of IPv6 its /64, which is what a customer has; 0: vouched for */
};

/* `address`: the peer's, as resolve_address_text writes it. Any thread. */
struct asker asker_of(struct slice tenant, bool vouched, struct slice address);

#endif
