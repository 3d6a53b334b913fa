/*
 * Keeping what engines say.
 */
#include "routing/reported.h"

#include <stdatomic.h>

#define GET(field)    atomic_load_explicit(field, memory_order_relaxed)
#define SET(field, n) atomic_store_explicit(field, n, memory_order_relaxed)

void reported_note(struct reported *reported, const struct gauges *gauges, uint64_t now_us,
                   uint64_t until_us)
{
    uint64_t capacity = gauges_capacity(gauges);

    if (gauges->known == 0)
        return;
    for (int i = 0; i < GAUGE_COUNT; i++)
        if (gauges_know(gauges, (enum gauge)i)) {
            SET(&reported->values[i], gauges->values[i]);
            SET(&reported->until_us[i], until_us);
        }
    if (capacity > 0)
        SET(&reported->capacity, capacity);
    SET(&reported->seen_us, now_us);
}

void reported_read(const struct reported *reported, uint64_t now_us, struct gauges *ret_gauges)
{
    *ret_gauges = (struct gauges){ .known = 0 };
    for (int i = 0; i < GAUGE_COUNT; i++)
        if (GET(&reported->until_us[i]) > now_us) {
            ret_gauges->values[i] = GET(&reported->values[i]);
            ret_gauges->known |= 1u << i;
        }
}
