/*
 * Load reports from anybody. What is known is a number that can be reckoned with.
 */
#include "routing/orca.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct gauges gauges;

    orca_read(slice_of((const char *)bytes, size), &gauges);
    for (int i = 0; i < GAUGE_COUNT; i++)
        CHECK(gauges.values[i] >= 0 && isfinite(gauges.values[i]) &&
              (gauges_know(&gauges, (enum gauge)i) || gauges.values[i] == 0));
    CHECK(!gauges_know(&gauges, GAUGE_USAGE) || gauges.values[GAUGE_USAGE] <= 1);
    return 0;
}
