/*
 * Aborting: one place for failed checks and exhausted memory.
 */
#include "gateway/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void check_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "sluice: %s:%d: check failed: %s\n", file, line, what);
    abort();
}

static void *check_memory(void *ptr)
{
    if (UNLIKELY(!ptr))
        check_failed(__FILE__, __LINE__, "out of memory");
    return ptr;
}

void *xmalloc(size_t size)
{
    return check_memory(malloc(size ? size : 1));
}

void *xcalloc(size_t count, size_t size)
{
    return check_memory(calloc(count ? count : 1, size ? size : 1));
}

void *xrealloc(void *ptr, size_t size)
{
    return check_memory(realloc(ptr, size ? size : 1));
}

char *xstrdup(const char *text)
{
    return check_memory(strdup(text));
}
