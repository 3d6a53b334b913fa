/*
 * The recipes of a fleet's versions: loaded once for all that are told the same, kept over a reload
 * where neither the directives nor the files have changed.
 *
 * Control thread, or a tool.
 */
#ifndef SLUICE_ROUTING_FLEET_RECIPES_H
#define SLUICE_ROUTING_FLEET_RECIPES_H

#include "routing/fleet.h"

/* Gives every version of `fleet` its recipe and its agreement; `before` may be NULL. False, and a
 * line for each in `errors`, when any cannot be loaded. */
bool fleet_add_recipes(struct fleet *fleet, const struct fleet *before,
                       struct buf *errors) MUST_USE;

/* Loads and forgets every recipe of a configuration: for `sluice check`. */
bool recipes_check(const struct conf *conf, struct buf *errors) MUST_USE;

/* Calls `add` for every file that a changed recipe would be noticed by. */
void recipes_files(const struct conf *conf, void (*add)(void *user, const char *path), void *user);

#endif
