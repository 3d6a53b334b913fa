/*
 * Log lines: made in a buffer on the stack, written in one piece.
 */
#include "gateway/base/log.h"

#include "gateway/base/clock.h"
#include "gateway/base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

/* What a message may have; the rest is cut. Escaped it may become four times as long. */
#define LOG_MESSAGE_BYTES 2048
#define LOG_SUBJECT_BYTES 128
#define LOG_LINE_BYTES    (4 * (LOG_MESSAGE_BYTES + LOG_SUBJECT_BYTES) + 128)

/* Lines of one place in one second. */
#define LOG_LINES_A_SECOND 10

_Atomic enum log_level log_level = LOG_INFO;

static const char *const log_level_name[] = { "error", "warn ", "info ", "debug" };

struct log_text {
    char bytes[LOG_LINE_BYTES];
    size_t len;
};

static void log_text_add(struct log_text *text, struct slice s)
{
    CHECK(s.len <= sizeof(text->bytes) - text->len);
    memcpy(text->bytes + text->len, s.at, s.len);
    text->len += s.len;
}

/* As it is where it can be printed; "\xNN" for control bytes and what is not UTF-8. */
static void log_text_escape(struct log_text *text, struct slice s)
{
    static const char digits[] = "0123456789abcdef";

    while (s.len > 0) {
        unsigned char c = (unsigned char)s.at[0];
        size_t n = utf8_sequence(s);

        if (n == 0 || c < 0x20 || c == 0x7f) {
            log_text_add(text, slice_of((char[]){ '\\', 'x', digits[c >> 4], digits[c & 15] }, 4));
            n = 1;
        } else {
            log_text_add(text, slice_head(s, n));
        }
        s = slice_skip(s, n);
    }
}

static void log_text_number(struct log_text *text, const char *format, uint32_t n)
{
    char number[48];
    int len = snprintf(number, sizeof(number), format, n);

    log_text_add(text, slice_of(number, (size_t)len));
}

/*
 * Whether the place may speak; `*ret_left_out` is how many lines it was denied before. Threads may
 * race for the turn of a second; a line more or less does no harm.
 */
static bool log_site_may_speak(struct log_site *site, uint32_t *ret_left_out)
{
    uint64_t now_s = clock_now_us() / CLOCK_US_PER_S;

    *ret_left_out = 0;
    if (atomic_exchange_explicit(&site->window_s, now_s, memory_order_relaxed) != now_s) {
        atomic_store_explicit(&site->lines, 0, memory_order_relaxed);
        *ret_left_out = atomic_exchange_explicit(&site->muted, 0, memory_order_relaxed);
    }
    if (atomic_fetch_add_explicit(&site->lines, 1, memory_order_relaxed) < LOG_LINES_A_SECOND)
        return true;
    atomic_fetch_add_explicit(&site->muted, 1, memory_order_relaxed);
    return false;
}

static void log_text_head(struct log_text *text, enum log_level level,
                          const struct log_subject *subject)
{
    char now[CLOCK_TEXT_SIZE];
    char who[LOG_SUBJECT_BYTES] = "";

    clock_text(clock_wall_us(), now);
    log_text_add(text, slice_str(now));
    log_text_add(text, SLICE(" "));
    log_text_add(text, slice_str(log_level_name[level]));
    log_text_add(text, SLICE(" "));
    if (!subject)
        return;
    subject->print(subject, who, sizeof(who));
    log_text_escape(text, slice_str(who));
    log_text_add(text, SLICE(": "));
}

void log_line(enum log_level level, struct log_site *site, const struct log_subject *subject,
              const char *format, ...)
{
    struct log_text text;
    char message[LOG_MESSAGE_BYTES];
    uint32_t left_out;
    va_list args;
    int len;

    if (!log_site_may_speak(site, &left_out))
        return;
    va_start(args, format);
    len = vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    CHECK(len >= 0);
    text.len = 0; /* and no more: the bytes need no clearing */
    log_text_head(&text, level, subject);
    log_text_escape(&text, slice_str(message));
    if ((size_t)len >= sizeof(message))
        log_text_add(&text, SLICE("..."));
    if (left_out > 0)
        log_text_number(&text, " (%u lines like this left out)", left_out);
    log_text_add(&text, SLICE("\n"));
    while (write(STDERR_FILENO, text.bytes, text.len) < 0 && errno == EINTR)
        ;
}
