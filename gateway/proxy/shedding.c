/*
 * Refusals counted, for two lines.
 */
#include "gateway/proxy/shedding.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"

/* Refusals are over when there was none for so long. */
#define QUIET_US (10 * CLOCK_US_PER_S)

void shedding_note(struct shedding *shedding, const char *pool, const struct reason *reason,
                   uint32_t waiting, uint64_t now_us)
{
    if (shedding->count++ == 0) {
        shedding->began_us = now_us;
        log_warn(NULL, "pool %s: requests are refused: %s (%u wait)", pool, reason->text, waiting);
    }
    shedding->last_us = now_us;
}

void shedding_look(struct shedding *shedding, const char *pool, uint64_t now_us)
{
    if (shedding->count == 0 || now_us < shedding->last_us + QUIET_US)
        return;
    log_info(NULL, "pool %s: holds all requests again, %llu were refused in %llu s", pool,
             (unsigned long long)shedding->count,
             (unsigned long long)((shedding->last_us - shedding->began_us) / CLOCK_US_PER_S));
    *shedding = (struct shedding){ 0 };
}
