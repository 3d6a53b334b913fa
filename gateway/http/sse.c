/*
 * The scanner looks for the blank line that ends an event, whatever the cuts; only a complete event
 * is taken apart into its lines.
 */
#include "gateway/http/sse.h"

void sse_init(struct sse *sse)
{
    *sse = (struct sse){ .between = true };
}

void sse_release(struct sse *sse)
{
    remnant_release(&sse->held);
    remnant_release(&sse->joined);
}

/* Position of the first CR or LF from `from` on, or bytes.len. */
static size_t find_line_end(struct slice bytes, size_t from)
{
    const char *at = bytes.at + from;
    const char *lf = memchr(at, '\n', bytes.len - from);
    size_t reach = lf ? (size_t)(lf - at) : bytes.len - from;
    const char *cr = memchr(at, '\r', reach);

    return from + (cr ? (size_t)(cr - at) : reach);
}

/*
 * Bytes up to the end of the event, an LF that completes its CRLF included; 0 when it does not end
 * here. Keeps the place on the line in sse.
 */
static size_t find_event_end(struct sse *sse, struct slice bytes)
{
    size_t at = 0;

    while (at < bytes.len) {
        size_t end;

        if (sse->after_cr && bytes.at[at] == '\n') {
            sse->after_cr = false;
            at++;
            continue;
        }
        sse->after_cr = false;
        end = find_line_end(bytes, at);
        sse->line_begun |= end > at;
        if (end == bytes.len)
            return 0;
        sse->after_cr = bytes.at[end] == '\r';
        at = end + 1;
        if (!sse->line_begun) {
            if (sse->after_cr && at < bytes.len && bytes.at[at] == '\n') {
                sse->after_cr = false;
                at++;
            }
            return at;
        }
        sse->line_begun = false;
    }
    return 0;
}

/* Cuts a line off the front, without its end. */
static struct slice cut_line(struct slice *rest)
{
    size_t end = find_line_end(*rest, 0);
    struct slice line = slice_head(*rest, end);

    *rest = slice_skip(*rest, end);
    *rest = slice_skip(*rest, slice_starts(*rest, SLICE("\r\n")) ? 2 : 1);
    return line;
}

/* A second data line and more: all of them are joined in a buffer of their own. */
static void join_data(struct sse *sse, struct sse_event *event, struct slice value)
{
    /* limits cannot be met: a join is shorter than its event */
    bool fits = sse->joined.at || remnant_add(&sse->joined, event->data, SIZE_MAX);

    fits = fits && remnant_add(&sse->joined, SLICE("\n"), SIZE_MAX) &&
           remnant_add(&sse->joined, value, SIZE_MAX);
    CHECK(fits);
    event->data = remnant_bytes(&sse->joined);
    event->data_in_raw = false;
}

static void read_line(struct sse *sse, struct sse_event *event, struct slice line)
{
    struct slice value = line;
    struct slice name = slice_cut(&value, ':');

    if (slice_starts(value, SLICE(" ")))
        value = slice_skip(value, 1);
    if (slice_eq(name, SLICE("event")))
        event->type = value;
    if (!slice_eq(name, SLICE("data")))
        return;
    if (event->has_data) {
        join_data(sse, event, value);
        return;
    }
    event->has_data = event->data_in_raw = true;
    event->data = value.at ? value : slice_of(line.at + line.len, 0);
}

/* Describes the event that is whole in `raw`. */
static void describe(struct sse *sse, struct slice raw, struct sse_event *ret_event)
{
    struct slice rest = raw;

    *ret_event = (struct sse_event){ .raw = raw };
    if (!sse->begun && slice_starts(rest, SLICE("\xef\xbb\xbf")))
        rest = slice_skip(rest, 3);
    while (rest.len > 0)
        read_line(sse, ret_event, cut_line(&rest));
}

/* An event is over; what is held of it lives until the next call. */
static void finish_event(struct sse *sse)
{
    sse->begun = true;
    sse->between = true;
    sse->line_begun = false;
    sse->oversized = false;
    sse->given = true;
}

static void drop_given(struct sse *sse)
{
    if (!sse->given)
        return;
    sse->given = false;
    sse_release(sse);
}

/* The event's end, `len` bytes on, completes what is held. */
static void give(struct sse *sse, struct slice bytes, size_t len, struct sse_event *ret_event)
{
    /* where the bound is met must not depend on the cuts: an LF after the CR that ended the event
     * does not count */
    size_t counted = len - (len >= 2 && bytes.at[len - 1] == '\n' && bytes.at[len - 2] == '\r');
    struct slice head = slice_head(bytes, len);

    if (sse->oversized || sse->held.len + counted > SSE_EVENT_MAX) {
        *ret_event = (struct sse_event){ .raw = remnant_bytes(&sse->held), .oversized = true };
    } else if (sse->held.len == 0) {
        describe(sse, head, ret_event);
    } else {
        bool fits = remnant_add(&sse->held, head, SSE_EVENT_MAX + 1);

        CHECK(fits);
        describe(sse, remnant_bytes(&sse->held), ret_event);
    }
    finish_event(sse);
}

bool sse_next(struct sse *sse, struct slice *bytes, struct sse_event *ret_event)
{
    size_t len;

    drop_given(sse);
    if (bytes->len > 0 && sse_owes_lf(sse)) {
        if (bytes->at[0] == '\n')
            *bytes = slice_skip(*bytes, 1);
        sse->after_cr = false;
    }
    if (bytes->len == 0)
        return false;
    len = find_event_end(sse, *bytes);
    if (len > 0) {
        give(sse, *bytes, len, ret_event);
        *bytes = slice_skip(*bytes, len);
        return true;
    }
    sse->between = false;
    if (!sse->oversized && !remnant_add(&sse->held, *bytes, SSE_EVENT_MAX)) {
        sse->oversized = true;
        sse->given = true;
    }
    *bytes = slice_of(NULL, 0);
    return false;
}

bool sse_end(struct sse *sse, struct sse_event *ret_event)
{
    drop_given(sse);
    if (sse->held.len == 0)
        return false;
    describe(sse, remnant_bytes(&sse->held), ret_event);
    finish_event(sse);
    return true;
}
