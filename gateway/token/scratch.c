/*
 * An encoder's memory.
 */
#include "gateway/token/scratch.h"

#include <stdlib.h>

#define SPANS_KEPT (1u << 16)

void spans_clear(struct spans *spans)
{
    if (spans->room > SPANS_KEPT) {
        free(spans->list);
        *spans = (struct spans){ 0 };
    }
    spans->count = 0;
}

void spans_add(struct spans *spans, size_t at, size_t end)
{
    if (at == end)
        return;
    if (spans->count == spans->room) {
        spans->room = spans->room ? spans->room * 2 : 256;
        spans->list = xrealloc(spans->list, spans->room * sizeof(*spans->list));
    }
    spans->list[spans->count++] = (struct span){ at, end };
}

void scratch_init(struct scratch *scratch)
{
    *scratch = (struct scratch){ 0 };
}

void scratch_release(struct scratch *scratch)
{
    for (size_t i = 0; i < 2; i++) {
        text_release(&scratch->normal_texts[i]);
        text_release(&scratch->span_texts[i]);
        free(scratch->spans[i].list);
    }
    text_release(&scratch->front_text);
    normal_release(&scratch->normal);
    regex_room_free(scratch->regex);
    scratch_init(scratch);
}

struct regex_room *scratch_regex(struct scratch *scratch)
{
    if (!scratch->regex)
        scratch->regex = regex_room_new(scratch->deadline);
    return scratch->regex;
}

void scratch_begin(struct scratch *scratch, size_t text_bytes)
{
    if (scratch->regex)
        regex_room_allow(scratch->regex, text_bytes);
}

#define GROWTH       16
#define GROWTH_BYTES 256
#define PLACES       ((size_t)UINT32_MAX - 1) /* places in a text have 32 bits */

void scratch_allow(struct scratch *scratch, size_t text_bytes)
{
    size_t most = text_bytes * GROWTH + GROWTH_BYTES;

    scratch->most_bytes = most < PLACES ? most : PLACES;
    scratch->outgrown = false;
}

bool scratch_outgrows(struct scratch *scratch, size_t bytes)
{
    scratch->outgrown |= bytes > scratch->most_bytes;
    scratch->gave_up |= scratch->outgrown;
    return scratch->outgrown;
}
