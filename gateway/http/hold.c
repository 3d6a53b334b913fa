/*
 * A run of bytes that doubles as it grows.
 */
#include "gateway/http/hold.h"

#include <stdlib.h>

/* An event of one token fits. */
#define HOLD_MIN 512

bool hold_add(struct hold *hold, struct slice bytes, size_t limit)
{
    size_t size = hold->size ? hold->size : HOLD_MIN;

    if (bytes.len > limit || hold->len > limit - bytes.len)
        return false;
    while (size < hold->len + bytes.len)
        size *= 2;
    if (size > hold->size)
        hold->at = xrealloc(hold->at, size);
    hold->size = (uint32_t)size;
    if (bytes.len > 0)
        memcpy(hold->at + hold->len, bytes.at, bytes.len);
    hold->len += (uint32_t)bytes.len;
    return true;
}

void hold_release(struct hold *hold)
{
    free(hold->at);
    *hold = (struct hold){ .at = NULL };
}
