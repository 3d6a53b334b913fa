/*
 * An encoder's memory.
 */
#include "gateway/token/scratch.h"

#include <stdlib.h>

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
    normal_release(&scratch->normal);
    regex_room_free(scratch->regex);
    scratch_init(scratch);
}

struct regex_room *scratch_regex(struct scratch *scratch)
{
    if (!scratch->regex)
        scratch->regex = regex_room_new();
    return scratch->regex;
}
