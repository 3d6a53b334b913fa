/*
 * The files that are read again when they change: the configuration and every file it names.
 *
 * Control thread.
 */
#ifndef SLUICE_CONF_FILES_H
#define SLUICE_CONF_FILES_H

#include "gateway/listeners.h"

struct conf_files;

/* `changed` comes a little after a change. */
struct conf_files *conf_files_new(struct worker *control, void (*changed)(void *user), void *user);
void conf_files_free(struct conf_files *files);

/* Those of this configuration, made to these listeners, from now on. A change of those before that
 * nobody was told of yet is told. Not within a callback of its own. */
void conf_files_follow(struct conf_files *files, const struct conf *conf,
                       const struct listeners *listeners);
/* As they are now they are about to be read: what has changed so far is not told. */
void conf_files_reading(struct conf_files *files);

#endif
