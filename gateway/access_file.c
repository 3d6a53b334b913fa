/*
 * Opening the access log, and draining workers' rings into it.
 */
#include "gateway/access_file.h"

#include "gateway/account/access_log.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/proxy/process.h"
#include "gateway/threads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define ACCESS_DRAIN_US (50 * CLOCK_US_PER_MS)

struct access_file {
    struct worker *control;
    const struct threads *threads;
    struct timer due;
    char *path; /* what fd is open on; NULL: nothing was opened yet */
    int fd;     /* -1: lines are dropped */
};

static int open_path(const char *path)
{
    if (strcmp(path, "stdout") == 0)
        return dup(STDOUT_FILENO);
    /* a pipe that nobody reads is refused; waiting would stop all that this thread does */
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0640);
}

bool access_file_open(struct access_file *file, const struct conf *conf, struct buf *errors)
{
    const char *path = process_conf(conf)->access_log;
    bool off = strcmp(path, "off") == 0;
    int fd;

    if (file->path && strcmp(file->path, path) == 0 && strcmp(path, "stdout") == 0)
        return true;
    fd = off ? -1 : open_path(path);
    if (fd < 0 && !off) {
        buf_printf(errors, "%s: access_log %s: %s\n", conf->path, path, strerror(errno));
        return false;
    }
    if (file->fd >= 0)
        close(file->fd);
    free(file->path);
    file->fd = fd;
    file->path = xstrdup(path);
    return true;
}

void access_file_drain(struct access_file *file)
{
    for (unsigned t = 0; t < threads_count(file->threads); t++) {
        int error = access_log_drain(threads_worker(file->threads, t)->access_log, file->fd);

        if (error)
            log_error(NULL, "access log %s: %s, lines wait or are dropped", file->path,
                      strerror(error));
    }
}

static void on_due(struct timer *timer)
{
    struct access_file *file = CONTAINER_OF(timer, struct access_file, due);

    access_file_drain(file);
    timer_set(&file->control->timers, timer, file->control->now_us + ACCESS_DRAIN_US);
}

void access_file_start(struct access_file *file)
{
    timer_set(&file->control->timers, &file->due, file->control->now_us + ACCESS_DRAIN_US);
}

struct access_file *access_file_new(struct worker *control, const struct threads *threads)
{
    struct access_file *file = xcalloc(1, sizeof(*file));

    file->control = control;
    file->threads = threads;
    file->fd = -1;
    timer_init(&file->due, on_due);
    return file;
}

void access_file_free(struct access_file *file)
{
    access_file_drain(file);
    timer_clear(&file->due);
    if (file->fd >= 0)
        close(file->fd);
    free(file->path);
    free(file);
}
