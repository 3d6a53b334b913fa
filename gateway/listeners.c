/*
 * Servers of a configuration, and their sockets.
 */
#include "gateway/listeners.h"

#include "gateway/proxy/process.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

bool listeners_make(struct conf *conf, const struct via *via, struct listeners *ret_listeners,
                    struct buf *errors)
{
    const struct conf_list *list = conf_section(conf, &listeners_set);
    const struct listener_conf *confs = list->items;
    struct listeners made = { .servers = xcalloc(list->count, sizeof(*made.servers)) };
    struct slice tenant = slice_str(process_conf(conf)->tenant_header);

    for (size_t i = 0; i < list->count; i++) {
        struct server *server = server_new(conf, &confs[i], tenant, via, errors);

        if (!server) {
            listeners_release(&made);
            return false;
        }
        made.servers[made.count++] = server;
    }
    *ret_listeners = made;
    return true;
}

void listeners_release(struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++)
        server_unref(listeners->servers[i]);
    free(listeners->servers);
    *listeners = (struct listeners){ .servers = NULL };
}

static bool listens(const struct listeners *listeners, const char *address)
{
    for (size_t i = 0; i < listeners->count; i++)
        if (strcmp(listeners->servers[i]->listener->address, address) == 0)
            return true;
    return false;
}

int *listeners_bind(const struct listeners *listeners, const struct listeners *before,
                    unsigned threads, struct buf *errors)
{
    size_t total = listeners->count * threads;
    int *fds = xcalloc(total + 1, sizeof(*fds));

    memset(fds, 0xff, total * sizeof(*fds));
    for (size_t i = 0; i < total; i++) {
        const char *address = listeners->servers[i / threads]->listener->address;

        if (listens(before, address))
            continue;
        /* A unix path is bound once, and its socket shared. */
        fds[i] = i % threads > 0 && slice_starts(slice_str(address), SLICE("unix:"))
                     ? dup(fds[i - 1])
                     : listener_bind(address, true);
        if (fds[i] < 0) {
            buf_printf(errors, "listener %s: %s\n", address, strerror(errno));
            listeners_close(listeners, threads, fds);
            return NULL;
        }
    }
    return fds;
}

void listeners_close(const struct listeners *listeners, unsigned threads, int *fds)
{
    for (size_t i = 0; i < listeners->count * threads; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    free(fds);
}
