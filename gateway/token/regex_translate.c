/*
 * From Oniguruma's syntax to PCRE2's: what both read alike is copied, what they read differently is
 * written so that PCRE2 does what Oniguruma would (its doc/RE, syntax ONIG_SYNTAX_ONIGURUMA), and
 * what cannot be is refused. Groups never capture. \b, \w and the like, and \p, become explicit
 * classes, because PCRE2 has a Unicode of its own.
 */
#include "gateway/token/regex.h"
#include "gateway/token/regex_class.h"

#include <stdio.h>

#define GROUPS_MAX 32

struct translator {
    struct regex_cursor cursor;
    struct text *out;
    size_t atom; /* where in `out` what a quantifier would repeat begins; SIZE_MAX: nothing */
    uint32_t last_letter; /* the letter before, where case does not matter; 0: none */
    int depth;
};

static bool read_alternatives(struct translator *t, bool caseless);

static bool refuse(struct translator *t, const char *what)
{
    return regex_cursor_fail(&t->cursor, what);
}

static void begin_atom(struct translator *t)
{
    t->atom = t->out->len;
    t->last_letter = 0;
}

static void add(struct translator *t, const char *text)
{
    text_add(t->out, slice_str(text));
}

/* Pairs of letters that Oniguruma takes for one that folds to both (ss and U+00DF): PCRE2 does
 * not. */
static bool folds_together(uint32_t a, uint32_t b)
{
    static const char pairs[][3] = { "ss", "ff", "fi", "fl", "st" };

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
        if ((a | 0x20) == (uint32_t)pairs[i][0] && (b | 0x20) == (uint32_t)pairs[i][1])
            return true;
    return false;
}

static bool put_literal(struct translator *t, uint32_t code, bool caseless)
{
    uint32_t before = t->last_letter;
    bool letter = (code | 0x20) >= 'a' && (code | 0x20) <= 'z';

    if (caseless && (code >= 0x80 || (before && folds_together(before, code))))
        return refuse(t, "letters without case that fold to several are not supported");
    begin_atom(t);
    if (code < 0x80 && !letter && !(code >= '0' && code <= '9') && code > ' ')
        add(t, "\\");
    if (code == 0)
        add(t, "\\x{0}");
    else
        text_add_code(t->out, code);
    t->last_letter = caseless && letter ? code : 0;
    return true;
}

static bool read_brackets(struct translator *t, bool caseless)
{
    struct code_set *set;
    bool good;

    begin_atom(t);
    if (caseless && slice_starts(slice_skip(t->cursor.pattern, t->cursor.at), SLICE("^")))
        return refuse(t, "an inverted class without case is not supported");
    set = code_set_new();
    good = regex_class_brackets(&t->cursor, set);
    if (good)
        code_set_write(set, t->out);
    code_set_free(set);
    return good;
}

static bool read_class_escape(struct translator *t, uint32_t letter)
{
    struct code_set *set = code_set_new();
    bool good = regex_class_escape(&t->cursor, letter, set);

    begin_atom(t);
    if (good)
        code_set_write(set, t->out);
    code_set_free(set);
    return good;
}

/* \b and \B by look-around over the reference's \w. */
static void put_boundary(struct translator *t, bool inverted)
{
    struct code_set *set = code_set_new();
    struct text word;

    text_init(&word);
    code_set_add_mask(set, UNICODE_MASK(WORD));
    code_set_write(set, &word);
    code_set_free(set);
    begin_atom(t);
    add(t, inverted ? "(?:(?<!" : "(?:(?<=");
    text_add(t->out, text_slice(&word));
    add(t, ")(?!");
    text_add(t->out, text_slice(&word));
    add(t, inverted ? ")|(?<=" : ")|(?<!");
    text_add(t->out, text_slice(&word));
    add(t, ")(?=");
    text_add(t->out, text_slice(&word));
    add(t, "))");
    text_release(&word);
}

static bool read_escape(struct translator *t, bool caseless)
{
    uint32_t letter, code;

    if (!regex_cursor_take(&t->cursor, &letter))
        return refuse(t, "a backslash at the end");
    switch (letter) {
    case 'd':
    case 'D':
    case 's':
    case 'S':
    case 'w':
    case 'W':
    case 'h':
    case 'H':
    case 'p':
    case 'P':
        return read_class_escape(t, letter);
    case 'b':
    case 'B':
        put_boundary(t, letter == 'B');
        return true;
    case 'A':
    case 'Z':
    case 'z':
        begin_atom(t);
        add(t, letter == 'A' ? "\\A" : letter == 'Z' ? "\\Z" : "\\z");
        return true;
    default:
        return regex_code_escape(&t->cursor, letter, &code) && put_literal(t, code, caseless);
    }
}

/* `n`, `n,`, `,m` or `n,m` and `}`; false, and nothing taken, when it is no interval. */
static bool read_interval(struct translator *t, unsigned *ret_least, unsigned *ret_most,
                          bool *ret_exact)
{
    char text[16] = { 0 };
    struct slice rest = slice_skip(t->cursor.pattern, t->cursor.at);
    size_t end = slice_find(rest, '}');
    unsigned least = 0, most = UINT32_MAX;
    int used = 0;

    if (end == rest.len || end == 0 || end >= sizeof(text))
        return false;
    memcpy(text, rest.at, end);
    if (strspn(text, "0123456789,") != end)
        return false;
    *ret_exact = false;
    if (sscanf(text, "%u,%u%n", &least, &most, &used) == 2 && (size_t)used == end) {
    } else if (used = 0, sscanf(text, ",%u%n", &most, &used) == 1 && (size_t)used == end) {
        least = 0;
    } else if (used = 0, sscanf(text, "%u,%n", &least, &used) == 1 && (size_t)used == end) {
        most = UINT32_MAX;
    } else if (used = 0, sscanf(text, "%u%n", &least, &used) == 1 && (size_t)used == end) {
        most = least;
        *ret_exact = true;
    } else {
        return false;
    }
    t->cursor.at += end + 1;
    *ret_least = least;
    *ret_most = most;
    return true;
}

static void wrap_atom(struct translator *t, struct slice open)
{
    size_t tail = t->out->len - t->atom;

    text_reserve(t->out, open.len);
    memmove(t->out->at + t->atom + open.len, t->out->at + t->atom, tail);
    memcpy(t->out->at + t->atom, open.at, open.len);
    t->out->len += open.len;
}

/* An interval. Oniguruma reads `{n}?` as "n times or not at all", and `{n,m}+` as a repeat of
 * repeats. */
static bool put_interval(struct translator *t, unsigned least, unsigned most, bool exact)
{
    char interval[48];
    bool lazy = regex_cursor_accept(&t->cursor, "?");
    bool again = !lazy && regex_cursor_accept(&t->cursor, "+");

    if (t->atom == SIZE_MAX)
        return refuse(t, "nothing to repeat");
    if (most != UINT32_MAX && (most < least || most > 1000))
        return refuse(t, "an interval that is not supported");
    if ((lazy && exact) || again)
        wrap_atom(t, SLICE("(?:"));
    if (most == UINT32_MAX)
        snprintf(interval, sizeof(interval), "{%u,}", least);
    else
        snprintf(interval, sizeof(interval), "{%u,%u}", least, most);
    add(t, interval);
    if (lazy)
        add(t, exact ? ")?" : "?");
    if (again)
        add(t, ")+");
    t->atom = SIZE_MAX;
    t->last_letter = 0;
    return true;
}

/* A group that is repeated and gives nothing back is written as one that is repeated inside an
 * atomic group, which is the same: PCRE2's machine code counts the rounds of that one only. */
static bool put_quantifier(struct translator *t, uint32_t code)
{
    bool lazy = regex_cursor_accept(&t->cursor, "?");
    bool possessive = !lazy && regex_cursor_accept(&t->cursor, "+");
    bool group = t->atom != SIZE_MAX && t->out->at[t->atom] == '(';

    if (t->atom == SIZE_MAX)
        return refuse(t, "nothing to repeat");
    if (possessive && group)
        wrap_atom(t, SLICE("(?>"));
    text_add_code(t->out, code);
    if (possessive)
        add(t, group ? ")" : "+");
    else if (lazy)
        add(t, "?");
    t->atom = SIZE_MAX;
    t->last_letter = 0;
    return true;
}

/* Whether letters' case matters from here on: `i` and `-i` up to `:` or `)`, which is taken. */
static bool read_flags(struct translator *t, bool *caseless, bool *ret_group)
{
    bool off = false;
    uint32_t code = 0;

    while (regex_cursor_take(&t->cursor, &code) && code != ':' && code != ')') {
        if (code == '-')
            off = true;
        else if (code == 'i')
            *caseless = !off;
        else
            return refuse(t, "a group that is not supported");
    }
    *ret_group = code == ':';
    return code == ':' || code == ')' || refuse(t, "( without )");
}

/* `(?i:...)`, or `(?i)` at the start of a group, which is for all of it. */
static bool read_options(struct translator *t, bool caseless, bool at_start)
{
    bool group = false;

    if (!read_flags(t, &caseless, &group))
        return false;
    if (!group && !at_start)
        return refuse(t, "options in the middle of a group are not supported");
    add(t, caseless ? "(?i:" : "(?-i:");
    if (!read_alternatives(t, caseless))
        return false;
    add(t, ")");
    return !group || regex_cursor_accept(&t->cursor, ")") || refuse(t, "( without )");
}

/* What stands behind `(`. */
static bool read_group(struct translator *t, bool caseless, bool at_start)
{
    static const char *const alike[] = { "?:", "?=", "?!", "?<=", "?<!", "?>" };
    const char *open = "?:";
    size_t atom = t->out->len;
    bool good;

    if (++t->depth > GROUPS_MAX)
        return refuse(t, "groups nested too deeply");
    for (size_t i = 0; i < ARRAY_LEN(alike); i++)
        if (regex_cursor_accept(&t->cursor, alike[i])) {
            open = alike[i];
            goto read;
        }
    if (regex_cursor_accept(&t->cursor, "?#"))
        return refuse(t, "comments are not supported");
    if (regex_cursor_accept(&t->cursor, "?<")) { /* a name changes nothing */
        uint32_t code;

        while (regex_cursor_take(&t->cursor, &code) && code != '>')
            ;
    } else if (regex_cursor_accept(&t->cursor, "?")) {
        good = read_options(t, caseless, at_start);
        goto out;
    } else if (regex_cursor_accept(&t->cursor, "*")) {
        return refuse(t, "callouts are not supported");
    }
read:
    add(t, "(");
    add(t, open);
    good = read_alternatives(t, caseless) &&
           (regex_cursor_accept(&t->cursor, ")") || refuse(t, "( without )"));
    add(t, ")");
out:
    t->depth--;
    t->atom = atom;
    t->last_letter = 0;
    return good;
}

/* Up to the end or the `)` that is the caller's. */
static bool read_alternatives(struct translator *t, bool caseless)
{
    size_t start = t->cursor.at;
    uint32_t code;
    unsigned least, most;
    bool exact;

    t->atom = SIZE_MAX;
    t->last_letter = 0;
    while (t->cursor.at < t->cursor.pattern.len && t->cursor.pattern.at[t->cursor.at] != ')') {
        bool at_start = t->cursor.at == start, good = true;

        regex_cursor_take(&t->cursor, &code);
        if (code == '|') {
            add(t, "|");
            t->atom = SIZE_MAX;
            t->last_letter = 0;
        } else if (code == '(') {
            good = read_group(t, caseless, at_start);
        } else if (code == '[') {
            good = read_brackets(t, caseless);
        } else if (code == '\\') {
            good = read_escape(t, caseless);
        } else if (code == '*' || code == '+' || code == '?') {
            good = put_quantifier(t, code);
        } else if (code == '{' && read_interval(t, &least, &most, &exact)) {
            good = put_interval(t, least, most, exact);
        } else if (code == '.' || code == '^' || code == '$') {
            begin_atom(t);
            text_add_code(t->out, code);
        } else {
            good = put_literal(t, code, caseless);
        }
        if (!good)
            return false;
    }
    return true;
}

bool regex_translate(struct slice pattern, struct text *out, char *error, size_t size)
{
    struct translator t = {
        .cursor = { .pattern = pattern, .error = error, .error_size = size },
        .out = out,
    };

    error[0] = 0;
    if (!read_alternatives(&t, false))
        return false;
    return t.cursor.at == pattern.len || refuse(&t, ") without (");
}
