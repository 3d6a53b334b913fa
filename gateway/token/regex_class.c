/*
 * Reading classes of Oniguruma's syntax (its doc/RE: character classes, POSIX brackets, && for
 * intersections, classes inside classes) into sets of the reference's code points.
 */
#include "gateway/token/regex_class.h"

#include <stdio.h>

#define NESTED_MAX 16

bool regex_cursor_fail(struct regex_cursor *cursor, const char *what)
{
    if (!cursor->error[0])
        snprintf(cursor->error, cursor->error_size, "at byte %zu of the pattern: %s", cursor->at,
                 what);
    return false;
}

bool regex_cursor_take(struct regex_cursor *cursor, uint32_t *ret_code)
{
    uint32_t bytes;

    if (cursor->at >= cursor->pattern.len)
        return false;
    *ret_code = unicode_read(cursor->pattern.at + cursor->at, &bytes);
    cursor->at += bytes;
    return true;
}

bool regex_cursor_accept(struct regex_cursor *cursor, const char *text)
{
    if (!slice_starts(slice_skip(cursor->pattern, cursor->at), slice_str(text)))
        return false;
    cursor->at += strlen(text);
    return true;
}

/* Names of properties and of POSIX brackets; without case, spaces, - and _. */
static const struct property {
    const char *name;
    uint64_t mask;
} properties[] = {
    { "any", ~0ull },
    { "l", UNICODE_MASK(L) },
    { "letter", UNICODE_MASK(L) },
    { "lu", UNICODE_MASK(LU) },
    { "uppercaseletter", UNICODE_MASK(LU) },
    { "ll", UNICODE_MASK(LL) },
    { "lowercaseletter", UNICODE_MASK(LL) },
    { "lt", UNICODE_MASK(LT) },
    { "lm", UNICODE_MASK(LM) },
    { "lo", UNICODE_MASK(LO) },
    { "m", UNICODE_MASK(M) },
    { "mark", UNICODE_MASK(M) },
    { "mn", UNICODE_MASK(MN) },
    { "mc", UNICODE_MASK(MC) },
    { "me", UNICODE_MASK(ME) },
    { "n", UNICODE_MASK(N) },
    { "number", UNICODE_MASK(N) },
    { "nd", UNICODE_MASK(ND) },
    { "digit", UNICODE_MASK(ND) },
    { "nl", UNICODE_MASK(NL) },
    { "no", UNICODE_MASK(NO) },
    { "p", UNICODE_MASK(P) },
    { "punctuation", UNICODE_MASK(P) },
    { "pc", UNICODE_MASK(PC) },
    { "pd", UNICODE_MASK(PD) },
    { "ps", UNICODE_MASK(PS) },
    { "pe", UNICODE_MASK(PE) },
    { "pi", UNICODE_MASK(PI) },
    { "pf", UNICODE_MASK(PF) },
    { "po", UNICODE_MASK(PO) },
    { "s", UNICODE_MASK(S) },
    { "symbol", UNICODE_MASK(S) },
    { "sm", UNICODE_MASK(SM) },
    { "sc", UNICODE_MASK(SC) },
    { "sk", UNICODE_MASK(SK) },
    { "so", UNICODE_MASK(SO) },
    { "z", UNICODE_MASK(Z) },
    { "separator", UNICODE_MASK(Z) },
    { "zs", UNICODE_MASK(ZS) },
    { "zl", UNICODE_MASK(ZL) },
    { "zp", UNICODE_MASK(ZP) },
    { "c", UNICODE_MASK(CC) | UNICODE_MASK(CF) | UNICODE_MASK(CO) | UNICODE_MASK(CN) },
    { "cc", UNICODE_MASK(CC) },
    { "cf", UNICODE_MASK(CF) },
    { "co", UNICODE_MASK(CO) },
    { "cn", UNICODE_MASK(CN) },
    { "han", UNICODE_MASK(HAN) },
    { "word", UNICODE_MASK(WORD) },
    { "space", UNICODE_MASK(SPACE) },
    { "whitespace", UNICODE_MASK(SPACE) },
};

static bool find_property(struct slice name, uint64_t *ret_mask)
{
    char folded[32];
    size_t len = 0;

    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];

        if (c == ' ' || c == '-' || c == '_')
            continue;
        if (len == sizeof(folded))
            return false;
        folded[len++] = slice_lower(c);
    }
    for (size_t i = 0; i < ARRAY_LEN(properties); i++)
        if (slice_eq(slice_of(folded, len), slice_str(properties[i].name))) {
            *ret_mask = properties[i].mask;
            return true;
        }
    return false;
}

static void add_mask(struct code_set *set, uint64_t mask, bool inverted)
{
    struct code_set *class = code_set_new();

    code_set_add_mask(class, mask);
    if (inverted)
        code_set_invert(class);
    code_set_add_set(set, class);
    code_set_free(class);
}

/* `{Lu}`, `{^Lu}`. */
static bool add_property(struct regex_cursor *cursor, bool inverted, struct code_set *set)
{
    struct slice rest = slice_skip(cursor->pattern, cursor->at), name;
    size_t end = slice_find(rest, '}');
    uint64_t mask;

    if (rest.len == 0 || rest.at[0] != '{' || end == rest.len)
        return regex_cursor_fail(cursor, "\\p without a name in braces");
    name = slice_of(rest.at + 1, end - 1);
    if (name.len > 0 && name.at[0] == '^') {
        inverted = !inverted;
        name = slice_skip(name, 1);
    }
    if (!find_property(name, &mask))
        return regex_cursor_fail(cursor, "an unknown property of code points");
    cursor->at += end + 1;
    add_mask(set, mask, inverted);
    return true;
}

static void add_hex(struct code_set *set, bool inverted)
{
    struct code_set *class = code_set_new();

    code_set_add_range(class, '0', '9');
    code_set_add_range(class, 'a', 'f');
    code_set_add_range(class, 'A', 'F');
    if (inverted)
        code_set_invert(class);
    code_set_add_set(set, class);
    code_set_free(class);
}

bool regex_class_escape(struct regex_cursor *cursor, uint32_t letter, struct code_set *set)
{
    bool inverted = letter < 'a';

    switch (letter | 0x20) {
    case 'd':
        add_mask(set, UNICODE_MASK(ND), inverted);
        return true;
    case 's':
        add_mask(set, UNICODE_MASK(SPACE), inverted);
        return true;
    case 'w':
        add_mask(set, UNICODE_MASK(WORD), inverted);
        return true;
    case 'h':
        add_hex(set, inverted);
        return true;
    default:
        return add_property(cursor, inverted, set);
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = slice_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* At least `least` and at most `most` hexadecimal digits. */
static bool take_hex(struct regex_cursor *cursor, size_t least, size_t most, uint32_t *ret_code)
{
    uint32_t code = 0;
    size_t n = 0;

    while (n < most && cursor->at < cursor->pattern.len &&
           hex_digit(cursor->pattern.at[cursor->at]) >= 0) {
        code = code * 16 + (uint32_t)hex_digit(cursor->pattern.at[cursor->at++]);
        n++;
    }
    if (n < least || code >= UNICODE_LIMIT || (code >= 0xd800 && code < 0xe000))
        return regex_cursor_fail(cursor, "no code point behind \\x or \\u");
    *ret_code = code;
    return true;
}

bool regex_code_escape(struct regex_cursor *cursor, uint32_t letter, uint32_t *ret_code)
{
    static const char names[] = "tnrfvae";
    static const char codes[] = "\t\n\r\f\v\a\x1b";
    const char *name = letter < 0x80 && letter > 0 ? strchr(names, (int)letter) : NULL;

    if (name) {
        *ret_code = (uint32_t)codes[name - names];
        return true;
    }
    if (letter == 'u')
        return take_hex(cursor, 4, 4, ret_code);
    if (letter == 'x' && regex_cursor_accept(cursor, "{"))
        return take_hex(cursor, 1, 8, ret_code) &&
               (regex_cursor_accept(cursor, "}") || regex_cursor_fail(cursor, "\\x{ without }"));
    if (letter == 'x') {
        if (!take_hex(cursor, 1, 2, ret_code))
            return false;
        return *ret_code < 0x80 || regex_cursor_fail(cursor, "a byte above ASCII");
    }
    if (letter < 0x80 && (letter | 0x20) >= 'a' && (letter | 0x20) <= 'z')
        return regex_cursor_fail(cursor, "an escape that is not supported");
    if (letter >= '0' && letter <= '9')
        return regex_cursor_fail(cursor, "a back reference or an octal number");
    *ret_code = letter;
    return true;
}

static bool is_class_letter(uint32_t letter)
{
    return letter < 0x80 && letter > 0 && strchr("dDsSwWhHpP", (int)letter);
}

static bool add_posix(struct regex_cursor *cursor, struct code_set *set, bool *ret_taken)
{
    struct slice rest = slice_skip(cursor->pattern, cursor->at);
    bool inverted = rest.len > 1 && rest.at[1] == '^';
    size_t end = slice_find(rest, ']');
    uint64_t mask;

    *ret_taken = false;
    if (rest.len == 0 || rest.at[0] != ':' || end == rest.len || end < 2 || rest.at[end - 1] != ':')
        return true;
    *ret_taken = true;
    rest = slice_of(rest.at + 1 + inverted, end - 2 - inverted);
    if (slice_eq(rest, SLICE("xdigit"))) {
        add_hex(set, inverted);
    } else if (slice_eq(rest, SLICE("ascii"))) {
        code_set_add_range(set, inverted ? 0x80 : 0, inverted ? UNICODE_LIMIT - 1 : 0x7f);
    } else if (slice_eq(rest, SLICE("digit")) || slice_eq(rest, SLICE("space")) ||
               slice_eq(rest, SLICE("word"))) {
        if (find_property(rest, &mask))
            add_mask(set, mask, inverted);
    } else {
        return regex_cursor_fail(cursor, "a POSIX bracket that is not supported");
    }
    cursor->at += end + 1;
    return true;
}

static bool read_class(struct regex_cursor *cursor, struct code_set *set, int depth);

/* One member that is a class itself. `*ret_taken`: there was one. */
static bool read_inner_class(struct regex_cursor *cursor, struct code_set *set, int depth,
                             bool *ret_taken)
{
    size_t start = cursor->at;
    struct code_set *inner;
    uint32_t letter;
    bool good;

    *ret_taken = true;
    if (regex_cursor_accept(cursor, "\\")) {
        if (regex_cursor_take(cursor, &letter) && is_class_letter(letter))
            return regex_class_escape(cursor, letter, set);
        cursor->at = start;
    } else if (regex_cursor_accept(cursor, "[")) {
        if (!add_posix(cursor, set, ret_taken))
            return false;
        if (*ret_taken)
            return true;
        *ret_taken = true;
        inner = code_set_new();
        good = read_class(cursor, inner, depth + 1);
        code_set_add_set(set, inner);
        code_set_free(inner);
        return good;
    }
    *ret_taken = false;
    return true;
}

/* A code point, written as it is or with a backslash. */
static bool read_code(struct regex_cursor *cursor, uint32_t *ret_code)
{
    if (!regex_cursor_take(cursor, ret_code))
        return regex_cursor_fail(cursor, "[ without ]");
    if (*ret_code != '\\')
        return true;
    if (!regex_cursor_take(cursor, ret_code))
        return regex_cursor_fail(cursor, "a backslash at the end");
    if (*ret_code == 'b') { /* a backspace, in brackets */
        *ret_code = '\b';
        return true;
    }
    return regex_code_escape(cursor, *ret_code, ret_code);
}

static bool read_range(struct regex_cursor *cursor, struct code_set *set)
{
    struct slice rest;
    uint32_t first, last;

    if (!read_code(cursor, &first))
        return false;
    rest = slice_skip(cursor->pattern, cursor->at);
    last = first;
    if (rest.len > 1 && rest.at[0] == '-' && rest.at[1] != ']') {
        size_t dash = cursor->at++;
        uint32_t letter;

        if (rest.at[1] == '[' || (regex_cursor_accept(cursor, "\\") &&
                                  regex_cursor_take(cursor, &letter) && is_class_letter(letter))) {
            cursor->at = dash; /* the dash stands for itself */
        } else {
            cursor->at = dash + 1;
            if (!read_code(cursor, &last))
                return false;
        }
    }
    if (last < first)
        return regex_cursor_fail(cursor, "a range that ends before it begins");
    code_set_add_range(set, first, last);
    return true;
}

/* Up to `]` or `&&`; *ret_more: the latter. */
static bool read_members(struct regex_cursor *cursor, struct code_set *set, int depth,
                         bool *ret_more)
{
    for (bool first = true;; first = false) {
        bool taken;

        if (cursor->at >= cursor->pattern.len)
            return regex_cursor_fail(cursor, "[ without ]");
        *ret_more = regex_cursor_accept(cursor, "&&");
        if (*ret_more || (!first && regex_cursor_accept(cursor, "]")))
            return true;
        if (first && cursor->pattern.at[cursor->at] == ']')
            return regex_cursor_fail(cursor, "a class without members");
        if (!read_inner_class(cursor, set, depth, &taken))
            return false;
        if (!taken && !read_range(cursor, set))
            return false;
    }
}

static bool read_class(struct regex_cursor *cursor, struct code_set *set, int depth)
{
    bool inverted = regex_cursor_accept(cursor, "^"), more = false;

    if (depth > NESTED_MAX)
        return regex_cursor_fail(cursor, "classes nested too deeply");
    if (!read_members(cursor, set, depth, &more))
        return false;
    while (more) {
        struct code_set *other = code_set_new();
        bool good = read_members(cursor, other, depth, &more);

        code_set_keep(set, other);
        code_set_free(other);
        if (!good)
            return false;
    }
    if (inverted)
        code_set_invert(set);
    return true;
}

bool regex_class_brackets(struct regex_cursor *cursor, struct code_set *set)
{
    return read_class(cursor, set, 0);
}
