/*
 * What the cores share: headers of `static inline` functions in the C subset that is CUDA device
 * code as well (fixed-width types, no library calls, no recursion), so that a processor and a GPU
 * run the same source.
 */
#ifndef SLUICE_TOKEN_CORE_H
#define SLUICE_TOKEN_CORE_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __CUDACC__
#define CORE_FUNCTION static __device__ inline
#else
#define CORE_FUNCTION static inline __attribute__((always_inline))
#endif

/* The high half of a product xor its low half: mixes both factors' bits into all of the result. */
CORE_FUNCTION uint64_t core_fold(uint64_t a, uint64_t b)
{
#ifdef __CUDACC__
    return a * b ^ __umul64hi(a, b);
#else
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
#endif
}

#endif
