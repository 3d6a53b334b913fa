/*
 * The directives at the top of the file: what concerns the whole process.
 */
#ifndef SLUICE_PROXY_PROCESS_H
#define SLUICE_PROXY_PROCESS_H

#include "conf/conf.h"

struct process_conf {
    uint64_t workers;       /* 0: one for each processor the process may use */
    uint64_t drain_timeout; /* ms */
    uint64_t memory;        /* bytes of requests and answers at a time (base/held.h) */
    uint64_t prefix_seed;   /* 0: random */
    char *tenant_header;
    char *access_log; /* path, "stdout" or "off" */
    int log_level;    /* enum log_level */
};

extern const struct directive_set process_set;

static inline const struct process_conf *process_conf(const struct conf *conf)
{
    return conf_section(conf, &process_set);
}

/* The seed of block keys: `drawn`, the process's own, where the file says none. */
static inline uint64_t process_prefix_seed(const struct conf *conf, uint64_t drawn)
{
    uint64_t said = process_conf(conf)->prefix_seed;

    return said > 0 ? said : drawn;
}

#endif
