/*
 * `sluice reference`: the rows as Markdown, a table a set. Sets inside sections follow the section
 * that names them first.
 */
#include "conf/conf.h"

#include "conf/format.h"
#include "conf/sets.h"

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
    buf_printf(out, ", %s ", word);
    directive_print_bound(row, bound, out);
}

static void bounds_add(struct buf *out, const struct directive *row)
{
    if (row->min != 0)
        bound_add(out, row, "at least", row->min);
    if (directive_has_upper_bound(row))
        bound_add(out, row, "at most", row->max);
}

static void type_add(struct buf *out, const struct conf_sets *all, const struct directive *row)
{
    const struct text_format *format = text_format(row->format);

    if (row->type == DIRECTIVE_TYPE_WORD) {
        words_add(out, row->words);
        return;
    }
    buf_add(out, slice_str(directive_type_name(row->type)));
    if (row->set)
        buf_printf(out, ": %s", conf_sets_name(all, row->set));
    if (format) {
        buf_add(out, SLICE(": "));
        cell_add(out, format->wanted);
    }
    bounds_add(out, row);
}

static void row_add(struct buf *out, const struct conf_sets *all, const struct directive *row)
{
    buf_printf(out, "| `%s` | ", row->key);
    type_add(out, all, row);
    if (row->default_text)
        buf_printf(out, " | `%s` | ", row->default_text);
    else
        buf_printf(out, " | %s | ", row->required ? "required" : "");
    cell_add(out, row->help ? row->help : "");
    buf_add(out, SLICE(" |\n"));
}

static void set_print(struct buf *out, const struct conf_sets *all,
                      const struct conf_named_set *named)
{
    const struct directive_set *set = named->set;

    buf_printf(out, "\n## %s\n\n", named->name[0] ? named->name : "Top of the file");
    if (set->help)
        buf_printf(out, "%s\n\n", set->help);
    buf_add(out, SLICE("| key | value | default | what it does |\n|---|---|---|---|\n"));
    for (size_t i = 0; i < set->count; i++)
        row_add(out, all, &set->rows[i]);
}

void conf_print_reference(const struct directive_set *const *sets, struct buf *out)
{
    struct conf_sets all;

    conf_sets_collect(&all, sets);
    buf_add(out, SLICE("# Directives\n\n"
                       "Sizes: `4096`, `64KB` (64000), `64KiB` (65536). Durations: `500ms`, `5s`, "
                       "`1m30s`, `1h`, `7d`. Paths are relative to the file's folder.\n"));
    for (size_t i = 0; i < all.count; i++)
        set_print(out, &all, &all.at[i]);
}
