/*
 * The filter wordwrap: what textwrap.wrap does with words that are kept whole or broken.
 */
#include "gateway/prompt/template_eval.h"
#include "gateway/prompt/template_natives.h"
#include "gateway/prompt/template_text.h"

/* A line that is filled chunk by chunk. */
struct wrap {
    struct run *run;
    struct slice separator;
    size_t width;
    bool break_long;
    size_t used;      /* characters of the line at hand */
    bool begun;       /* something was written of this paragraph */
    struct slice gap; /* white space that stands before the next word, if it stays on the line */
};

static void end_line(struct wrap *w)
{
    run_write(w->run, w->separator);
    w->used = 0;
    w->gap = SLICE("");
}

static void put(struct wrap *w, struct slice word, size_t points)
{
    run_write(w->run, w->gap);
    w->used += text_points(w->gap) + points;
    w->gap = SLICE("");
    run_write(w->run, word);
    w->begun = true;
}

/* A word (hyphens part it into several calls). */
static void put_word(struct wrap *w, struct slice word)
{
    size_t points = text_points(word), gap = text_points(w->gap);

    if (w->used + gap + points <= w->width) {
        put(w, word, points);
        return;
    }
    while (points > w->width && w->break_long && !w->run->reason) {
        size_t room = w->used + gap < w->width ? w->width - w->used - gap : 0, len;

        if (room == 0) {
            end_line(w);
            gap = 0;
            continue;
        }
        len = text_offset(word, room);
        put(w, slice_head(word, len), room);
        word = slice_skip(word, len);
        points -= room;
        gap = 0;
    }
    if (w->used > 0 && w->used + text_points(w->gap) + points > w->width)
        end_line(w);
    put(w, word, points);
}

/* How many bytes of a word stay together: up to a hyphen between letters, if those may part. */
static size_t chunk_of(struct slice word, bool hyphens)
{
    struct slice rest = word;
    size_t letters = 0;

    while (hyphens && rest.len > 0) {
        uint32_t point = text_take(&rest);

        if (point == '-' && letters >= 2 && rest.len > 0 &&
            text_is(TEXT_ALPHA, (uint32_t)(unsigned char)rest.at[0]))
            return word.len - rest.len;
        letters = text_is(TEXT_ALPHA, point) ? letters + 1 : 0;
    }
    return word.len;
}

static void wrap_line(struct wrap *w, struct slice line, bool hyphens)
{
    while (line.len > 0 && !w->run->reason) {
        struct slice word = text_lstrip(line);
        size_t len = 0;

        w->gap = slice_head(line, line.len - word.len);
        while (len < word.len && !text_is_space((unsigned char)word.at[len]))
            len++;
        if (w->used == 0 && w->begun)
            w->gap = SLICE("");
        line = slice_skip(word, len);
        for (word = slice_head(word, len); word.len > 0 && !w->run->reason;) {
            size_t chunk = chunk_of(word, hyphens);

            put_word(w, slice_head(word, chunk));
            word = slice_skip(word, chunk);
        }
    }
}

const struct value *filter_wordwrap(struct run *run, const struct value *self,
                                    const struct value *const *bound)
{
    struct wrap w = { .run = run, .separator = SLICE("\n"), .width = 79 };
    bool hyphens = !bound[3] || value_truth(bound[3]), more = false;
    struct capture capture;
    struct slice rest;

    if (self->kind != VALUE_TEXT)
        return run_fail(run, "wordwrap works on str");
    if (bound[0] && (!value_is_int(bound[0]) || bound[0]->integer <= 0))
        return run_fail(run, "invalid width (must be > 0)");
    if (bound[0])
        w.width = (size_t)bound[0]->integer;
    w.break_long = !bound[1] || value_truth(bound[1]);
    if (bound[2] && bound[2]->kind == VALUE_TEXT)
        w.separator = value_slice(bound[2]);
    capture = run_capture(run);
    for (rest = value_slice(self); rest.len > 0 && run_step(run, 1); more = true) {
        struct slice line;

        text_take_line(&rest, &line);
        if (more)
            run_write(run, w.separator);
        w.used = 0;
        w.begun = false;
        wrap_line(&w, line, hyphens);
    }
    return run_captured(run, capture);
}
