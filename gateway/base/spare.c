/*
 * Lists of blocks by size. Thread-local as in base/slab, for its reason.
 *
 * Sizes that were asked for once and never again would fill the bound for good. So when it is met
 * lists are emptied one after the other; those in use are full again soon.
 */
#include "gateway/base/spare.h"

#include "gateway/base/check.h"

#include <stdlib.h>
#include <string.h>

#define STEP    16
#define CLASSES (SPARE_MOST / STEP + 2)

/* Bytes a thread keeps: more than a turn of the loop gives back with a hundred requests in it. */
#if SANITIZED_ADDRESS
#define KEPT_BYTES 0
#else
#define KEPT_BYTES (1024 * 1024)
#endif

struct spare {
    struct spare *next;
};

static _Thread_local struct spare *spares[CLASSES];
static _Thread_local size_t kept_bytes;
static _Thread_local size_t next_emptied;

/* 1 or more: of 0 bytes too there is a block. */
static size_t class_of(size_t size)
{
    return size ? (size + STEP - 1) / STEP : 1;
}

void *spare_alloc(size_t size)
{
    size_t class = class_of(size);
    struct spare *spare = size <= SPARE_MOST ? spares[class] : NULL;

    if (!spare)
        return xmalloc(class * STEP);
    spares[class] = spare->next;
    kept_bytes -= class * STEP;
    return spare;
}

void *spare_zalloc(size_t size)
{
    return memset(spare_alloc(size), 0, size);
}

static void empty_list(size_t class)
{
    struct spare *spare = spares[class];

    while (spare) {
        struct spare *next = spare->next;

        free(spare);
        kept_bytes -= class * STEP;
        spare = next;
    }
    spares[class] = NULL;
}

static void make_room(void)
{
    while (kept_bytes > KEPT_BYTES) {
        empty_list(next_emptied);
        next_emptied = (next_emptied + 1) % CLASSES;
    }
}

void spare_free(void *block, size_t size)
{
    size_t class = class_of(size);
    struct spare *spare = block;

    if (!block || size > SPARE_MOST || KEPT_BYTES == 0) {
        free(block);
        return;
    }
    spare->next = spares[class];
    spares[class] = spare;
    kept_bytes += class * STEP;
    make_room();
}
