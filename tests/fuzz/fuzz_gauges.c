/*
 * Metrics pages, and loads in JSON, from anybody: the first byte says of which engine. What is
 * known is a number that can be reckoned with.
 */
#include "routing/loads.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(const struct gauges *gauges)
{
    for (int i = 0; i < GAUGE_COUNT; i++)
        CHECK(gauges->values[i] >= 0 && isfinite(gauges->values[i]) &&
              (gauges_know(gauges, (enum gauge)i) || gauges->values[i] == 0));
    CHECK(gauges_capacity(gauges) <= 1000000000000ull);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    enum engine_id engine;
    struct gauges gauges;
    struct slice page;

    if (size == 0)
        return 0;
    engine = (enum engine_id)(bytes[0] % ENGINE_COUNT);
    page = slice_of((const char *)bytes + 1, size - 1);
    gauges_read(engine, page, &gauges);
    check(&gauges);
    loads_read(engine, page, &gauges);
    check(&gauges);
    return 0;
}
