/*
 * A line is a name, labels in braces, a value, and perhaps a time, which is passed over.
 */
#include "routing/gauges.h"

#include <math.h>
#include <stdlib.h>

/* Longer than any number an engine prints. */
#define NUMBER_MAX 40

/* More than any engine has, of tokens in its cache as of requests: a larger number is a lie. */
#define COUNT_MAX 1e12

#define LABELS_MAX 2

struct row {
    enum engine_id engine;
    int gauge; /* enum gauge, or ROW_ADAPTERS */
    struct slice name;
    const char *labels[LABELS_MAX]; /* that are read; NULL: none, the value counts */
};

#define ROW_ADAPTERS GAUGE_COUNT

static const struct row rows[] = {
#define GAUGE(engine, what, name, label)                                                           \
    { ENGINE_##engine, GAUGE_##what, SLICE_INIT(name), { label, NULL } },
#define ADAPTERS(engine, name, running, waiting)                                                   \
    { ENGINE_##engine, ROW_ADAPTERS, SLICE_INIT(name), { running, waiting } },
#define REPORT(...)
#define LOAD(...)
#include "routing/gauges.def"
#undef LOAD
#undef REPORT
#undef ADAPTERS
#undef GAUGE
};

/* How several series of one name make one number. */
static const bool is_summed[GAUGE_COUNT] = {
    [GAUGE_WAITING] = true,
    [GAUGE_RUNNING] = true,
    [GAUGE_BLOCKS] = true,
    [GAUGE_CAPACITY] = true,
};

struct page {
    enum engine_id engine;
    struct gauges *gauges;
    size_t from[GAUGE_COUNT]; /* the row that a known value is from */
    double adapters_stamp;    /* of the newest list of adapters; below 0: there is none */
};

static struct slice cut(struct slice *rest, char end)
{
    const char *at = rest->len > 0 ? memchr(rest->at, end, rest->len) : NULL;
    struct slice part = slice_of(rest->at, at ? (size_t)(at - rest->at) : rest->len);

    *rest = slice_skip(*rest, part.len + 1);
    return part;
}

static bool read_number(struct slice text, double *ret_value)
{
    char copy[NUMBER_MAX + 1];
    char *end;

    while (text.len > 0 && text.at[0] == ' ')
        text = slice_skip(text, 1);
    if (text.len == 0 || text.len > NUMBER_MAX)
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = 0;
    *ret_value = strtod(copy, &end);
    return end != copy && *end == 0 && isfinite(*ret_value) && *ret_value >= 0;
}

static bool can_be(enum gauge gauge, double value)
{
    return value >= 0 && value <= (gauge == GAUGE_USAGE ? 1 : COUNT_MAX);
}

bool gauges_number(enum gauge gauge, struct slice text, double *ret_value)
{
    double value;

    if (!read_number(text, &value) || !can_be(gauge, value))
        return false;
    *ret_value = value;
    return true;
}

void gauges_add(struct gauges *gauges, enum gauge gauge, double value)
{
    double *sum = &gauges->values[gauge];

    if (!can_be(gauge, value))
        return;
    if (is_summed[gauge])
        *sum += value;
    else if (value > *sum)
        *sum = value;
    gauges->known |= 1u << gauge;
}

/* Past the text of a label's value, whose quotes and backslashes are escaped; false: it never ends.
 */
static bool skip_quoted(struct slice *rest, struct slice *ret_value)
{
    size_t n = 0;

    while (n < rest->len && rest->at[n] != '"')
        n += rest->at[n] == '\\' ? 2 : 1;
    if (n >= rest->len)
        return false;
    *ret_value = slice_of(rest->at, n);
    *rest = slice_skip(*rest, n + 1);
    return true;
}

/* Reads `{a="x",b="y"}` up to its end. ret_values: the labels that are asked for, if they are
 * there. */
static bool read_labels(struct slice *rest, const char *const wanted[LABELS_MAX],
                        struct slice ret_values[LABELS_MAX])
{
    *rest = slice_skip(*rest, 1);
    while (rest->len > 0 && rest->at[0] != '}') {
        struct slice name = cut(rest, '=');
        struct slice value;

        if (rest->len == 0 || rest->at[0] != '"')
            return false;
        *rest = slice_skip(*rest, 1);
        if (!skip_quoted(rest, &value))
            return false;
        for (int i = 0; i < LABELS_MAX; i++)
            if (wanted[i] && slice_eq(name, slice_str(wanted[i])))
                ret_values[i] = value;
        if (rest->len > 0 && rest->at[0] == ',')
            *rest = slice_skip(*rest, 1);
    }
    if (rest->len == 0)
        return false;
    *rest = slice_skip(*rest, 1);
    return true;
}

static void add(struct page *page, size_t row, double value)
{
    enum gauge gauge = (enum gauge)rows[row].gauge;
    bool known = gauges_know(page->gauges, gauge);

    if (known && row > page->from[gauge])
        return;
    if (known && row < page->from[gauge])
        page->gauges->values[gauge] = 0;
    gauges_add(page->gauges, gauge, value);
    page->from[gauge] = row;
}

static void note_adapters(struct page *page, double stamp, const struct slice lists[LABELS_MAX])
{
    if (stamp <= page->adapters_stamp)
        return;
    page->adapters_stamp = stamp;
    page->gauges->running_adapters = lists[0];
    page->gauges->waiting_adapters = lists[1];
}

/* What follows the name of this row in a line. */
static void read_series(struct page *page, size_t row, struct slice rest)
{
    struct slice labels[LABELS_MAX] = { { NULL, 0 } }, text;
    double value;

    if (rest.len > 0 && rest.at[0] == '{' && !read_labels(&rest, rows[row].labels, labels))
        return;
    if (rest.len == 0 || rest.at[0] != ' ')
        return;
    rest = slice_skip(rest, 1);
    text = cut(&rest, ' ');
    if (rows[row].gauge == ROW_ADAPTERS) {
        if (read_number(text, &value))
            note_adapters(page, value, labels);
        return;
    }
    if (gauges_number((enum gauge)rows[row].gauge, rows[row].labels[0] ? labels[0] : text, &value))
        add(page, row, value);
}

static void read_line(struct page *page, struct slice line)
{
    size_t n = 0;
    struct slice name;

    if (line.len > 0 && line.at[line.len - 1] == '\r')
        line.len--;
    while (n < line.len && line.at[n] != '{' && line.at[n] != ' ')
        n++;
    name = slice_of(line.at, n);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].engine == page->engine && slice_eq(name, rows[i].name))
            read_series(page, i, slice_skip(line, n));
}

void gauges_read(enum engine_id engine, struct slice text, struct gauges *ret_gauges)
{
    struct page page = { .engine = engine, .gauges = ret_gauges, .adapters_stamp = -1 };

    *ret_gauges = (struct gauges){ .known = 0 };
    while (text.len > 0)
        read_line(&page, cut(&text, '\n'));
}

uint64_t gauges_capacity(const struct gauges *gauges)
{
    double tokens = gauges->values[GAUGE_CAPACITY];

    if (!gauges_know(gauges, GAUGE_CAPACITY))
        tokens = gauges->values[GAUGE_BLOCKS] * gauges->values[GAUGE_BLOCK_TOKENS];
    return tokens <= COUNT_MAX ? (uint64_t)tokens : 0;
}
