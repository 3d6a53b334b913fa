/*
 * What differs between two configurations, a line a difference.
 *
 * Rows are walked on both sides at once. Lists are paired before their items are compared: texts by
 * themselves, things with a `name` by it, other things by their place.
 */
#include "conf/print.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define PATH_SIZE 2048 /* six levels of names of 256 bytes; what is longer is cut */

struct differ {
    char path[PATH_SIZE]; /* of what is being compared: "pools.llama-a.endpoints[2]" */
    size_t path_len;
    struct buf *out;
    bool differs;
};

/* One item of a list that is being paired. */
struct paired {
    const char *key;
    size_t index;
    size_t partner; /* index on the other side */
};

#define NO_PARTNER SIZE_MAX

static void diff_field(struct differ *d, const struct directive *row, const void *a, const void *b);

static int by_index(const void *a, const void *b)
{
    const struct paired *x = a, *y = b;

    return (x->index > y->index) - (x->index < y->index);
}

static int by_key(const void *a, const void *b)
{
    const struct paired *x = a, *y = b;
    int order = strcmp(x->key, y->key);

    return order != 0 ? order : by_index(a, b);
}

/* Equal keys find each other, in order where there are several. */
static void pair_by_key(struct paired *a, size_t a_count, struct paired *b, size_t b_count)
{
    qsort(a, a_count, sizeof(*a), by_key);
    qsort(b, b_count, sizeof(*b), by_key);
    for (size_t i = 0, k = 0; i < a_count && k < b_count;) {
        int order = strcmp(a[i].key, b[k].key);

        if (order == 0) {
            a[i].partner = b[k].index;
            b[k].partner = a[i].index;
        }
        i += order <= 0;
        k += order >= 0;
    }
    qsort(a, a_count, sizeof(*a), by_index);
    qsort(b, b_count, sizeof(*b), by_index);
}

/* Adds to the path; returns the length to go back to. */
static size_t path_enter(struct differ *d, const char *format, ...) PRINTF_LIKE(2, 3);

static size_t path_enter(struct differ *d, const char *format, ...)
{
    size_t len = d->path_len;
    va_list args;

    va_start(args, format);
    vsnprintf(d->path + len, PATH_SIZE - len, format, args);
    va_end(args);
    d->path_len = strlen(d->path);
    return len;
}

static void path_leave(struct differ *d, size_t len)
{
    d->path[len] = '\0';
    d->path_len = len;
}

/* A value as a user would write it, in one line. */
static void value_add(const struct directive *row, const void *field, struct buf *out)
{
    char *const *text = field;

    switch (row->type) {
    case DIRECTIVE_TYPE_TEXT:
    case DIRECTIVE_TYPE_PATH:
        conf_mask(slice_str(*text), out);
        break;
    case DIRECTIVE_TYPE_TEXTS:
    case DIRECTIVE_TYPE_OBJECT:
    case DIRECTIVE_TYPE_LIST:
        conf_json_line(conf_field_json(row, field), out);
        break;
    default:
        directive_print(row, field, out);
    }
}

/* "path: - value" or "path: + value" for what went or came. */
static void tell(struct differ *d, const char *sign, const struct directive *row, const void *field)
{
    buf_printf(d->out, "%s: %s ", d->path, sign);
    value_add(row, field, d->out);
    buf_add(d->out, SLICE("\n"));
    d->differs = true;
}

static void tell_change(struct differ *d, const struct directive *row, const void *a, const void *b)
{
    struct buf from, to;

    buf_init(&from, SIZE_MAX);
    buf_init(&to, SIZE_MAX);
    value_add(row, a, &from);
    value_add(row, b, &to);
    buf_printf(d->out, "%s: %.*s -> %.*s%s\n", d->path, SLICE_ARGS(buf_join(&from)),
               SLICE_ARGS(buf_join(&to)),
               slice_eq(buf_join(&from), buf_join(&to)) ? " (in what is hidden)" : "");
    buf_release(&from);
    buf_release(&to);
    d->differs = true;
}

static void diff_text(struct differ *d, const struct directive *row, const void *a, const void *b)
{
    char *const *from = a, *const *to = b;

    if (*from && *to && strcmp(*from, *to) != 0)
        tell_change(d, row, a, b);
    else if (*from && !*to)
        tell(d, "-", row, a);
    else if (!*from && *to)
        tell(d, "+", row, b);
}

/* A text of a list is told like a field of its own. */
static void tell_texts(struct differ *d, const char *sign, const struct conf_texts *texts,
                       const struct paired *pairs)
{
    static const struct directive one = { .type = DIRECTIVE_TYPE_TEXT };

    for (size_t i = 0; i < texts->count; i++) {
        size_t len;

        if (pairs[i].partner != NO_PARTNER)
            continue;
        len = path_enter(d, "[%zu]", i);
        tell(d, sign, &one, &texts->at[i]);
        path_leave(d, len);
    }
}

static struct paired *pairs_of_texts(const struct conf_texts *texts)
{
    struct paired *pairs = xcalloc(texts->count + 1, sizeof(*pairs));

    for (size_t i = 0; i < texts->count; i++)
        pairs[i] = (struct paired){ texts->at[i], i, NO_PARTNER };
    return pairs;
}

/* Whether those that have a partner meet in another order than before. */
static bool is_reordered(const struct paired *pairs, size_t count)
{
    size_t last = 0;

    for (size_t i = 0; i < count; i++) {
        if (pairs[i].partner == NO_PARTNER)
            continue;
        if (pairs[i].partner < last)
            return true;
        last = pairs[i].partner;
    }
    return false;
}

static void tell_order(struct differ *d, const struct paired *pairs, size_t count)
{
    if (!is_reordered(pairs, count))
        return;
    buf_printf(d->out, "%s: in another order\n", d->path);
    d->differs = true;
}

static void diff_texts(struct differ *d, const struct conf_texts *a, const struct conf_texts *b)
{
    struct paired *from = pairs_of_texts(a), *to = pairs_of_texts(b);

    pair_by_key(from, a->count, to, b->count);
    tell_texts(d, "-", a, from);
    tell_texts(d, "+", b, to);
    tell_order(d, from, a->count);
    free(from);
    free(to);
}

static void diff_rows(struct differ *d, const struct directive_set *set, const void *a,
                      const void *b)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct directive *row = &set->rows[i];
        size_t len = path_enter(d, "%s%s", d->path_len > 0 ? "." : "", row->key);

        diff_field(d, row, conf_field(row, a), conf_field(row, b));
        path_leave(d, len);
    }
}

static void diff_object(struct differ *d, const struct directive *row, const void *a, const void *b)
{
    const void *const *from = a, *const *to = b;

    if (*from && *to)
        diff_rows(d, row->set, *from, *to);
    else if (*from)
        tell(d, "-", row, a);
    else if (*to)
        tell(d, "+", row, b);
}

/* By name where every item has one, else each by its place. */
static struct paired *pairs_of_items(const struct directive *row, const struct conf_list *list)
{
    struct paired *pairs = xcalloc(list->count + 1, sizeof(*pairs));
    const struct directive *name = conf_row(row->set, "name");

    for (size_t i = 0; i < list->count; i++) {
        pairs[i] = (struct paired){ NULL, i, NO_PARTNER };
        if (name && name->type == DIRECTIVE_TYPE_TEXT)
            pairs[i].key = *(char *const *)conf_field(name, conf_item(row, list, i));
    }
    return pairs;
}

static bool all_named(const struct paired *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!pairs[i].key)
            return false;
    return true;
}

static void pair_by_place(struct paired *a, size_t a_count, struct paired *b, size_t b_count)
{
    for (size_t i = 0; i < a_count && i < b_count; i++)
        a[i].partner = b[i].partner = i;
    for (size_t i = 0; i < a_count; i++)
        a[i].key = NULL;
    for (size_t i = 0; i < b_count; i++)
        b[i].key = NULL;
}

static size_t path_enter_item(struct differ *d, const struct paired *pair)
{
    return pair->key ? path_enter(d, ".%s", pair->key) : path_enter(d, "[%zu]", pair->index);
}

static void tell_items(struct differ *d, const char *sign, const struct directive *row,
                       const struct conf_list *list, const struct paired *pairs)
{
    struct directive one = { .type = DIRECTIVE_TYPE_OBJECT, .set = row->set };

    for (size_t i = 0; i < list->count; i++) {
        const void *item = conf_item(row, list, i);
        size_t len;

        if (pairs[i].partner != NO_PARTNER)
            continue;
        len = path_enter_item(d, &pairs[i]);
        tell(d, sign, &one, &item);
        path_leave(d, len);
    }
}

static void diff_list(struct differ *d, const struct directive *row, const struct conf_list *a,
                      const struct conf_list *b)
{
    struct paired *from = pairs_of_items(row, a), *to = pairs_of_items(row, b);

    if (all_named(from, a->count) && all_named(to, b->count))
        pair_by_key(from, a->count, to, b->count);
    else
        pair_by_place(from, a->count, to, b->count);
    tell_items(d, "-", row, a, from);
    for (size_t i = 0; i < a->count; i++) {
        size_t len;

        if (from[i].partner == NO_PARTNER)
            continue;
        len = path_enter_item(d, &from[i]);
        diff_rows(d, row->set, conf_item(row, a, i), conf_item(row, b, from[i].partner));
        path_leave(d, len);
    }
    tell_items(d, "+", row, b, to);
    tell_order(d, from, a->count);
    free(from);
    free(to);
}

static void diff_field(struct differ *d, const struct directive *row, const void *a, const void *b)
{
    switch (row->type) {
    case DIRECTIVE_TYPE_TEXT:
    case DIRECTIVE_TYPE_PATH:
        diff_text(d, row, a, b);
        break;
    case DIRECTIVE_TYPE_TEXTS:
        diff_texts(d, a, b);
        break;
    case DIRECTIVE_TYPE_OBJECT:
        diff_object(d, row, a, b);
        break;
    case DIRECTIVE_TYPE_LIST:
        diff_list(d, row, a, b);
        break;
    default:
        if (!directive_same(row, a, b))
            tell_change(d, row, a, b);
    }
}

/* An OBJECT section has its values on both sides even where its key was left out: written with its
 * defaults it says nothing new, unless it must say more. */
static void diff_section(struct differ *d, const struct conf_section *a,
                         const struct conf_section *b)
{
    size_t len;

    if (a->set->shape == DIRECTIVE_ROOT) {
        diff_rows(d, a->set, a->object, b->object);
        return;
    }
    len = path_enter(d, "%s", a->set->key);
    if (a->set->shape == DIRECTIVE_LIST || a->present == b->present ||
        !conf_needs_more_than_defaults(a->set))
        diff_field(d, &a->top, conf_section_field(a), conf_section_field(b));
    else
        tell(d, a->present ? "-" : "+", &a->top, conf_section_field(a->present ? a : b));
    path_leave(d, len);
}

bool conf_print_diff(const struct conf *a, const struct conf *b, struct buf *out)
{
    struct differ d = { .out = out };

    for (size_t i = 0; i < a->sections->count; i++) {
        CHECK(a->sections->at[i].set == b->sections->at[i].set);
        diff_section(&d, &a->sections->at[i], &b->sections->at[i]);
    }
    return d.differs;
}
