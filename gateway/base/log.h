/*
 * Log lines for people who must act, on standard error: one line each,
 *     2026-11-22T16:58:07.123Z warn  e7 10.0.0.7:8000: dial refused, trying another
 *
 * Levels: error, somebody should look; warn, we coped; info, the process's own life; debug, the
 * rest. The subject comes from the argument and prints itself; NULL: none. Control bytes and what
 * is not UTF-8 are escaped. Never log keys, tokens or prompt text. Any thread; a line is one write.
 * A place that repeats more than 10 times a second is muted and says afterwards how many lines were
 * left out.
 */
#ifndef SLUICE_BASE_LOG_H
#define SLUICE_BASE_LOG_H

#include "gateway/base/slice.h"

#include <stdatomic.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Embedded in whatever can be the subject of a line. */
struct log_subject {
    /* Writes who it is ("e7 10.0.0.7:8000") into `text`, terminated. */
    void (*print)(const struct log_subject *subject, char *text, size_t size);
};

/* Lines above it are not made. Set at start and by a reload, while other threads log. */
extern _Atomic enum log_level log_level;

struct log_site { /* one a call, for muting */
    _Atomic uint64_t window_s;
    _Atomic uint32_t lines, muted;
};

void log_line(enum log_level level, struct log_site *site, const struct log_subject *subject,
              const char *format, ...) PRINTF_LIKE(4, 5);

#define LOG_AT(level, subject, ...)                                                                \
    do {                                                                                           \
        static struct log_site log_site_here;                                                      \
        if ((level) <= atomic_load_explicit(&log_level, memory_order_relaxed))                     \
            log_line((level), &log_site_here, (subject), __VA_ARGS__);                             \
    } while (0)

#define log_error(subject, ...) LOG_AT(LOG_ERROR, subject, __VA_ARGS__)
#define log_warn(subject, ...)  LOG_AT(LOG_WARN, subject, __VA_ARGS__)
#define log_info(subject, ...)  LOG_AT(LOG_INFO, subject, __VA_ARGS__)
#define log_debug(subject, ...) LOG_AT(LOG_DEBUG, subject, __VA_ARGS__)

#endif
