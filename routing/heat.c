/*
 * Lines of a key, a time and a count that fades.
 */
#include "routing/heat.h"

#include <math.h>
#include <string.h>

#define GET(field)    atomic_load_explicit(field, memory_order_relaxed)
#define SET(field, n) atomic_store_explicit(field, n, memory_order_relaxed)

static uint64_t pack(uint32_t at_ms, float count)
{
    uint32_t bits;

    memcpy(&bits, &count, sizeof(bits));
    return (uint64_t)at_ms << 32 | bits;
}

/* What is left of it by now. Times wrap: what is 25 days old may count as new, once. */
static double faded(uint64_t noted, uint32_t now_ms)
{
    uint32_t bits = (uint32_t)noted;
    int32_t age_ms = (int32_t)(now_ms - (uint32_t)(noted >> 32));
    float count;

    memcpy(&count, &bits, sizeof(count));
    return age_ms > 0 ? (double)count * exp(-age_ms / (HEAT_S * 1000.0)) : (double)count;
}

double heat_of(const struct heat *heat, uint64_t key, uint64_t now_us)
{
    const struct heat_line *line = &heat->lines[key % HEAT_LINES];

    return GET(&line->key) == key ? faded(GET(&line->noted), (uint32_t)(now_us / 1000)) : 0;
}

void heat_note(struct heat *heat, uint64_t key, uint64_t now_us)
{
    struct heat_line *line = &heat->lines[key % HEAT_LINES];
    uint32_t now_ms = (uint32_t)(now_us / 1000);
    double before = faded(GET(&line->noted), now_ms);

    if (GET(&line->key) != key) {
        if (before >= 1)
            return;
        before = 0;
        SET(&line->key, key);
    }
    SET(&line->noted, pack(now_ms, (float)(before + 1)));
}
