/*
 * Time. Deadlines and durations use the monotonic clock, in microseconds since an arbitrary start;
 * people get the wall clock.
 *
 * A worker reads the clock once a loop turn (worker->now_us); these read it now.
 */
#ifndef SLUICE_BASE_CLOCK_H
#define SLUICE_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define CLOCK_US_PER_MS 1000ull
#define CLOCK_US_PER_S  1000000ull

uint64_t clock_now_us(void);
/* Unix time. */
uint64_t clock_wall_us(void);

/* "2026-11-22T16:58:07.123Z" into `ret_text`, which holds CLOCK_TEXT_SIZE bytes. */
#define CLOCK_TEXT_SIZE 32
void clock_text(uint64_t wall_us, char ret_text[CLOCK_TEXT_SIZE]);

#endif
