/*
 * A libcuda.so.1 without a device, for the selftest's host side ($LIBCUDA): memory is this
 * process's, kernels are kernels.h called thread by thread, in an order that changes from launch to
 * launch (forward, reverse, shuffled), so that what depends on order is found. Everything is done
 * when a call returns. Its times mean nothing.
 */
#include "tests/gpu/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GRAPH_NODES 64

typedef void emulated_fn(void **parameters, uint32_t thread);

typedef void host_fn(void *argument);

/* Symbols of the driver; only the loader knows them. */
#define SYMBOL(name) int name

static void *captured[GRAPH_NODES];
static size_t captured_count;
static int capturing;
static uint32_t launches;

static void run_walk(void **parameters, uint32_t thread)
{
    kernel_walk(parameters[0], thread);
}

static void run_sync(void **parameters, uint32_t thread)
{
    kernel_sync(parameters[0], thread);
}

static void run_segments(void **parameters, uint32_t thread)
{
    kernel_segments(parameters[0], thread);
}

static void run_merge(void **parameters, uint32_t thread)
{
    uint32_t scratch[2 * MERGE_SHORT];

    memset(scratch, 0xa5, sizeof(scratch)); /* what was left by others */
    kernel_merge(parameters[0], scratch, thread);
}

static void run_chase(void **parameters, uint32_t thread)
{
    if (thread == 0)
        kernel_chase(*(uint32_t **)parameters[0], *(uint32_t *)parameters[1],
                     *(uint32_t **)parameters[2]);
}

static void run_nothing(void **parameters, uint32_t thread)
{
    (void)parameters;
    (void)thread;
}

static void run_notify(void **parameters, uint32_t thread)
{
    (void)thread;
    **(volatile uint32_t **)parameters[0] = *(uint32_t *)parameters[1];
}

static const struct {
    const char *name;
    emulated_fn *run;
} kernels[] = {
    { "walk", run_walk },           { "sync_points", run_sync }, { "segments", run_segments },
    { "merge", run_merge },         { "chase", run_chase },      { "nothing", run_nothing },
    { "read_mapped", run_nothing }, { "notify", run_notify },
};

SYMBOL(cuInit)(unsigned flags)
{
    return (int)flags;
}

SYMBOL(cuDriverGetVersion)(int *ret_version)
{
    return *ret_version = 0;
}

SYMBOL(cuDeviceGet)(int *ret_device, int ordinal)
{
    return *ret_device = ordinal;
}

SYMBOL(cuDeviceGetName)(char *ret_name, int room, int device)
{
    snprintf(ret_name, (size_t)room, "none, emulated");
    return device;
}

SYMBOL(cuDeviceGetAttribute)(int *ret_value, int attribute, int device)
{
    *ret_value = attribute;
    return device;
}

SYMBOL(cuDevicePrimaryCtxRetain)(void **ret_context, int device)
{
    *ret_context = NULL;
    return device;
}

SYMBOL(cuCtxSetCurrent)(void *context)
{
    return context != NULL;
}

/* The image must be a fat binary, as the driver would see it. */
SYMBOL(cuModuleLoadData)(void **ret_module, const void *image)
{
    *ret_module = (void *)image;
    return *(const uint32_t *)image == 0xba55ed50u ? 0 : 200;
}

SYMBOL(cuModuleGetFunction)(void **ret_function, void *module, const char *name)
{
    (void)module;
    for (size_t i = 0; i < sizeof(kernels) / sizeof(*kernels); i++)
        if (strcmp(kernels[i].name, name) == 0) {
            *ret_function = (void *)&kernels[i];
            return 0;
        }
    return 500; /* CUDA_ERROR_NOT_FOUND */
}

SYMBOL(cuMemAlloc_v2)(uint64_t *ret_device, size_t bytes)
{
    void *memory = malloc(bytes);

    *ret_device = (uint64_t)memory;
    return memory ? 0 : 2;
}

SYMBOL(cuMemFree_v2)(uint64_t device)
{
    free((void *)device);
    return 0;
}

SYMBOL(cuMemsetD8_v2)(uint64_t device, unsigned char byte, size_t bytes)
{
    memset((void *)device, byte, bytes);
    return 0;
}

SYMBOL(cuMemcpyHtoD_v2)(uint64_t device, const void *host, size_t bytes)
{
    memcpy((void *)device, host, bytes);
    return 0;
}

SYMBOL(cuMemcpyDtoH_v2)(void *host, uint64_t device, size_t bytes)
{
    memcpy(host, (const void *)device, bytes);
    return 0;
}

SYMBOL(cuMemcpyHtoDAsync_v2)(uint64_t device, const void *host, size_t bytes, void *stream)
{
    (void)stream;
    return cuMemcpyHtoD_v2(device, host, bytes);
}

SYMBOL(cuMemcpyDtoHAsync_v2)(void *host, uint64_t device, size_t bytes, void *stream)
{
    (void)stream;
    return cuMemcpyDtoH_v2(host, device, bytes);
}

SYMBOL(cuMemHostAlloc)(void **ret_host, size_t bytes, unsigned flags)
{
    (void)flags;
    *ret_host = calloc(1, bytes);
    return *ret_host ? 0 : 2;
}

SYMBOL(cuMemHostGetDevicePointer_v2)(uint64_t *ret_device, void *host, unsigned flags)
{
    *ret_device = (uint64_t)host;
    return (int)flags;
}

SYMBOL(cuStreamCreate)(void **ret_stream, unsigned flags)
{
    (void)flags;
    *ret_stream = NULL;
    return 0;
}

SYMBOL(cuStreamSynchronize)(void *stream)
{
    return stream != NULL;
}

SYMBOL(cuEventCreate)(void **ret_event, unsigned flags)
{
    (void)flags;
    *ret_event = NULL;
    return 0;
}

SYMBOL(cuEventRecord)(void *event, void *stream)
{
    return event != stream;
}

SYMBOL(cuEventQuery)(void *event)
{
    return event != NULL;
}

/* The number of the thread that comes `turn`th: forward, reverse, or strides prime to the count. */
static uint32_t thread_at(uint32_t turn, uint32_t threads)
{
    switch (launches % 3) {
    case 0:
        return turn;
    case 1:
        return threads - 1 - turn;
    default: /* threads are whole blocks, of a power of two: any odd stride meets each but in blocks
              */
        return (turn % 2 ? threads - 1 - turn / 2 : turn / 2);
    }
}

SYMBOL(cuLaunchKernel)
(void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
 unsigned block_y, unsigned block_z, unsigned shared_bytes, void *stream, void **parameters,
 void **extra)
{
    uint32_t threads = grid_x * block_x;

    if (stream || extra || shared_bytes || grid_y * grid_z * block_y * block_z != 1)
        return 1;
    if (capturing) {
        captured[captured_count++ % GRAPH_NODES] = function;
        return 0;
    }
    launches++;
    for (uint32_t turn = 0; turn < threads; turn++)
        ((emulated_fn *)((const void **)function)[1])(parameters, thread_at(turn, threads));
    return 0;
}

SYMBOL(cuLaunchHostFunc)(void *stream, host_fn *call, void *argument)
{
    (void)stream;
    call(argument);
    return 0;
}

SYMBOL(cuStreamBeginCapture_v2)(void *stream, int mode)
{
    (void)stream;
    (void)mode;
    captured_count = 0;
    capturing = 1;
    return 0;
}

SYMBOL(cuStreamEndCapture)(void *stream, void **ret_graph)
{
    (void)stream;
    capturing = 0;
    *ret_graph = captured;
    return 0;
}

SYMBOL(cuGraphInstantiateWithFlags)(void **ret_ready, void *graph, unsigned long long flags)
{
    *ret_ready = graph;
    return (int)flags;
}

/* Captured kernels have no parameters. */
SYMBOL(cuGraphLaunch)(void *ready, void *stream)
{
    for (size_t i = 0; i < captured_count; i++)
        if (cuLaunchKernel(((void **)ready)[i], 1, 1, 1, 1, 1, 1, 0, stream, NULL, NULL) != 0)
            return 1;
    return 0;
}
