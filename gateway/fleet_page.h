/*
 * /fleet: what routing knows of every endpoint, as JSON. Its members are listed in this folder's
 * README; some are added now and then, none is renamed, and null stands for what is not known.
 *
 * Control thread. Printed in pieces: a large fleet costs no long turn of the loop and no memory,
 * and what is said of an endpoint is as new as its piece. Pools, models and endpoints are those of
 * the fleet it began with.
 */
#ifndef SLUICE_FLEET_PAGE_H
#define SLUICE_FLEET_PAGE_H

#include "routing/fleet.h"

/* A page has no more of them: about 12 MB. */
#define FLEET_PAGE_ENDPOINTS 16384

struct fleet_page;

/* Keeps a reference on the fleet. query: "pool=NAME" prints this pool only; anything else all. */
struct fleet_page *fleet_page_new(struct fleet *fleet, struct slice query);
void fleet_page_free(struct fleet_page *page); /* NULL is fine */

/* Appends the next piece, some 30 KB that take well under a millisecond. False: it was the last. */
bool fleet_page_print(struct fleet_page *page, uint64_t now_us, struct buf *out);

/* Why a version's chats, which most requests are, have exact tokens or not. */
enum exactness fleet_page_exactness(const struct version *version);

#endif
