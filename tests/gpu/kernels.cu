/*
 * The kernels of kernels.h as the device sees them, and the empty ones that are timed.
 */
#include "tests/gpu/kernels.h"

/* Threads of a block of merge; each has its columns in shared memory, which is what T4 has least of. */
#define MERGE_THREADS 64

static __device__ uint32_t thread_number()
{
    return blockIdx.x * blockDim.x + threadIdx.x;
}

extern "C" __global__ void walk(struct split_job job)
{
    kernel_walk(&job, thread_number());
}

extern "C" __global__ void sync_points(struct split_job job)
{
    kernel_sync(&job, thread_number());
}

extern "C" __global__ void segments(struct split_job job)
{
    kernel_segments(&job, thread_number());
}

extern "C" __global__ void merge(struct merge_job job)
{
    __shared__ uint32_t scratch[MERGE_THREADS][2 * MERGE_SHORT + 1]; /* 1: no two in one bank */

    kernel_merge(&job, scratch[threadIdx.x], thread_number());
}

extern "C" __global__ void chase(const uint32_t *next, uint32_t steps, uint32_t *ret_last)
{
    kernel_chase(next, steps, ret_last);
}

extern "C" __global__ void nothing()
{
}

/* Tells the host through memory that both see. */
extern "C" __global__ void notify(volatile uint32_t *flag, uint32_t value)
{
    __threadfence_system();
    *flag = value;
}

/* Reads `words` of memory that is the host's; one block. */
extern "C" __global__ void read_mapped(const uint4 *words, uint32_t count, uint32_t *ret_sum)
{
    uint32_t sum = 0;

    for (uint32_t i = threadIdx.x; i < count; i += blockDim.x) {
        uint4 word = words[i];

        sum += word.x ^ word.y ^ word.z ^ word.w;
    }
    atomicAdd(ret_sum, sum);
}
