/*
 * From what a client named to the version and pool that serve it; and whether it may be tried once
 * more.
 *
 * Runs on the exchange's worker.
 */
#ifndef SLUICE_ROUTING_ROUTER_H
#define SLUICE_ROUTING_ROUTER_H

#include "gateway/http/message.h"
#include "routing/fleet.h"

/* The session that a request belongs to: a hash of the value of the configured header, never 0. 0:
 * none; `conf` may be NULL. Not keyed: every gateway, and the same one after a restart, must come
 * to the same number. */
uint64_t router_session(const struct sticky_conf *conf, const struct message *request);

/*
 * The version of a model for this request: by weight at random, or by the value of the sticky
 * header, so that equal values get equal versions for as long as the weights stay. NULL when every
 * weight is 0.
 */
const struct version *router_version(const struct model *model, const struct message *request,
                                     uint64_t random);

/* Whether clients may reach `path` (without its query) at the engine of this version of `model`. */
bool router_opens(const struct fleet *fleet, const struct model *model,
                  const struct version *version, struct slice path);

/* What an endpoint must list among its models and adapters to answer a request for `named`, which
 * led to this version. Borrowed; empty: nobody knows. */
struct slice router_listed_name(const struct version *version, struct slice named);

/*
 * The retry budget of a pool: every exchange pays in its percentage, a retry takes one whole. Any
 * worker.
 */
void router_pay_budget(const struct pool *pool);
bool router_take_retry(const struct pool *pool);

#endif
