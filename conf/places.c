/*
 * The side table of places: which address was read from which line and column.
 */
#include "conf/sections.h"

#include <stdlib.h>

void conf_places_add(struct conf_places *places, const void *at, size_t size,
                     struct conf_place place)
{
    if (places->count == places->room) {
        places->room = places->room ? 2 * places->room : 64;
        places->items = xrealloc(places->items, places->room * sizeof(*places->items));
    }
    places->items[places->count++] = (struct conf_known_place){ at, size, place };
}

/* Asked once a complaint, so a walk over all is good enough. */
struct conf_place conf_places_find(const struct conf_places *places, const void *field)
{
    struct conf_place found = { 1, 1 };

    for (size_t i = 0; i < places->count; i++) {
        const struct conf_known_place *known = &places->items[i];

        if (known->size == 0 && known->at == (const char *)field)
            return known->place;
        if ((const char *)field >= known->at && (const char *)field < known->at + known->size)
            found = known->place;
    }
    return found;
}

void conf_places_release(struct conf_places *places)
{
    free(places->items);
    *places = (struct conf_places){ .items = NULL };
}
