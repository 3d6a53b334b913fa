/*
 * /fleet: what routing knows of every endpoint, as JSON. Its members are listed in this folder's
 * README; some are added now and then, none is renamed, and null stands for what is not known.
 *
 * Control thread. Printed an endpoint at a time, so that a large fleet costs no tree in memory.
 */
#ifndef SLUICE_FLEET_PAGE_H
#define SLUICE_FLEET_PAGE_H

#include "routing/fleet.h"

/* A page has no more of them: about 10 MB. */
#define FLEET_PAGE_ENDPOINTS 16384

/* query: "pool=NAME" prints this pool only; anything else all. */
void fleet_page_print(const struct fleet *fleet, struct slice query, uint64_t now_us,
                      struct buf *out);

/* Why a version's chats, which most requests are, have exact tokens or not. */
enum exactness fleet_page_exactness(const struct version *version);

#endif
