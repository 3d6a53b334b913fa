/*
 * Reading load reports.
 */
#include "routing/orca.h"

#include "gateway/prompt/json.h"

/* More than any engine says; what is behind is not looked at. */
#define VALUE_BYTES 4096

struct row {
    struct slice name;
    enum gauge gauge;
};

static const struct row rows[] = {
#define GAUGE(...)
#define ADAPTERS(...)
#define LOAD(...)
#define REPORT(name, what) { SLICE_INIT(name), GAUGE_##what },
#include "routing/gauges.def"
#undef REPORT
#undef LOAD
#undef ADAPTERS
#undef GAUGE
};

bool orca_is_offered(const struct engine_type *engine)
{
    return engine->gauges == ENGINE_vllm;
}

static void note(struct slice name, struct slice number, struct gauges *gauges)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (slice_eq(name, rows[i].name) &&
            gauges_number(rows[i].gauge, number, &gauges->values[rows[i].gauge])) {
            gauges->known |= 1u << rows[i].gauge;
            return;
        }
}

static void read_text(struct slice text, struct gauges *gauges)
{
    struct slice prefix = SLICE("named_metrics.");

    while (text.len > 0) {
        struct slice pair = slice_trim(slice_cut(&text, ','));
        struct slice name = slice_cut(&pair, '=');

        if (slice_starts(name, prefix))
            note(slice_skip(name, prefix.len), pair, gauges);
    }
}

static void read_named(struct json_reader *reader, struct gauges *gauges)
{
    struct json_value key, value;

    if (!json_enter_object(reader)) {
        json_take(reader, NULL);
        return;
    }
    while (json_next(reader, &key)) {
        json_take(reader, &value);
        if (value.kind == JSON_KIND_NUMBER)
            note(json_inner(key), value.raw, gauges);
    }
}

static void read_json(struct slice text, struct gauges *gauges)
{
    struct json_reader reader;
    struct json_value key;

    json_open(&reader, text, NULL);
    if (!json_enter_object(&reader))
        return;
    while (json_next(&reader, &key)) {
        if (json_text_is(key, SLICE("named_metrics")))
            read_named(&reader, gauges);
        else
            json_take(&reader, NULL);
    }
    if (json_close(&reader)) /* half a report is none */
        *gauges = (struct gauges){ .known = 0 };
}

void orca_read(struct slice value, struct gauges *ret_gauges)
{
    struct slice form = slice_cut(&value, ' ');

    *ret_gauges = (struct gauges){ .known = 0 };
    if (value.len > VALUE_BYTES)
        return;
    if (slice_ieq(form, SLICE("TEXT")))
        read_text(value, ret_gauges);
    else if (slice_ieq(form, SLICE("JSON")))
        read_json(value, ret_gauges);
}
