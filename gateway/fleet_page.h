/*
 * /fleet: what routing knows of every endpoint, as JSON.
 *
 * Control thread. The page is for people and for the page that draws it: members are added, never
 * renamed. A member whose value is not known is null. Printed an endpoint at a time, so that a
 * large fleet costs no tree in memory.
 *
 * {
 *   "fleet": number of the fleet, which grows with each reload and each change of a name,
 *   "models": [ { "model", "versions": [ { "version", "pool", "weight",
 *       "tokens": why its prompts are exact or not, "token_bytes": of text, as usage taught } ] }
 * ], "pools": [ { "pool", "engine", "route", "waiting": exchanges that wait in the gateway for
 * room, "panic": so few are healthy that health is ignored, "endpoints": [ { "endpoint": its URL,
 *       "ready": it gets requests; "weight": its share, less than 1 while it comes back,
 *       "inflight": exchanges there now; "served", "failed": attempts ended so, ever,
 *       "probe_failing": its health check fails; "ejected_for_ms": left out for so long still,
 *       "own": what of this gateway's traffic is there {
 *         "queued_s": seconds of prefill before a first token, as predicted,
 *         "queued_tokens": uncached prompt tokens of these,
 *         "live_tokens": prompt and answer so far of all,
 *         "prefills": exchanges before their first token, "decodes": and past it },
 *       "reported": what the engine says of itself {
 *         "age_ms": since it said something; "waiting", "running": requests,
 *         "usage": of its cache, 0 to 1; "capacity_tokens": of its cache, as said last },
 *       "adapters": LoRA { "known": it has said what it serves, "served", "loaded": how many }
 *     } ]
 *   } ],
 *   "cut": true: there are more endpoints than a page has (FLEET_PAGE_ENDPOINTS)
 * }
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
