/*
 * A decision as JSON, for people who ask why: `x-sluice-explain` and `sluice explain` show it.
 *
 *     { "outcome": "chosen",               "waits": the best one has no room; "nobody": there is
 * none "endpoint": "http://10.0.0.11:8000",    who is chosen, or would be if it had room "pool":
 * "llama-a", "policy": "price", "tokens": 812, "blocks": 50, "keys": "exact", "busy": 0.25, what
 * was asked for "screens": { "health": 1 },                      how many each screen dropped
 *       "endpoints": [ {                                 who was left, the chosen one first, then
 * by price "endpoint": "...", "blocks": 48, "cached_tokens": 768, "prefill_s": 0.0028, "price_s":
 * 0.0214, "terms": { "wait": 0.01, ... },             terms of 0 are left out "room": true, "load":
 * { "queued_s": 0.01, "prefills": 1, "decodes": 3, "live_tokens": 9100 } } ], "dropped": [ {
 * "endpoint": "...", "by": "health" } ], "more": { "endpoints": 80, "dropped": 0 } }      those
 * that did not fit; left out: all are here
 *
 * Where the pool's policy is not `price` nothing was priced, and each endpoint has "inflight"
 * instead.
 */
#ifndef SLUICE_ROUTING_EXPLAIN_H
#define SLUICE_ROUTING_EXPLAIN_H

#include "routing/decide.h"

#include <jansson.h>

/* Printed with these flags it stands on one line, in printable ASCII. */
#define EXPLAIN_FLAGS (JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(4))

/*
 * What decide(decision, call, ...) == outcome was made from; to be asked before the decision's next
 * one. At most `limit` bytes when it is printed with EXPLAIN_FLAGS, but never without what stands
 * before the lists: 4 KB with the longest names. The caller's reference.
 */
json_t *explain_decision(const struct decision *decision, const struct decide_call *call,
                         enum decide_outcome outcome, size_t limit);

/*
 * Bytes that fit into a field of an answer, whoever reads it: Node.js takes 16 KB of header in all,
 * HTTP/2 peers rarely say less. About 25 endpoints, 100 that were dropped.
 */
#define EXPLAIN_TEXT_BYTES 8192

/* The same as text of no more than that. Gives. */
char *explain_text(const struct decision *decision, const struct decide_call *call,
                   enum decide_outcome outcome);

#endif
