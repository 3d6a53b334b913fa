/*
 * Event streams from anybody: the events are the same wherever the bytes are cut, and nothing is
 * held past the bound. The first two bytes of the input say where it is cut.
 */
#include "gateway/http/sse.h"

#include "gateway/base/map.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* A digest of all events in order. Blank lines alone may be events or parts of them, so only data
 * counts. */
struct digest {
    uint64_t hash;
    size_t events;
};

static void digest_event(struct digest *digest, const struct sse_event *event)
{
    if (!event->has_data && !event->oversized)
        return;
    CHECK(!event->data_in_raw ||
          (event->data.at >= event->raw.at &&
           event->data.at + event->data.len <= event->raw.at + event->raw.len));
    digest->events++;
    digest->hash = digest->hash * 31 + map_hash(event->data);
    digest->hash = digest->hash * 31 + map_hash(event->type) + event->oversized;
}

static void feed(struct sse *sse, struct slice bytes, struct digest *digest)
{
    char *copy = xmalloc(bytes.len + 1);
    struct slice rest = slice_of(copy, bytes.len);
    struct sse_event event;

    if (bytes.len > 0)
        memcpy(copy, bytes.at, bytes.len);
    while (sse_next(sse, &rest, &event))
        digest_event(digest, &event);
    CHECK(rest.len == 0 && sse_held(sse).len <= SSE_EVENT_MAX);
    CHECK(!sse_is_between(sse) || sse_held(sse).len == 0 || sse->given);
    free(copy);
}

static struct digest read_cut(struct slice text, size_t cut, size_t step)
{
    struct digest digest = { .events = 0 };
    struct sse_event event;
    struct sse sse;

    sse_init(&sse);
    feed(&sse, slice_head(text, cut), &digest);
    for (size_t at = cut; at < text.len; at += step)
        feed(&sse, slice_head(slice_skip(text, at), step), &digest);
    if (sse_end(&sse, &event))
        digest_event(&digest, &event);
    sse_release(&sse);
    return digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct slice text = slice_skip(slice_of((const char *)bytes, size), 2);
    struct digest whole, cut, fine;

    if (text.len == 0)
        return 0;
    whole = read_cut(text, text.len, 1);
    cut = read_cut(text, ((size_t)bytes[0] << 8 | bytes[1]) % (text.len + 1), SIZE_MAX / 2);
    fine = read_cut(text, 0, 1);
    CHECK(whole.events == cut.events && whole.hash == cut.hash);
    CHECK(whole.events == fine.events && whole.hash == fine.hash);
    return 0;
}
