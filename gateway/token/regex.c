/*
 * Matching through PCRE2: compiled once, to machine code where that can be had, with limits on what
 * one match may cost.
 */
#include "gateway/token/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * PCRE2 counts the steps of a match anew at each place where one may begin, and does not tell them.
 * So it is asked for few places at a time and with few steps. Where they do not do, it gets twice
 * as many, which are taken from what the whole text has: a long run of white space takes a few a
 * byte, once; what takes as many at each of its bytes comes to an end.
 */
#define PLACES       64
#define STEPS_FIRST  4096u
#define STEPS_TEXT   50000000u
#define STEPS_A_BYTE 64
/* Machine code runs through a class without counting: over so many bytes for a step. */
#define BYTES_A_STEP   16
#define DEPTH_LIMIT    1000000u
#define HEAP_LIMIT_KIB (64u << 10)
/* Of machine code; what needs more is given up like any other limit. */
#define JIT_STACK_FIRST ((size_t)32 << 10)
#define JIT_STACK_MOST  ((size_t)8 << 20)

struct regex {
    pcre2_code *code;
};

struct regex_room {
    struct deadline *deadline; /* NULL: none */
    uint64_t steps;            /* left to places that take many */
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

static struct regex *compile(struct slice pattern, char *error, size_t size)
{
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    struct regex *regex = xcalloc(1, sizeof(*regex));
    PCRE2_SIZE at;
    int number;

    CHECK(context);
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    regex->code = pcre2_compile((PCRE2_SPTR)pattern.at, pattern.len,
                                PCRE2_UTF | PCRE2_MULTILINE | PCRE2_NO_UTF_CHECK |
                                    PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT,
                                &number, &at, context);
    pcre2_compile_context_free(context);
    if (!regex->code) {
        if (pcre2_get_error_message(number, (PCRE2_UCHAR *)error, size) < 0)
            snprintf(error, size, "PCRE2 error %d", number);
        free(regex);
        return NULL;
    }
    /* Without machine code it is interpreted: slower, and the same. */
    pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE);
    return regex;
}

struct regex *regex_new(struct slice pattern, char *error, size_t size)
{
    struct regex *regex = NULL;
    struct text translated;

    text_init(&translated);
    if (regex_translate(pattern, &translated, error, size)) {
        text_reserve(&translated, 1); /* an empty pattern has an address too */
        regex = compile(text_slice(&translated), error, size);
    }
    text_release(&translated);
    return regex;
}

void regex_free(struct regex *regex)
{
    if (!regex)
        return;
    pcre2_code_free(regex->code);
    free(regex);
}

void regex_room_allow(struct regex_room *room, size_t text_bytes)
{
    room->steps = STEPS_TEXT + STEPS_A_BYTE * (uint64_t)text_bytes;
}

struct regex_room *regex_room_new(struct deadline *deadline)
{
    struct regex_room *room = xcalloc(1, sizeof(*room));

    room->deadline = deadline;
    regex_room_allow(room, 0);
    room->data = pcre2_match_data_create(1, NULL);
    room->context = pcre2_match_context_create(NULL);
    room->stack = pcre2_jit_stack_create(JIT_STACK_FIRST, JIT_STACK_MOST, NULL);
    CHECK(room->data && room->context);
    pcre2_set_depth_limit(room->context, DEPTH_LIMIT);
    pcre2_set_heap_limit(room->context, HEAP_LIMIT_KIB);
    if (room->stack)
        pcre2_jit_stack_assign(room->context, NULL, room->stack);
    return room;
}

void regex_room_free(struct regex_room *room)
{
    if (!room)
        return;
    pcre2_match_data_free(room->data);
    pcre2_match_context_free(room->context);
    if (room->stack)
        pcre2_jit_stack_free(room->stack);
    free(room);
}

void regex_begin(struct regex_walk *walk, const struct regex *regex, struct regex_room *room,
                 struct slice text)
{
    *walk = (struct regex_walk){ .regex = regex, .room = room, .text = text, .last_end = SIZE_MAX };
}

/* Whether so many steps may be taken at a place. */
static bool allow(struct regex_walk *walk, uint64_t steps)
{
    struct regex_room *room = walk->room;

    if (room->deadline &&
        !deadline_allows(room->deadline, steps + (walk->text.len - walk->at) / BYTES_A_STEP))
        return false;
    if (steps > STEPS_FIRST) {
        walk->gave_up = steps > room->steps || steps > UINT32_MAX;
        room->steps -= walk->gave_up ? 0 : steps;
    }
    return !walk->gave_up;
}

/* A match that begins at `at` or one of the next places; PCRE2's answer. */
static int match(struct regex_walk *walk, size_t last)
{
    struct regex_room *room = walk->room;
    int got = PCRE2_ERROR_MATCHLIMIT;

    pcre2_set_offset_limit(room->context, last);
    for (uint64_t steps = STEPS_FIRST; got == PCRE2_ERROR_MATCHLIMIT && allow(walk, steps);
         steps *= 2) {
        pcre2_set_match_limit(room->context, (uint32_t)steps);
        got = pcre2_match(walk->regex->code, (PCRE2_SPTR)walk->text.at, walk->text.len, walk->at,
                          PCRE2_NO_UTF_CHECK, room->data, room->context);
    }
    walk->gave_up |= got < 0 && got != PCRE2_ERROR_NOMATCH && got != PCRE2_ERROR_MATCHLIMIT;
    return got;
}

/* The place behind so many bytes that a code point begins at; behind the text: there is none. */
static size_t place_behind(const struct regex_walk *walk, size_t bytes)
{
    size_t at = walk->at + bytes;

    while (at < walk->text.len && ((uint8_t)walk->text.at[at] & 0xc0) == 0x80)
        at++;
    return at;
}

bool regex_next(struct regex_walk *walk, size_t *ret_start, size_t *ret_end)
{
    while (walk->at <= walk->text.len) {
        const PCRE2_SIZE *found = pcre2_get_ovector_pointer(walk->room->data);
        size_t behind = place_behind(walk, PLACES);
        int got = match(walk, behind - 1);

        if (got == PCRE2_ERROR_NOMATCH) {
            walk->at = behind;
            continue;
        }
        if (got < 0)
            return false;
        if (found[0] == found[1] && walk->last_end == found[1]) {
            walk->at = place_behind(walk, 1);
            continue;
        }
        walk->at = walk->last_end = found[1];
        *ret_start = found[0];
        *ret_end = found[1];
        return true;
    }
    return false;
}
