/*
 * The control thread: boots the process, watches signals and the configuration's file, reloads,
 * probes, writes the access log, drains.
 */
#ifndef SLUICE_CONTROL_H
#define SLUICE_CONTROL_H

#include "conf/conf.h"
#include "routing/fleet.h"

/* Every directive of the program, NULL-terminated. */
extern const struct directive_set *const all_directives[];

/* Runs the gateway in the foreground until it has drained; returns the exit code. */
int control_run(const char *path);

/* For the admin listener. Control thread. */
struct control;
struct worker *control_worker(struct control *control);
unsigned control_worker_count(const struct control *control);
/* The threads that serve clients, from 0 to control_worker_count - 1. */
struct worker *control_worker_at(struct control *control, unsigned index);
const struct conf *control_conf(const struct control *control);
struct fleet *control_fleet(struct control *control);
/* Listeners accept, a configuration is live, and it does not drain. */
bool control_is_ready(const struct control *control);

#endif
