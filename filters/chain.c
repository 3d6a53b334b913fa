/*
 * The chain: walks the filters.
 */
#include "filters/filter.h"

#define FILTER(id) extern const struct filter_type filter_##id;
#include "filters/filters.def"
#undef FILTER

const struct filter_type *const filter_all[] = {
#define FILTER(id) &filter_##id,
#include "filters/filters.def"
#undef FILTER
};

const size_t filter_count = ARRAY_LEN(filter_all);

const struct reason *filters_on_request(struct filter_call *call)
{
    for (size_t i = 0; i < filter_count; i++) {
        const struct reason *reason =
            filter_all[i]->on_request ? filter_all[i]->on_request(call) : NULL;

        if (reason)
            return reason;
    }
    return NULL;
}

void filters_on_answer(struct filter_call *call)
{
    for (size_t i = 0; i < filter_count; i++)
        if (filter_all[i]->on_answer)
            filter_all[i]->on_answer(call);
}
