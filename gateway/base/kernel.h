/*
 * Code that there is for several instruction sets: which of it this processor runs. Pure; also
 * before main.
 *
 * Who has such code makes a table of kernel.def's rows and keeps those that run.
 */
#ifndef SLUICE_BASE_KERNEL_H
#define SLUICE_BASE_KERNEL_H

#include <stdbool.h>

enum kernel {
#define KERNEL(name, runs) KERNEL_##name,
#include "gateway/base/kernel.def"
#undef KERNEL
    KERNEL_COUNT,
};

bool kernel_runs(enum kernel kernel);

#endif
