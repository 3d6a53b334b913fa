/*
 * Server-sent events, found in bytes cut anywhere (WHATWG HTML, 9.2.6: LF, CRLF and CR line ends in
 * any mixture, a BOM, `data:` with and without a space, several data lines, comments).
 *
 * The scanner reads along: it never changes what is passed on. An event that lies whole in the
 * bytes given is not copied; only a cut one is kept, up to SSE_EVENT_MAX. A larger event is passed
 * over unread and reported as oversized. Between events a scanner owns no memory.
 *
 *     sse_init(&sse);
 *     while (sse_next(&sse, &bytes, &event)) ...     for every read
 *     sse_release(&sse);
 *
 * One thread.
 */
#ifndef SLUICE_HTTP_SSE_H
#define SLUICE_HTTP_SSE_H

#include "gateway/http/remnant.h"

/* Far over any event an engine sends (a chunk with 20 logprobs has 4 KB), small enough to hold one
 * a stream. */
#define SSE_EVENT_MAX 65536

struct sse {
    struct remnant held;   /* the unfinished event's bytes so far */
    struct remnant joined; /* data of the event given last, when it had several data lines */
    bool begun;            /* the stream's first event is over: no BOM can come */
    bool line_begun;       /* something stands on the current line */
    bool after_cr;         /* the last byte was CR: an LF now belongs to it */
    bool between;          /* nothing of an unfinished event was seen */
    bool given;     /* held and joined are of the event given last: dropped by the next call */
    bool oversized; /* the event at hand is passed over */
};

struct sse_event {
    struct slice raw;  /* the whole event with the blank line that ends it; if oversized, what was
                          held of it */
    struct slice type; /* value of `event:`; empty: none */
    struct slice data; /* data lines joined by LF; empty: none or oversized */
    bool has_data;     /* a data line was there, maybe an empty one */
    bool data_in_raw;  /* data is a slice of raw: one data line */
    bool oversized;
};

void sse_init(struct sse *sse);
void sse_release(struct sse *sse);

/*
 * Takes bytes off `*bytes` up to the end of the next event and describes it; false when they are
 * used up before. The event's slices are valid until the next call or until the caller's bytes go.
 * An event ended by CR: a following LF is taken with it when it is there, else with the next.
 */
bool sse_next(struct sse *sse, struct slice *bytes, struct sse_event *ret_event);
/*
 * The stream has ended: describes what was left without a blank line. False when there is nothing.
 * By the standard it is no event; servers that forget the last LF are why it is asked for.
 */
bool sse_end(struct sse *sse, struct sse_event *ret_event);

/* Nothing of an unfinished event was passed on: a comment may be put in here. */
static inline bool sse_is_between(const struct sse *sse)
{
    return sse->between;
}

/* An LF at the front of the next bytes completes the CRLF that ended the last event; no event will
 * show it. */
static inline bool sse_owes_lf(const struct sse *sse)
{
    return sse->between && sse->after_cr;
}

/*
 * What is kept of the unfinished event. After the sse_next that found it oversized, once more what
 * was kept before the bytes of that call.
 */
static inline struct slice sse_held(const struct sse *sse)
{
    return remnant_bytes(&sse->held);
}

#endif
