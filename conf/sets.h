/*
 * All sets of a program with a name for each: where it stands in the file, "pools" or "pools.tls".
 * A set that stands in several places has the name of the first.
 */
#ifndef SLUICE_CONF_SETS_H
#define SLUICE_CONF_SETS_H

#include "conf/directive.h"

#define CONF_SETS_MAX      128 /* of one program, so a CHECK */
#define CONF_SET_NAME_SIZE 128

struct conf_named_set {
    const struct directive_set *set;
    char name[CONF_SET_NAME_SIZE]; /* "" for a ROOT set */
};

struct conf_sets {
    struct conf_named_set at[CONF_SETS_MAX]; /* each followed by those inside it */
    size_t count;
};

/* `sets` is NULL-terminated. */
void conf_sets_collect(struct conf_sets *all, const struct directive_set *const *sets);
const char *conf_sets_name(const struct conf_sets *all, const struct directive_set *set);

#endif
