/*
 * Asks the processor.
 */
#include "gateway/base/kernel.h"

bool kernel_runs(enum kernel kernel)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
#endif
    switch (kernel) {
#define KERNEL(name, runs)                                                                         \
    case KERNEL_##name:                                                                            \
        return runs;
#include "gateway/base/kernel.def"
#undef KERNEL
    case KERNEL_COUNT:
        break;
    }
    return false;
}
