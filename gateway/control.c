/*
 * The control thread.
 *
 *   boot:    load -> names -> fleet -> servers, bound -> workers start -> listen -> ready
 *   reload:  load -> names -> fleet -> servers, new addresses bound -> publish
 *            (SIGHUP, a changed file; any failure leaves everything as it was)
 *   the end: drain -> wait for exchanges, drain_timeout at most -> tell those that are left -> stop
 *            (SIGTERM, SIGINT)
 *
 * Workers are told by letters (threads.h); what they share is published in a snapshot slot.
 */
#include "gateway/control.h"

#include "gateway/access_file.h"
#include "gateway/admin.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/mailbox.h"
#include "gateway/base/metric.h"
#include "gateway/conf_files.h"
#include "gateway/io/watch.h"
#include "gateway/prompt/pipeline.h"
#include "gateway/proxy/process.h"
#include "gateway/threads.h"
#include "gateway/upstream/pool.h"
#include "routing/catalog.h"
#include "routing/hold_conf.h"
#include "routing/holdings.h"
#include "routing/names.h"
#include "routing/probe.h"
#include "routing/scrape.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define TICKETS_ROTATE_US (3600 * CLOCK_US_PER_S)
#define DRAIN_LOOK_US     (10 * CLOCK_US_PER_MS)

const struct directive_set *const all_directives[] = {
    &process_set, &listeners_set, &admin_set,    &models_set,   &pools_set,
    &classes_set, &hold_set,      &pipeline_set, &holdings_set, NULL,
};

struct control {
    struct worker *worker; /* this thread's */
    struct threads *threads;
    struct access_file *access;
    struct conf *booted; /* some of it holds as long as the process */
    struct conf *conf;
    struct conf *coming; /* a reload's that waits for names; NULL: none */
    struct fleet *fleet;
    struct snapshot_slot fleet_slot;
    struct listeners listeners;
    struct names *names;
    struct probes *probes;
    struct catalog *catalog;
    struct scraper *scraper;
    struct holdings *holdings;
    struct admin *admin;
    struct conf_files *files;
    struct watch *signals;
    int signal_fd;
    struct timer rotate_due, watch_due, silence_due, drain_due;
    uint64_t drain_until_us;
    uint64_t generation;
    uint64_t prefix_seed;  /* drawn at boot, used where the directive is left out */
    struct via via;        /* what requests that go on are marked with */
    struct letter closing; /* to itself, at the end */
    bool ready, draining;
};

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
    struct listeners listeners = { .servers = NULL };
    unsigned threads = threads_count(control->threads);
    struct fleet *fleet;
    int *fds = NULL;

    names_add(control->names, conf);
    fleet = fleet_new(conf, control->names, control->fleet, threads + 1, errors);
    if (!fleet)
        return false;
    if (!listeners_make(conf, &control->via, &listeners, errors) ||
        !(fds = listeners_bind(&listeners, &control->listeners, threads, errors)) ||
        !access_file_open(control->access, conf, errors)) {
        if (fds)
            listeners_close(&listeners, threads, fds);
        listeners_release(&listeners);
        fleet_unref(fleet);
        return false;
    }
    conf->generation = ++control->generation;
    log_level = (enum log_level)process_conf(conf)->log_level;
    listeners_release(&control->listeners);
    control->listeners = listeners;
    conf_unref(control->conf);
    control->conf = conf_ref(conf);
    names_follow(control->names, conf);
    control_publish(control, fleet);
    threads_listen(control->threads, &control->listeners, fds);
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
                 threads_count(control->threads));
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
    conf_files_reading(control->files);
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

static void on_watch_due(struct timer *timer)
{
    struct control *control = CONTAINER_OF(timer, struct control, watch_due);

    conf_files_follow(control->files, control->conf, &control->listeners);
}

/* Of the same configuration. */
static void control_renew_fleet(struct control *control)
{
    struct buf errors;
    struct fleet *fleet;

    buf_init(&errors, 1 << 20);
    fleet = fleet_new(control->conf, control->names, control->fleet,
                      threads_count(control->threads) + 1, &errors);
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

static void on_files_changed(void *user)
{
    struct control *control = user;

    if (!control->draining)
        control_reload(control);
}

static void on_rotate_due(struct timer *timer)
{
    struct control *control = CONTAINER_OF(timer, struct control, rotate_due);

    for (size_t i = 0; i < control->listeners.count; i++)
        if (control->listeners.servers[i]->tls)
            tls_context_rotate(control->listeners.servers[i]->tls);
    timer_set(&control->worker->timers, timer, control->worker->now_us + TICKETS_ROTATE_US);
}

static void on_silence_due(struct timer *timer)
{
    struct control *control = CONTAINER_OF(timer, struct control, silence_due);
    uint64_t now_us = control->worker->now_us;

    holdings_watch(control->holdings, now_us);
    timer_set(&control->worker->timers, timer, now_us + HOLDINGS_WATCH_US);
}

/* ---- draining ---- */

/* The loop goes on until all workers have ended: they may have thousands of access lines. */
static void control_stop(struct control *control)
{
    timer_clear(&control->drain_due);
    threads_stop(control->threads);
}

static void on_drain_due(struct timer *timer)
{
    struct control *control = CONTAINER_OF(timer, struct control, drain_due);
    bool idle =
        metric_total(METRIC_ID_exchanges_active) == 0 &&
        metric_total(METRIC_ID_connections_open) == (int64_t)admin_connections(control->admin) &&
        metric_total(METRIC_ID_connections_lingering) == 0;

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
    threads_drain(control->threads);
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

/* Its worker comes behind those of `threads` threads. */
static void boot_control(struct control *control, const struct conf *conf, unsigned threads)
{
    struct worker *worker = worker_new(threads, metric_shard_new());

    control->worker = worker;
    control->holdings = holdings_new(conf);
    worker->control = control;
    worker->holdings = control->holdings;
    worker->upstream = upstream_new();
    control->names = names_new(worker, on_names_changed, control);
    control->probes = probes_new(worker);
    control->catalog = catalog_new(worker, on_adapters_changed, control);
    control->scraper = scraper_new(worker);
    control->files = conf_files_new(worker, on_files_changed, control);
    timer_init(&control->rotate_due, on_rotate_due);
    timer_init(&control->watch_due, on_watch_due);
    timer_init(&control->silence_due, on_silence_due);
    timer_init(&control->drain_due, on_drain_due);
    control->signal_fd = open_signals();
    CHECK(control->signal_fd >= 0);
    control->signals = watch_new(worker, control->signal_fd, on_signal, control);
}

static void on_access_hurry(struct access_log *log, void *receiver)
{
    const struct worker *worker = receiver;

    (void)log;
    access_file_drain(worker->control->access);
}

static uint64_t draw(void)
{
    uint64_t random;

    CHECK(getrandom(&random, sizeof(random), 0) == (ssize_t)sizeof(random));
    return random;
}

static void boot_threads(struct control *control, unsigned count)
{
    struct threads_settings settings = {
        .control = control->worker,
        .count = count,
        .holdings = control->holdings,
        .fleets = &control->fleet_slot,
        .hurry = on_access_hurry,
    };

    settings.prefix_seed = control->prefix_seed = draw();
    via_init(&control->via, draw());
    control->threads = threads_new(&settings);
    control->access = access_file_new(control->worker, control->threads);
}

static void start(struct control *control)
{
    uint64_t now_us = control->worker->now_us;

    threads_start(control->threads);
    access_file_start(control->access);
    timer_set(&control->worker->timers, &control->rotate_due, now_us + TICKETS_ROTATE_US);
    timer_set(&control->worker->timers, &control->silence_due, now_us + HOLDINGS_WATCH_US);
    control->ready = true;
    log_info(NULL, "sluice " SLUICE_VERSION " is up, %u workers, %zu listeners",
             threads_count(control->threads), control->listeners.count);
    worker_run(control->worker);
}

/* ---- the end ---- */

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
    conf_files_free(control->files);
    upstream_close_all(control->worker);
    worker_stop(control->worker);
}

static void control_free(struct control *control, bool running)
{
    if (running)
        threads_join(control->threads);
    control->closing.open = close_control;
    mailbox_send(control->worker->mailbox, &control->closing);
    worker_run(control->worker);
    threads_open_last(control->threads);
    access_file_free(control->access);
    threads_free(control->threads);
    listeners_release(&control->listeners);
    snapshot_slot_release(&control->fleet_slot);
    fleet_unref(control->fleet);
    holdings_free(control->holdings);
    conf_unref(control->coming);
    conf_unref(control->conf);
    conf_unref(control->booted);
    threads_free_worker(control->worker);
    close(control->signal_fd);
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
    unsigned threads = (unsigned)process_conf(conf)->workers;

    threads = threads ? threads : allowed_processors();
    snapshot_slot_init(&control->fleet_slot);
    raise_descriptors();
    boot_control(control, conf, threads);
    boot_threads(control, threads);
    await_names(control, conf);
    /* Its address is nobody else's, so it comes first: a second gateway by mistake shares no
     * client's connection before it ends. */
    return !control->draining && admin_open(control, conf, &control->admin, errors) &&
           control_take(control, conf, errors);
}

int control_run(const char *path)
{
    struct control control = { .worker = NULL };
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
    return threads_count(control->threads);
}

struct worker *control_worker_at(struct control *control, unsigned index)
{
    return threads_worker(control->threads, index);
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
