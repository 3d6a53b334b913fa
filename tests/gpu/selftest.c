/*
 * Runs the cores on a GPU and compares with this processor; then measures what a plan assumed.
 *
 *     selftest [CASES...]    files of cases.py
 *
 * Needs libc and the driver's libcuda.so.1 ($LIBCUDA names another one). Exit status 0: all equal;
 * 1: not; 77: no driver or no device.
 */
#include "tests/gpu/selftest.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#define ATTRIBUTE_PROCESSORS 16 /* CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT */
#define ATTRIBUTE_L2_BYTES   38
#define ATTRIBUTE_MAJOR      75
#define ATTRIBUTE_MINOR      76

/* The fat binary of kernels.cu, laid in by the build. */
extern const char kernels_image[];

struct driver driver;
void *stream;
static void *module;

static void skip(const char *why)
{
    printf("SKIP: no GPU: %s\n", why);
    exit(77);
}

void must(const char *what, int status)
{
    if (status == 0)
        return;
    fprintf(stderr, "%s: error %d of the driver\n", what, status);
    exit(1);
}

static void open_driver(void)
{
    static const struct {
        const char *symbol;
        size_t offset;
    } rows[] = {
#define DRIVER(symbol, name, parameters) { symbol, offsetof(struct driver, name) },
#include "tests/gpu/driver.def"
#undef DRIVER
    };
    const char *path = getenv("LIBCUDA");
    void *library = dlopen(path ? path : "libcuda.so.1", RTLD_NOW);

    if (!library)
        skip("libcuda.so.1 is not here");
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        void *found = dlsym(library, rows[i].symbol);

        if (!found)
            skip(rows[i].symbol);
        *(void **)((char *)&driver + rows[i].offset) = found;
    }
}

static void open_device(void)
{
    int device, version, processors, l2, major, minor;
    char name[128] = "";
    void *context;

    if (driver.init(0) != 0 || driver.device_get(&device, 0) != 0)
        skip("the driver finds no device");
    must("cuDriverGetVersion", driver.version(&version));
    must("cuDeviceGetName", driver.device_name(name, sizeof(name), device));
    must("attribute", driver.device_attribute(&processors, ATTRIBUTE_PROCESSORS, device));
    must("attribute", driver.device_attribute(&l2, ATTRIBUTE_L2_BYTES, device));
    must("attribute", driver.device_attribute(&major, ATTRIBUTE_MAJOR, device));
    must("attribute", driver.device_attribute(&minor, ATTRIBUTE_MINOR, device));
    printf("device: %s, sm_%d%d, %d processors, L2 %d KB, driver %d\n", name, major, minor,
           processors, l2 / 1024, version);
    must("cuDevicePrimaryCtxRetain", driver.context_retain(&context, device));
    must("cuCtxSetCurrent", driver.context_use(context));
    must("cuModuleLoadData", driver.module_load(&module, kernels_image));
    must("cuStreamCreate", driver.stream_new(&stream, /* CU_STREAM_NON_BLOCKING= */ 1));
}

void *kernel(const char *name)
{
    void *function;

    must(name, driver.module_function(&function, module, name));
    return function;
}

void start(void *function, uint32_t threads, uint32_t block, void **parameters)
{
    must("cuLaunchKernel", driver.launch(function, (threads + block - 1) / block, 1, 1, block, 1, 1,
                                         0, stream, parameters, NULL));
}

uint64_t upload(const void *host, size_t bytes)
{
    uint64_t device;

    must("cuMemAlloc", driver.alloc(&device, bytes ? bytes : 1));
    if (host)
        must("cuMemcpyHtoD", driver.to_device(device, host, bytes));
    else
        must("cuMemsetD8", driver.set(device, 0, bytes ? bytes : 1));
    return device;
}

int main(int argc, char **argv)
{
    bool equal = true;

    setvbuf(stdout, NULL, _IOLBF, 0);
    open_driver();
    open_device();
    for (int i = 1; i < argc; i++)
        equal = check_cases(argv[i]) && equal;
    measure();
    return equal ? 0 : 1;
}
