/*
 * Where an endpoint publishes: the addresses of a pool's `kv_events`, with the endpoint's own host
 * and port put in.
 */
#ifndef SLUICE_ROUTING_KV_URL_H
#define SLUICE_ROUTING_KV_URL_H

#include "gateway/base/slice.h"

#define KV_URL_MAX 512 /* bytes, the end included: a name of 255 and what is around it */

/*
 * "tcp://{host}:5557": {host}, {port}, and {port+N} or {port-N} for engines that share a host, are
 * replaced; IPv6 addresses get brackets. ipc:// is left as it is. NULL when done; else what is
 * wrong with the pattern, in words that go after it.
 */
const char *kv_url_expand(const char *pattern, struct slice host, uint16_t port,
                          char ret_url[KV_URL_MAX]) MUST_USE;

/* Where that data-parallel rank of the engine publishes whose rank 0 does at `url`: a port for each
 * rank, counted up, and for ipc:// the suffix "_dpN", as vLLM, SGLang and TensorRT-LLM have it
 * (offset_endpoint_port in their kv_events.py). NULL, or what is wrong with it; ret_url is a text
 * in either case, and nobody can connect to a wrong one. */
const char *kv_url_rank(const char *url, uint32_t rank, char ret_url[KV_URL_MAX]);
/* Whether two such series of addresses, of so many ranks, meet. */
bool kv_urls_meet(const char *a, const char *b, uint32_t ranks);

#endif
