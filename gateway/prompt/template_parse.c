/*
 * The parser's statements, and what both halves of it share.
 */
#include "gateway/prompt/template_parse.h"

#include <stdarg.h>
#include <stdio.h>

static struct node *parse_body(struct parser *parser, const char *const *ends);

struct node *parse_fail(struct parser *parser, const char *format, ...)
{
    char what[256];
    va_list args;

    if (parser->failed)
        return NULL;
    parser->failed = true;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    buf_printf(parser->errors, "line %u: %s\n", parser->at->line, what);
    return NULL;
}

void *parse_alloc(struct parser *parser, size_t size)
{
    void *at = arena_try_alloc(parser->arena, size);

    return at ? memset(at, 0, size) : parse_fail(parser, TEMPLATE_TOO_LARGE);
}

bool parse_enter(struct parser *parser)
{
    if (parser->failed)
        return false;
    if (parser->depth == TREE_DEPTH_MAX) {
        parse_fail(parser, "nested too deeply");
        return false;
    }
    parser->depth++;
    return true;
}

bool parse_at(const struct parser *parser, enum token_type type)
{
    return parser->at->type == type;
}

bool parse_at_name(const struct parser *parser, const char *name)
{
    return parser->at->type == TOKEN_NAME && slice_eq(parser->at->text, slice_str(name));
}

bool parse_skip(struct parser *parser, enum token_type type)
{
    if (parser->failed || !parse_at(parser, type))
        return false;
    parser->at++;
    return true;
}

bool parse_skip_name(struct parser *parser, const char *name)
{
    if (parser->failed || !parse_at_name(parser, name))
        return false;
    parser->at++;
    return true;
}

/* What the token at hand is, for people. */
static struct slice described(const struct parser *parser)
{
    switch ((enum token_type)parser->at->type) {
    case TOKEN_EOF:
        return SLICE("end of template");
    case TOKEN_DATA:
        return SLICE("text");
    case TOKEN_PRINT_END:
        return SLICE("}}");
    case TOKEN_BLOCK_END:
        return SLICE("%}");
    default:
        return slice_head(parser->at->text, 60);
    }
}

bool parse_expect(struct parser *parser, enum token_type type)
{
    if (parse_skip(parser, type))
        return true;
    parse_fail(parser, "unexpected '%.*s'", SLICE_ARGS(described(parser)));
    return false;
}

bool parse_expect_name(struct parser *parser, const char *name)
{
    if (parse_skip_name(parser, name))
        return true;
    parse_fail(parser, "'%s' expected, not '%.*s'", name, SLICE_ARGS(described(parser)));
    return false;
}

const struct value *parse_made(struct parser *parser, const struct value *value)
{
    if (!value)
        parse_fail(parser, TEMPLATE_TOO_LARGE);
    return value;
}

const struct value *parse_text(struct parser *parser, struct slice text)
{
    return parse_made(parser, value_text(parser->arena, text));
}

bool parse_take_name(struct parser *parser, const struct value **ret_name)
{
    if (!parse_expect(parser, TOKEN_NAME))
        return false;
    *ret_name = parse_text(parser, parser->at[-1].text);
    return *ret_name != NULL;
}

struct node *parse_node(struct parser *parser, enum node_kind kind, uint32_t line,
                        const struct kids *kids)
{
    struct node *node;
    uint16_t depth = 0;

    if (parser->failed)
        return NULL;
    node = parse_alloc(parser, sizeof(*node));
    if (!node)
        return NULL;
    node->kind = (uint8_t)kind;
    node->line = line;
    if (kids) {
        node->kids = kids->items;
        node->count = kids->count;
    }
    for (uint32_t i = 0; i < node->count; i++)
        if (node->kids[i] && node->kids[i]->depth > depth)
            depth = node->kids[i]->depth;
    node->depth = depth + 1;
    return node->depth > TREE_DEPTH_MAX ? parse_fail(parser, "nested too deeply") : node;
}

void parse_push(struct parser *parser, struct kids *kids, struct node *node)
{
    if (!node)
        return;
    if (kids->count == kids->room) {
        uint32_t room = kids->room ? kids->room * 2 : 4;
        struct node **items = parse_alloc(parser, room * sizeof(struct node *));

        if (!items)
            return;
        if (kids->count)
            memcpy(items, kids->items, kids->count * sizeof(struct node *));
        kids->items = items;
        kids->room = room;
    }
    kids->items[kids->count++] = node;
}

/* Those of `count` kids, missing ones included. */
static struct node *node_of(struct parser *parser, enum node_kind kind, uint32_t line,
                            uint32_t count, struct node *const *items)
{
    struct kids kids = { .count = count };

    if (parser->failed)
        return NULL;
    kids.items = parse_alloc(parser, count * sizeof(struct node *));
    if (!kids.items)
        return NULL;
    memcpy(kids.items, items, count * sizeof(struct node *));
    return parse_node(parser, kind, line, &kids);
}

struct node *parse_node1(struct parser *parser, enum node_kind kind, uint32_t line,
                         struct node *kid)
{
    return kid ? node_of(parser, kind, line, 1, &kid) : NULL;
}

struct node *parse_node2(struct parser *parser, enum node_kind kind, uint32_t line,
                         struct node *first, struct node *second)
{
    struct node *kids[2] = { first, second };

    return first && second ? node_of(parser, kind, line, 2, kids) : NULL;
}

/* Statements that open scopes. */
static struct node *block_of(struct parser *parser, enum node_kind kind, uint32_t line,
                             uint32_t count, struct node *const *items)
{
    struct node *node = parser->failed ? NULL : node_of(parser, kind, line, count, items);

    if (node)
        node->block = parse_alloc(parser, sizeof(*node->block));
    return parser->failed ? NULL : node;
}

/* A name that is stored to. */
static struct node *parse_target_name(struct parser *parser)
{
    static const char *const words[] = { "true", "True", "false", "False", "none", "None" };
    uint32_t line = parser->at->line;
    const struct value *name;
    struct node *node;

    if (!parse_take_name(parser, &name))
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (slice_eq(value_slice(name), slice_str(words[i])))
            return parse_fail(parser, "cannot assign to '%s'", words[i]);
    node = parse_node(parser, NODE_NAME, line, NULL);
    if (node)
        node->constant = name;
    return node;
}

static struct node *parse_target_item(struct parser *parser)
{
    struct node *node = NULL;

    if (!parse_at(parser, TOKEN_LPAREN))
        return parse_target_name(parser);
    if (!parse_enter(parser))
        return NULL;
    parser->at++;
    node = parse_target(parser, false, NULL);
    if (!parse_expect(parser, TOKEN_RPAREN))
        node = NULL;
    parse_leave(parser);
    return node;
}

struct node *parse_target(struct parser *parser, bool members, const char *end_name)
{
    uint32_t line = parser->at->line;
    struct kids kids = { 0 };
    struct node *node;

    if (members && parse_at(parser, TOKEN_NAME) && parser->at[1].type == TOKEN_DOT) {
        node = parse_node1(parser, NODE_MEMBER, line, parse_target_name(parser));
        parser->at++;
        return node && parse_take_name(parser, &node->constant) ? node : NULL;
    }
    node = parse_target_item(parser);
    if (!parse_at(parser, TOKEN_COMMA))
        return node;
    parse_push(parser, &kids, node);
    while (parse_skip(parser, TOKEN_COMMA)) {
        if (parse_at(parser, TOKEN_ASSIGN) || parse_at(parser, TOKEN_BLOCK_END) ||
            parse_at(parser, TOKEN_RPAREN) || (end_name && parse_at_name(parser, end_name)))
            break;
        parse_push(parser, &kids, parse_target_item(parser));
    }
    return parse_node(parser, NODE_TUPLE, line, &kids);
}

static const char *const ends_if[] = { "elif", "else", "endif", NULL };
static const char *const ends_for[] = { "else", "endfor", NULL };

/* The body up to `end`, which is taken. */
static struct node *parse_body_to(struct parser *parser, const char *end)
{
    const char *const ends[] = { end, NULL };
    struct node *body = parse_body(parser, ends);

    return body && parse_expect_name(parser, end) ? body : NULL;
}

static struct node *parse_if(struct parser *parser, uint32_t line)
{
    struct kids kids = { 0 };

    do {
        parse_push(parser, &kids, parse_tuple(parser, false, NULL, false));
        parse_push(parser, &kids, parse_body(parser, ends_if));
    } while (parse_skip_name(parser, "elif"));
    if (parse_skip_name(parser, "else"))
        parse_push(parser, &kids, parse_body_to(parser, "endif"));
    else
        parse_expect_name(parser, "endif");
    return parse_node(parser, NODE_IF, line, &kids);
}

/* The filter of a loop runs while the body has other items under the same names. NULL after an
 * error. */
static struct node *copy_target(struct parser *parser, const struct node *target)
{
    struct node *copy = parse_alloc(parser, sizeof(*copy));

    if (!copy)
        return NULL;
    *copy = *target;
    if (target->count)
        copy->kids = parse_alloc(parser, target->count * sizeof(struct node *));
    for (uint32_t i = 0; i < target->count && !parser->failed; i++)
        copy->kids[i] = copy_target(parser, target->kids[i]);
    return parser->failed ? NULL : copy;
}

static struct node *parse_for(struct parser *parser, uint32_t line)
{
    struct node *kids[6] = { NULL }, *node;
    bool recursive;

    kids[0] = parse_target(parser, false, "in");
    if (!kids[0] || !parse_expect_name(parser, "in"))
        return NULL;
    kids[1] = parse_tuple(parser, false, "recursive", false);
    if (parse_skip_name(parser, "if"))
        kids[2] = parse_expression(parser);
    if (kids[2])
        kids[5] = copy_target(parser, kids[0]);
    recursive = parse_skip_name(parser, "recursive");
    parser->loops++;
    kids[3] = parse_body(parser, ends_for);
    parser->loops--;
    if (parse_skip_name(parser, "else"))
        kids[4] = parse_body_to(parser, "endfor");
    else
        parse_expect_name(parser, "endfor");
    node = block_of(parser, NODE_FOR, line, 6, kids);
    if (node)
        node->op = recursive;
    return node;
}

static struct node *parse_set(struct parser *parser, uint32_t line)
{
    struct node *kids[3] = { NULL };

    kids[0] = parse_target(parser, true, NULL);
    if (!kids[0])
        return NULL;
    if (parse_skip(parser, TOKEN_ASSIGN))
        return parse_node2(parser, NODE_SET, line, kids[0], parse_tuple(parser, true, NULL, false));
    kids[2] = parse_filters(parser, false);
    kids[1] = parse_body_to(parser, "endset");
    return block_of(parser, NODE_SET_BLOCK, line, 3, kids);
}

/* `(parameter, parameter = default)` */
static bool parse_signature(struct parser *parser, struct node **ret_parameters,
                            struct node **ret_defaults)
{
    struct kids parameters = { 0 }, defaults = { 0 };
    uint32_t line = parser->at->line;

    if (!parse_expect(parser, TOKEN_LPAREN))
        return false;
    while (!parser->failed && !parse_at(parser, TOKEN_RPAREN)) {
        if (parameters.count && !parse_expect(parser, TOKEN_COMMA))
            return false;
        parse_push(parser, &parameters, parse_target_name(parser));
        if (parse_skip(parser, TOKEN_ASSIGN))
            parse_push(parser, &defaults, parse_expression(parser));
        else if (defaults.count)
            parse_fail(parser, "a parameter without default stands behind one with");
    }
    *ret_parameters = parse_node(parser, NODE_LIST, line, &parameters);
    *ret_defaults = parse_node(parser, NODE_LIST, line, &defaults);
    return parse_expect(parser, TOKEN_RPAREN);
}

/* A loop around a macro is none around what stands in it. */
static struct node *parse_macro_body(struct parser *parser, const char *end)
{
    uint32_t loops = parser->loops;
    struct node *body;

    parser->loops = 0;
    body = parse_body_to(parser, end);
    parser->loops = loops;
    return body;
}

static struct node *parse_macro(struct parser *parser, uint32_t line)
{
    const struct value *name;
    struct node *kids[3], *node;

    if (!parse_take_name(parser, &name) || !parse_signature(parser, &kids[0], &kids[1]))
        return NULL;
    kids[2] = parse_macro_body(parser, "endmacro");
    node = block_of(parser, NODE_MACRO, line, 3, kids);
    if (node)
        node->constant = name;
    return node;
}

static struct node *parse_call_block(struct parser *parser, uint32_t line)
{
    struct kids none = { 0 };
    struct node *kids[3], *call, *caller;

    kids[0] = parse_node(parser, NODE_LIST, line, &none);
    kids[1] = parse_node(parser, NODE_LIST, line, &none);
    if (parse_at(parser, TOKEN_LPAREN) && !parse_signature(parser, &kids[0], &kids[1]))
        return NULL;
    call = parse_expression(parser);
    if (call && call->kind != NODE_CALL)
        return parse_fail(parser, "a call is expected behind {%% call %%}");
    kids[2] = parse_macro_body(parser, "endcall");
    caller = block_of(parser, NODE_MACRO, line, 3, kids);
    if (caller)
        caller->constant = parse_text(parser, SLICE("caller"));
    return parse_node2(parser, NODE_CALL_BLOCK, line, call, caller);
}

static struct node *parse_filter_block(struct parser *parser, uint32_t line)
{
    struct node *kids[2];

    kids[1] = parse_filters(parser, true);
    kids[0] = parse_body_to(parser, "endfilter");
    return block_of(parser, NODE_FILTER_BLOCK, line, 2, kids);
}

static struct node *parse_with(struct parser *parser, uint32_t line)
{
    struct kids targets = { 0 }, values = { 0 };
    struct node *kids[3];

    while (!parser->failed && !parse_at(parser, TOKEN_BLOCK_END)) {
        if (targets.count && !parse_expect(parser, TOKEN_COMMA))
            return NULL;
        parse_push(parser, &targets, parse_target(parser, false, NULL));
        if (!parse_expect(parser, TOKEN_ASSIGN))
            return NULL;
        parse_push(parser, &values, parse_expression(parser));
    }
    kids[0] = parse_node(parser, NODE_LIST, line, &targets);
    kids[1] = parse_node(parser, NODE_LIST, line, &values);
    kids[2] = parse_body_to(parser, "endwith");
    return block_of(parser, NODE_WITH, line, 3, kids);
}

static struct node *parse_generation(struct parser *parser, uint32_t line)
{
    /* to transformers it is a call block: nothing leaves it, neither a variable nor a jump */
    struct node *body = parse_macro_body(parser, "endgeneration");

    return block_of(parser, NODE_GENERATION, line, 1, &body);
}

static struct node *parse_print(struct parser *parser, uint32_t line)
{
    struct kids kids = { 0 };

    do
        parse_push(parser, &kids, parse_node1(parser, NODE_PRINT, line, parse_expression(parser)));
    while (parse_skip(parser, TOKEN_COMMA));
    return parse_node(parser, NODE_BODY, line, &kids);
}

static struct node *parse_jump(struct parser *parser, enum node_kind kind, uint32_t line)
{
    if (parser->loops == 0)
        return parse_fail(parser, "break or continue outside a loop");
    return parse_node(parser, kind, line, NULL);
}

static struct node *parse_break(struct parser *parser, uint32_t line)
{
    return parse_jump(parser, NODE_BREAK, line);
}

static struct node *parse_continue(struct parser *parser, uint32_t line)
{
    return parse_jump(parser, NODE_CONTINUE, line);
}

static const struct {
    const char *name;
    struct node *(*parse)(struct parser *parser, uint32_t line);
} statements[] = {
    { "if", parse_if },           { "for", parse_for },
    { "set", parse_set },         { "macro", parse_macro },
    { "call", parse_call_block }, { "filter", parse_filter_block },
    { "with", parse_with },       { "generation", parse_generation },
    { "break", parse_break },     { "continue", parse_continue },
    { "print", parse_print },
};

static struct node *parse_statement(struct parser *parser)
{
    struct slice name = parser->at->text;
    uint32_t line = parser->at->line;
    struct node *node = NULL;

    if (!parse_expect(parser, TOKEN_NAME) || !parse_enter(parser))
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(statements) && !parser->failed; i++)
        if (slice_eq(name, slice_str(statements[i].name))) {
            node = statements[i].parse(parser, line);
            break;
        }
    if (!node)
        parse_fail(parser, "unknown tag '%.*s'", SLICE_ARGS(slice_head(name, 60)));
    parse_leave(parser);
    return parse_expect(parser, TOKEN_BLOCK_END) ? node : NULL;
}

static bool at_end(const struct parser *parser, const char *const *ends)
{
    for (; ends && *ends; ends++)
        if (parse_at_name(parser, *ends))
            return true;
    return false;
}

static struct node *parse_output(struct parser *parser)
{
    uint32_t line = parser->at->line;
    struct node *node;

    if (parse_at(parser, TOKEN_DATA)) {
        node = parse_node(parser, NODE_DATA, line, NULL);
        if (node)
            node->constant = parse_text(parser, parser->at->text);
        parser->at++;
        return node;
    }
    if (!parse_expect(parser, TOKEN_PRINT_BEGIN))
        return NULL;
    node = parse_node1(parser, NODE_PRINT, line, parse_tuple(parser, true, NULL, false));
    return parse_expect(parser, TOKEN_PRINT_END) ? node : NULL;
}

/* Outputs and statements up to one of `ends` (NULL: the end), which is left at hand. */
static struct node *parse_parts(struct parser *parser, const char *const *ends)
{
    uint32_t line = parser->at->line;
    struct kids kids = { 0 };

    while (!parser->failed) {
        if (parse_at(parser, TOKEN_EOF)) {
            if (ends)
                return parse_fail(parser, "the template ends where '%s' is expected", ends[0]);
            return parse_node(parser, NODE_BODY, line, &kids);
        }
        if (!parse_skip(parser, TOKEN_BLOCK_BEGIN)) {
            parse_push(parser, &kids, parse_output(parser));
            continue;
        }
        if (at_end(parser, ends))
            return parse_node(parser, NODE_BODY, line, &kids);
        parse_push(parser, &kids, parse_statement(parser));
    }
    return NULL;
}

/* A statement's body: its opening tag ends here. */
static struct node *parse_body(struct parser *parser, const char *const *ends)
{
    parse_skip(parser, TOKEN_COLON);
    return parse_expect(parser, TOKEN_BLOCK_END) ? parse_parts(parser, ends) : NULL;
}

struct node *template_parse(const struct token *tokens, struct arena *arena, struct buf *errors)
{
    struct parser parser = { .at = tokens, .arena = arena, .errors = errors };

    return parse_parts(&parser, NULL);
}
