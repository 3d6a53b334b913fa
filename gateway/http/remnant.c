/*
 * A run of bytes that doubles as it grows.
 */
#include "gateway/http/remnant.h"

#include <stdlib.h>

/* An event of one token fits. */
#define REMNANT_MIN 512

bool remnant_add(struct remnant *remnant, struct slice bytes, size_t limit)
{
    size_t size = remnant->size ? remnant->size : REMNANT_MIN;

    if (bytes.len > limit || remnant->len > limit - bytes.len)
        return false;
    while (size < remnant->len + bytes.len)
        size *= 2;
    if (size > remnant->size)
        remnant->at = xrealloc(remnant->at, size);
    remnant->size = (uint32_t)size;
    if (bytes.len > 0)
        memcpy(remnant->at + remnant->len, bytes.at, bytes.len);
    remnant->len += (uint32_t)bytes.len;
    return true;
}

void remnant_release(struct remnant *remnant)
{
    free(remnant->at);
    *remnant = (struct remnant){ .at = NULL };
}
