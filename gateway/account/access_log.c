/*
 * The access log: lines formatted by hand straight into a ring between two threads.
 *
 * Positions in the ring count bytes since the start: `head` is the writer's, `tail` the reader's.
 * A line is always formatted in one run: behind the ring lies room for one more, and what of the
 * line came to lie there is copied to the ring's front before `head` moves.
 */
#include "gateway/account/access_log.h"

#include "gateway/base/bytes16.h"
#include "gateway/base/clock.h"
#include "gateway/base/utf8.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define RING_MASK (ACCESS_RING_BYTES - 1)
_Static_assert((ACCESS_RING_BYTES & RING_MASK) == 0, "positions are masked");

/* "2026-11-22T16:58:07." */
#define TIME_SECOND_BYTES 20

const struct access_field access_fields[] = {
#define ACCESS(key, kind, member, limit, help)                                                     \
    { #key, ACCESS_##kind, offsetof(struct access_entry, member), limit, help },
#include "gateway/account/access_log.def"
#undef ACCESS
};

const size_t access_field_count = ARRAY_LEN(access_fields);

/*
 * What stands before each value; the first comma becomes the line's '{'. Copied as a whole, padding
 * included, which the value overwrites: a copy of known size is two instructions, another one a
 * call.
 */
#define PREFIX_BYTES 32

static const struct access_prefix {
    char text[PREFIX_BYTES];
    uint8_t len;
} access_prefix[] = {
#define ACCESS(key, kind, member, limit, help) { ",\"" #key "\":", sizeof(",\"" #key "\":") - 1 },
#include "gateway/account/access_log.def"
#undef ACCESS
};

/* A line at its longest: keys, texts at their limits and their quotes, other values, the choice. */
#define VALUE_BYTES       32 /* a number, a time, a version */
#define CHOICE_NAME_BYTES 32
#define CHOICE_BYTES      (160 + CHOICE_NAME_BYTES + CHOICE_SCREENS_MAX * (CHOICE_NAME_BYTES + 16))
enum {
    ACCESS_LINE_LONGEST = CHOICE_BYTES + 2 + PREFIX_BYTES
#define ACCESS(key, kind, member, limit, help)                                                     \
    +(sizeof(",\"" #key "\":") + (limit ? limit + 2 : VALUE_BYTES))
#include "gateway/account/access_log.def"
#undef ACCESS
};
_Static_assert(ACCESS_LINE_LONGEST <= ACCESS_LINE_BYTES, "a line fits whatever it says");

struct access_log {
    char *ring; /* ACCESS_RING_BYTES, and ACCESS_LINE_BYTES behind them */
    struct metric_shard *metrics;
    struct mailbox *control;
    access_log_hurry_fn *hurry;
    struct letter letter;  /* under way while `hurrying` */
    _Atomic bool hurrying; /* set by the writer, cleared when the letter is opened */

    char own_line_before[64]; /* the two threads' positions on cache lines of their own */
    _Atomic uint64_t head;    /* writer's */
    uint64_t tail_seen;       /* writer's: `tail` when last looked at */
    uint64_t second;          /* writer's: the second of `second_text` */
    char second_text[CLOCK_TEXT_SIZE];

    char own_line_between[64];
    _Atomic uint64_t tail; /* reader's */
};

void access_entry_init(struct access_entry *entry)
{
    *entry = (struct access_entry){
        .duration_us = -1,
        .held_us = -1,
        .first_token_us = -1,
        .prompt_tokens = -1,
        .cached_tokens = -1,
        .output_tokens = -1,
        .predicted_cached_tokens = -1,
        .predicted_prompt_tokens = -1,
        .reused_tokens = -1,
    };
}

/* Control's thread. */
static void access_log_hurried(struct letter *letter, void *receiver)
{
    struct access_log *log = CONTAINER_OF(letter, struct access_log, letter);

    atomic_store_explicit(&log->hurrying, false, memory_order_release);
    log->hurry(log, receiver);
}

struct access_log *access_log_new(struct metric_shard *metrics, struct mailbox *control,
                                  access_log_hurry_fn *hurry)
{
    struct access_log *log = xcalloc(1, sizeof(*log));

    CHECK(!control == !hurry);
    log->ring = xmalloc(ACCESS_RING_BYTES + ACCESS_LINE_BYTES);
    log->metrics = metrics;
    log->control = control;
    log->hurry = hurry;
    list_init(&log->letter.link);
    log->letter.open = access_log_hurried;
    log->second = UINT64_MAX;
    return log;
}

void access_log_free(struct access_log *log)
{
    if (!log)
        return;
    free(log->ring);
    free(log);
}

/* Parts of a line: each writes at `at`, where there is room, and returns where it ended */

static char *put_slice(char *at, struct slice s)
{
    memcpy(at, s.at, s.len);
    return at + s.len;
}

static char *put_number(char *at, uint64_t n)
{
    char digits[20]; /* of 2^64 - 1 */
    size_t first = sizeof(digits);

    do
        digits[--first] = (char)('0' + n % 10);
    while (n /= 10);
    return put_slice(at, slice_of(digits + first, sizeof(digits) - first));
}

static char *put_three_digits(char *at, uint64_t n)
{
    *at++ = (char)('0' + n / 100);
    *at++ = (char)('0' + n / 10 % 10);
    *at++ = (char)('0' + n % 10);
    return at;
}

/* All but printable ASCII, and '"' and '\'. */
static inline bytes16 not_plain(bytes16 bytes)
{
    return (bytes16)((bytes < 0x20) | (bytes >= 0x7f) | (bytes == '"') | (bytes == '\\'));
}

/* How many bytes at the front need no escape. */
static size_t plain_length(struct slice s)
{
    size_t n = 0;

    for (; s.len - n >= sizeof(bytes16); n += sizeof(bytes16)) {
        size_t plain = bytes16_first(not_plain(bytes16_load(s.at + n)));

        if (plain < sizeof(bytes16))
            return n + plain;
    }
    while (n < s.len && !bytes16_any(not_plain(bytes16_all((uint8_t)s.at[n]))))
        n++;
    return n;
}

/* "\u00NN", for controls (also those of Latin-1, which terminals obey), '"' and '\'. */
static struct slice escape_code(unsigned char c, char text[6])
{
    static const char digits[] = "0123456789abcdef";

    memcpy(text, "\\u00", 4);
    text[4] = digits[c >> 4];
    text[5] = digits[c & 15];
    return slice_of(text, 6);
}

/* How the character at the front, which is not plain, is written; `*ret_taken` bytes stand for it.
 */
static struct slice escape(struct slice s, char text[6], size_t *ret_taken)
{
    unsigned char c = (unsigned char)s.at[0];
    size_t n = utf8_sequence(s);

    *ret_taken = n ? n : 1;
    if (n == 0)
        return SLICE(UTF8_REPLACEMENT);
    if (n == 1 && (c == '"' || c == '\\'))
        return slice_of(c == '"' ? "\\\"" : "\\\\", 2);
    if (n == 1)
        return escape_code(c, text);
    if (c == 0xc2 && (unsigned char)s.at[1] < 0xa0)
        return escape_code((unsigned char)s.at[1], text);
    return slice_head(s, n);
}

/* Goes on up to `end` where an escape is needed; the rest of the text is cut, never an escape. */
static char *put_escaped(char *at, struct slice s, const char *end)
{
    while (s.len > 0 && at < end) {
        size_t plain = plain_length(slice_head(s, (size_t)(end - at)));
        char text[6];
        struct slice escaped;
        size_t taken;

        at = put_slice(at, slice_head(s, plain));
        s = slice_skip(s, plain);
        if (s.len == 0 || at == end)
            break;
        escaped = escape(s, text, &taken);
        if (escaped.len > (size_t)(end - at))
            break;
        at = put_slice(at, escaped);
        s = slice_skip(s, taken);
    }
    return at;
}

/* At most `limit` bytes between the quotes. Most texts need no escape. */
static char *put_text(char *at, struct slice s, size_t limit)
{
    *at++ = '"';
    if (LIKELY(s.len <= limit && !bytes16_has(s.at, s.len, not_plain)))
        at = put_slice(at, s);
    else
        at = put_escaped(at, s, at + limit);
    *at++ = '"';
    return at;
}

static char *put_duration(char *at, int64_t us)
{
    at = put_number(at, (uint64_t)us / 1000);
    *at++ = '.';
    return put_three_digits(at, (uint64_t)us % 1000);
}

/* A price past this says no more than that it is absurd. */
#define SECONDS_MAX 1e9

static char *put_seconds(char *at, double s)
{
    uint64_t us = s > 0 ? (uint64_t)((s < SECONDS_MAX ? s : SECONDS_MAX) * CLOCK_US_PER_S) : 0;

    at = put_number(at, us / CLOCK_US_PER_S);
    *at++ = '.';
    at = put_three_digits(at, us / 1000 % 1000);
    return put_three_digits(at, us % 1000);
}

static char *put_version(char *at, uint8_t version)
{
    if (version >= 20)
        return put_slice(at, SLICE("\"2\""));
    return put_slice(at, version == 10 ? SLICE("\"1.0\"") : SLICE("\"1.1\""));
}

/* Most lines share their second with the one before. */
static char *put_time(struct access_log *log, char *at, uint64_t wall_us)
{
    if (log->second != wall_us / CLOCK_US_PER_S) {
        log->second = wall_us / CLOCK_US_PER_S;
        clock_text(wall_us, log->second_text);
    }
    *at++ = '"';
    at = put_slice(at, slice_of(log->second_text, TIME_SECOND_BYTES));
    at = put_three_digits(at, wall_us / CLOCK_US_PER_MS % 1000);
    return put_slice(at, SLICE("Z\""));
}

static char *put_choice(char *at, const struct choice *choice)
{
    uint32_t screens =
        choice->screen_count < CHOICE_SCREENS_MAX ? choice->screen_count : CHOICE_SCREENS_MAX;

    at = put_slice(at, SLICE("{\"policy\":"));
    at = put_text(at, slice_str(choice->policy), CHOICE_NAME_BYTES);
    at = put_slice(at, SLICE(",\"considered\":"));
    at = put_number(at, choice->considered);
    at = put_slice(at, SLICE(",\"screened\":{"));
    for (uint32_t i = 0; i < screens; i++) {
        if (i > 0)
            *at++ = ',';
        at = put_text(at, slice_str(choice->screens[i].name), CHOICE_NAME_BYTES);
        *at++ = ':';
        at = put_number(at, choice->screens[i].dropped);
    }
    *at++ = '}';
    if (choice->priced) {
        at = put_slice(at, SLICE(",\"price_s\":"));
        at = put_seconds(at, choice->price_s);
        at = put_slice(at, SLICE(",\"prefill_s\":"));
        at = put_seconds(at, choice->prefill_s);
    }
    *at++ = '}';
    return at;
}

/* The member of an entry that a row speaks of. */
#define MEMBER(type, entry, field)                                                                 \
    (*(const type *)(const void *)((const char *)(entry) + (field)->offset))

/* The value of a row; NULL when it is unknown. */
static char *put_value(struct access_log *log, char *at, const struct access_field *field,
                       const struct access_entry *entry)
{
    const struct reason *reason;
    const struct choice *choice;
    struct slice text;
    int64_t count;

    switch ((enum access_kind)field->kind) {
    case ACCESS_TIME:
        return put_time(log, at, MEMBER(uint64_t, entry, field));
    case ACCESS_TEXT:
        text = MEMBER(struct slice, entry, field);
        return text.len > 0 ? put_text(at, text, field->limit) : NULL;
    case ACCESS_PATH:
        text = MEMBER(struct slice, entry, field);
        return text.len > 0 ? put_text(at, slice_head(text, slice_find(text, '?')), field->limit)
                            : NULL;
    case ACCESS_REASON:
        reason = MEMBER(struct reason *, entry, field);
        return reason ? put_text(at, slice_str(reason->name), field->limit) : NULL;
    case ACCESS_CHOICE:
        choice = MEMBER(struct choice *, entry, field);
        return choice && choice->policy ? put_choice(at, choice) : NULL;
    case ACCESS_VERSION:
        return put_version(at, MEMBER(uint8_t, entry, field));
    case ACCESS_STATUS:
        count = MEMBER(uint16_t, entry, field);
        return count > 0 ? put_number(at, (uint64_t)count) : NULL;
    case ACCESS_U32:
        return put_number(at, MEMBER(uint32_t, entry, field));
    case ACCESS_U64:
        return put_number(at, MEMBER(uint64_t, entry, field));
    case ACCESS_COUNT:
        count = MEMBER(int64_t, entry, field);
        return count >= 0 ? put_number(at, (uint64_t)count) : NULL;
    case ACCESS_DURATION:
        count = MEMBER(int64_t, entry, field);
        return count >= 0 ? put_duration(at, count) : NULL;
    case ACCESS_BOOL:
        return put_slice(at, MEMBER(bool, entry, field) ? SLICE("true") : SLICE("false"));
    }
    return NULL;
}

/* Returns the line's length. `line` has room for ACCESS_LINE_BYTES. */
static size_t put_line(struct access_log *log, char *line, const struct access_entry *entry)
{
    char *at = line;

    for (size_t i = 0; i < access_field_count; i++) {
        const struct access_prefix *prefix = &access_prefix[i];
        char *end;

        memcpy(at, prefix->text, PREFIX_BYTES);
        end = put_value(log, at + prefix->len, &access_fields[i], entry);
        if (end)
            at = end;
    }
    *line = '{'; /* over the first comma */
    at = put_slice(at, SLICE("}\n"));
    CHECK(at - line <= ACCESS_LINE_BYTES);
    return (size_t)(at - line);
}

/* Whether a line of any length fits; looks at the reader's position only when the last look is too
 * old. */
static bool ring_has_room(struct access_log *log, uint64_t head)
{
    if (head - log->tail_seen > ACCESS_RING_BYTES - ACCESS_LINE_BYTES)
        log->tail_seen = atomic_load_explicit(&log->tail, memory_order_acquire);
    return head - log->tail_seen <= ACCESS_RING_BYTES - ACCESS_LINE_BYTES;
}

/* The reader's position is looked at again before the alarm is raised: the last look may be old. */
static void hurry_if_half_full(struct access_log *log, uint64_t head)
{
    if (!log->control || head - log->tail_seen <= ACCESS_RING_BYTES / 2)
        return;
    log->tail_seen = atomic_load_explicit(&log->tail, memory_order_acquire);
    if (head - log->tail_seen <= ACCESS_RING_BYTES / 2 ||
        atomic_load_explicit(&log->hurrying, memory_order_acquire))
        return;
    atomic_store_explicit(&log->hurrying, true, memory_order_relaxed);
    mailbox_send(log->control, &log->letter);
}

void access_log_write(struct access_log *log, const struct access_entry *entry)
{
    uint64_t head = atomic_load_explicit(&log->head, memory_order_relaxed);
    size_t at = head & RING_MASK;
    size_t len;

    if (!ring_has_room(log, head)) {
        metric_add(log->metrics, METRIC_ID_log_dropped, 1);
        return;
    }
    len = put_line(log, log->ring + at, entry);
    if (at + len > ACCESS_RING_BYTES)
        memcpy(log->ring, log->ring + ACCESS_RING_BYTES, at + len - ACCESS_RING_BYTES);
    atomic_store_explicit(&log->head, head + len, memory_order_release);
    hurry_if_half_full(log, head + len);
}

/* Draining */

/* How much of what is there goes into a pipe at once: whole lines, PIPE_BUF at most. */
static size_t pipe_portion(const struct access_log *log, uint64_t tail, size_t len)
{
    if (len <= ACCESS_LINE_BYTES)
        return len;
    len = ACCESS_LINE_BYTES;
    while (log->ring[(tail + len - 1) & RING_MASK] != '\n')
        len--;
    return len;
}

/* One call for `len` bytes from `tail` on, which may lie at the ring's end and at its front. */
static ssize_t ring_write(const struct access_log *log, int fd, uint64_t tail, size_t len)
{
    size_t at = tail & RING_MASK;
    size_t run = len < ACCESS_RING_BYTES - at ? len : ACCESS_RING_BYTES - at;
    struct iovec iov[2] = { { log->ring + at, run }, { log->ring, len - run } };
    ssize_t n;

    do
        n = writev(fd, iov, 2);
    while (n < 0 && errno == EINTR);
    return n;
}

static bool fd_is_file(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

/* A pipe that is ready takes PIPE_BUF bytes without waiting (pipe(7)). */
static bool fd_is_ready(int fd)
{
    struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };

    return poll(&poll_fd, 1, /* timeout_ms= */ 0) == 1;
}

int access_log_drain(struct access_log *log, int fd)
{
    uint64_t tail = atomic_load_explicit(&log->tail, memory_order_relaxed);
    uint64_t head = atomic_load_explicit(&log->head, memory_order_acquire);
    bool is_file = tail < head && fd_is_file(fd);

    while (tail < head && (is_file || fd_is_ready(fd))) {
        size_t len = is_file ? head - tail : pipe_portion(log, tail, head - tail);
        ssize_t n = ring_write(log, fd, tail, len);

        if (n < 0)
            return errno == EAGAIN ? 0 : errno;
        tail += (uint64_t)n;
        atomic_store_explicit(&log->tail, tail, memory_order_release);
    }
    return 0;
}
