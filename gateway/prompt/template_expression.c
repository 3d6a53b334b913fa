/*
 * The parser's expressions, with Jinja2's precedence: inline if, or, and, not, comparisons, + -,
 * ~, * / // %, **, unary signs, then attributes, items, calls, filters and tests. ** binds to the
 * left, and a sign binds closer than it: -2 ** 2 is 4.
 */
#include "gateway/prompt/template_parse.h"

#include "gateway/prompt/value_number.h"

/* Comparisons of one chain. */
#define COMPARES_MAX 8

static struct node *parse_unary(struct parser *parser, bool with_filter);

static bool is_compare(enum token_type type, uint8_t *ret_op)
{
    static const struct {
        enum token_type type;
        enum compare_op op;
    } rows[] = { { TOKEN_EQ, COMPARE_EQ }, { TOKEN_NE, COMPARE_NE }, { TOKEN_LT, COMPARE_LT },
                 { TOKEN_LE, COMPARE_LE }, { TOKEN_GT, COMPARE_GT }, { TOKEN_GE, COMPARE_GE } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].type == type) {
            *ret_op = (uint8_t)rows[i].op;
            return true;
        }
    return false;
}

/* NULL after an error, of which a missing constant is one. */
static struct node *constant_node(struct parser *parser, enum node_kind kind, uint32_t line,
                                  const struct value *constant)
{
    struct node *node = parse_node(parser, kind, line, NULL);

    if (node)
        node->constant = constant;
    return node;
}

static struct node *parse_named(struct parser *parser, struct slice name, uint32_t line)
{
    static const struct {
        struct slice name;
        int which; /* -1: None */
    } words[] = {
        { SLICE_INIT("true"), 1 },  { SLICE_INIT("True"), 1 },  { SLICE_INIT("false"), 0 },
        { SLICE_INIT("False"), 0 }, { SLICE_INIT("none"), -1 }, { SLICE_INIT("None"), -1 },
    };
    struct node *node;

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (slice_eq(words[i].name, name)) {
            node = parse_node(parser, NODE_CONST, line, NULL);
            if (node)
                node->constant = words[i].which < 0 ? value_none() : value_bool(words[i].which);
            return node;
        }
    return constant_node(parser, NODE_NAME, line, parse_text(parser, name));
}

/* The texts of the tokens from `first` on that were taken, as one; empty after an error. */
static struct slice joined(struct parser *parser, const struct token *first)
{
    size_t len = 0;
    char *whole;

    if (parser->at == first + 1)
        return first->text;
    for (const struct token *token = first; token < parser->at; token++)
        len += token->text.len;
    whole = parse_alloc(parser, len);
    len = 0;
    for (const struct token *token = first; whole && token < parser->at; token++) {
        if (token->text.len)
            memcpy(whole + len, token->text.at, token->text.len);
        len += token->text.len;
    }
    return slice_of(whole, len);
}

/* Strings that stand side by side are one. */
static struct node *parse_string(struct parser *parser)
{
    const struct token *first = parser->at;

    while (parse_skip(parser, TOKEN_STRING))
        ;
    return constant_node(parser, NODE_CONST, first->line,
                         parse_text(parser, joined(parser, first)));
}

static struct node *parse_number(struct parser *parser)
{
    struct slice digits = parser->at->text;
    const struct value *number;
    unsigned base = 10;

    if (parser->at->type == TOKEN_FLOAT) {
        number = value_float(parser->arena, number_parse_float(digits));
    } else {
        if (digits.len > 2 && digits.at[0] == '0' && slice_lower(digits.at[1]) > '9') {
            base = slice_lower(digits.at[1]) == 'x'             ? 16
                   : digits.at[1] == 'o' || digits.at[1] == 'O' ? 8
                                                                : 2;
            digits = slice_skip(digits, 2);
        }
        if (digits.len > NUMBER_DIGITS_MAX)
            return parse_fail(parser, "an integer has too many digits");
        number = number_parse_int(parser->arena, digits, base);
    }
    number = parse_made(parser, number);
    parser->at++;
    return constant_node(parser, NODE_CONST, parser->at[-1].line, number);
}

static struct node *parse_list(struct parser *parser)
{
    struct kids kids = { 0 };
    uint32_t line = parser->at++->line;

    while (!parser->failed && !parse_at(parser, TOKEN_RBRACKET)) {
        if (kids.count && !parse_expect(parser, TOKEN_COMMA))
            return NULL;
        if (parse_at(parser, TOKEN_RBRACKET))
            break;
        parse_push(parser, &kids, parse_expression(parser));
    }
    return parse_expect(parser, TOKEN_RBRACKET) ? parse_node(parser, NODE_LIST, line, &kids) : NULL;
}

static struct node *parse_dict(struct parser *parser)
{
    struct kids kids = { 0 };
    uint32_t line = parser->at++->line;

    while (!parser->failed && !parse_at(parser, TOKEN_RBRACE)) {
        if (kids.count && !parse_expect(parser, TOKEN_COMMA))
            return NULL;
        if (parse_at(parser, TOKEN_RBRACE))
            break;
        parse_push(parser, &kids, parse_expression(parser));
        if (!parse_expect(parser, TOKEN_COLON))
            return NULL;
        parse_push(parser, &kids, parse_expression(parser));
    }
    return parse_expect(parser, TOKEN_RBRACE) ? parse_node(parser, NODE_DICT, line, &kids) : NULL;
}

static struct node *parse_primary(struct parser *parser)
{
    const struct token *token = parser->at;
    struct node *node;

    switch ((enum token_type)token->type) {
    case TOKEN_NAME:
        parser->at++;
        return parse_named(parser, token->text, token->line);
    case TOKEN_STRING:
        return parse_string(parser);
    case TOKEN_INTEGER:
    case TOKEN_FLOAT:
        return parse_number(parser);
    case TOKEN_LPAREN:
        parser->at++;
        node = parse_tuple(parser, true, NULL, true);
        return parse_expect(parser, TOKEN_RPAREN) ? node : NULL;
    case TOKEN_LBRACKET:
        return parse_list(parser);
    case TOKEN_LBRACE:
        return parse_dict(parser);
    default:
        return parse_fail(parser, "unexpected '%.*s'", SLICE_ARGS(token->text));
    }
}

/* An index, or start:stop:step with any of them left out. */
static struct node *parse_subscribed(struct parser *parser)
{
    uint32_t line = parser->at->line;
    struct kids kids = { 0 };
    struct node *first = NULL;

    if (!parse_at(parser, TOKEN_COLON)) {
        first = parse_expression(parser);
        if (!first || !parse_at(parser, TOKEN_COLON))
            return first;
    }
    parser->at++;
    kids.items = parse_alloc(parser, 3 * sizeof(*kids.items));
    if (!kids.items)
        return NULL;
    kids.count = 3;
    kids.items[0] = first;
    for (int i = 1; i < 3 && !parser->failed; i++) {
        if (i == 2 && !parse_skip(parser, TOKEN_COLON))
            break;
        if (!parse_at(parser, TOKEN_COLON) && !parse_at(parser, TOKEN_RBRACKET) &&
            !parse_at(parser, TOKEN_COMMA))
            kids.items[i] = parse_expression(parser);
    }
    return parse_node(parser, NODE_SLICE, line, &kids);
}

static struct node *parse_attribute(struct parser *parser, struct node *object)
{
    uint32_t line = parser->at->line;
    struct node *node;

    if (parse_at(parser, TOKEN_INTEGER))
        return parse_node2(parser, NODE_ITEM, line, object, parse_number(parser));
    node = parse_node1(parser, NODE_ATTR, line, object);
    if (!node || !parse_take_name(parser, &node->constant))
        return NULL;
    node->native = native_methods(value_slice(node->constant));
    node->op = node->native || slice_starts(value_slice(node->constant), SLICE("__"));
    return node;
}

static struct node *parse_subscript(struct parser *parser, struct node *object)
{
    struct kids kids = { 0 };
    uint32_t line = parser->at++->line;

    if (parser->at[-1].type == TOKEN_DOT)
        return parse_attribute(parser, object);
    while (!parser->failed && !parse_at(parser, TOKEN_RBRACKET)) {
        if (kids.count && !parse_expect(parser, TOKEN_COMMA))
            return NULL;
        parse_push(parser, &kids, parse_subscribed(parser));
    }
    if (!parse_expect(parser, TOKEN_RBRACKET))
        return NULL;
    return parse_node2(parser, NODE_ITEM, line, object,
                       kids.count == 1 ? kids.items[0]
                                       : parse_node(parser, NODE_TUPLE, line, &kids));
}

/* Arguments as they are met. */
struct call_parts {
    struct kids names, named, *positional;
    struct node *star, *star_star;
};

/* One argument of a call. The order is Jinja's: positional before named before **, * before **. */
static bool parse_argument(struct parser *parser, struct call_parts *parts)
{
    const struct value *name = NULL;
    bool star = parse_skip(parser, TOKEN_MUL), star_star = !star && parse_skip(parser, TOKEN_POW);
    bool misplaced = parts->star_star || (star && parts->star);
    struct node *argument;

    if (!star && !star_star) {
        if (parse_at(parser, TOKEN_NAME) && parser->at[1].type == TOKEN_ASSIGN) {
            if (!parse_take_name(parser, &name))
                return false;
            parser->at++;
        } else {
            misplaced |= parts->star || parts->named.count;
        }
    }
    if (misplaced)
        return parse_fail(parser, "arguments of a call stand in the wrong order");
    argument = parse_expression(parser);
    if (star)
        parts->star = argument;
    else if (star_star)
        parts->star_star = argument;
    else
        parse_push(parser, name ? &parts->named : parts->positional, argument);
    if (name)
        parse_push(parser, &parts->names, (struct node *)name);
    return !parser->failed;
}

static const struct call_shape *shape_of(struct parser *parser, struct kids *kids,
                                         struct call_parts *parts, uint32_t before)
{
    struct call_shape *shape = parse_alloc(parser, sizeof(*shape));

    if (!shape)
        return NULL;
    shape->positional = kids->count - before;
    shape->named = parts->named.count;
    shape->names = (const struct value **)(void *)parts->names.items;
    shape->star = parts->star;
    shape->star_star = parts->star_star;
    for (uint32_t i = 0; i < parts->named.count; i++)
        parse_push(parser, kids, parts->named.items[i]);
    if (parts->star)
        parse_push(parser, kids, parts->star);
    if (parts->star_star)
        parse_push(parser, kids, parts->star_star);
    return shape;
}

/* `(arguments)` behind the kids that are there. */
static const struct call_shape *parse_arguments(struct parser *parser, struct kids *kids)
{
    struct call_parts parts = { .positional = kids };
    uint32_t before = kids->count;
    bool first = true;

    if (!parse_expect(parser, TOKEN_LPAREN))
        return NULL;
    for (; !parser->failed && !parse_at(parser, TOKEN_RPAREN); first = false) {
        if (!first && !parse_expect(parser, TOKEN_COMMA))
            return NULL;
        if (parse_at(parser, TOKEN_RPAREN))
            break;
        if (!parse_argument(parser, &parts))
            return NULL;
    }
    return parse_expect(parser, TOKEN_RPAREN) ? shape_of(parser, kids, &parts, before) : NULL;
}

static struct node *parse_call(struct parser *parser, struct node *callee)
{
    struct kids kids = { 0 };
    uint32_t line = parser->at->line;
    const struct call_shape *shape;
    struct node *node;

    parse_push(parser, &kids, callee);
    shape = parse_arguments(parser, &kids);
    node = shape ? parse_node(parser, NODE_CALL, line, &kids) : NULL;
    if (node)
        node->shape = shape;
    return node;
}

/* The name of a filter or test, dots included. */
static bool parse_dotted(struct parser *parser, struct slice *ret_name)
{
    const struct token *first = parser->at;

    do
        if (!parse_expect(parser, TOKEN_NAME))
            return false;
    while (parse_skip(parser, TOKEN_DOT));
    *ret_name = joined(parser, first);
    return !parser->failed;
}

/* A filter or test with its kids. Whether an unknown one may stand here is for the next pass. */
static struct node *native_node(struct parser *parser, enum node_kind kind, struct slice name,
                                uint32_t line, const struct kids *kids)
{
    const struct native *native = kind == NODE_FILTER ? native_filter(name) : native_test(name);
    struct node *node = parse_node(parser, native ? kind : NODE_UNKNOWN, line, kids);

    if (!node)
        return NULL;
    if (native) {
        node->native = native;
    } else {
        node->constant = parse_text(parser, name);
        node->op = (uint8_t)kind;
    }
    return node;
}

static const struct call_shape no_arguments;

/* One filter: its name stands here. */
static struct node *parse_filter(struct parser *parser, struct node *input)
{
    struct kids kids = { 0 };
    uint32_t line = parser->at->line;
    const struct call_shape *shape = &no_arguments;
    struct slice name;
    struct node *node;

    kids.items = parse_alloc(parser, sizeof(*kids.items));
    if (!kids.items)
        return NULL;
    kids.items[0] = input;
    kids.count = kids.room = 1;
    if (!parse_dotted(parser, &name))
        return NULL;
    if (parse_at(parser, TOKEN_LPAREN))
        shape = parse_arguments(parser, &kids);
    node = shape ? native_node(parser, NODE_FILTER, name, line, &kids) : NULL;
    if (node)
        node->shape = shape;
    return node;
}

struct node *parse_filters(struct parser *parser, bool first_inline)
{
    struct node *node = NULL;

    while (!parser->failed && (first_inline || parse_skip(parser, TOKEN_PIPE))) {
        first_inline = false;
        node = parse_filter(parser, node);
    }
    return node;
}

/* What may stand behind a test's name as its argument, without brackets. */
static bool begins_argument(const struct parser *parser)
{
    switch ((enum token_type)parser->at->type) {
    case TOKEN_NAME:
        return !parse_at_name(parser, "else") && !parse_at_name(parser, "or") &&
               !parse_at_name(parser, "and");
    case TOKEN_STRING:
    case TOKEN_INTEGER:
    case TOKEN_FLOAT:
    case TOKEN_LBRACKET:
    case TOKEN_LBRACE:
        return true;
    default:
        return false;
    }
}

static struct node *parse_postfix(struct parser *parser, struct node *node)
{
    while (node) {
        if (parse_at(parser, TOKEN_DOT) || parse_at(parser, TOKEN_LBRACKET))
            node = parse_subscript(parser, node);
        else if (parse_at(parser, TOKEN_LPAREN))
            node = parse_call(parser, node);
        else
            break;
    }
    return node;
}

/* `is [not] name [argument]`; `is` was taken. */
static struct node *parse_test(struct parser *parser, struct node *input)
{
    static const struct call_shape one_argument = { .positional = 1 };
    const struct call_shape *shape = &no_arguments;
    uint32_t line = parser->at->line;
    bool negated = parse_skip_name(parser, "not");
    struct kids kids = { 0 };
    struct slice name;
    struct node *node;

    parse_push(parser, &kids, input);
    if (!parse_dotted(parser, &name))
        return NULL;
    if (parse_at(parser, TOKEN_LPAREN)) {
        shape = parse_arguments(parser, &kids);
    } else if (begins_argument(parser)) {
        if (parse_at_name(parser, "is"))
            return parse_fail(parser, "tests cannot be chained with is");
        shape = &one_argument;
        parse_push(parser, &kids, parse_postfix(parser, parse_primary(parser)));
    }
    node = shape ? native_node(parser, NODE_TEST, name, line, &kids) : NULL;
    if (node)
        node->shape = shape;
    return negated ? parse_node1(parser, NODE_NOT, line, node) : node;
}

static struct node *parse_filter_expression(struct parser *parser, struct node *node)
{
    while (node) {
        if (parse_skip(parser, TOKEN_PIPE))
            node = parse_filter(parser, node);
        else if (parse_skip_name(parser, "is"))
            node = parse_test(parser, node);
        else if (parse_at(parser, TOKEN_LPAREN))
            node = parse_call(parser, node);
        else
            break;
    }
    return node;
}

static struct node *parse_signed(struct parser *parser)
{
    enum node_kind kind = parse_at(parser, TOKEN_SUB) ? NODE_NEGATE : NODE_PLUS;
    uint32_t line = parser->at++->line;

    return parse_node1(parser, kind, line, parse_unary(parser, false));
}

static struct node *parse_unary(struct parser *parser, bool with_filter)
{
    struct node *node;

    if (!parse_enter(parser))
        return NULL;
    if (parse_at(parser, TOKEN_SUB) || parse_at(parser, TOKEN_ADD))
        node = parse_signed(parser);
    else
        node = parse_primary(parser);
    node = parse_postfix(parser, node);
    if (with_filter)
        node = parse_filter_expression(parser, node);
    parse_leave(parser);
    return node;
}

static struct node *binary(struct parser *parser, enum number_op op, uint32_t line,
                           struct node *left, struct node *right)
{
    struct node *node = parse_node2(parser, NODE_BINARY, line, left, right);

    if (node)
        node->op = (uint8_t)op;
    return node;
}

static struct node *parse_power(struct parser *parser)
{
    struct node *left = parse_unary(parser, true);

    while (left && parse_skip(parser, TOKEN_POW))
        left = binary(parser, NUMBER_POW, parser->at->line, left, parse_unary(parser, true));
    return left;
}

static struct node *parse_product(struct parser *parser)
{
    static const struct {
        enum token_type type;
        enum number_op op;
    } rows[] = { { TOKEN_MUL, NUMBER_MUL },
                 { TOKEN_DIV, NUMBER_DIV },
                 { TOKEN_FLOORDIV, NUMBER_FLOORDIV },
                 { TOKEN_MOD, NUMBER_MOD } };
    struct node *left = parse_power(parser);
    size_t i = 0;

    while (left && i < ARRAY_LEN(rows)) {
        if (!parse_skip(parser, rows[i].type)) {
            i++;
            continue;
        }
        left = binary(parser, rows[i].op, parser->at->line, left, parse_power(parser));
        i = 0;
    }
    return left;
}

static struct node *parse_concat(struct parser *parser)
{
    struct kids kids = { 0 };
    uint32_t line = parser->at->line;

    do
        parse_push(parser, &kids, parse_product(parser));
    while (!parser->failed && parse_skip(parser, TOKEN_TILDE));
    if (parser->failed)
        return NULL;
    return kids.count == 1 ? kids.items[0] : parse_node(parser, NODE_CONCAT, line, &kids);
}

/* A run of + is one node with many operands, so that long texts are put together once. */
static struct node *parse_sum(struct parser *parser)
{
    struct node *left = parse_concat(parser);

    while (left && (parse_at(parser, TOKEN_ADD) || parse_at(parser, TOKEN_SUB))) {
        uint32_t line = parser->at->line;
        struct kids kids = { 0 };

        if (parse_skip(parser, TOKEN_SUB)) {
            left = binary(parser, NUMBER_SUB, line, left, parse_concat(parser));
            continue;
        }
        parse_push(parser, &kids, left);
        while (!parser->failed && parse_skip(parser, TOKEN_ADD))
            parse_push(parser, &kids, parse_concat(parser));
        left = parser->failed ? NULL : parse_node(parser, NODE_ADD, line, &kids);
    }
    return left;
}

/* The operator at hand, taken; false: none. */
static bool take_compare(struct parser *parser, uint8_t *ret_op)
{
    if (is_compare(parser->at->type, ret_op)) {
        parser->at++;
        return true;
    }
    if (parse_skip_name(parser, "in")) {
        *ret_op = COMPARE_IN;
        return true;
    }
    if (parse_at_name(parser, "not") && parser->at[1].type == TOKEN_NAME &&
        slice_eq(parser->at[1].text, SLICE("in"))) {
        parser->at += 2;
        *ret_op = COMPARE_NOT_IN;
        return true;
    }
    return false;
}

static struct node *parse_compare(struct parser *parser)
{
    uint32_t line = parser->at->line;
    struct kids kids = { 0 };
    uint8_t op, *ops = NULL;
    struct node *node;

    parse_push(parser, &kids, parse_sum(parser));
    while (!parser->failed && take_compare(parser, &op)) {
        if (kids.count == 1)
            ops = parse_alloc(parser, COMPARES_MAX);
        if (!ops)
            return NULL;
        if (kids.count > COMPARES_MAX)
            return parse_fail(parser, "more comparisons in one chain than are taken");
        ops[kids.count - 1] = op;
        parse_push(parser, &kids, parse_sum(parser));
    }
    if (parser->failed || kids.count == 1)
        return parser->failed ? NULL : kids.items[0];
    node = parse_node(parser, NODE_COMPARE, line, &kids);
    if (node)
        node->ops = ops;
    return node;
}

static struct node *parse_not(struct parser *parser)
{
    uint32_t line = parser->at->line;
    struct node *node;

    if (!parse_skip_name(parser, "not"))
        return parse_compare(parser);
    if (!parse_enter(parser))
        return NULL;
    node = parse_node1(parser, NODE_NOT, line, parse_not(parser));
    parse_leave(parser);
    return node;
}

/* Operands with a word between them. */
static struct node *parse_chain(struct parser *parser, enum node_kind kind, const char *word,
                                struct node *(*operand)(struct parser *parser))
{
    struct kids kids = { 0 };
    uint32_t line = parser->at->line;

    do
        parse_push(parser, &kids, operand(parser));
    while (!parser->failed && parse_skip_name(parser, word));
    if (parser->failed)
        return NULL;
    return kids.count == 1 ? kids.items[0] : parse_node(parser, kind, line, &kids);
}

static struct node *parse_and(struct parser *parser)
{
    return parse_chain(parser, NODE_AND, "and", parse_not);
}

struct node *parse_or(struct parser *parser)
{
    return parse_chain(parser, NODE_OR, "or", parse_and);
}

/* Behind the `if` of an inline if. */
static struct node *parse_condition(struct parser *parser, struct node *then)
{
    struct kids kids = { 0 };
    uint32_t line = parser->at->line;
    struct node *test = parse_or(parser);

    parse_push(parser, &kids, test);
    parse_push(parser, &kids, then);
    if (!parser->failed && parse_skip_name(parser, "else"))
        parse_push(parser, &kids, parse_expression(parser));
    return parser->failed ? NULL : parse_node(parser, NODE_COND, line, &kids);
}

struct node *parse_expression(struct parser *parser)
{
    struct node *node;

    if (!parse_enter(parser))
        return NULL;
    node = parse_or(parser);
    while (node && parse_skip_name(parser, "if"))
        node = parse_condition(parser, node);
    parse_leave(parser);
    return node;
}

static bool ends_tuple(const struct parser *parser, const char *end_name)
{
    return parse_at(parser, TOKEN_PRINT_END) || parse_at(parser, TOKEN_BLOCK_END) ||
           parse_at(parser, TOKEN_RPAREN) || (end_name && parse_at_name(parser, end_name));
}

struct node *parse_tuple(struct parser *parser, bool conditional, const char *end_name,
                         bool parentheses)
{
    struct kids kids = { 0 };
    uint32_t line = parser->at->line;
    bool several = false;

    while (!parser->failed && !ends_tuple(parser, end_name)) {
        parse_push(parser, &kids, conditional ? parse_expression(parser) : parse_or(parser));
        if (parser->failed || !parse_skip(parser, TOKEN_COMMA))
            break;
        several = true;
    }
    if (parser->failed)
        return NULL;
    if (!several && kids.count == 1)
        return kids.items[0];
    if (!several && !parentheses)
        return parse_fail(parser, "an expression is missing");
    return parse_node(parser, NODE_TUPLE, line, &kids);
}
