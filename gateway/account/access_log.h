/*
 * The access log: one JSON line an exchange.
 *
 * Every worker has a log of its own: a ring of bytes that the worker's thread writes without locks
 * and the control thread drains into a file descriptor. A line that finds the ring full is dropped
 * and counted (METRIC log_dropped): a slow disk must not slow an exchange.
 *
 * The keys are the rows of access_log.def, with what they mean; what is unknown is left out of the
 * line. Text is JSON-escaped, what is not UTF-8 is replaced by U+FFFD, and each text is cut at its
 * row's limit, so that a line never passes ACCESS_LINE_BYTES, whoever chose the words (J-12).
 */
#ifndef SLUICE_ACCOUNT_ACCESS_LOG_H
#define SLUICE_ACCOUNT_ACCESS_LOG_H

#include "gateway/account/choice.h"
#include "gateway/base/mailbox.h"
#include "gateway/base/metric.h"
#include "gateway/base/reason.h"

/* PIPE_BUF: a line goes into a pipe whole or not at all. */
#define ACCESS_LINE_BYTES 4096
/* 50 ms of lines at 40,000 exchanges a second. */
#define ACCESS_RING_BYTES (1024 * 1024)

/* Borrowed by access_log_write, all of it. Start from access_entry_init. */
struct access_entry {
    uint64_t wall_us; /* when the request's head was complete; Unix time */
    struct slice request_id;
    struct slice client;   /* address of the peer, or what a trusted one said */
    struct slice listener; /* address it came in on */
    struct slice tenant;
    struct slice class_name; /* the configured one that is valid for it */
    struct slice method;
    struct slice path;    /* what follows a '?' is never logged */
    struct slice model;   /* as the client named it */
    struct slice version; /* of the model */
    struct slice pool;
    struct slice endpoint; /* of the last attempt */
    struct slice traceparent;
    const struct reason *reason;
    const struct choice *choice; /* NULL: nothing was chosen */
    uint64_t request_bytes;      /* of the body */
    uint64_t response_bytes;     /* of the body */
    int64_t duration_us;         /* head complete to end; -1 here and below: unknown, left out */
    int64_t held_us;             /* waiting for room at an endpoint */
    int64_t first_token_us;      /* head complete to the first content event */
    int64_t prompt_tokens;       /* as the engine reported them, cached ones included */
    int64_t cached_tokens;
    int64_t output_tokens;
    int64_t predicted_cached_tokens; /* what routing expected */
    int64_t predicted_prompt_tokens; /* what the gateway counted or estimated before */
    int64_t reused_tokens;           /* of them: known from an earlier turn */
    struct slice tokens;             /* "exact", or why they are an estimate */
    uint32_t attempts;
    uint16_t status;      /* what the client got; 0: nothing, left out */
    uint8_t http_version; /* 10, 11 or 20 */
    bool streamed;        /* the answer was an event stream */
};

/* All unknown. */
void access_entry_init(struct access_entry *entry);

struct access_log;

/* On the control thread: the ring is half full, drain it now. */
typedef void access_log_hurry_fn(struct access_log *log, void *receiver);

/*
 * `metrics` is the worker's shard. When the ring gets half full, `hurry` is called on the thread of
 * `control`, with its receiver, once until it has been called; both may be NULL (tests).
 */
struct access_log *access_log_new(struct metric_shard *metrics, struct mailbox *control,
                                  access_log_hurry_fn *hurry);
/* After the worker's thread has ended, and the control's mailbox has been emptied or freed;
 * undrained lines are lost. */
void access_log_free(struct access_log *log);

/* Worker's thread. Well under a microsecond, no system call (but for the hurry). */
void access_log_write(struct access_log *log, const struct access_entry *entry);

/*
 * Control thread: by timer, on hurry, and at exit. Writes what is there to `fd`, whole lines at a
 * time, with few calls: a file, a pipe or a terminal. Never waits for a pipe's reader; what cannot
 * be written now stays for the next call. Several logs may share an fd. SIGPIPE must be
 * ignored. Returns the errno of a failed write, else 0.
 */
int access_log_drain(struct access_log *log, int fd);

enum access_kind {
    ACCESS_TIME,    /* uint64_t microseconds of Unix time, printed as text */
    ACCESS_TEXT,    /* struct slice */
    ACCESS_PATH,    /* struct slice without its query */
    ACCESS_REASON,  /* const struct reason *: its name */
    ACCESS_CHOICE,  /* const struct choice * */
    ACCESS_VERSION, /* uint8_t: "1.0", "1.1", "2" */
    ACCESS_STATUS,  /* uint16_t */
    ACCESS_U32,
    ACCESS_U64,
    ACCESS_COUNT,    /* int64_t; negative: unknown */
    ACCESS_DURATION, /* int64_t microseconds, printed in milliseconds with three decimals; negative:
                        unknown */
    ACCESS_BOOL,
};

/* The rows of access_log.def: for the reference. */
struct access_field {
    const char *key;
    uint8_t kind;    /* enum access_kind */
    uint16_t offset; /* in struct access_entry */
    uint16_t limit;  /* texts: bytes in the line at most, quotes not counted */
    const char *help;
};

extern const struct access_field access_fields[];
extern const size_t access_field_count;

#endif
