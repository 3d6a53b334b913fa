/*
 * What `sluice explain` found, for people.
 */
#ifndef SLUICE_COMMAND_EXPLAIN_H
#define SLUICE_COMMAND_EXPLAIN_H

#include <jansson.h>
#include <stdio.h>

/* The object that `sluice explain --json` prints, as lines. */
void explain_print(const json_t *explained, FILE *to);

#endif
