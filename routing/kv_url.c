/*
 * Addresses of publishers. See kv_url.h.
 */
#include "routing/kv_url.h"

#include "gateway/base/buf.h"

#include <stdio.h>
#include <string.h>

struct expansion {
    struct slice host;
    uint16_t port;
    char *at;
    size_t left; /* room, without the end */
};

static bool put(struct expansion *e, struct slice text)
{
    if (text.len > e->left)
        return false;
    memcpy(e->at, text.at ? text.at : "", text.len);
    e->at += text.len;
    e->left -= text.len;
    return true;
}

static bool put_host(struct expansion *e)
{
    bool v6 = slice_find(e->host, ':') < e->host.len;

    return put(e, v6 ? SLICE("[") : SLICE("")) && put(e, e->host) &&
           put(e, v6 ? SLICE("]") : SLICE(""));
}

/* "port", "port+1000", "port-3". */
static bool put_port(struct expansion *e, struct slice name)
{
    uint64_t by = 0;
    int64_t port = e->port;
    char digits[8];

    name = slice_skip(name, strlen("port"));
    if (name.len > 0 && ((name.at[0] != '+' && name.at[0] != '-') ||
                         !slice_u64(slice_skip(name, 1), &by) || by > UINT16_MAX))
        return false;
    port += name.len > 0 && name.at[0] == '-' ? -(int64_t)by : (int64_t)by;
    if (port < 1 || port > UINT16_MAX)
        return false;
    snprintf(digits, sizeof(digits), "%u", (unsigned)port);
    return put(e, slice_str(digits));
}

static bool put_name(struct expansion *e, struct slice name)
{
    if (slice_eq(name, SLICE("host")))
        return put_host(e);
    return slice_starts(name, SLICE("port")) && put_port(e, name);
}

/* All addresses of a host are where an engine listens: its own flag says so, and nobody connects
 * there. */
static bool is_everywhere(const char *pattern)
{
    static const char *const everywhere[] = { "tcp://*:", "tcp://0.0.0.0:", "tcp://[::]:" };

    for (size_t i = 0; i < ARRAY_LEN(everywhere); i++)
        if (strncmp(pattern, everywhere[i], strlen(everywhere[i])) == 0)
            return true;
    return false;
}

static bool is_whole(const char *url)
{
    const char *colon = strrchr(url, ':');
    uint64_t port;

    if (strncmp(url, "ipc://", 6) == 0)
        return url[6] != 0;
    return strncmp(url, "tcp://", 6) == 0 && colon > url + 6 &&
           slice_u64(slice_str(colon + 1), &port) && port >= 1 && port <= UINT16_MAX;
}

const char *kv_url_expand(const char *pattern, struct slice host, uint16_t port,
                          char ret_url[KV_URL_MAX])
{
    struct expansion e = { host, port, ret_url, KV_URL_MAX - 1 };
    struct slice rest = slice_str(pattern);

    if (is_everywhere(pattern))
        return "is where an engine listens, not where it is reached: write {host}, which is each "
               "endpoint's own, as in tcp://{host}:5557";
    while (rest.len > 0) {
        size_t open = slice_find(rest, '{');
        struct slice inner = slice_skip(rest, open + 1);
        size_t close = slice_find(inner, '}');

        if (!put(&e, slice_head(rest, open)))
            return "is too long";
        if (open == rest.len)
            break;
        if (close == inner.len || !put_name(&e, slice_head(inner, close)))
            return "has braces around something else than host, port, port+N or port-N, or a port "
                   "out of range";
        rest = slice_skip(inner, close + 1);
    }
    *e.at = 0;
    return is_whole(ret_url) ? NULL : "is no address of a publisher: tcp://host:port or ipc://path";
}

/* Of a whole one: up to its port, which is 0 where there is none. */
static struct slice split(const char *url, uint64_t *ret_port)
{
    const char *colon = strrchr(url, ':');

    *ret_port = 0;
    if (strncmp(url, "tcp://", 6) != 0 || !slice_u64(slice_str(colon + 1), ret_port))
        return slice_str(url);
    return slice_of(url, (size_t)(colon - url));
}

const char *kv_url_rank(const char *url, uint32_t rank, char ret_url[KV_URL_MAX])
{
    uint64_t port;
    struct slice place = split(url, &port);
    int n;

    if (rank == 0)
        n = snprintf(ret_url, KV_URL_MAX, "%s", url);
    else if (port == 0)
        n = snprintf(ret_url, KV_URL_MAX, "%s_dp%u", url, rank);
    else
        n = snprintf(ret_url, KV_URL_MAX, "%.*s:%llu", (int)place.len, place.at,
                     (unsigned long long)port + rank);
    if (n >= KV_URL_MAX)
        return "is too long";
    return port + rank <= UINT16_MAX ? NULL : "has no port for each rank: they end at 65535";
}

bool kv_urls_meet(const char *a, const char *b, uint32_t ranks)
{
    uint64_t port_a, port_b;

    if (!slice_eq(split(a, &port_a), split(b, &port_b)))
        return false;
    return port_a < port_b ? port_b - port_a < ranks : port_a - port_b < ranks;
}
