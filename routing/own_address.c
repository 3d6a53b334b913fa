/*
 * Addresses that meet, by what stands in the file.
 */
#include "routing/own_address.h"

#include "gateway/io/listener.h"
#include "routing/fleet.h"

#include <arpa/inet.h>

/* What a host stands for: an address of either family, both (localhost), or a name. */
struct own_host {
    struct slice name;
    bool has_v4, has_v6;
    struct in_addr v4;
    struct in6_addr v6;
};

static struct own_host host_read(struct slice text)
{
    struct own_host host = { .name = text, .v6 = in6addr_loopback };
    char literal[INET6_ADDRSTRLEN] = "";

    host.v4.s_addr = htonl(INADDR_LOOPBACK);
    if (text.len == 0) /* of a listener: every IPv4 address */
        text = SLICE("0.0.0.0");
    if (slice_ieq(text, SLICE("localhost"))) {
        host.has_v4 = host.has_v6 = true;
        return host;
    }
    if (text.len < sizeof(literal))
        memcpy(literal, text.at, text.len);
    host.has_v4 = inet_pton(AF_INET, literal, &host.v4) == 1;
    host.has_v6 = inet_pton(AF_INET6, literal, &host.v6) == 1;
    if (host.has_v6 && IN6_IS_ADDR_V4MAPPED(&host.v6)) {
        memcpy(&host.v4, &host.v6.s6_addr[12], sizeof(host.v4));
        host.has_v4 = true;
        host.has_v6 = false;
    }
    return host;
}

/* Who dials the address of all addresses comes to the loopback one (Linux). */
static bool v4_meets(const struct own_host *listener, const struct own_host *dialled)
{
    uint32_t own = ntohl(listener->v4.s_addr), to = ntohl(dialled->v4.s_addr);

    to = to == INADDR_ANY ? INADDR_LOOPBACK : to;
    return listener->has_v4 && dialled->has_v4 &&
           (own == to || (own == INADDR_ANY && to >> 24 == IN_LOOPBACKNET));
}

static bool v6_meets(const struct own_host *listener, const struct own_host *dialled)
{
    const struct in6_addr *own = &listener->v6;
    const struct in6_addr *to =
        IN6_IS_ADDR_UNSPECIFIED(&dialled->v6) ? &in6addr_loopback : &dialled->v6;

    return listener->has_v6 && dialled->has_v6 &&
           (IN6_ARE_ADDR_EQUAL(own, to) ||
            (IN6_IS_ADDR_UNSPECIFIED(own) && IN6_IS_ADDR_LOOPBACK(to)));
}

bool own_address_meets(const char *listener, const struct origin_url *url)
{
    struct own_host own, dialled;
    struct slice host;
    uint16_t port;

    if (!listener_address_parse(listener, &host, &port) || port != url->port)
        return false;
    own = host_read(host);
    dialled = host_read(url->host);
    return slice_ieq(own.name, dialled.name) || v4_meets(&own, &dialled) ||
           v6_meets(&own, &dialled);
}

static void check_pool(struct conf_checker *checker, const struct pool_conf *pool,
                       const char *listener, const char *whose)
{
    for (size_t i = 0; i < pool->endpoints.count; i++) {
        const char *text = pool->endpoints.at[i];
        struct origin_url url;
        bool dns;

        if (origin_url_parse(endpoint_url(text, &dns), &url) && own_address_meets(listener, &url))
            conf_complain(checker, &pool->endpoints,
                          "`%s` is the gateway itself: %s of this file has the address `%s`", text,
                          whose, listener);
    }
}

void own_address_check(struct conf_checker *checker, const char *listener, const char *whose)
{
    const struct conf_list *pools = conf_section(conf_checker_conf(checker), &pools_set);
    const struct pool_conf *at = pools->items;

    for (size_t i = 0; i < pools->count; i++)
        check_pool(checker, &at[i], listener, whose);
}
