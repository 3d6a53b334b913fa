/*
 * Origins, and the URLs they are written as.
 */
#include "gateway/upstream/origin.h"

#include "gateway/upstream/pool.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

struct scheme {
    struct slice prefix;
    uint16_t port;
    bool tls, h2;
};

static const struct scheme schemes[] = {
    { SLICE_INIT("http://"), 80, false, false },
    { SLICE_INIT("https://"), 443, true, false },
    { SLICE_INIT("h2c://"), 80, false, true },
    { SLICE_INIT("h2://"), 443, true, true },
};

static bool is_v6(struct slice host)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (host.len >= sizeof(text))
        return false;
    snprintf(text, sizeof(text), "%.*s", SLICE_ARGS(host));
    return inet_pton(AF_INET6, text, &address) == 1;
}

static bool url_host_port(struct slice authority, struct origin_url *url)
{
    struct slice port = { NULL, 0 };
    uint64_t number;

    if (authority.len > 0 && authority.at[0] == '[') {
        size_t close = slice_find(authority, ']');

        if (close == authority.len)
            return false;
        url->host = slice_of(authority.at + 1, close - 1);
        port = slice_skip(authority, close + 1);
        if (!is_v6(url->host) || (port.len > 0 && (port.at[0] != ':' || port.len == 1)))
            return false;
        port = slice_skip(port, 1);
    } else {
        size_t colon = slice_find(authority, ':');

        url->host = slice_head(authority, colon);
        port = slice_skip(authority, colon + 1);
        if ((colon < authority.len && port.len == 0) || !http_is_authority(url->host))
            return false;
    }
    if (port.len > 0) {
        if (!slice_u64(port, &number) || number == 0 || number > UINT16_MAX)
            return false;
        url->port = (uint16_t)number;
    }
    return true;
}

/* Goes into request lines as it is. */
static bool is_prefix(struct slice prefix)
{
    for (size_t i = 0; i < prefix.len; i++)
        if (prefix.at[i] <= ' ' || prefix.at[i] > '~' || strchr("?#@\\", prefix.at[i]))
            return false;
    return true;
}

bool origin_url_parse(struct slice text, struct origin_url *ret_url)
{
    struct origin_url url = { 0 };
    struct slice rest = { NULL, 0 };
    size_t slash;

    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        if (slice_starts(text, schemes[i].prefix)) {
            rest = slice_skip(text, schemes[i].prefix.len);
            url.port = schemes[i].port;
            url.tls = schemes[i].tls;
            url.h2 = schemes[i].h2;
        }
    if (rest.len == 0)
        return false;
    slash = slice_find(rest, '/');
    url.prefix = slice_skip(rest, slash);
    while (url.prefix.len > 0 && url.prefix.at[url.prefix.len - 1] == '/')
        url.prefix.len--;
    rest = slice_head(rest, slash);
    if (!is_prefix(url.prefix) || !url_host_port(rest, &url))
        return false;
    *ret_url = url;
    return true;
}

/*
 * Towards engines: no limit on what a healthy engine sends, but bounded heads; an engine that takes
 * no request bytes for a minute, or stops for one inside a head, is as good as gone. When an answer
 * must begin is the exchange's to say.
 */
#define ORIGIN_STALL_MS (60 * 1000)

static struct conn_settings origin_conn_settings(const struct origin_settings *settings)
{
    return (struct conn_settings){
        .head = { .fields = 200, .bytes = 64 * 1024 },
        .target_bytes = 64 * 1024,
        .streams = 100,
        .window_bytes = STREAM_IN_BYTES,
        .handshake_ms = settings->connect_ms,
        .head_ms = ORIGIN_STALL_MS,
        .idle_ms = settings->idle_ms,
        .stall_ms = ORIGIN_STALL_MS,
    };
}

static char *origin_authority(const struct origin_url *url)
{
    bool v6 = slice_find(url->host, ':') < url->host.len;
    uint16_t usual = url->tls ? 443 : 80;
    char port[8] = "";
    char *text;

    if (url->port != usual)
        snprintf(port, sizeof(port), ":%u", url->port);
    text = xmalloc(url->host.len + 16);
    snprintf(text, url->host.len + 16, v6 ? "[%.*s]%s" : "%.*s%s", SLICE_ARGS(url->host), port);
    return text;
}

static void origin_free(struct snapshot *snapshot)
{
    struct origin *origin = CONTAINER_OF(snapshot, struct origin, snapshot);

    for (unsigned i = 0; i < origin->workers; i++)
        origin_pool_free(origin->pools[i]);
    tls_context_unref(origin->tls);
    free(origin->pools);
    free(origin->host);
    free(origin->pin);
    free(origin->server_name);
    free(origin->prefix);
    free(origin->authority);
    free(origin);
}

struct origin *origin_new(const struct origin_settings *settings, unsigned workers)
{
    const struct origin_url *url = &settings->url;
    struct origin *origin = xcalloc(1, sizeof(*origin));

    snapshot_init(&origin->snapshot, origin_free);
    origin->h2 = url->h2;
    origin->port = url->port;
    origin->host = slice_dup(url->host);
    origin->pin = settings->pin.len ? slice_dup(settings->pin) : NULL;
    origin->server_name = slice_dup(settings->server_name.len ? settings->server_name : url->host);
    origin->prefix = slice_dup(url->prefix);
    origin->authority = origin_authority(url);
    origin->scheme = url->tls ? SLICE("https") : SLICE("http");
    origin->tls = url->tls ? tls_context_ref(settings->tls) : NULL;
    origin->connect_ms = settings->connect_ms;
    origin->settings = origin_conn_settings(settings);
    origin->pools = xcalloc(workers, sizeof(struct origin_pool *));
    origin->workers = workers;
    return origin;
}

struct origin *origin_ref(struct origin *origin)
{
    snapshot_ref(&origin->snapshot);
    return origin;
}

void origin_unref(struct origin *origin)
{
    if (origin)
        snapshot_unref(&origin->snapshot);
}
