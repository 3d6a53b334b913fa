/*
 * The key of a block of sixteen token ids: XXH3-64 (xxHash 0.8, algorithm by Y. Collet) of its 64
 * bytes, seeded by the key of the block before it. The same as blocks.h's for such blocks.
 *
 * Core (core.h): also device code, which has no libxxhash.
 */
#ifndef SLUICE_TOKEN_HASH_CORE_H
#define SLUICE_TOKEN_HASH_CORE_H

#include "gateway/token/core.h"

#define HASH_BLOCK_IDS 16

/* Four ids with sixteen bytes of XXH3's secret. */
CORE_FUNCTION uint64_t hash_mix(const uint32_t *ids, uint64_t low, uint64_t high, uint64_t seed)
{
    uint64_t first = ids[0] | (uint64_t)ids[1] << 32, second = ids[2] | (uint64_t)ids[3] << 32;

    return core_fold(first ^ (low + seed), second ^ (high - seed));
}

/* XXH3 for 33 to 64 bytes, of which there are 64 here; the secret's first 64 bytes, as numbers. */
CORE_FUNCTION uint64_t hash_block(const uint32_t ids[HASH_BLOCK_IDS], uint64_t parent)
{
    uint64_t hash = HASH_BLOCK_IDS * sizeof(uint32_t) * 0x9e3779b185ebca87u; /* XXH_PRIME64_1 */

    hash += hash_mix(ids + 4, 0x78e5c0cc4ee679cbu, 0x2172ffcc7dd05a82u, parent);
    hash += hash_mix(ids + 8, 0x8e2443f7744608b8u, 0x4c263a81e69035e0u, parent);
    hash += hash_mix(ids, 0xbe4ba423396cfeb8u, 0x1cad21f72c81017cu, parent);
    hash += hash_mix(ids + 12, 0xdb979083e96dd4deu, 0x1f67b3b7a4a44072u, parent);
    hash = (hash ^ hash >> 37) * 0x165667919e3779f9u;
    return hash ^ hash >> 32;
}

#endif
