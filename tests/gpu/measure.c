/*
 * The assumptions of gpu.md 2.1, measured: what a copy, a launch, a graph and a notice cost. Each
 * row is the median and the 99th percentile of many tries, in microseconds of this processor's
 * clock.
 */
#include "tests/gpu/selftest.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define TRIES       400
#define WARM        20 /* tries before those that count */
#define COPY_LARGE  (512u << 10)
#define CHASE_LINKS (2u << 20) /* 8 MB: a pair table of a large vocabulary */
#define CHASE_STEPS 20000u

static const uint32_t copy_sizes[] = { 4u << 10, 16u << 10, 64u << 10, 128u << 10, COPY_LARGE };
static const uint32_t graph_sizes[] = { 1, 2, 8, 44 };

/* What a try works on; a measurement uses the members it needs. */
struct bench {
    void *pinned, *function, *event, *graph;
    uint64_t device, pinned_device;
    uint32_t bytes, value;
    volatile uint32_t *flag;
    uint64_t flag_device;
    int eventfd;
};

typedef void try_fn(struct bench *bench);

static double now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void row(const char *what, uint32_t size, try_fn *try, struct bench *bench)
{
    double times[TRIES];

    for (int i = -WARM; i < TRIES; i++) {
        double begun = now_us();

        try(bench);
        if (i >= 0)
            times[i] = now_us() - begun;
        must("cuStreamSynchronize", driver.stream_wait(stream));
    }
    qsort(times, TRIES, sizeof(*times), compare_doubles);
    printf("%-44s %8u %10.2f %10.2f\n", what, size, times[TRIES / 2], times[TRIES * 99 / 100]);
}

static void wait_stream(void)
{
    must("cuStreamSynchronize", driver.stream_wait(stream));
}

/* ---- copies ---- */

static void call_to_device(struct bench *bench)
{
    must("cuMemcpyHtoDAsync",
         driver.to_device_async(bench->device, bench->pinned, bench->bytes, stream));
}

static void call_to_host(struct bench *bench)
{
    must("cuMemcpyDtoHAsync",
         driver.to_host_async(bench->pinned, bench->device, bench->bytes, stream));
}

static void whole_to_device(struct bench *bench)
{
    call_to_device(bench);
    wait_stream();
}

static void whole_to_host(struct bench *bench)
{
    call_to_host(bench);
    wait_stream();
}

/* The kernel reads the host's own memory: no copy. */
static void read_mapped(struct bench *bench)
{
    uint32_t words = bench->bytes / 16;
    void *parameters[] = { &bench->pinned_device, &words, &bench->device };

    start(bench->function, 1024, 1024, parameters);
    wait_stream();
}

static void measure_copies(struct bench *bench)
{
    bench->function = kernel("read_mapped");
    for (size_t i = 0; i < sizeof(copy_sizes) / sizeof(*copy_sizes); i++) {
        bench->bytes = copy_sizes[i];
        row("copy to device: the call", bench->bytes, call_to_device, bench);
        row("copy to device, waited for", bench->bytes, whole_to_device, bench);
        row("copy to host, waited for", bench->bytes, whole_to_host, bench);
        row("kernel reads mapped memory, waited for", bench->bytes, read_mapped, bench);
    }
}

/* ---- launches ---- */

static void launch(struct bench *bench)
{
    start(bench->function, 1, 1, NULL);
}

static void launch_waited(struct bench *bench)
{
    launch(bench);
    wait_stream();
}

static void graph(struct bench *bench)
{
    must("cuGraphLaunch", driver.graph_launch(bench->graph, stream));
}

static void graph_waited(struct bench *bench)
{
    graph(bench);
    wait_stream();
}

static void measure_launches(struct bench *bench)
{
    bench->function = kernel("nothing");
    row("launch of an empty kernel: the call", 1, launch, bench);
    row("launch of an empty kernel, waited for", 1, launch_waited, bench);
    for (size_t i = 0; i < sizeof(graph_sizes) / sizeof(*graph_sizes); i++) {
        void *captured;

        must("cuStreamBeginCapture",
             driver.capture_begin(stream, /* CU_STREAM_CAPTURE_MODE_RELAXED= */ 2));
        for (uint32_t node = 0; node < graph_sizes[i]; node++)
            launch(bench);
        must("cuStreamEndCapture", driver.capture_end(stream, &captured));
        must("cuGraphInstantiate", driver.graph_ready(&bench->graph, captured, 0));
        row("graph of empty kernels: the call", graph_sizes[i], graph, bench);
        row("graph of empty kernels, waited for", graph_sizes[i], graph_waited, bench);
    }
}

/* ---- notices ---- */

static void query_event(struct bench *bench)
{
    must("cuEventQuery", driver.event_query(bench->event));
}

static void write_eventfd(void *fd)
{
    uint64_t one = 1;

    if (write(*(int *)fd, &one, sizeof(one)) != sizeof(one))
        abort();
}

static void host_call(struct bench *bench)
{
    uint64_t count;

    start(bench->function, 1, 1, NULL);
    must("cuLaunchHostFunc", driver.host_call(stream, write_eventfd, &bench->eventfd));
    if (read(bench->eventfd, &count, sizeof(count)) != sizeof(count))
        abort();
}

/* Spins until the kernel's word is seen. */
static void notice(struct bench *bench)
{
    void *parameters[] = { &bench->flag_device, &bench->value };

    bench->value++;
    start(bench->function, 1, 1, parameters);
    while (*bench->flag != bench->value)
        ;
}

static void measure_notices(struct bench *bench)
{
    must("cuEventCreate", driver.event_new(&bench->event, /* CU_EVENT_DISABLE_TIMING= */ 2));
    must("cuEventRecord", driver.event_record(bench->event, stream));
    wait_stream();
    row("query of an event that is done", 1, query_event, bench);
    bench->eventfd = eventfd(0, EFD_CLOEXEC);
    bench->function = kernel("nothing");
    row("launch, host function, eventfd, read", 1, host_call, bench);
    bench->function = kernel("notify");
    row("launch, word in mapped memory, spinning", 1, notice, bench);
}

/* ---- memory ---- */

/* A ring through all links in an order that no prefetcher guesses (Sattolo's algorithm). */
static void fill_ring(uint32_t *next, uint32_t count)
{
    uint64_t state = 1;

    for (uint32_t i = 0; i < count; i++)
        next[i] = i;
    for (uint32_t i = count - 1; i > 0; i--) {
        uint32_t other, kept = next[i];

        state = state * 6364136223846793005u + 1442695040888963407u;
        other = (uint32_t)((state >> 33) % i);
        next[i] = next[other];
        next[other] = kept;
    }
}

static void measure_chase(struct bench *bench)
{
    uint32_t *ring = malloc(CHASE_LINKS * sizeof(*ring)), steps = CHASE_STEPS;
    uint64_t device;
    void *parameters[] = { &device, &steps, &bench->device };
    double begun;

    fill_ring(ring, CHASE_LINKS);
    device = upload(ring, CHASE_LINKS * sizeof(*ring));
    for (int pass = 0; pass < 2; pass++) { /* the first one warms L2 as far as it reaches */
        begun = now_us();
        start(kernel("chase"), 1, 1, parameters);
        wait_stream();
    }
    printf("%-44s %8u %10.1f ns a load\n", "dependent loads over 8 MB", CHASE_LINKS * 4,
           (now_us() - begun) * 1e3 / CHASE_STEPS);
    free(ring);
}

void measure(void)
{
    struct bench bench = { 0 };
    void *flag;

    must("cuMemHostAlloc",
         driver.host_alloc(&bench.pinned, COPY_LARGE, /* CU_MEMHOSTALLOC_DEVICEMAP= */ 2));
    must("cuMemHostGetDevicePointer", driver.host_device(&bench.pinned_device, bench.pinned, 0));
    must("cuMemHostAlloc", driver.host_alloc(&flag, 64, 2));
    must("cuMemHostGetDevicePointer", driver.host_device(&bench.flag_device, flag, 0));
    bench.flag = flag;
    bench.device = upload(NULL, COPY_LARGE);
    printf("%-44s %8s %10s %10s\n", "", "bytes, n", "median us", "p99 us");
    measure_copies(&bench);
    measure_launches(&bench);
    measure_notices(&bench);
    measure_chase(&bench);
}
