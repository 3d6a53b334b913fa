/*
 * Loads in JSON. See loads.h.
 */
#include "routing/loads.h"

#include <jansson.h>

static const struct row {
    enum engine_id engine;
    enum gauge gauge;
    const char *member;
} rows[] = {
#define GAUGE(...)
#define ADAPTERS(...)
#define REPORT(...)
#define LOAD(engine, what, member) { ENGINE_##engine, GAUGE_##what, member },
#include "routing/gauges.def"
#undef LOAD
#undef REPORT
#undef ADAPTERS
#undef GAUGE
};

bool loads_begin(struct slice page)
{
    struct slice text = slice_trim(page);

    return text.len > 0 && (text.at[0] == '{' || text.at[0] == '[');
}

/* A number, or a fact that is counted. Below 0: neither. */
static double value_of(const json_t *member)
{
    if (json_is_boolean(member))
        return json_is_true(member);
    return json_is_number(member) ? json_number_value(member) : -1;
}

static void read_one(enum engine_id engine, const json_t *load, struct gauges *gauges)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].engine == engine)
            gauges_add(gauges, rows[i].gauge, value_of(json_object_get(load, rows[i].member)));
}

void loads_read(enum engine_id engine, struct slice page, struct gauges *ret_gauges)
{
    json_t *root = json_loadb(page.at ? page.at : "", page.len, 0, NULL);
    const json_t *list = json_is_object(root) ? json_object_get(root, "loads") : root;

    *ret_gauges = (struct gauges){ .known = 0 };
    for (size_t i = 0; i < json_array_size(list); i++)
        read_one(engine, json_array_get(list, i), ret_gauges);
    if (gauges_know(ret_gauges, GAUGE_CAPACITY) && ret_gauges->values[GAUGE_CAPACITY] == 0)
        *ret_gauges = (struct gauges){ .known = 0 }; /* it says so until it is ready */
    json_decref(root);
}
