/*
 * What texts may look like: the formats that a directive's row can ask for.
 */
#ifndef SLUICE_CONF_FORMAT_H
#define SLUICE_CONF_FORMAT_H

#include "gateway/base/slice.h"

struct text_format {
    const char *name;
    bool (*fits)(struct slice text);
    const char *pattern; /* no stricter, as a regular expression: for the schema */
    const char *wanted;  /* for people: "host:port, [v6]:port or unix:/path" */
};

/* NULL for NULL; a name that is no row is a mistake of the program. */
const struct text_format *text_format(const char *name);

#endif
