/*
 * Random numbers that are the same everywhere: xorshift64* (Marsaglia, 2003; Vigna, 2016).
 */
#ifndef SLUICE_FLEET_RANDOM_H
#define SLUICE_FLEET_RANDOM_H

#include <math.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

static inline uint64_t random_mix(uint64_t h)
{
    h += 0x9e3779b97f4a7c15ull;
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9ull;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebull;
    return h ^ (h >> 31);
}

static inline struct random random_of(uint64_t seed)
{
    return (struct random){ random_mix(seed) | 1 };
}

static inline uint64_t random_next(struct random *r)
{
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return r->state * 0x2545f4914f6cdd1dull;
}

/* In [0, 1). */
static inline double random_unit(struct random *r)
{
    return (double)(random_next(r) >> 11) * 0x1p-53;
}

/* In [0, n). */
static inline uint32_t random_below(struct random *r, uint32_t n)
{
    return (uint32_t)(random_unit(r) * n);
}

static inline double random_exponential(struct random *r, double mean)
{
    return -mean * log1p(-random_unit(r));
}

#endif
