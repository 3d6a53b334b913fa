/*
 * The directives of who waits in the gateway: `hold` and `classes`.
 */
#ifndef SLUICE_ROUTING_HOLD_CONF_H
#define SLUICE_ROUTING_HOLD_CONF_H

#include "conf/conf.h"

struct hold_limits_conf {
    uint64_t queue;      /* exchanges that wait for one pool */
    double tenant_share; /* of them, of one tenant */
    uint64_t deadline;   /* ms: past it any endpoint with room will do */
    uint64_t cold_start; /* ms: for a first endpoint; 0: nobody waits for one */
    uint64_t keepalive;  /* ms: between comments to the client; 0: none */
    double age;          /* s of waiting that weigh like a second to compute */
    uint64_t fairness;   /* ms of service that a tenant may be ahead */
};

struct class_conf {
    char *name;  /* NULL: of the class that is there where none is configured */
    double rank; /* a whole number; higher goes first */
    bool sheddable;
};

extern const struct directive_set hold_set, classes_set;

static inline const struct hold_limits_conf *hold_limits(const struct conf *conf)
{
    return conf_section(conf, &hold_set);
}

/* Of requests that name no class, or one that does not exist: the class `default` where one is
 * configured, else rank 0 and not sheddable. Never NULL; lives as long as `conf`. */
const struct class_conf *class_named(const struct conf *conf, struct slice name);

#endif
