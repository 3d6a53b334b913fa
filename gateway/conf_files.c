/*
 * Which files there are, and one timer between a change and the word of it.
 */
#include "gateway/conf_files.h"

#include "conf/providers/watch.h"
#include "gateway/base/clock.h"
#include "gateway/io/watch.h"
#include "routing/fleet.h"
#include "routing/fleet_recipes.h"

#include <stdlib.h>

/* A file is looked at again a little after it changed: editors and kubelets write in several steps.
 */
#define SETTLE_US (50 * CLOCK_US_PER_MS)

struct conf_files {
    struct worker *control;
    void (*changed)(void *user);
    void *user;
    struct conf_watch *seen; /* NULL: none are followed yet */
    struct watch *watch;     /* of its descriptor; NULL: it has none */
    struct timer settled;
};

static void tell_when_settled(struct conf_files *files)
{
    timer_set(&files->control->timers, &files->settled, files->control->now_us + SETTLE_US);
}

static void on_event(void *user)
{
    struct conf_files *files = user;

    if (conf_watch_changed(files->seen))
        tell_when_settled(files);
}

static void on_settled(struct timer *timer)
{
    struct conf_files *files = CONTAINER_OF(timer, struct conf_files, settled);

    files->changed(files->user);
}

static void add_pool(struct conf_watch *seen, const struct pool_conf *pool)
{
    const struct pool_tls_conf *tls = pool->tls;
    const char *paths[] = { pool->key_file, tls ? tls->ca : NULL, tls ? tls->certificate : NULL,
                            tls ? tls->key : NULL };

    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        if (paths[i])
            conf_watch_add(seen, paths[i]);
}

static void add_path(void *user, const char *path)
{
    conf_watch_add(user, path);
}

static struct conf_watch *watch_all(const struct conf *conf, const struct listeners *listeners)
{
    const struct conf_list *pools = conf_section(conf, &pools_set);
    const struct pool_conf *pool = pools->items;
    struct conf_watch *seen = conf_watch_new();

    conf_watch_add(seen, conf->path);
    for (size_t i = 0; i < listeners->count; i++)
        server_watch_files(listeners->servers[i], seen);
    for (size_t i = 0; i < pools->count; i++)
        add_pool(seen, &pool[i]);
    recipes_files(conf, add_path, seen);
    return seen;
}

void conf_files_follow(struct conf_files *files, const struct conf *conf,
                       const struct listeners *listeners)
{
    struct conf_watch *before = files->seen;

    watch_free(files->watch);
    files->watch = NULL;
    files->seen = watch_all(conf, listeners);
    if (before && conf_watch_changed(before)) /* since it was read */
        tell_when_settled(files);
    conf_watch_free(before);
    if (conf_watch_fd(files->seen) >= 0)
        files->watch = watch_new(files->control, conf_watch_fd(files->seen), on_event, files);
}

void conf_files_reading(struct conf_files *files)
{
    timer_clear(&files->settled);
    if (files->seen)
        (void)conf_watch_changed(files->seen);
}

struct conf_files *conf_files_new(struct worker *control, void (*changed)(void *user), void *user)
{
    struct conf_files *files = xcalloc(1, sizeof(*files));

    files->control = control;
    files->changed = changed;
    files->user = user;
    timer_init(&files->settled, on_settled);
    return files;
}

void conf_files_free(struct conf_files *files)
{
    timer_clear(&files->settled);
    watch_free(files->watch);
    conf_watch_free(files->seen);
    free(files);
}
