/*
 * Filters for HTML and URLs: tags dropped, percent signs, attributes.
 */
#include "gateway/prompt/template_eval.h"
#include "gateway/prompt/template_natives.h"
#include "gateway/prompt/template_text.h"

#include <stdio.h>

/* Behind a tag or comment that begins here; 0: none does. */
static size_t tag_len(struct slice text)
{
    int64_t comment =
        slice_starts(text, SLICE("<!--")) ? text_find(slice_skip(text, 4), SLICE("-->")) : -1;
    size_t close = slice_find(text, '>');

    if (comment >= 0)
        return (size_t)comment + 7;
    return close < text.len ? close + 1 : 0;
}

/* The character that an entity at the front stands for, and its length; 0: none that is known. */
static size_t entity_len(struct slice text, char *ret_char)
{
    static const struct {
        struct slice entity;
        char c;
    } entities[] = { { SLICE_INIT("&amp;"), '&' },  { SLICE_INIT("&lt;"), '<' },
                     { SLICE_INIT("&gt;"), '>' },   { SLICE_INIT("&quot;"), '"' },
                     { SLICE_INIT("&#34;"), '"' },  { SLICE_INIT("&#39;"), '\'' },
                     { SLICE_INIT("&apos;"), '\'' } };

    for (size_t i = 0; i < ARRAY_LEN(entities); i++)
        if (slice_starts(text, entities[i].entity)) {
            *ret_char = entities[i].c;
            return entities[i].entity.len;
        }
    return 0;
}

/* Words with one space between them, entities resolved. */
static void write_words(struct run *run, const struct value *words)
{
    for (uint32_t i = 0; words && i < words->count; i++) {
        struct slice word = value_slice(words->items[i]);

        if (i > 0)
            run_write_char(run, ' ');
        while (word.len > 0 && !run->reason) {
            char c = word.at[0];
            size_t len = entity_len(word, &c);

            run_write_char(run, c);
            word = slice_skip(word, len ? len : 1);
        }
    }
}

const struct value *filter_striptags(struct run *run, const struct value *self,
                                     const struct value *const *bound)
{
    const struct value *text = text_of(run, self);
    struct capture capture;
    struct slice rest;

    (void)bound;
    if (!text || !run_step_bytes(run, text->count))
        return NULL;
    capture = run_capture(run);
    rest = value_slice(text);
    while (rest.len > 0 && !run->reason) {
        size_t open = slice_find(rest, '<'), len;

        run_write(run, slice_head(rest, open));
        rest = slice_skip(rest, open);
        len = rest.len ? tag_len(rest) : 0;
        if (len == 0)
            run_write(run, rest);
        rest = slice_skip(rest, len ? len : rest.len);
    }
    text = run_captured(run, capture);
    if (!text)
        return NULL;
    capture = run_capture(run);
    write_words(run, text_split(run, value_slice(text), NULL, -1));
    return run_captured(run, capture);
}

/* Percent signs for all that is not plain in a URL; `slash`: / is plain. */
static void write_quoted(struct run *run, struct slice text, bool slash)
{
    for (size_t i = 0; i < text.len && !run->reason; i++) {
        unsigned char c = (unsigned char)text.at[i];
        char code[4];

        if ((c < 0x80 && text_is_alnum(c)) || (c && strchr("_.-~", c)) || (slash && c == '/')) {
            run_write_char(run, (char)c);
            continue;
        }
        if (!slash && c == ' ') {
            run_write_char(run, '+');
            continue;
        }
        snprintf(code, sizeof(code), "%%%02X", c);
        run_write(run, slice_of(code, 3));
    }
}

static void write_query(struct run *run, const struct value *items)
{
    const struct value *pair, *part;
    struct iter iter;
    bool more = false;

    if (!iter_begin(run, items, &iter))
        return;
    for (; (pair = iter_next(run, &iter)) && !run->reason; more = true) {
        pair = run_sequence(run, VALUE_TUPLE, pair);
        if (!pair || pair->count != 2) {
            run_fail(run, "urlencode takes pairs");
            return;
        }
        for (int i = 0; i < 2 && (part = text_of(run, pair->items[i])); i++) {
            if (i == 1 || more)
                run_write_char(run, i == 1 ? '=' : '&');
            write_quoted(run, value_slice(part), false);
        }
    }
}

const struct value *filter_urlencode(struct run *run, const struct value *self,
                                     const struct value *const *bound)
{
    bool pairs = self->kind != VALUE_TEXT && iter_possible(self);
    const struct value *text = pairs ? self : text_of(run, self);
    struct capture capture;

    if (!text || !run_step_bytes(run, text->count))
        return NULL;
    if (self->kind == VALUE_DICT)
        text = dict_items(run, self, bound);
    capture = run_capture(run);
    if (pairs && text)
        write_query(run, text);
    else if (text)
        write_quoted(run, value_slice(text), true);
    return run_captured(run, capture);
}

const struct value *filter_xmlattr(struct run *run, const struct value *self,
                                   const struct value *const *bound)
{
    bool space = !bound[0] || value_truth(bound[0]), any = false;
    struct capture capture;

    if (self->kind != VALUE_DICT)
        return run_fail(run, "xmlattr works on a dict");
    capture = run_capture(run);
    for (uint32_t i = 0; i < self->count && !run->reason; i++) {
        const struct dict_entry *entry = value_entry(self, i);
        struct slice key, item;

        if (entry->item->kind == VALUE_NONE || entry->item->kind == VALUE_UNDEFINED)
            continue;
        if (!slice_of_value(run, &entry->key, &key) || !slice_of_value(run, entry->item, &item))
            break;
        if (space || any)
            run_write_char(run, ' ');
        any = true;
        print_escaped(run, key);
        run_write(run, SLICE("=\""));
        print_escaped(run, item);
        run_write_char(run, '"');
    }
    return run_captured(run, capture);
}
