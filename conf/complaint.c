/*
 * Collecting complaints, and making texts from outside fit to be shown.
 */
#include "conf/complaint.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define COMPLAINT_TEXT_SIZE 1024 /* two excerpts, a list of words and the sentence around them */

void complaints_init(struct complaints *complaints, const char *path)
{
    *complaints = (struct complaints){ .path = path };
}

void complaints_release(struct complaints *complaints)
{
    for (size_t i = 0; i < complaints->count; i++)
        free(complaints->at[i].text);
    complaints_init(complaints, NULL);
}

/* Bytes before the `@` that ends a URL's credentials, or 0. A password may hold a slash. */
static size_t credentials_len(struct slice rest)
{
    size_t len = 0;

    for (size_t i = 0; i < rest.len && !memchr(" \t\r\n\"'`,", rest.at[i], 8); i++)
        if (rest.at[i] == '@')
            len = i;
    return len;
}

void conf_mask(struct slice text, struct buf *out)
{
    static const struct slice mark = SLICE_INIT("://");
    size_t done = 0;

    for (size_t i = 0; i + mark.len < text.len; i++) {
        size_t hidden;

        if (!slice_starts(slice_skip(text, i), mark))
            continue;
        hidden = credentials_len(slice_skip(text, i + mark.len));
        if (hidden == 0)
            continue;
        buf_add(out, slice_of(text.at + done, i + mark.len - done));
        buf_add(out, SLICE("***"));
        done = i + mark.len + hidden;
        i = done;
    }
    buf_add(out, slice_skip(text, done));
}

/* Masked and without control bytes; gives. */
static char *presentable(struct slice text)
{
    struct buf masked;
    char *copy;

    buf_init(&masked, SIZE_MAX);
    conf_mask(text, &masked);
    copy = slice_dup(buf_join(&masked));
    buf_release(&masked);
    for (char *c = copy; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    return copy;
}

void conf_excerpt(struct slice value, char ret_text[CONF_EXCERPT_SIZE])
{
    static const char more[] = "...";
    char *text = presentable(value);
    size_t len = strlen(text);

    if (len >= CONF_EXCERPT_SIZE) {
        len = CONF_EXCERPT_SIZE - sizeof(more);
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80) /* not inside a character */
            len--;
        memcpy(ret_text + len, more, sizeof(more));
    } else {
        ret_text[len] = '\0';
    }
    memcpy(ret_text, text, len);
    free(text);
}

void complain(struct complaints *complaints, struct conf_place place, const char *format, ...)
{
    char text[COMPLAINT_TEXT_SIZE];
    va_list args;

    if (complaints->count == COMPLAINTS_MAX) {
        complaints->overfull = true;
        return;
    }
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    complaints->at[complaints->count++] =
        (struct complaint){ .place = place, .text = presentable(slice_str(text)) };
}

static bool complaint_before(const struct complaint *a, const struct complaint *b)
{
    if (a->place.line != b->place.line)
        return a->place.line < b->place.line;
    return a->place.column < b->place.column;
}

/* By insertion: few, nearly in order already, and those of one place keep theirs. */
static void complaints_sort(struct complaints *complaints)
{
    for (size_t i = 1; i < complaints->count; i++) {
        struct complaint moved = complaints->at[i];
        size_t k = i;

        for (; k > 0 && complaint_before(&moved, &complaints->at[k - 1]); k--)
            complaints->at[k] = complaints->at[k - 1];
        complaints->at[k] = moved;
    }
}

void complaints_print(struct complaints *complaints, struct buf *out)
{
    complaints_sort(complaints);
    for (size_t i = 0; i < complaints->count; i++) {
        const struct complaint *c = &complaints->at[i];

        buf_printf(out, "%s:", complaints->path);
        if (c->place.line > 0)
            buf_printf(out, "%d:%d:", c->place.line, c->place.column);
        buf_printf(out, " %s\n", c->text);
    }
    if (complaints->overfull)
        buf_printf(out, "%s: and more than these %d\n", complaints->path, COMPLAINTS_MAX);
}
