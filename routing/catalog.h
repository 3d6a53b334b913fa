/*
 * What the engines of each pool say they serve (GET /v1/models): for the merged list that clients
 * get, and for LoRA adapters, which are names of models too (routing/fleet_adapters).
 *
 * Control thread asks every endpoint, only where active health checks are on: adapters come and go
 * at each replica by itself. What all of a pool said together lies in the pool's state as an
 * immutable, counted list that any worker may read; which adapters an endpoint serves, in its
 * state.
 */
#ifndef SLUICE_ROUTING_CATALOG_H
#define SLUICE_ROUTING_CATALOG_H

#include "routing/fleet.h"

struct card {
    char *id;
    char *owned_by;        /* never NULL */
    char *parent;          /* of a LoRA adapter: the model it adapts; NULL: it is none */
    int64_t created;       /* Unix time; 0: not said */
    int64_t max_model_len; /* tokens; 0: not said */
};

struct cards {
    struct snapshot snapshot;
    struct card *at;
    size_t count;
    bool tells_adapters; /* a card says that it has a parent, or that it has none */
};

struct catalog;

/* The adapters that a pool's engines serve are others than before: another fleet is to be made. */
typedef void catalog_changed_fn(void *user);

struct catalog *catalog_new(struct worker *control, catalog_changed_fn *changed, void *user);
void catalog_free(struct catalog *catalog); /* NULL is fine */

/* Asks exactly this fleet's endpoints from now on; keeps a reference on it. */
void catalog_follow(struct catalog *catalog, struct fleet *fleet);

/* What a pool's engines said last, a new reference; NULL: nothing yet. Any thread. */
struct cards *catalog_cards(const struct pool *pool);
void cards_unref(struct cards *cards); /* NULL is fine */
/* NULL when there is none; cards may be NULL. */
const struct card *cards_find(const struct cards *cards, struct slice id);

#endif
