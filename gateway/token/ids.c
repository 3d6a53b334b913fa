/*
 * The growing of rows of token ids.
 */
#include "gateway/token/ids.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 64 /* a short prompt; then it doubles */

void ids_init(struct ids *ids)
{
    *ids = (struct ids){ 0 };
}

void ids_release(struct ids *ids)
{
    free(ids->at);
    ids_init(ids);
}

uint32_t *ids_reserve(struct ids *ids, size_t more)
{
    size_t room = ids->room ? ids->room : FIRST_ROOM;

    if (ids->room - ids->count >= more && ids->room > 0)
        return ids->at + ids->count;
    CHECK(more <= SIZE_MAX / 8 - ids->count);
    while (room - ids->count < more)
        room *= 2;
    ids->at = xrealloc(ids->at, room * sizeof(*ids->at));
    ids->room = room;
    return ids->at + ids->count;
}

void ids_append(struct ids *ids, const struct ids *more)
{
    if (more->count > 0)
        memcpy(ids_reserve(ids, more->count), more->at, more->count * sizeof(*more->at));
    ids->count += more->count;
}
