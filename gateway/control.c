/*
 * The control thread.
 *
 *   boot:    load -> names -> fleet -> servers, bound -> workers start -> listen -> ready
 *   reload:  load -> names -> fleet -> servers, new addresses bound -> publish
 *            (SIGHUP, a changed file; any failure leaves everything as it was)
 *   the end: drain -> wait for exchanges, drain_timeout at most -> tell those that are left -> stop
 *            (SIGTERM, SIGINT)
 *
 * Workers are told by letters; what they share is published in a snapshot slot.
 */
#include "gateway/control.h"

#include "conf/providers/watch.h"
#include "gateway/account/access_log.h"
#include "gateway/admin.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/mailbox.h"
#include "gateway/base/metric.h"
#include "gateway/io/resolve.h"
#include "gateway/io/watch.h"
#include "gateway/prompt/pipeline.h"
#include "gateway/proxy/exchanges.h"
#include "gateway/proxy/process.h"
#include "gateway/proxy/server.h"
#include "gateway/upstream/pool.h"
#include "routing/catalog.h"
#include "routing/fleet_recipes.h"
#include "routing/hold_conf.h"
#include "routing/holdings.h"
#include "routing/names.h"
#include "routing/probe.h"
#include "routing/scrape.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define ACCESS_DRAIN_US   (50 * CLOCK_US_PER_MS)
#define TICKETS_ROTATE_US (3600 * CLOCK_US_PER_S)
/* A file is looked at again a little after it changed: editors and kubelets write in several steps.
 */
#define RELOAD_SETTLE_US (50 * CLOCK_US_PER_MS)
#define DRAIN_LOOK_US    (10 * CLOCK_US_PER_MS)
/* Clients that are told at the end why there is no answer have so long to take it. */
#define LAST_WORDS_US  (500 * CLOCK_US_PER_MS)
#define CLOSED_LOOK_US CLOCK_US_PER_MS

const struct directive_set *const all_directives[] = {
    &process_set, &listeners_set, &admin_set,    &models_set,   &pools_set,
    &classes_set, &hold_set,      &pipeline_set, &holdings_set, NULL,
};

struct control_thread { /* a worker and what it alone touches */
    struct worker *worker;
    struct clients *clients;
};

struct control {
    struct worker *worker; /* this thread's */
    struct control_thread *threads;
    struct worker **workers; /* of the threads */
    unsigned thread_count;
    struct conf *booted; /* some of it holds as long as the process */
    struct conf *conf;
    struct conf *coming; /* a reload's that waits for names; NULL: none */
    struct fleet *fleet;
    struct snapshot_slot fleet_slot;
    struct server **servers;
    size_t server_count;
    struct names *names;
    struct probes *probes;
    struct catalog *catalog;
    struct scraper *scraper;
    struct holdings *holdings;
    struct admin *admin;
    struct conf_watch *conf_watch;
    struct watch *signals, *file;
    int signal_fd, access_fd;
    char *access_path; /* what access_fd is open on */
    struct timer access_due, rotate_due, reload_due, watch_due, drain_due;
    uint64_t drain_until_us;
    uint64_t generation;
    uint64_t prefix_seed;  /* drawn at boot, used where the directive is left out */
    struct letter closing; /* to itself, at the end */
    unsigned threads_running;
    bool ready, draining, stopping;
};

/* ---- letters to workers ---- */

struct order {
    struct letter letter;
    struct control *control;
    unsigned index;    /* order_close's: of the worker whose turn it is */
    struct timer look; /* order_stop's */
    uint64_t close_us; /* when it closes what is left */
    struct worker *worker;
    struct clients *clients;
    struct server **servers; /* reffed */
    int *fds;
    size_t count;
};

static void order_listen(struct letter *letter, void *receiver)
{
    struct order *order = CONTAINER_OF(letter, struct order, letter);

    (void)receiver;
    clients_listen(order->clients, order->servers, order->fds, order->count);
    for (size_t i = 0; i < order->count; i++)
        server_unref(order->servers[i]);
    free(order->servers);
    free(order->fds);
    free(order);
}

static void order_drain(struct letter *letter, void *receiver)
{
    struct order *order = CONTAINER_OF(letter, struct order, letter);

    (void)receiver;
    clients_drain(order->clients);
    free(order);
}

static void on_stopped(struct letter *letter, void *receiver)
{
    struct order *order = CONTAINER_OF(letter, struct order, letter);

    if (--order->control->threads_running == 0)
        worker_stop(receiver);
    free(order);
}

/* The thread ends when the last connection has been freed. */
static void stop_when_empty(struct timer *timer)
{
    struct order *order = CONTAINER_OF(timer, struct order, look);
    struct worker *worker = order->worker;

    if (clients_count(order->clients) > 0) {
        if (worker->now_us >= order->close_us)
            clients_close(order->clients);
        timer_set(&worker->timers, timer, worker->now_us + CLOSED_LOOK_US);
        return;
    }
    upstream_close_all(worker);
    worker_stop(worker);
    order->letter.open = on_stopped;
    mailbox_send(order->control->worker->mailbox, &order->letter);
}

/* Who waits, or is being answered, hears that it ends; connections close behind it. */
static void order_stop(struct letter *letter, void *receiver)
{
    struct order *order = CONTAINER_OF(letter, struct order, letter);

    order->worker = receiver;
    order->close_us = order->worker->now_us + LAST_WORDS_US;
    timer_init(&order->look, stop_when_empty);
    clients_drain(order->clients);
    exchanges_end(order->worker->exchanges, &reason_draining);
    stop_when_empty(&order->look);
}

static void send_order(struct control *control, unsigned index,
                       void (*open)(struct letter *, void *))
{
    struct control_thread *thread = &control->threads[index];
    struct order *order = xcalloc(1, sizeof(*order));

    order->control = control;
    order->index = index;
    order->clients = thread->clients;
    order->letter.open = open;
    mailbox_send(thread->worker->mailbox, &order->letter);
}

/* From worker to worker, until all homes are closed: one that ends makes room, and nobody shall be
 * sent to an engine for it only to be stopped there. */
static void order_close(struct letter *letter, void *receiver)
{
    struct order *order = CONTAINER_OF(letter, struct order, letter);
    struct control *control = order->control;
    const struct worker *worker = receiver;

    exchanges_close(worker->exchanges);
    if (++order->index < control->thread_count) {
        mailbox_send(control->workers[order->index]->mailbox, letter);
        return;
    }
    for (unsigned t = 0; t < control->thread_count; t++)
        send_order(control, t, order_stop);
    free(order);
}

/* ---- listeners ---- */

static struct server *control_server(const struct control *control, const char *address)
{
    for (size_t i = 0; i < control->server_count; i++)
        if (strcmp(control->servers[i]->listener->address, address) == 0)
            return control->servers[i];
    return NULL;
}

static void servers_free(struct server **servers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        server_unref(servers[i]);
    free(servers);
}

static bool servers_make(struct conf *conf, struct server ***ret_servers, size_t *ret_count,
                         struct buf *errors)
{
    const struct conf_list *list = conf_section(conf, &listeners_set);
    const struct listener_conf *confs = list->items;
    struct server **servers = xcalloc(list->count, sizeof(*servers));
    struct slice tenant = slice_str(process_conf(conf)->tenant_header);

    for (size_t i = 0; i < list->count; i++) {
        servers[i] = server_new(conf, &confs[i], tenant, errors);
        if (!servers[i]) {
            servers_free(servers, i);
            return false;
        }
    }
    *ret_servers = servers;
    *ret_count = list->count;
    return true;
}

static void fds_close(int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    free(fds);
}

/* A socket for every new address and thread: fds[server * threads + thread]; -1 where one listens
 * already. */
static int *servers_bind(const struct control *control, struct server **servers, size_t count,
                         struct buf *errors)
{
    size_t total = count * control->thread_count;
    int *fds = xcalloc(total + 1, sizeof(*fds));

    memset(fds, 0xff, total * sizeof(*fds));
    for (size_t i = 0; i < total; i++) {
        const char *address = servers[i / control->thread_count]->listener->address;

        if (control_server(control, address))
            continue;
        /* A unix path is bound once, and its socket shared. */
        fds[i] = i % control->thread_count > 0 && slice_starts(slice_str(address), SLICE("unix:"))
                     ? dup(fds[i - 1])
                     : listener_bind(address, true);
        if (fds[i] < 0) {
            buf_printf(errors, "listener %s: %s\n", address, strerror(errno));
            fds_close(fds, total);
            return NULL;
        }
    }
    return fds;
}

static void control_listen(struct control *control, const int *fds)
{
    size_t count = control->server_count;

    for (unsigned t = 0; t < control->thread_count; t++) {
        struct order *order = xcalloc(1, sizeof(*order));

        order->letter.open = order_listen;
        order->clients = control->threads[t].clients;
        order->servers = xcalloc(count, sizeof(*order->servers));
        order->fds = xcalloc(count, sizeof(*order->fds));
        order->count = count;
        for (size_t i = 0; i < count; i++) {
            order->servers[i] = server_ref(control->servers[i]);
            order->fds[i] = fds[i * control->thread_count + t];
        }
        mailbox_send(control->threads[t].worker->mailbox, &order->letter);
    }
}

/* ---- the access log ---- */

static bool access_open(struct control *control, const struct conf *conf, struct buf *errors)
{
    const char *path = process_conf(conf)->access_log;
    int fd;

    if (control->access_path && strcmp(control->access_path, path) == 0 &&
        strcmp(path, "stdout") == 0)
        return true;
    if (strcmp(path, "off") == 0)
        fd = -1;
    else if (strcmp(path, "stdout") == 0)
        fd = dup(STDOUT_FILENO);
    else /* a pipe that nobody reads is refused; waiting would stop all that this thread does */
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0640);
    if (fd < 0 && strcmp(path, "off") != 0) {
        buf_printf(errors, "%s: access_log %s: %s\n", conf->path, path, strerror(errno));
        return false;
    }
    if (control->access_fd >= 0)
        close(control->access_fd);
    free(control->access_path);
    control->access_fd = fd;
    control->access_path = xstrdup(path);
    return true;
}

static void access_drain(struct control *control)
{
    for (unsigned t = 0; t < control->thread_count; t++) {
        int error = access_log_drain(control->threads[t].worker->access_log, control->access_fd);

        if (error)
            log_error(NULL, "access log %s: %s, lines wait or are dropped", control->access_path,
                      strerror(error));
    }
}

static void on_access_due(struct timer *timer)
{
    struct control *control = CONTAINER_OF(timer, struct control, access_due);

    access_drain(control);
    timer_set(&control->worker->timers, timer, control->worker->now_us + ACCESS_DRAIN_US);
}

static void on_access_hurry(struct access_log *log, void *receiver)
{
    const struct worker *worker = receiver;

    (void)log;
    access_drain(worker->control);
}

/* ---- taking a configuration over ---- */

static void count_reload(struct control *control, const char *outcome)
{
    struct slice label = slice_str(outcome);

    metric_series_add(metric_series(control->worker->metrics, METRIC_ID_config_reloads, &label), 1);
}

static void control_publish(struct control *control, struct fleet *fleet)
{
    struct fleet *before = control->fleet;

    fleet_retire(before, fleet);
    holdings_follow(control->holdings, fleet,
                    process_prefix_seed(fleet->conf, control->prefix_seed));
    control->fleet = fleet;
    snapshot_publish(&control->fleet_slot, &fleet_ref(fleet)->snapshot);
    probes_follow(control->probes, fleet);
    catalog_follow(control->catalog, fleet);
    scraper_follow(control->scraper, fleet);
    for (size_t i = 0; i < fleet->pool_count; i++)
        room_made(fleet->pools[i].state); /* where endpoints were added */
    fleet_unref(before);
}

/* Everything that can fail, then everything that cannot. */
static bool control_take(struct control *control, struct conf *conf, struct buf *errors)
{
    struct server **servers = NULL;
    size_t count = 0;
    struct fleet *fleet;
    int *fds = NULL;

    names_add(control->names, conf);
    fleet = fleet_new(conf, control->names, control->fleet, control->thread_count + 1, errors);
    if (!fleet)
        return false;
    if (!servers_make(conf, &servers, &count, errors) ||
        !(fds = servers_bind(control, servers, count, errors)) ||
        !access_open(control, conf, errors)) {
        if (fds)
            fds_close(fds, count * control->thread_count);
        servers_free(servers, count);
        fleet_unref(fleet);
        return false;
    }
    conf->generation = ++control->generation;
    log_level = (enum log_level)process_conf(conf)->log_level;
    servers_free(control->servers, control->server_count);
    control->servers = servers;
    control->server_count = count;
    conf_unref(control->conf);
    control->conf = conf_ref(conf);
    names_follow(control->names, conf);
    control_publish(control, fleet);
    control_listen(control, fds);
    free(fds);
    timer_set(&control->worker->timers, &control->watch_due, control->worker->now_us);
    return true;
}

static void log_errors(struct buf *errors)
{
    struct slice rest = buf_join(errors);

    while (rest.len > 0) {
        struct slice line = slice_cut(&rest, '\n');

        log_error(NULL, "%.*s", SLICE_ARGS(line));
    }
}

static void refuse_reload(struct control *control, struct buf *errors)
{
    log_errors(errors);
    names_follow(control->names, control->conf);
    count_reload(control, "refused");
    log_error(NULL, "%s was refused, configuration %llu stays", control->conf->path,
              (unsigned long long)control->generation);
}

/* What the process was started with and keeps: said at each reload, as long as it is so. */
static void warn_of_restart(const struct control *control, const struct conf *coming)
{
    if (process_conf(control->booted)->workers != process_conf(coming)->workers)
        log_warn(NULL, "another number of workers needs a restart, there are %u still",
                 control->thread_count);
    if (holdings_resize(control->booted, coming))
        log_warn(NULL, "another size of the prefix index needs a restart, the old one stays");
    if (admin_moves(control->booted, coming))
        log_warn(NULL, "another admin address needs a restart, the old one stays");
}

/* Takes over what a reload has read, once its names are known: no pool shall begin empty. */
static void control_finish_reload(struct control *control)
{
    struct conf *conf = control->coming;
    struct buf errors;

    if (!conf || !names_are_settled(control->names))
        return;
    control->coming = NULL;
    buf_init(&errors, 1 << 20);
    warn_of_restart(control, conf);
    if (control_take(control, conf, &errors)) {
        count_reload(control, "ok");
        log_info(NULL, "configuration %llu is live", (unsigned long long)control->generation);
    } else {
        refuse_reload(control, &errors);
    }
    conf_unref(conf);
    buf_release(&errors);
}

static void control_reload(struct control *control)
{
    struct buf errors;
    struct conf *conf;

    buf_init(&errors, 1 << 20);
    timer_clear(&control->reload_due);
    if (control->conf_watch)
        (void)conf_watch_changed(control->conf_watch); /* what is there now is what is read */
    conf = conf_load(control->conf->path, all_directives, &errors);
    conf_unref(control->coming);
    control->coming = conf;
    if (!conf) {
        refuse_reload(control, &errors);
    } else {
        names_add(control->names, conf);
        control_finish_reload(control);
    }
    buf_release(&errors);
}

static void on_file_event(void *user)
{
    struct control *control = user;

    if (conf_watch_changed(control->conf_watch))
        timer_set(&control->worker->timers, &control->reload_due,
                  control->worker->now_us + RELOAD_SETTLE_US);
}

static void watch_pool(struct conf_watch *watch, const struct pool_conf *pool)
{
    const struct pool_tls_conf *tls = pool->tls;
    const char *files[] = { pool->key_file, tls ? tls->ca : NULL, tls ? tls->certificate : NULL,
                            tls ? tls->key : NULL };

    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        if (files[i])
            conf_watch_add(watch, files[i]);
}

static void watch_file(void *user, const char *path)
{
    conf_watch_add(user, path);
}

/* What is read again when it changes: the configuration and every file it names. */
static void control_watch_files(struct control *control)
{
    const struct conf_list *pools = conf_section(control->conf, &pools_set);
    const struct pool_conf *pool = pools->items;
    struct conf_watch *before = control->conf_watch;

    watch_free(control->file);
    control->conf_watch = conf_watch_new();
    conf_watch_add(control->conf_watch, control->conf->path);
    for (size_t i = 0; i < control->server_count; i++)
        server_watch_files(control->servers[i], control->conf_watch);
    for (size_t i = 0; i < pools->count; i++)
        watch_pool(control->conf_watch, &pool[i]);
    recipes_files(control->conf, watch_file, control->conf_watch);
    if (before && conf_watch_changed(before)) /* since it was read */
        timer_set(&control->worker->timers, &control->reload_due,
                  control->worker->now_us + RELOAD_SETTLE_US);
    conf_watch_free(before);
    control->file = NULL;
    if (conf_watch_fd(control->conf_watch) >= 0)
        control->file =
            watch_new(control->worker, conf_watch_fd(control->conf_watch), on_file_event, control);
}

static void on_watch_due(struct timer *timer)
{
    control_watch_files(CONTAINER_OF(timer, struct control, watch_due));
}

/* Of the same configuration. */
static void control_renew_fleet(struct control *control)
{
    struct buf errors;
    struct fleet *fleet;

    buf_init(&errors, 1 << 20);
    fleet = fleet_new(control->conf, control->names, control->fleet, control->thread_count + 1,
                      &errors);
    if (fleet)
        control_publish(control, fleet);
    log_errors(&errors);
    buf_release(&errors);
}

static void on_names_changed(void *user)
{
    struct control *control = user;

    if (!control->fleet) { /* boot waits for this */
        if (names_are_settled(control->names))
            worker_stop(control->worker);
        return;
    }
    control_renew_fleet(control);
    if (!control->draining)
        control_finish_reload(control);
}

static void on_adapters_changed(void *user)
{
    control_renew_fleet(user);
}

static void on_reload_due(struct timer *timer)
{
    struct control *control = CONTAINER_OF(timer, struct control, reload_due);

    if (!control->draining)
        control_reload(control);
}

static void on_rotate_due(struct timer *timer)
{
    struct control *control = CONTAINER_OF(timer, struct control, rotate_due);

    for (size_t i = 0; i < control->server_count; i++)
        if (control->servers[i]->tls)
            tls_context_rotate(control->servers[i]->tls);
    timer_set(&control->worker->timers, timer, control->worker->now_us + TICKETS_ROTATE_US);
}

/* ---- draining ---- */

/* The loop goes on until all workers have ended: they may have thousands of access lines. */
static void control_stop(struct control *control)
{
    timer_clear(&control->drain_due);
    if (!control->stopping)
        send_order(control, 0, order_close);
    control->stopping = true;
}

static void on_drain_due(struct timer *timer)
{
    struct control *control = CONTAINER_OF(timer, struct control, drain_due);
    bool idle =
        metric_total(METRIC_ID_exchanges_active) == 0 &&
        metric_total(METRIC_ID_connections_open) == (int64_t)admin_connections(control->admin);

    if (idle || control->worker->now_us >= control->drain_until_us)
        control_stop(control);
    else
        timer_set(&control->worker->timers, timer, control->worker->now_us + DRAIN_LOOK_US);
}

/* A second signal does not wait. */
static void control_drain(struct control *control)
{
    uint64_t now_us = control->worker->now_us;

    if (control->draining) {
        control_stop(control);
        return;
    }
    log_info(NULL, "draining, %llu exchanges under way",
             (unsigned long long)metric_total(METRIC_ID_exchanges_active));
    control->draining = true;
    control->drain_until_us = now_us + process_conf(control->conf)->drain_timeout * CLOCK_US_PER_MS;
    for (unsigned t = 0; t < control->thread_count; t++)
        send_order(control, t, order_drain);
    timer_set(&control->worker->timers, &control->drain_due, now_us + DRAIN_LOOK_US);
}

/* While boot waits for names there is nothing to drain. */
static void control_end(struct control *control)
{
    if (control->fleet) {
        control_drain(control);
        return;
    }
    control->draining = true;
    worker_stop(control->worker);
}

static void on_signal(void *user)
{
    struct control *control = user;
    struct signalfd_siginfo info;

    while (read(control->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo != SIGHUP)
            control_end(control);
        else if (control->fleet && !control->draining)
            control_reload(control);
    }
}

/* ---- boot ---- */

static unsigned allowed_processors(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

/* As many descriptors as the system lets us have: two a client are needed. */
static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Blocked in every thread, read here. */
static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void boot_control(struct control *control, const struct conf *conf)
{
    struct worker *worker = worker_new(control->thread_count, metric_shard_new());

    control->worker = worker;
    control->holdings = holdings_new(conf);
    worker->control = control;
    worker->holdings = control->holdings;
    worker->upstream = upstream_new();
    control->names = names_new(worker, on_names_changed, control);
    control->probes = probes_new(worker);
    control->catalog = catalog_new(worker, on_adapters_changed, control);
    control->scraper = scraper_new(worker);
    timer_init(&control->access_due, on_access_due);
    timer_init(&control->rotate_due, on_rotate_due);
    timer_init(&control->reload_due, on_reload_due);
    timer_init(&control->watch_due, on_watch_due);
    timer_init(&control->drain_due, on_drain_due);
    control->signal_fd = open_signals();
    CHECK(control->signal_fd >= 0);
    control->signals = watch_new(worker, control->signal_fd, on_signal, control);
}

static void boot_thread(struct control *control, unsigned index)
{
    struct worker *worker = worker_new(index, metric_shard_new());

    worker->upstream = upstream_new();
    worker->holdings = control->holdings;
    worker->exchanges = exchanges_new(worker, control->prefix_seed);
    worker->access_log = access_log_new(worker->metrics, control->worker->mailbox, on_access_hurry);
    worker->fleet_view = fleet_view_new(&control->fleet_slot);
    control->threads[index] = (struct control_thread){ worker, clients_new(worker) };
}

static void boot_threads(struct control *control)
{
    CHECK(getrandom(&control->prefix_seed, sizeof(control->prefix_seed), 0) ==
          (ssize_t)sizeof(control->prefix_seed));
    control->threads = xcalloc(control->thread_count, sizeof(*control->threads));
    control->workers = xcalloc(control->thread_count, sizeof(*control->workers));
    for (unsigned t = 0; t < control->thread_count; t++)
        boot_thread(control, t);
    for (unsigned t = 0; t < control->thread_count; t++) {
        control->workers[t] = control->threads[t].worker;
        exchanges_meet(control->workers[t]->exchanges, control->workers, control->thread_count);
    }
}

static void start(struct control *control)
{
    uint64_t now_us = control->worker->now_us;

    for (unsigned t = 0; t < control->thread_count; t++)
        worker_start(control->threads[t].worker);
    control->threads_running = control->thread_count;
    timer_set(&control->worker->timers, &control->access_due, now_us + ACCESS_DRAIN_US);
    timer_set(&control->worker->timers, &control->rotate_due, now_us + TICKETS_ROTATE_US);
    control->ready = true;
    log_info(NULL, "sluice " SLUICE_VERSION " is up, %u workers, %zu listeners",
             control->thread_count, control->server_count);
    worker_run(control->worker);
}

/* ---- the end ---- */

static void free_worker(struct worker *worker)
{
    struct metric_shard *metrics = worker->metrics;

    upstream_free(worker->upstream);
    worker_free(worker);
    metric_shard_free(metrics);
}

static void free_threads(struct control *control)
{
    for (unsigned t = 0; t < control->thread_count; t++) {
        struct control_thread *thread = &control->threads[t];

        access_log_drain(thread->worker->access_log, control->access_fd);
        clients_free(thread->clients);
        exchanges_free(thread->worker->exchanges);
        fleet_view_free(thread->worker->fleet_view);
        access_log_free(thread->worker->access_log);
        free_worker(thread->worker);
    }
    free(control->threads);
    free(control->workers);
}

/* In a last turn of the control loop, when no other thread runs any more. */
static void close_control(struct letter *letter, void *receiver)
{
    struct control *control = CONTAINER_OF(letter, struct control, closing);

    (void)receiver;
    admin_free(control->admin);
    probes_free(control->probes);
    catalog_free(control->catalog);
    scraper_free(control->scraper);
    names_free(control->names);
    watch_free(control->signals);
    watch_free(control->file);
    conf_watch_free(control->conf_watch);
    upstream_close_all(control->worker);
    worker_stop(control->worker);
}

static void join_threads(struct control *control)
{
    for (unsigned t = 0; t < control->thread_count; t++)
        worker_join(control->threads[t].worker);
}

/* What workers had sent each other when their threads ended, and what comes of it. */
static void open_last_letters(struct control *control)
{
    bool opened;

    do {
        opened = false;
        for (unsigned t = 0; t < control->thread_count; t++)
            opened |= mailbox_open_all(control->workers[t]->mailbox);
    } while (opened);
}

static void control_free(struct control *control, bool running)
{
    if (running)
        join_threads(control);
    control->closing.open = close_control;
    mailbox_send(control->worker->mailbox, &control->closing);
    worker_run(control->worker);
    open_last_letters(control);
    free_threads(control);
    servers_free(control->servers, control->server_count);
    snapshot_slot_release(&control->fleet_slot);
    fleet_unref(control->fleet);
    holdings_free(control->holdings);
    conf_unref(control->coming);
    conf_unref(control->conf);
    conf_unref(control->booted);
    free_worker(control->worker);
    close(control->signal_fd);
    if (control->access_fd >= 0)
        close(control->access_fd);
    free(control->access_path);
}

/* Pools of "dns:" endpoints begin with addresses; each question has its deadline. */
static void await_names(struct control *control, const struct conf *conf)
{
    names_add(control->names, conf);
    if (!names_are_settled(control->names))
        worker_run(control->worker);
}

static bool boot(struct control *control, struct conf *conf, struct buf *errors)
{
    snapshot_slot_init(&control->fleet_slot);
    raise_descriptors();
    boot_control(control, conf);
    boot_threads(control);
    await_names(control, conf);
    /* Its address is nobody else's, so it comes first: a second gateway by mistake shares no
     * client's connection before it ends. */
    return !control->draining && admin_open(control, conf, &control->admin, errors) &&
           control_take(control, conf, errors);
}

int control_run(const char *path)
{
    struct control control = { .access_fd = -1 };
    struct buf errors;
    struct conf *conf;
    bool booted;

    buf_init(&errors, 1 << 20);
    conf = conf_load(path, all_directives, &errors);
    if (!conf) {
        log_errors(&errors);
        buf_release(&errors);
        return 1;
    }
    control.thread_count = (unsigned)process_conf(conf)->workers;
    control.thread_count = control.thread_count ? control.thread_count : allowed_processors();
    control.booted = conf;
    booted = boot(&control, conf, &errors);
    if (booted)
        start(&control);
    else
        log_errors(&errors);
    buf_release(&errors);
    control_free(&control, booted);
    return booted ? 0 : 1;
}

/* ---- for the admin listener ---- */

struct worker *control_worker(struct control *control)
{
    return control->worker;
}

unsigned control_worker_count(const struct control *control)
{
    return control->thread_count;
}

struct worker *control_worker_at(struct control *control, unsigned index)
{
    return control->threads[index].worker;
}

const struct conf *control_conf(const struct control *control)
{
    return control->conf;
}

struct fleet *control_fleet(struct control *control)
{
    return control->fleet;
}

bool control_is_ready(const struct control *control)
{
    return control->ready && !control->draining;
}
