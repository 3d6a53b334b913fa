/*
 * A run of a template: its memory, limits, output, and how it fails.
 *
 * One thread, one call of template_render. Whatever returns a value returns NULL after a failure,
 * which is kept here: the first one wins, and everything unwinds. Values of a run are const to all
 * but who makes them.
 */
#ifndef SLUICE_PROMPT_TEMPLATE_RUN_H
#define SLUICE_PROMPT_TEMPLATE_RUN_H

#include "gateway/prompt/template_tree.h"

/* The variables of one entering of a function; macros keep their surroundings' alive. */
struct frame {
    struct frame *parent;
    const struct value *slots[]; /* NULL: missing */
};

/* Where output goes: windows of the caller's buf, or the run's scratch while a text is captured. */
struct sink {
    char *begin, *at, *end;
    bool to_buf;
};

enum jump {
    JUMP_NONE,
    JUMP_BREAK,
    JUMP_CONTINUE,
};

struct run {
    struct arena *arena;
    const struct template_call *call;
    struct buf *out;
    size_t out_start; /* bytes that were in `out` before */
    struct sink top, scratch;
    struct sink *sink; /* the one in use */
    uint64_t steps_left;
    uint32_t depth_left;
    uint32_t line;                 /* of the statement at work */
    uint8_t jump;                  /* enum jump, on its way to the loop */
    const struct value **resolved; /* by load: what the context has; NULL: not asked yet */
    const struct reason *reason;
    struct slice message;
};

/* What a for, a filter or a method walks over. NULL from next: the end, or a failure. */
struct iter {
    const struct value *(*next)(struct run *run, struct iter *iter);
    const struct value *source;
    size_t at, end;
    struct iter *inner; /* of those that take from another */
    void *state;        /* their own */
};

/* Failures. All return NULL. */
const void *run_fail(struct run *run, const char *format, ...) PRINTF_LIKE(2, 3);
/* A limit was met; `sentence`, which the operator or a client reads, is static. */
const void *run_limit(struct run *run, const char *sentence);
static inline const void *run_no_memory(struct run *run)
{
    return run_limit(run, "the chat template takes more memory than a prompt may have");
}

/* Counts work; false when there were too many steps. */
static inline bool run_step(struct run *run, uint64_t steps)
{
    if (LIKELY(run->steps_left >= steps)) {
        run->steps_left -= steps;
        return true;
    }
    run_limit(run, "the chat template takes more steps than a prompt may have");
    return false;
}
/* Work that looks at so many bytes: much cheaper a piece than a node. */
static inline bool run_step_bytes(struct run *run, size_t bytes)
{
    return run_step(run, bytes / 64 + 1);
}

/* One level deeper in tree, calls or values; true is followed by run_leave. */
static inline bool run_enter(struct run *run)
{
    if (LIKELY(run->depth_left > 0)) {
        run->depth_left--;
        return true;
    }
    run_limit(run, "the chat template is nested more deeply than it may be");
    return false;
}
static inline void run_leave(struct run *run)
{
    run->depth_left++;
}

/* Memory of the run; NULL after a failure when there is no more. */
void *run_alloc(struct run *run, size_t size);
void *run_zalloc(struct run *run, size_t size);
/* Passes on what a builder gave, and fails where it gave NULL. */
static inline const struct value *run_made(struct run *run, const struct value *value)
{
    return LIKELY(value != NULL) ? value : run_no_memory(run);
}
const struct value *run_text(struct run *run, struct slice text); /* borrows */
const struct value *run_copy(struct run *run, struct slice text);
const struct value *run_int(struct run *run, int64_t number);
const struct value *run_undefined(struct run *run, struct slice name);
/* A value of an object's kind. */
const struct value *run_object(struct run *run, enum value_kind kind, void *object);
/* Appends; false after a failure. The list is one that is being made. */
bool run_append(struct run *run, const struct value *list, const struct value *item);
bool run_put(struct run *run, const struct value *dict, const struct value *key,
             const struct value *item);

/* Output. */
void run_write_slow(struct run *run, struct slice text);
static inline void run_write(struct run *run, struct slice text)
{
    struct sink *sink = run->sink;

    if (LIKELY(text.len <= (size_t)(sink->end - sink->at))) {
        if (text.len > 0) {
            memcpy(sink->at, text.at, text.len);
            sink->at += text.len;
        }
    } else {
        run_write_slow(run, text);
    }
}
void run_write_char(struct run *run, char c);
/* So many times. */
void run_write_fill(struct run *run, struct slice text, int64_t times);

/* From begin on, what is written becomes a text. Captures nest; every begin has its end, also after
 * a failure. */
struct capture {
    struct sink *outer;
    size_t start;
};
struct capture run_capture(struct run *run);
const struct value *run_captured(struct run *run, struct capture capture);

/* Iterating. */
bool iter_begin(struct run *run, const struct value *value, struct iter *ret_iter);
static inline const struct value *iter_next(struct run *run, struct iter *iter)
{
    return run_step(run, 1) ? iter->next(run, iter) : NULL;
}
/* Can it be iterated over at all? */
bool iter_possible(const struct value *value);
/* A new list (tuple) of all items. */
const struct value *run_sequence(struct run *run, enum value_kind kind, const struct value *value);
/* An iterator that walks once. */
const struct value *run_iterator(struct run *run, const struct iter *iter);

/* Python's name of a value's type. */
const char *type_name(const struct value *value);
/* Of anything but a bool. */
bool value_truth_of(const struct value *value);
static inline bool value_truth(const struct value *value)
{
    return LIKELY(value->kind == VALUE_BOOL) ? value->integer : value_truth_of(value);
}

#endif
