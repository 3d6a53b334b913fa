/*
 * Metrics pages from anybody: the first byte says of which engine. What is known is a number that
 * can be reckoned with.
 */
#include "routing/gauges.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct gauges gauges;

    if (size == 0)
        return 0;
    gauges_read((enum engine_id)(bytes[0] % ENGINE_COUNT),
                slice_of((const char *)bytes + 1, size - 1), &gauges);
    for (int i = 0; i < GAUGE_COUNT; i++)
        CHECK(gauges.values[i] >= 0 && isfinite(gauges.values[i]) &&
              (gauges_know(&gauges, (enum gauge)i) || gauges.values[i] == 0));
    CHECK(gauges_capacity(&gauges) <= 1000000000000ull);
    return 0;
}
