/*
 * A path is watched through two folders: the one it is written in and the one its file really lies
 * in. They are looked up again whenever something happened, as links may lead elsewhere by then.
 */
#include "conf/providers/watch.h"

#include "gateway/base/list.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* IN_MODIFY is left out: a file that is being written is not yet one to read. */
#define FOLDER_EVENTS                                                                              \
    (IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_ATTRIB |            \
     IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

/* What tells a file from another and from itself rewritten. */
struct identity {
    bool exists;
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified;
};

struct watched {
    struct list link;
    char *path;
    struct identity seen;
    bool told;       /* an event named it since it was last asked for */
    char *folder[2]; /* as written; of the file it leads to. NULL: not known */
    int wd[2];       /* -1: none */
};

struct conf_watch {
    int fd;
    struct list files;
};

static struct identity identity_of(const char *path)
{
    struct identity identity;
    struct stat st;

    memset(&identity, 0, sizeof(identity)); /* they are compared as bytes */
    if (stat(path, &st) < 0)
        return identity;
    identity.exists = true;
    identity.device = st.st_dev;
    identity.inode = st.st_ino;
    identity.size = st.st_size;
    identity.modified = st.st_mtim;
    return identity;
}

/* Cuts the name off; `path` becomes the folder. */
static char *folder_of(char *path)
{
    char *slash = strrchr(path, '/');

    if (!slash)
        return strcpy(xrealloc(path, 2), ".");
    slash[slash == path ? 1 : 0] = '\0';
    return path;
}

/*
 * Follows the folders anew; adding a folder that is watched already gives its number again. A
 * folder that is no longer led to stays watched until it is removed, as those of ConfigMaps are: it
 * costs a needless look at most.
 */
static void folders_watch(struct conf_watch *watch, struct watched *file)
{
    char *real = realpath(file->path, NULL);

    if (real) {
        free(file->folder[1]);
        file->folder[1] = folder_of(real);
    }
    for (size_t i = 0; i < ARRAY_LEN(file->folder); i++)
        file->wd[i] = watch->fd >= 0 && file->folder[i]
                          ? inotify_add_watch(watch->fd, file->folder[i], FOLDER_EVENTS)
                          : -1;
}

struct conf_watch *conf_watch_new(void)
{
    struct conf_watch *watch = xcalloc(1, sizeof(*watch));

    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    list_init(&watch->files);
    return watch;
}

static void watched_free(struct watched *file)
{
    list_remove(&file->link);
    free(file->path);
    free(file->folder[0]);
    free(file->folder[1]);
    free(file);
}

void conf_watch_free(struct conf_watch *watch)
{
    if (!watch)
        return;
    while (!list_is_empty(&watch->files))
        watched_free(CONTAINER_OF(watch->files.next, struct watched, link));
    if (watch->fd >= 0)
        close(watch->fd);
    free(watch);
}

static bool is_watched(const struct conf_watch *watch, const char *path)
{
    LIST_FOREACH (at, &watch->files)
        if (strcmp(CONTAINER_OF(at, struct watched, link)->path, path) == 0)
            return true;
    return false;
}

void conf_watch_add(struct conf_watch *watch, const char *path)
{
    struct watched *file;

    if (is_watched(watch, path))
        return;
    file = xcalloc(1, sizeof(*file));
    file->path = xstrdup(path);
    file->folder[0] = folder_of(xstrdup(path));
    folders_watch(watch, file); /* before the look: what happens in between is noted */
    file->seen = identity_of(path);
    list_push(&watch->files, &file->link);
}

int conf_watch_fd(const struct conf_watch *watch)
{
    return watch->fd;
}

/* Rewritten within one tick of the file system's clock, a file may look as before; the event does
 * not. */
static bool is_about(const struct inotify_event *event, const struct watched *file)
{
    const char *slash = strrchr(file->path, '/');

    if (!(event->mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) || event->len == 0)
        return false;
    return event->wd == file->wd[0] && strcmp(event->name, slash ? slash + 1 : file->path) == 0;
}

static void events_tell(struct conf_watch *watch, const char *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        const struct inotify_event *event = (const void *)(bytes + at);

        LIST_FOREACH (link, &watch->files) {
            struct watched *file = CONTAINER_OF(link, struct watched, link);

            file->told |= is_about(event, file);
        }
        at += sizeof(*event) + event->len;
    }
}

static void events_take(struct conf_watch *watch)
{
    char bytes[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)]
        __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t got;

    if (watch->fd < 0)
        return;
    while ((got = read(watch->fd, bytes, sizeof(bytes))) > 0 || (got < 0 && errno == EINTR))
        if (got > 0)
            events_tell(watch, bytes, (size_t)got);
}

static bool file_changed(struct conf_watch *watch, struct watched *file)
{
    struct identity now;

    folders_watch(watch, file);
    now = identity_of(file->path);
    if (!now.exists || (!file->told && memcmp(&now, &file->seen, sizeof(now)) == 0))
        return false;
    file->seen = now;
    file->told = false;
    return true;
}

bool conf_watch_changed(struct conf_watch *watch)
{
    bool changed = false;

    events_take(watch);
    LIST_FOREACH (at, &watch->files)
        changed |= file_changed(watch, CONTAINER_OF(at, struct watched, link));
    return changed;
}
