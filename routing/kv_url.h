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

#endif
