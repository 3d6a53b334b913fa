/*
 * Notices that files were replaced or rewritten: the configuration itself, certificates, keys.
 *
 * inotify on the folders, because a ConfigMap is replaced by renaming a link beside it and editors
 * rename over the file. What counts is the file that a path leads to in the end: device, inode,
 * size and time of change. A file that is gone has not changed until it is there again. One thread;
 * no waiting: the fd goes into a loop, or conf_watch_changed is asked from time to time where
 * inotify sees nothing (network file systems).
 */
#ifndef SLUICE_CONF_PROVIDERS_WATCH_H
#define SLUICE_CONF_PROVIDERS_WATCH_H

#include "gateway/base/check.h"

#include <stdbool.h>

struct conf_watch;

struct conf_watch *conf_watch_new(void);
void conf_watch_free(struct conf_watch *watch); /* NULL is fine */

/* As it is now counts as seen. A path that leads nowhere yet is fine. Twice the same is one. */
void conf_watch_add(struct conf_watch *watch, const char *path);

/* Readable when conf_watch_changed should be asked; -1 where the system has no inotify left to
 * give. */
int conf_watch_fd(const struct conf_watch *watch);
/* Takes all that was noted; whether any file differs from when it was last asked. */
bool conf_watch_changed(struct conf_watch *watch);

#endif
