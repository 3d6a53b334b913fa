/*
 * Time, read from the kernel.
 */
#include "gateway/base/clock.h"

#include <stdio.h>
#include <time.h>

static uint64_t clock_read(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * CLOCK_US_PER_S + (uint64_t)t.tv_nsec / 1000;
}

uint64_t clock_now_us(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

uint64_t clock_wall_us(void)
{
    return clock_read(CLOCK_REALTIME);
}

void clock_text(uint64_t wall_us, char ret_text[CLOCK_TEXT_SIZE])
{
    time_t seconds = (time_t)(wall_us / CLOCK_US_PER_S);
    struct tm t;

    gmtime_r(&seconds, &t);
    snprintf(ret_text, CLOCK_TEXT_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
             (t.tm_year + 1900) % 10000, (t.tm_mon + 1) % 100, t.tm_mday % 100, t.tm_hour % 100,
             t.tm_min % 100, t.tm_sec % 100, (int)(wall_us / 1000 % 1000));
}
