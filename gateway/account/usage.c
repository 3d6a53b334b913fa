/*
 * Cuts an answer into events, has the dialect read each, and keeps the last word on usage.
 */
#include "gateway/account/usage.h"

#include "gateway/base/spare.h"
#include "gateway/account/usage_sieve.h"
#include "gateway/prompt/multipart.h"

#include <stdlib.h>

static enum usage_form form_of(struct slice content_type, struct slice content_encoding)
{
    static const struct {
        struct slice type;
        enum usage_form form;
    } types[] = {
        { SLICE_INIT("text/event-stream"), USAGE_FORM_SSE },
        { SLICE_INIT("application/json"), USAGE_FORM_JSON },
        { SLICE_INIT("application/x-ndjson"), USAGE_FORM_LINES },
        { SLICE_INIT("application/ndjson"), USAGE_FORM_LINES },
        { SLICE_INIT("application/jsonl"), USAGE_FORM_LINES },
    };
    struct slice type = media_type(content_type);

    if (content_encoding.len > 0 && !slice_ieq(slice_trim(content_encoding), SLICE("identity")))
        return USAGE_FORM_OPAQUE;
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (slice_ieq(type, types[i].type))
            return types[i].form;
    return USAGE_FORM_OPAQUE;
}

void usage_reader_init(struct usage_reader *reader, const struct dialect_type *dialect,
                       struct slice content_type, struct slice content_encoding)
{
    *reader = (struct usage_reader){ .dialect = dialect };
    if (dialect)
        reader->form = (uint8_t)form_of(content_type, content_encoding);
    if (reader->form == USAGE_FORM_SSE)
        sse_init(&reader->sse);
}

void usage_reader_strip(struct usage_reader *reader, enum usage_strip strip)
{
    if (reader->form == USAGE_FORM_SSE)
        reader->strip = (uint8_t)strip;
}

void usage_reader_release(struct usage_reader *reader)
{
    if (reader->form == USAGE_FORM_SSE)
        sse_release(&reader->sse);
    else if (reader->form == USAGE_FORM_LINES)
        remnant_release(&reader->line);
    else if (reader->form == USAGE_FORM_JSON)
        spare_free(reader->sieve, sizeof(*reader->sieve));
    reader->form = USAGE_FORM_OPAQUE;
}

/* What one event or answer said goes into the step and into what is known since the beginning. */
static void note(struct usage_reader *reader, const struct answer_facts *facts,
                 struct usage_step *step)
{
    step->contents += facts->content;
    step->content |= facts->content;
    step->finish |= facts->finish;
    step->error |= facts->error;
    step->terminal |= facts->terminal;
    reader->content_begun |= facts->content;
    reader->finish_seen |= facts->finish;
    reader->error_seen |= facts->error;
    reader->terminal_seen |= facts->terminal;
    if (facts->sequence > reader->sequence)
        reader->sequence = facts->sequence;
    answer_usage_merge(&reader->usage, &facts->usage);
}

static struct answer_facts read_event(struct usage_reader *reader, const struct sse_event *event,
                                      struct usage_step *step)
{
    struct answer_facts facts = { .content = false };

    if (event->data.len > 0)
        reader->dialect->classify(event->type, event->data, &facts);
    note(reader, &facts, step);
    return facts;
}

/*
 * An event goes on without what include_usage added: not at all, or without its member "usage".
 * Data joined from several lines is left as it is: no engine writes it so, and the member does no
 * harm.
 */
static void pass_stripped(struct usage_reader *reader, const struct sse_event *event,
                          const struct answer_facts *facts, struct buf *out)
{
    bool has_member =
        facts->usage_value.kind == JSON_KIND_NULL ||
        (facts->usage_value.kind == JSON_KIND_OBJECT && reader->strip == USAGE_STRIP_ALL);
    struct slice cut;

    reader->removed_last = facts->usage_only;
    if (facts->usage_only)
        return;
    if (!has_member || !event->data_in_raw) {
        buf_add(out, event->raw);
        return;
    }
    cut = json_member_span(event->data, facts->usage_key.raw, facts->usage_value.raw);
    buf_add(out, slice_head(event->raw, (size_t)(cut.at - event->raw.at)));
    buf_add(out, slice_skip(event->raw, (size_t)(cut.at - event->raw.at) + cut.len));
}

/* From an event on that is too large to be held: what was held of it, and the bytes at hand. */
static void end_stripping(struct usage_reader *reader, struct slice bytes, struct buf *out)
{
    reader->strip_ended = true;
    buf_add(out, sse_held(&reader->sse));
    buf_add(out, bytes);
}

/* The LF of a CRLF that the cut came between: part of an event that was passed or taken out before.
 */
static void pass_owed_lf(struct usage_reader *reader, struct slice *bytes, struct buf *out)
{
    if (bytes->len == 0 || bytes->at[0] != '\n' || !sse_owes_lf(&reader->sse))
        return;
    if (!reader->removed_last)
        buf_add(out, SLICE("\n"));
    reader->sse.after_cr = false;
    *bytes = slice_skip(*bytes, 1);
}

static void feed_stripping(struct usage_reader *reader, struct slice bytes, struct buf *out,
                           struct usage_step *step)
{
    struct sse_event event;
    struct slice before;

    if (reader->strip_ended)
        buf_add(out, bytes);
    else
        pass_owed_lf(reader, &bytes, out);
    for (before = bytes; sse_next(&reader->sse, &bytes, &event); before = bytes) {
        struct answer_facts facts = read_event(reader, &event, step);

        if (!reader->strip_ended && event.oversized)
            end_stripping(reader, before, out);
        else if (!reader->strip_ended)
            pass_stripped(reader, &event, &facts, out);
    }
    if (!reader->strip_ended && reader->sse.oversized)
        end_stripping(reader, before, out);
}

static void feed_sse(struct usage_reader *reader, struct slice bytes, struct usage_step *step)
{
    struct sse_event event;

    while (sse_next(&reader->sse, &bytes, &event))
        read_event(reader, &event, step);
}

static void read_line(struct usage_reader *reader, struct slice line, struct usage_step *step)
{
    struct answer_facts facts = { .content = false };

    reader->dialect->classify(slice_of(NULL, 0), line, &facts);
    note(reader, &facts, step);
}

/* A line's end was found behind `rest`. */
static void end_line(struct usage_reader *reader, struct slice rest, struct usage_step *step)
{
    bool fits = !reader->line_oversized && reader->line.len + rest.len <= SSE_EVENT_MAX;

    if (fits && reader->line.len == 0)
        read_line(reader, rest, step);
    else if (fits && remnant_add(&reader->line, rest, SSE_EVENT_MAX))
        read_line(reader, remnant_bytes(&reader->line), step);
    remnant_release(&reader->line);
    reader->line_oversized = false;
}

static void feed_lines(struct usage_reader *reader, struct slice bytes, struct usage_step *step)
{
    size_t end;

    while ((end = slice_find(bytes, '\n')) < bytes.len) {
        end_line(reader, slice_head(bytes, end), step);
        bytes = slice_skip(bytes, end + 1);
    }
    if (bytes.len == 0 || reader->line_oversized)
        return;
    if (!remnant_add(&reader->line, bytes, SSE_EVENT_MAX)) {
        remnant_release(&reader->line);
        reader->line_oversized = true;
    }
}

/* A whole answer ends well when its JSON does. */
static void feed_json(struct usage_reader *reader, struct slice bytes, struct usage_step *step)
{
    struct answer_facts facts = { .content = !reader->content_begun };

    if (bytes.len == 0 || reader->terminal_seen)
        return;
    if (!reader->sieve) {
        reader->sieve = spare_alloc(sizeof(*reader->sieve));
        usage_sieve_init(reader->sieve);
    }
    usage_sieve_feed(reader->sieve, bytes);
    if (reader->sieve->complete) {
        bool content = facts.content;

        reader->dialect->classify(slice_of(NULL, 0), usage_sieve_result(reader->sieve), &facts);
        facts.content = content;
        facts.terminal = true;
        facts.finish = !facts.error;
        spare_free(reader->sieve, sizeof(*reader->sieve));
        reader->sieve = NULL;
    }
    note(reader, &facts, step);
}

struct usage_step usage_reader_feed(struct usage_reader *reader, struct slice bytes,
                                    struct buf *out)
{
    struct usage_step step = { .contents = 0 };

    if (reader->form == USAGE_FORM_SSE && usage_reader_strips(reader))
        feed_stripping(reader, bytes, out, &step);
    else if (reader->form == USAGE_FORM_SSE)
        feed_sse(reader, bytes, &step);
    else if (reader->form == USAGE_FORM_LINES)
        feed_lines(reader, bytes, &step);
    else if (reader->form == USAGE_FORM_JSON)
        feed_json(reader, bytes, &step);
    return step;
}

struct usage_step usage_reader_end(struct usage_reader *reader, struct buf *out)
{
    struct usage_step step = { .contents = 0 };
    struct sse_event event;
    struct answer_facts facts;

    if (reader->form == USAGE_FORM_SSE && sse_end(&reader->sse, &event)) {
        facts = read_event(reader, &event, &step);
        if (usage_reader_strips(reader) && !reader->strip_ended)
            pass_stripped(reader, &event, &facts, out);
    } else if (reader->form == USAGE_FORM_LINES && reader->line.len > 0) {
        end_line(reader, slice_of(NULL, 0), &step);
    }
    return step;
}
