/*
 * The selftest's parts. One thread; what fails in the driver ends the program with its name and
 * number, so callers see success only.
 */
#ifndef SLUICE_TESTS_GPU_SELFTEST_H
#define SLUICE_TESTS_GPU_SELFTEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct driver {
#define DRIVER(symbol, name, parameters) int(*name) parameters;
#include "tests/gpu/driver.def"
#undef DRIVER
};

extern struct driver driver;
extern void *stream; /* the one on which everything runs */

/* Ends the program unless `status` is 0. */
void must(const char *what, int status);

/* A kernel of kernels.cu by its name. */
void *kernel(const char *name);
/* Starts it with `threads` threads, `block` of them a block. */
void start(void *function, uint32_t threads, uint32_t block, void **parameters);

/* Device memory with what `host` has; with zeroes for NULL. */
uint64_t upload(const void *host, size_t bytes);

/* Measures what gpu.md 2.1 assumes; prints a row each. */
void measure(void);

/* Runs the cores over a file of cases.py; prints a row. Returns whether all was equal. */
bool check_cases(const char *path);

#endif
