/*
 * `sluice reference`: the rows as Markdown, a table a set. Sets inside sections follow the section
 * that names them first.
 */
#include "conf/format.h"
#include "conf/sections.h"

#define SETS_MAX 128 /* of one program; a check below counts */

struct reference {
    struct buf *out;
    const struct directive_set *sets[SETS_MAX]; /* in the order they are printed */
    size_t count;
};

static void set_add(struct reference *r, const struct directive_set *set)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->sets[i] == set)
            return;
    CHECK(r->count < SETS_MAX);
    r->sets[r->count++] = set;
    for (size_t i = 0; i < set->count; i++)
        if (set->rows[i].set)
            set_add(r, set->rows[i].set);
}

/* A cell may not hold what ends it. */
static void cell_add(struct buf *out, const char *text)
{
    for (const char *c = text; *c; c++)
        if (*c == '|')
            buf_add(out, SLICE("\\|"));
        else
            buf_add(out, slice_of(*c == '\n' ? " " : c, 1));
}

static void words_add(struct buf *out, const char *const *words)
{
    for (size_t i = 0; words[i]; i++)
        buf_printf(out, "%s`%s`", i > 0 ? ", " : "", words[i]);
}

static void bound_add(struct buf *out, const struct directive *row, const char *word, double bound)
{
    uint64_t number = (uint64_t)bound;

    buf_printf(out, ", %s ", word);
    directive_print(row, row->type == DIRECTIVE_TYPE_REAL ? (const void *)&bound : &number, out);
}

static void bounds_add(struct buf *out, const struct directive *row)
{
    if (row->min != 0)
        bound_add(out, row, "at least", row->min);
    if (row->max > row->min || (row->max == row->min && row->max != 0))
        bound_add(out, row, "at most", row->max);
}

static void type_add(struct buf *out, const struct directive *row)
{
    const struct text_format *format = text_format(row->format);

    if (row->type == DIRECTIVE_TYPE_WORD) {
        words_add(out, row->words);
        return;
    }
    buf_add(out, slice_str(directive_type_name(row->type)));
    if (row->set)
        buf_printf(out, ": %s", row->set->key);
    if (format) {
        buf_add(out, SLICE(": "));
        cell_add(out, format->wanted);
    }
    bounds_add(out, row);
}

static void row_add(struct buf *out, const struct directive *row)
{
    buf_printf(out, "| `%s` | ", row->key);
    type_add(out, row);
    if (row->default_text)
        buf_printf(out, " | `%s` | ", row->default_text);
    else
        buf_printf(out, " | %s | ", row->required ? "required" : "");
    cell_add(out, row->help ? row->help : "");
    buf_add(out, SLICE(" |\n"));
}

static void set_print(struct buf *out, const struct directive_set *set)
{
    buf_printf(out, "\n## %s\n\n", set->key ? set->key : "Top of the file");
    if (set->help)
        buf_printf(out, "%s\n\n", set->help);
    buf_add(out, SLICE("| key | value | default | what it does |\n|---|---|---|---|\n"));
    for (size_t i = 0; i < set->count; i++)
        row_add(out, &set->rows[i]);
}

void conf_print_reference(const struct directive_set *const *sets, struct buf *out)
{
    struct reference r = { .out = out };

    for (; *sets; sets++)
        set_add(&r, *sets);
    buf_add(
        out,
        SLICE("# Directives\n\n"
              "Sizes: `4096`, `64KB` (64000), `64KiB` (65536). Durations: `500ms`, `5s`, `1m30s`, "
              "`1h`, `7d`. Paths are relative to the file's folder.\n"));
    for (size_t i = 0; i < r.count; i++)
        set_print(out, r.sets[i]);
}
