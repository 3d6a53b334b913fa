/*
 * ORCA load reports: an engine adds to an answer how loaded it is, in the field
 * `endpoint-load-metrics`, when the request asks for it (`endpoint-load-metrics-format`).
 *
 *     TEXT named_metrics.kv_cache_usage_perc=0.42, named_metrics.num_requests_waiting=5.0
 *     JSON {"named_metrics": {"kv_cache_usage_perc": 0.42, "num_requests_waiting": 5.0}}
 *
 * The names are rows of gauges.def. vLLM (vllm/entrypoints/openai/orca_metrics.py) does it for
 * answers that are no stream; it never reaches clients. Values come from outside: one pass, no
 * allocation, and what is not understood is not known. Any thread.
 */
#ifndef SLUICE_ROUTING_ORCA_H
#define SLUICE_ROUTING_ORCA_H

#include "routing/gauges.h"

/* The form that is asked for. */
#define ORCA_FORMAT "TEXT"

/* What it said is believed for so long: other answers and the metrics page say it anew. */
#define ORCA_BELIEVED_MS 2000

/* Whether such engines understand the question. */
bool orca_is_offered(const struct engine_type *engine);

void orca_read(struct slice value, struct gauges *ret_gauges);

#endif
