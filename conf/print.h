/*
 * A configuration's values as JSON. jansson's trees, so that diff can print parts of them.
 */
#ifndef SLUICE_CONF_PRINT_H
#define SLUICE_CONF_PRINT_H

#include "conf/sections.h"

#include <jansson.h>

/* The value of one field; NULL for one that was left out and has no default. Gives. */
json_t *conf_field_json(const struct directive *row, const void *field);
/* Whether it has a directive that must be given: left out, it is not the same as with its defaults.
 */
bool conf_needs_more_than_defaults(const struct directive_set *set);
/* A text, masked; gives. */
json_t *conf_text_json(const char *text);
/* Appends it: compact, or in lines with a line feed at the end. Takes the value. */
void conf_json_line(json_t *value, struct buf *out);
void conf_json_lines(json_t *value, struct buf *out);

#endif
