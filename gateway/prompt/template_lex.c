/*
 * The lexer: text outside tags, tags, and what stands in them.
 *
 * Jinja2's lexer is a table of regular expressions; what each of them matches is a function here.
 * The rules that are easily missed: a sign behind an opening tag takes white space off the text
 * before it; `-` before a closing tag takes it off the text behind; a closing block or comment tag
 * takes one newline with it unless it has a `+`; a block or comment tag that is first on its line
 * takes the line's indentation; inside brackets }} and %} close nothing.
 */
#include "gateway/prompt/template_lex.h"

#include "gateway/base/utf8.h"
#include "gateway/prompt/text.h"

#include <stdio.h>

/* More brackets than anybody opens. */
#define NESTING_MAX 200

struct lexer {
    const char *at, *end;
    const char *counted; /* lines are counted up to here */
    uint32_t line;
    bool line_starting; /* the last tag ended with a newline, or there was none */
    struct arena *arena;
    struct buf *errors;
    struct token *tokens;
    size_t count, room;
    bool failed; /* sticky: nothing is added from then on */
};

/* Tells the first error. */
static bool fail(struct lexer *lexer, const char *what)
{
    if (!lexer->failed)
        buf_printf(lexer->errors, "line %u: %s\n", lexer->line, what);
    lexer->failed = true;
    return false;
}

/* NULL after telling that the template is too large. */
static void *alloc(struct lexer *lexer, size_t size)
{
    void *at = arena_try_alloc(lexer->arena, size);

    if (!at)
        fail(lexer, TEMPLATE_TOO_LARGE);
    return at;
}

static void count_lines(struct lexer *lexer, const char *to)
{
    for (; lexer->counted < to; lexer->counted++)
        lexer->line += *lexer->counted == '\n';
}

static void add(struct lexer *lexer, enum token_type type, struct slice text)
{
    if (lexer->failed)
        return;
    if (lexer->count == lexer->room) {
        size_t room = lexer->room ? lexer->room * 2 : 256;
        struct token *tokens = alloc(lexer, room * sizeof(*tokens));

        if (!tokens)
            return;
        if (lexer->count)
            memcpy(tokens, lexer->tokens, lexer->count * sizeof(*tokens));
        lexer->tokens = tokens;
        lexer->room = room;
    }
    lexer->tokens[lexer->count++] =
        (struct token){ .type = (uint8_t)type, .line = lexer->line, .text = text };
}

/* What is left, from `at` on. */
static struct slice rest_at(const struct lexer *lexer, const char *at)
{
    return slice_of(at, (size_t)(lexer->end - at));
}

static bool stands(const struct lexer *lexer, const char *at, struct slice what)
{
    return slice_starts(rest_at(lexer, at), what);
}

static const char *skip_space(const struct lexer *lexer, const char *at)
{
    return text_lstrip(rest_at(lexer, at)).at;
}

/* Newlines as Jinja reads them, one at the end dropped. */
static struct slice normalize(struct lexer *lexer, struct slice source)
{
    char *copy = alloc(lexer, source.len);
    size_t len = 0;

    if (!copy)
        return SLICE("");
    for (size_t i = 0; i < source.len; i++) {
        if (source.at[i] == '\r' && i + 1 < source.len && source.at[i + 1] == '\n')
            continue;
        copy[len++] = source.at[i] == '\r' ? '\n' : source.at[i];
    }
    if (len > 0 && copy[len - 1] == '\n')
        len--;
    return slice_of(copy, len);
}

/* Text before an opening tag, without what the tag takes from it. */
static struct slice strip_data(const struct lexer *lexer, struct slice data, char sign, char kind)
{
    size_t line = data.len;

    if (sign == '-')
        return text_rstrip(data);
    if (sign == '+' || kind == '{')
        return data;
    while (line > 0 && data.at[line - 1] != '\n')
        line--;
    if (line == 0 && !lexer->line_starting)
        return data;
    return text_lstrip(slice_skip(data, line)).len == 0 ? slice_head(data, line) : data;
}

static void add_data(struct lexer *lexer, struct slice data)
{
    if (data.len > 0)
        add(lexer, TOKEN_DATA, data);
}

/* A sign may stand behind an opening tag; 0: none. */
static char take_sign(struct lexer *lexer)
{
    if (lexer->at < lexer->end && (*lexer->at == '-' || *lexer->at == '+'))
        return *lexer->at++;
    return 0;
}

/* The next place where `{` and one of `kinds` stand, or the end. */
static const char *find_tag(const struct lexer *lexer, const char *kinds)
{
    const char *at = lexer->at;

    while ((at = memchr(at, '{', (size_t)(lexer->end - at)))) {
        if (at + 1 < lexer->end && at[1] && strchr(kinds, at[1]))
            return at;
        at++;
    }
    return lexer->end;
}

/* Behind a closing tag: `-` takes all white space, nothing one newline, `+` none. */
static void leave_tag(struct lexer *lexer, char sign, bool newline)
{
    lexer->at += 2;
    if (sign == '-')
        lexer->at = skip_space(lexer, lexer->at);
    else if (sign != '+' && newline && lexer->at < lexer->end && *lexer->at == '\n')
        lexer->at++;
    lexer->line_starting = lexer->at[-1] == '\n';
}

static bool lex_comment(struct lexer *lexer)
{
    const char *close = memmem(lexer->at, (size_t)(lexer->end - lexer->at), "#}", 2);
    char sign;

    if (!close)
        return fail(lexer, "Missing end of comment tag");
    sign = close > lexer->at ? close[-1] : 0;
    lexer->at = close;
    leave_tag(lexer, sign, true);
    return true;
}

/* "raw" and its closing tag behind an opening one: where they end, or NULL. */
static const char *match_word_tag(const struct lexer *lexer, const char *at, struct slice word,
                                  char *ret_sign)
{
    at = skip_space(lexer, at);
    if (!stands(lexer, at, word))
        return NULL;
    at = skip_space(lexer, at + word.len);
    *ret_sign = 0;
    if (at < lexer->end && (*at == '-' || *at == '+'))
        *ret_sign = *at++;
    return stands(lexer, at, SLICE("%}")) ? at : NULL;
}

/* Everything up to endraw is text. */
static bool lex_raw(struct lexer *lexer)
{
    const char *start = lexer->at;

    for (;; lexer->at++) {
        const char *tag = lexer->at = find_tag(lexer, "%"), *close;
        char sign, end_sign;

        if (tag == lexer->end)
            return fail(lexer, "Missing end of raw directive");
        lexer->at += 2;
        sign = take_sign(lexer);
        close = match_word_tag(lexer, lexer->at, SLICE("endraw"), &end_sign);
        if (!close) {
            lexer->at = tag;
            continue;
        }
        count_lines(lexer, start);
        add_data(lexer, strip_data(lexer, slice_of(start, (size_t)(tag - start)), sign, '%'));
        lexer->at = close;
        leave_tag(lexer, end_sign, true);
        return true;
    }
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits with single underscores between them; `at` when there are none. */
static const char *skip_digits(const struct lexer *lexer, const char *at)
{
    while (at < lexer->end &&
           (is_digit(*at) || (*at == '_' && at + 1 < lexer->end && is_digit(at[1]) &&
                              at > lexer->at && is_digit(at[-1]))))
        at++;
    return at;
}

static struct slice without_underscores(struct lexer *lexer, const char *end)
{
    char *copy = alloc(lexer, (size_t)(end - lexer->at));
    size_t len = 0;

    for (const char *at = lexer->at; copy && at < end; at++)
        if (*at != '_')
            copy[len++] = *at;
    lexer->at = end;
    return slice_of(copy, len);
}

/* Behind a float that begins here, or NULL. */
static const char *match_float(const struct lexer *lexer)
{
    const char *whole = skip_digits(lexer, lexer->at), *at = whole;

    if (lexer->at[-1] == '.')
        return NULL;
    if (at + 1 < lexer->end && *at == '.' && is_digit(at[1]))
        at = skip_digits(lexer, at + 1);
    if (at < lexer->end && slice_lower(*at) == 'e') {
        const char *exponent = at + 1;

        if (exponent < lexer->end && (*exponent == '+' || *exponent == '-'))
            exponent++;
        if (exponent < lexer->end && is_digit(*exponent))
            return skip_digits(lexer, exponent);
    }
    return at > whole ? at : NULL;
}

static bool is_digit_of(char c, unsigned base)
{
    c = slice_lower(c);
    return base == 16 ? is_digit(c) || (c >= 'a' && c <= 'f') : c >= '0' && c < (char)('0' + base);
}

/* Behind an integer: 0x, 0o, 0b forms, zeros, or digits that begin with no zero. */
static const char *match_integer(const struct lexer *lexer)
{
    static const struct {
        char letter;
        unsigned base;
    } prefixes[] = { { 'x', 16 }, { 'o', 8 }, { 'b', 2 } };
    const char *at = lexer->at;

    if (*at != '0')
        return skip_digits(lexer, at);
    for (size_t i = 0; i < ARRAY_LEN(prefixes) && at + 2 < lexer->end; i++) {
        const char *digits = at + 2 + (at[2] == '_');

        if (slice_lower(at[1]) != prefixes[i].letter || digits >= lexer->end ||
            !is_digit_of(*digits, prefixes[i].base))
            continue;
        while (digits < lexer->end && (is_digit_of(*digits, prefixes[i].base) ||
                                       (*digits == '_' && digits + 1 < lexer->end &&
                                        is_digit_of(digits[1], prefixes[i].base))))
            digits++;
        return digits;
    }
    while (at < lexer->end && (*at == '0' || (*at == '_' && at + 1 < lexer->end && at[1] == '0')))
        at++;
    return at;
}

static void lex_number(struct lexer *lexer)
{
    const char *end = match_float(lexer);

    if (end)
        add(lexer, TOKEN_FLOAT, without_underscores(lexer, end));
    else
        add(lexer, TOKEN_INTEGER, without_underscores(lexer, match_integer(lexer)));
}

/* Behind a name; `at` when none begins here. */
static const char *match_name(const struct lexer *lexer)
{
    struct slice rest = rest_at(lexer, lexer->at);

    while (rest.len > 0) {
        struct slice after = rest;
        uint32_t point = text_take(&after);

        if (point != '_' && !text_is_alnum(point))
            break;
        rest = after;
    }
    return rest.at;
}

static const struct {
    struct slice text;
    enum token_type type;
} operators[] = {
    /* longer ones first */
    { SLICE_INIT("//"), TOKEN_FLOORDIV }, { SLICE_INIT("**"), TOKEN_POW },
    { SLICE_INIT("=="), TOKEN_EQ },       { SLICE_INIT("!="), TOKEN_NE },
    { SLICE_INIT(">="), TOKEN_GE },       { SLICE_INIT("<="), TOKEN_LE },
    { SLICE_INIT("+"), TOKEN_ADD },       { SLICE_INIT("-"), TOKEN_SUB },
    { SLICE_INIT("/"), TOKEN_DIV },       { SLICE_INIT("*"), TOKEN_MUL },
    { SLICE_INIT("%"), TOKEN_MOD },       { SLICE_INIT("~"), TOKEN_TILDE },
    { SLICE_INIT("["), TOKEN_LBRACKET },  { SLICE_INIT("]"), TOKEN_RBRACKET },
    { SLICE_INIT("("), TOKEN_LPAREN },    { SLICE_INIT(")"), TOKEN_RPAREN },
    { SLICE_INIT("{"), TOKEN_LBRACE },    { SLICE_INIT("}"), TOKEN_RBRACE },
    { SLICE_INIT(">"), TOKEN_GT },        { SLICE_INIT("<"), TOKEN_LT },
    { SLICE_INIT("="), TOKEN_ASSIGN },    { SLICE_INIT("."), TOKEN_DOT },
    { SLICE_INIT(":"), TOKEN_COLON },     { SLICE_INIT("|"), TOKEN_PIPE },
    { SLICE_INIT(","), TOKEN_COMMA },     { SLICE_INIT(";"), TOKEN_SEMICOLON },
};

/* The brackets that are open. */
struct nesting {
    size_t depth;
    uint8_t closing[NESTING_MAX]; /* enum token_type that closes each */
};

static bool nest(struct lexer *lexer, struct nesting *nesting, enum token_type type)
{
    if (type == TOKEN_LBRACKET || type == TOKEN_LPAREN || type == TOKEN_LBRACE) {
        if (nesting->depth == NESTING_MAX)
            return fail(lexer, "too many brackets are open");
        nesting->closing[nesting->depth++] = (uint8_t)type + 1;
    }
    if (type == TOKEN_RBRACKET || type == TOKEN_RPAREN || type == TOKEN_RBRACE)
        if (nesting->depth == 0 || nesting->closing[--nesting->depth] != type)
            return fail(lexer, "a bracket closes what is not open");
    return true;
}

static bool lex_operator(struct lexer *lexer, struct nesting *nesting)
{
    for (size_t i = 0; i < ARRAY_LEN(operators); i++)
        if (stands(lexer, lexer->at, operators[i].text)) {
            add(lexer, operators[i].type, operators[i].text);
            lexer->at += operators[i].text.len;
            return nest(lexer, nesting, operators[i].type);
        }
    return fail(lexer, "unexpected character");
}

/* What two-character escapes stand for; 0: no such escape. */
static const char plain_escapes[128] = {
    ['\\'] = '\\', ['\''] = '\'', ['"'] = '"',  ['a'] = '\a', ['b'] = '\b',
    ['f'] = '\f',  ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t', ['v'] = '\v',
};

/* `digits` hexadecimal ones. */
static bool read_hex(struct slice *in, size_t digits, uint32_t *ret_point)
{
    uint32_t point = 0;

    if (in->len < digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        char c = slice_lower(in->at[i]);

        if (!is_digit_of(c, 16))
            return false;
        point = point << 4 | (uint32_t)(is_digit(c) ? c - '0' : c - 'a' + 10);
    }
    *in = slice_skip(*in, digits);
    *ret_point = point;
    return point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
}

/* Up to three octal digits. */
static uint32_t read_octal(struct slice *in)
{
    uint32_t point = 0;

    for (int i = 0; i < 3 && in->len > 0 && is_digit_of(in->at[0], 8); i++) {
        point = point * 8 + (uint32_t)(in->at[0] - '0');
        *in = slice_skip(*in, 1);
    }
    return point;
}

/* A backslash before a character beyond ASCII: Python's detour over "unicode-escape" spells the
 * character out. */
static size_t spell_out(struct slice *in, char *out)
{
    uint32_t point = text_take(in);

    return (size_t)sprintf(out,
                           point < 0x100     ? "\\x%02x"
                           : point < 0x10000 ? "\\u%04x"
                                             : "\\U%08x",
                           point);
}

/* Resolves what stands behind a backslash. */
static bool resolve(struct slice *in, char *out, size_t *len)
{
    unsigned char c = (unsigned char)in->at[0];
    uint32_t point;

    if (c >= 0x80) {
        *len += spell_out(in, out + *len);
        return true;
    }
    if (is_digit_of((char)c, 8)) {
        *len += text_put(out + *len, read_octal(in));
        return true;
    }
    *in = slice_skip(*in, 1);
    if (c == 'x' || c == 'u' || c == 'U') {
        if (!read_hex(in, c == 'x' ? 2 : c == 'u' ? 4 : 8, &point))
            return false;
        *len += text_put(out + *len, point);
    } else if (c == 'N') {
        return false; /* names of characters are not here */
    } else if (plain_escapes[c]) {
        out[(*len)++] = plain_escapes[c];
    } else if (c != '\n') {
        out[(*len)++] = '\\';
        out[(*len)++] = (char)c;
    }
    return true;
}

static bool unescape(struct lexer *lexer, struct slice in, struct slice *ret_text)
{
    char *out;
    size_t len = 0;

    if (slice_find(in, '\\') == in.len) {
        *ret_text = in;
        return true;
    }
    out = alloc(lexer, in.len * 4 + 16); /* spelled out: 10 bytes for 5 */
    if (!out)
        return false;
    while (in.len > 0) {
        char c = in.at[0];

        if (c != '\\') {
            out[len++] = c;
            in = slice_skip(in, 1);
            continue;
        }
        in = slice_skip(in, 1);
        if (!resolve(&in, out, &len))
            return fail(lexer, "an escape in a string is not valid");
    }
    *ret_text = slice_of(out, len);
    return true;
}

static bool lex_string(struct lexer *lexer)
{
    char quote = *lexer->at;
    const char *start = lexer->at + 1, *at = start;
    struct slice text;

    while (at < lexer->end && *at != quote)
        at += *at == '\\' ? 2 : 1;
    if (at >= lexer->end)
        return fail(lexer, "a string is not closed");
    if (!unescape(lexer, slice_of(start, (size_t)(at - start)), &text))
        return false;
    add(lexer, TOKEN_STRING, text);
    lexer->at = at + 1;
    return true;
}

/* Takes the closing tag if one stands here. */
static bool close_tag(struct lexer *lexer, char kind)
{
    const char *at = lexer->at;
    char sign = 0;

    if (*at == '-' || (*at == '+' && kind == '%'))
        sign = *at++;
    if (!stands(lexer, at, kind == '%' ? SLICE("%}") : SLICE("}}")))
        return false;
    add(lexer, kind == '%' ? TOKEN_BLOCK_END : TOKEN_PRINT_END, SLICE(""));
    lexer->at = at;
    leave_tag(lexer, sign, kind == '%');
    return true;
}

/* What stands between an opening and a closing tag. */
static bool lex_tag(struct lexer *lexer, char kind)
{
    struct nesting nesting = { 0 };
    bool good = true;

    add(lexer, kind == '%' ? TOKEN_BLOCK_BEGIN : TOKEN_PRINT_BEGIN, SLICE(""));
    while (good) {
        const char *name;

        lexer->at = skip_space(lexer, lexer->at);
        count_lines(lexer, lexer->at);
        if (lexer->at == lexer->end)
            return true; /* the parser says what is missing */
        if (nesting.depth == 0 && close_tag(lexer, kind))
            return true;
        if (is_digit(*lexer->at)) {
            lex_number(lexer);
        } else if ((name = match_name(lexer)) > lexer->at) {
            add(lexer, TOKEN_NAME, slice_of(lexer->at, (size_t)(name - lexer->at)));
            lexer->at = name;
        } else if (*lexer->at == '\'' || *lexer->at == '"') {
            good = lex_string(lexer);
        } else {
            good = lex_operator(lexer, &nesting);
        }
    }
    return false;
}

/* Text up to the next tag, and the tag. */
static bool lex_next(struct lexer *lexer)
{
    const char *start = lexer->at, *tag = find_tag(lexer, "{%#"), *raw = NULL;
    struct slice data = slice_of(start, (size_t)(tag - start));
    char kind, sign, raw_sign;

    count_lines(lexer, start);
    if (tag == lexer->end) {
        add_data(lexer, data);
        lexer->at = tag;
        return true;
    }
    kind = tag[1];
    lexer->at = tag + 2;
    sign = take_sign(lexer);
    add_data(lexer, strip_data(lexer, data, sign, kind));
    count_lines(lexer, tag);
    lexer->line_starting = false;
    if (kind == '#')
        return lex_comment(lexer);
    if (kind == '%')
        raw = match_word_tag(lexer, lexer->at, SLICE("raw"), &raw_sign);
    if (!raw || raw_sign == '+')
        return lex_tag(lexer, kind);
    lexer->at = raw;
    leave_tag(lexer, raw_sign, false);
    return lex_raw(lexer);
}

static bool is_utf8(struct slice text)
{
    while (text.len > 0) {
        size_t len = utf8_sequence(text);

        if (len == 0)
            return false;
        text = slice_skip(text, len);
    }
    return true;
}

struct token *template_lex(struct slice source, struct arena *arena, struct buf *errors)
{
    struct lexer lexer = { .line = 1, .line_starting = true, .arena = arena, .errors = errors };

    if (!is_utf8(source)) {
        fail(&lexer, "not UTF-8");
        return NULL;
    }
    source = normalize(&lexer, source);
    lexer.at = lexer.counted = source.at;
    lexer.end = source.at + source.len;
    while (lexer.at < lexer.end)
        if (!lex_next(&lexer))
            return NULL;
    count_lines(&lexer, lexer.end);
    add(&lexer, TOKEN_EOF, SLICE(""));
    return lexer.failed ? NULL : lexer.tokens;
}
