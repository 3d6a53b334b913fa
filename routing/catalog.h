/*
 * What the engines of each pool say they serve (GET /v1/models), for the merged list that clients
 * get.
 *
 * Control thread asks, one ready endpoint of a pool at a time and only where active health checks
 * are on; what was said lies in the pool's state as an immutable, counted list that any worker may
 * read.
 */
#ifndef SLUICE_ROUTING_CATALOG_H
#define SLUICE_ROUTING_CATALOG_H

#include "routing/fleet.h"

struct card {
    char *id;
    char *owned_by;        /* never NULL */
    int64_t created;       /* Unix time; 0: not said */
    int64_t max_model_len; /* tokens; 0: not said */
};

struct cards {
    struct snapshot snapshot;
    struct card *at;
    size_t count;
};

struct catalog;

struct catalog *catalog_new(struct worker *control);
void catalog_free(struct catalog *catalog); /* NULL is fine */

/* Asks for exactly this fleet's pools from now on; keeps a reference on it. */
void catalog_follow(struct catalog *catalog, struct fleet *fleet);

/* What a pool's engines said last, a new reference; NULL: nothing yet. Any thread. */
struct cards *catalog_cards(const struct pool *pool);
void cards_unref(struct cards *cards); /* NULL is fine */
/* NULL when there is none; cards may be NULL. */
const struct card *cards_find(const struct cards *cards, struct slice id);

#endif
