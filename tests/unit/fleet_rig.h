/*
 * Fleets from the text of a configuration.
 */
#ifndef SLUICE_TESTS_UNIT_FLEET_RIG_H
#define SLUICE_TESTS_UNIT_FLEET_RIG_H

#include "routing/fleet.h"

#include <stdio.h>
#include <stdlib.h>

static const struct directive_set *const fleet_rig_sets[] = { &models_set, &pools_set, NULL };

/* NULL when it is refused; what was said lies in `errors`, which may be NULL. */
static inline struct conf *rig_conf(const char *text, struct buf *errors)
{
    struct conf *conf;
    struct buf said;

    buf_init(&said, SIZE_MAX);
    conf = conf_parse("test.yaml", slice_str(text), fleet_rig_sets, &said);
    if (errors)
        buf_move(errors, &said, said.len);
    buf_release(&said);
    return conf;
}

/* One that must be right. */
static inline struct fleet *rig_fleet(const char *text, const struct names *names,
                                      const struct fleet *before)
{
    struct buf errors;
    struct conf *conf;
    struct fleet *fleet;

    buf_init(&errors, SIZE_MAX);
    conf = rig_conf(text, &errors);
    fleet = conf ? fleet_new(conf, names, before, 2, &errors) : NULL;
    if (!fleet) {
        fprintf(stderr, "%.*s", SLICE_ARGS(buf_join(&errors)));
        abort();
    }
    conf_unref(conf);
    buf_release(&errors);
    return fleet;
}

#endif
