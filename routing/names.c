/*
 * The followed names: one question each under way or one timer until the next.
 */
#include "routing/names.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/map.h"
#include "routing/fleet.h"

#include <stdlib.h>

#define NAME_TIMEOUT_MS 10000
#define NAME_RETRY_US   (5 * CLOCK_US_PER_S) /* after a failure */

struct name {
    struct names *names;
    char *host;
    bool followed, answered;
    struct resolve_question *question;
    struct timer again;
    char **addresses; /* sorted */
    size_t count;
};

struct names {
    struct worker *control;
    struct map by_host;
    void (*on_change)(void *user);
    void *user;
    struct defer changed;
};

static void name_ask(struct name *name);

static void names_changed(struct defer *defer)
{
    struct names *names = CONTAINER_OF(defer, struct names, changed);

    names->on_change(names->user);
}

struct names *names_new(struct worker *control, void (*on_change)(void *user), void *user)
{
    struct names *names = xcalloc(1, sizeof(*names));

    names->control = control;
    names->on_change = on_change;
    names->user = user;
    map_init(&names->by_host);
    defer_init(&names->changed, names_changed);
    return names;
}

static void addresses_free(char **addresses, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(addresses[i]);
    free(addresses);
}

static void name_free(struct name *name)
{
    if (name->question)
        resolve_cancel(name->question);
    timer_clear(&name->again);
    addresses_free(name->addresses, name->count);
    free(name->host);
    free(name);
}

void names_free(struct names *names)
{
    struct name *name;
    size_t at = 0;

    while ((name = map_next(&names->by_host, &at)))
        name_free(name);
    map_release(&names->by_host);
    defer_cancel(&names->changed);
    free(names);
}

static int address_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* An address without its port, as text. */
static char *address_text(const union resolve_address *address)
{
    char text[RESOLVE_TEXT_SIZE];
    struct slice s = resolve_address_text(address, text);

    while (s.len > 0 && s.at[s.len - 1] != ':')
        s.len--;
    s.len -= s.len > 0;
    if (s.len > 1 && s.at[0] == '[')
        s = slice_of(s.at + 1, s.len - 2);
    return slice_dup(s);
}

/* Takes over the answer; whether it differs from what was known. */
static bool name_take(struct name *name, const struct resolve_answer *answer)
{
    char **addresses = xcalloc(answer->count, sizeof(*addresses));
    bool same = answer->count == name->count;

    for (size_t i = 0; i < answer->count; i++)
        addresses[i] = address_text(&answer->addresses[i]);
    qsort(addresses, answer->count, sizeof(*addresses), address_order);
    for (size_t i = 0; same && i < answer->count; i++)
        same = strcmp(addresses[i], name->addresses[i]) == 0;
    addresses_free(name->addresses, name->count);
    name->addresses = addresses;
    name->count = answer->count;
    return !same;
}

static void on_answer(void *user, const struct reason *reason, const struct resolve_answer *answer)
{
    struct name *name = user;
    struct names *names = name->names;
    uint64_t wait_us = reason ? NAME_RETRY_US : answer->ttl_s * CLOCK_US_PER_S;
    bool first = !name->answered;
    bool changed = !reason && name_take(name, answer);

    name->question = NULL;
    name->answered = true;
    if (reason)
        log_warn(NULL, "resolving %s: %s; its last %zu addresses stay", name->host, reason->text,
                 name->count);
    else if (changed)
        log_info(NULL, "%s has %zu addresses", name->host, name->count);
    if (changed || first)
        worker_defer(names->control, WORKER_WAKE, &names->changed);
    timer_set(&names->control->timers, &name->again, names->control->now_us + wait_us);
}

static void on_again(struct timer *timer)
{
    name_ask(CONTAINER_OF(timer, struct name, again));
}

static void name_ask(struct name *name)
{
    name->question = resolve(name->names->control->resolver, slice_str(name->host), 0,
                             NAME_TIMEOUT_MS, on_answer, name);
}

static void names_follow_host(struct names *names, struct slice host)
{
    struct name *name = map_get(&names->by_host, host);

    if (!name) {
        name = xcalloc(1, sizeof(*name));
        name->names = names;
        name->host = slice_dup(host);
        timer_init(&name->again, on_again);
        map_put(&names->by_host, slice_str(name->host), name);
        name_ask(name);
    }
    name->followed = true;
}

static void names_forget_unfollowed(struct names *names)
{
    struct name *name;
    size_t at = 0;

    while ((name = map_next(&names->by_host, &at)))
        if (!name->followed) {
            map_remove(&names->by_host, slice_str(name->host));
            name_free(name);
            at = 0; /* the map has changed */
        }
}

void names_add(struct names *names, const struct conf *conf)
{
    const struct conf_list *list = conf_section(conf, &pools_set);
    const struct pool_conf *pools = list->items;

    for (size_t i = 0; i < list->count; i++)
        for (size_t j = 0; j < pools[i].endpoints.count; j++) {
            bool dns;
            struct slice text = endpoint_url(pools[i].endpoints.at[j], &dns);
            struct origin_url url;

            if (dns && origin_url_parse(text, &url))
                names_follow_host(names, url.host);
        }
}

void names_follow(struct names *names, const struct conf *conf)
{
    struct name *name;
    size_t at = 0;

    while ((name = map_next(&names->by_host, &at)))
        name->followed = false;
    names_add(names, conf);
    names_forget_unfollowed(names);
}

const char *const *names_addresses(const struct names *names, struct slice host, size_t *ret_count)
{
    const struct name *name = names ? map_get(&names->by_host, host) : NULL;

    *ret_count = name ? name->count : 0;
    return name ? (const char *const *)name->addresses : NULL;
}

bool names_are_settled(const struct names *names)
{
    const struct name *name;
    size_t at = 0;

    while ((name = map_next(&names->by_host, &at)))
        if (!name->answered)
            return false;
    return true;
}
