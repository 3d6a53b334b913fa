/*
 * What the log says of a pool's refusals: one line when they begin and one when they have ended.
 */
#ifndef SLUICE_PROXY_SHEDDING_H
#define SLUICE_PROXY_SHEDDING_H

#include "gateway/base/reason.h"

#include <stdbool.h>

/* Zeroed: none. */
struct shedding {
    uint64_t began_us, last_us; /* 0: none */
    uint64_t count;
};

/* A request was refused, while so many waited. */
void shedding_note(struct shedding *shedding, const char *pool, const struct reason *reason,
                   uint32_t waiting, uint64_t now_us);
/* From time to time, while there are any: whether they are over. */
void shedding_look(struct shedding *shedding, const char *pool, uint64_t now_us);

static inline bool shedding_goes_on(const struct shedding *shedding)
{
    return shedding->count > 0;
}

#endif
