/*
 * Hashes of tenants and of addresses.
 */
#include "gateway/proxy/asker.h"

#include "gateway/base/map.h"
#include "gateway/base/random.h"
#include "gateway/io/resolve.h"

#include <arpa/inet.h>
#include <stdio.h>

/* Of an IPv6 address; of an IPv4 one the whole, also as a socket for both writes it. */
#define PREFIX_BYTES 8

static uint64_t hash_of_v6(const struct in6_addr *v6)
{
    const char *at = (const char *)v6->s6_addr;

    if (IN6_IS_ADDR_V4MAPPED(v6))
        return map_hash(slice_of(at + 12, 4));
    return map_hash(slice_of(at, PREFIX_BYTES));
}

static uint64_t source_of(struct slice address)
{
    struct slice host = resolve_text_host(address);
    char text[INET6_ADDRSTRLEN];
    struct in6_addr v6;
    struct in_addr v4;

    snprintf(text, sizeof(text), "%.*s", SLICE_ARGS(host));
    if (inet_pton(AF_INET6, text, &v6) == 1)
        return hash_of_v6(&v6) | 1;
    if (inet_pton(AF_INET, text, &v4) == 1)
        return map_hash(slice_of((const char *)&v4, sizeof(v4))) | 1;
    return map_hash(address) | 1; /* a unix socket */
}

struct asker asker_of(struct slice tenant, bool vouched, struct slice address)
{
    uint64_t hash = map_hash(tenant);
    uint64_t source;

    if (vouched)
        return (struct asker){ .tenant = hash };
    source = source_of(address);
    return (struct asker){ .tenant = random_mix(source + hash % ASKER_TENANTS), .source = source };
}
