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
 * What a match costs is bounded by two limits: PCRE2's own on its steps, which it counts anew at
 * each place where a match may begin and does not tell, and one on how far it sees. For machine
 * code runs through a class without counting, to the end of the text if need be, and may do so at
 * each step: without the second limit ten kilobytes took minutes. So it is asked for few places at
 * a time, with few steps, and shown a window of the text; it says when it would have looked
 * further (a partial match), and what it finds without that is what it finds in the whole text.
 *
 * Where that does not do, it gets more. A wider window has fewer steps at first, since what is wide
 * is most often one long run. Steps times bytes, in sixteenths, are what this costs at most; it is
 * taken from what the whole text has. A long run of white space takes a few a byte, once; what
 * takes as many at each of its bytes comes to an end.
 */
#define PLACES         16
#define STEPS_FIRST    64u
#define STEPS_LEAST    16u
#define WINDOW_FIRST   256u
#define WORK_TEXT      50000000u
#define WORK_A_BYTE    64
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
    uint64_t work;             /* left to places that take much */
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
    pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_HARD);
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
    room->work = WORK_TEXT + WORK_A_BYTE * (uint64_t)text_bytes;
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

/* The place behind so many bytes that a code point begins at; behind the text: there is none. */
static size_t place_behind(const struct regex_walk *walk, size_t bytes)
{
    size_t at = walk->at + bytes;

    while (at < walk->text.len && ((uint8_t)walk->text.at[at] & 0xc0) == 0x80)
        at++;
    return at;
}

/* What one call of PCRE2 may cost. */
struct effort {
    uint64_t steps, window;
};

_Static_assert(WINDOW_FIRST >= PLACES + 4, "a place where a match may begin is seen");

static const struct effort least_effort = { STEPS_FIRST, WINDOW_FIRST };

/* Whether as much may be spent. The least is free. */
static bool allow(struct regex_walk *walk, struct effort effort)
{
    struct regex_room *room = walk->room;
    uint64_t work = effort.steps * effort.window / BYTES_A_STEP;

    if (room->deadline &&
        !deadline_allows(room->deadline, effort.steps * PLACES + effort.window / BYTES_A_STEP))
        return false;
    if (effort.steps != least_effort.steps || effort.window != least_effort.window) {
        walk->gave_up = work > room->work || effort.steps > UINT32_MAX;
        room->work -= walk->gave_up ? 0 : work;
    }
    return !walk->gave_up;
}

/* More of what was not enough. */
static struct effort more(struct effort effort, int got)
{
    if (got == PCRE2_ERROR_MATCHLIMIT)
        return (struct effort){ effort.steps * 2, effort.window };
    return (struct effort){ effort.steps / 2 < STEPS_LEAST ? STEPS_LEAST : effort.steps / 2,
                            effort.window * 2 };
}

static int match_within(struct regex_walk *walk, struct effort effort)
{
    struct regex_room *room = walk->room;
    size_t end = place_behind(walk, effort.window);
    bool whole = end >= walk->text.len;

    pcre2_set_match_limit(room->context, (uint32_t)effort.steps);
    return pcre2_match(walk->regex->code, (PCRE2_SPTR)walk->text.at, whole ? walk->text.len : end,
                       walk->at, PCRE2_NO_UTF_CHECK | (whole ? 0 : PCRE2_PARTIAL_HARD), room->data,
                       room->context);
}

/* A match that begins at `at` or one of the next places; PCRE2's answer. */
static int match(struct regex_walk *walk, size_t last)
{
    struct effort effort = least_effort;
    int got = PCRE2_ERROR_MATCHLIMIT;

    pcre2_set_offset_limit(walk->room->context, last);
    while (allow(walk, effort)) {
        got = match_within(walk, effort);
        if (got != PCRE2_ERROR_MATCHLIMIT && got != PCRE2_ERROR_PARTIAL)
            break;
        effort = more(effort, got);
    }
    walk->gave_up |= got < 0 && got != PCRE2_ERROR_NOMATCH && got != PCRE2_ERROR_MATCHLIMIT &&
                     got != PCRE2_ERROR_PARTIAL;
    return got;
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
