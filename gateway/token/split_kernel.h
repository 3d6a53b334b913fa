/*
 * The vector kernels of the split: what 64 bytes of text are, a bit a byte. The rest is arithmetic
 * on those words (split_window.h), the same for all instruction sets.
 *
 * The best kernel that the processor has is chosen once. Pure functions: any thread.
 */
#ifndef SLUICE_TOKEN_SPLIT_KERNEL_H
#define SLUICE_TOKEN_SPLIT_KERNEL_H

#include "gateway/token/split.h"

#define SPLIT_LANES 64

/* ASCII by kind, and what is not: bit i is byte i. */
struct split_lanes {
    uint64_t upper, lower, digit;
    uint64_t space;   /* ' ' */
    uint64_t blank;   /* tab, vertical tab, form feed */
    uint64_t newline; /* \r, \n */
    uint64_t quote;   /* the apostrophe */
    uint64_t slash;
    uint64_t wide;      /* 0x80 and up */
    uint64_t continued; /* 0x80 to 0xbf: not the first byte of a code point */
};

/* Of SPLIT_LANES bytes from `at` on. */
typedef void split_classify_fn(const char *at, struct split_lanes *ret_lanes);

struct split_kernel {
    const char *name;            /* "avx512", "avx2", "neon", "scalar" */
    split_classify_fn *classify; /* NULL: the scanner alone, a code point at a time */
};

/* Those this processor can run, best first, ended by a NULL name. */
const struct split_kernel *split_kernels(void);

/* Makes split->ends run with another one than the best. For benchmarks, before other threads are.
 */
void split_use(const struct split_kernel *kernel);

/* split->ends by that kernel. For tests and benchmarks. */
size_t split_ends_by(const struct split_kernel *kernel, const struct split_type *split,
                     struct slice text, size_t from, uint32_t *ret_ends, size_t room);

/* Per instruction set; compiled where the target has it, called only where the processor does. */
split_classify_fn split_classify_avx2;
split_classify_fn split_classify_avx512;
split_classify_fn split_classify_neon;

#endif
