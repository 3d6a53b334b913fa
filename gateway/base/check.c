/*
 * Aborting: one place for failed checks and exhausted memory.
 */
#include "gateway/base/check.h"

#include "gateway/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local const struct log_subject *current_subject;

void check_subject(const struct log_subject *subject)
{
    current_subject = subject;
}

void check_failed(const char *file, int line, const char *what)
{
    const struct log_subject *subject = current_subject;
    char who[512] = "";

    current_subject = NULL; /* what prints it may fail, too */
    if (subject)
        subject->print(subject, who, sizeof(who));
    fprintf(stderr, "sluice: %s:%d: check failed: %s%s%s\n", file, line, what,
            subject ? ", working for " : "", who);
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
