/*
 * Reads along in an answer: when content begins, when it ends and how, and what it cost.
 *
 * Fed every byte of an answer's body, in pieces cut anywhere; the result never depends on the cuts.
 * Understands SSE, lines of JSON and whole JSON answers, by content type; anything else, and any
 * content coding, is opaque: counted by the caller, read by nobody. Keeps at most one unfinished
 * event or line (SSE_EVENT_MAX), and of a whole JSON answer only the few members that matter;
 * between events it owns no memory.
 *
 * Usage is the last cumulative word of the engine, never a sum.
 *
 * Strip mode takes out what include_usage added where sluice itself asked for it: the usage-only
 * chunk and the "usage" members of the others. Then only whole events are passed on. An event over
 * the bound ends stripping: from there on everything passes as it comes.
 *
 * One answer's; its worker's thread.
 */
#ifndef SLUICE_ACCOUNT_USAGE_H
#define SLUICE_ACCOUNT_USAGE_H

#include "gateway/base/buf.h"
#include "gateway/http/sse.h"
#include "gateway/prompt/dialect.h"

enum usage_form {
    USAGE_FORM_OPAQUE, /* nobody looks */
    USAGE_FORM_SSE,
    USAGE_FORM_LINES, /* application/x-ndjson */
    USAGE_FORM_JSON,
};

enum usage_strip {
    USAGE_STRIP_NONE,  /* the caller passes the bytes itself */
    USAGE_STRIP_ADDED, /* the usage-only chunk, and "usage":null of others */
    USAGE_STRIP_ALL,   /* also usage objects of chunks with choices: the client had set
                          continuous_usage_stats */
};

/* What the bytes just fed brought. */
struct usage_step {
    uint32_t contents; /* content events: for first content and gaps */
    bool content;      /* contents > 0; of a whole JSON answer: its first byte */
    bool finish;       /* a finish_reason was seen */
    bool error;        /* an error inside the answer */
    bool terminal;     /* the dialect's last event */
};

struct usage_sieve;

struct usage_reader {
    const struct dialect_type *dialect;
    uint8_t form;        /* enum usage_form */
    uint8_t strip;       /* enum usage_strip */
    bool strip_ended;    /* strip: an event was too large; everything passes */
    bool removed_last;   /* strip: the last event was taken out, and so is an LF that completes its
                            CRLF */
    bool line_oversized; /* FORM_LINES: the line at hand is passed over */
    bool content_begun;  /* these four: since the beginning */
    bool finish_seen;
    bool error_seen;
    bool terminal_seen;
    uint64_t sequence; /* for dialect->stream_error */
    struct answer_usage usage;
    union {
        struct sse sse;      /* FORM_SSE */
        struct remnant line; /* FORM_LINES: the unfinished one */
        /* FORM_JSON: ours, NULL before the first byte and after the last. */
        struct usage_sieve *sieve;
    };
};

/* content_type and content_encoding as the endpoint sent them; empty: none. NULL dialect: opaque.
 */
void usage_reader_init(struct usage_reader *reader, const struct dialect_type *dialect,
                       struct slice content_type, struct slice content_encoding);
/* Before the first byte, and with an effect only on SSE. */
void usage_reader_strip(struct usage_reader *reader, enum usage_strip strip);
void usage_reader_release(struct usage_reader *reader);

/* The bytes are borrowed. In strip mode what may pass on is appended to `out`, whatever its limit;
 * else `out` is not touched and may be NULL. */
struct usage_step usage_reader_feed(struct usage_reader *reader, struct slice bytes,
                                    struct buf *out);
/* The answer is complete. In strip mode the unfinished event is passed on as it is. */
struct usage_step usage_reader_end(struct usage_reader *reader, struct buf *out);

/* Strip mode is on: the caller passes what it finds in `out`, not the bytes it feeds. */
static inline bool usage_reader_strips(const struct usage_reader *reader)
{
    return reader->strip != USAGE_STRIP_NONE;
}

/* An SSE answer of which whole events were passed on: comments and errors of ours may be put in. */
static inline bool usage_reader_is_between(const struct usage_reader *reader)
{
    if (reader->form != USAGE_FORM_SSE)
        return false;
    return (usage_reader_strips(reader) && !reader->strip_ended) || sse_is_between(&reader->sse);
}

#endif
