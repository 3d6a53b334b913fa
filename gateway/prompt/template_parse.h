/*
 * The parser's two halves: statements (template_parse.c) and expressions (template_expression.c).
 *
 * Recursive descent with a bound on its depth. The first error is told and everything unwinds
 * through NULL.
 */
#ifndef SLUICE_PROMPT_TEMPLATE_PARSE_H
#define SLUICE_PROMPT_TEMPLATE_PARSE_H

#include "gateway/prompt/template_lex.h"
#include "gateway/prompt/template_tree.h"

struct parser {
    const struct token *at;
    struct arena *arena;
    struct buf *errors;
    bool failed;
    uint32_t depth; /* of the descent */
    uint32_t loops; /* loops around, for break and continue */
};

/* A list of nodes while it grows. */
struct kids {
    struct node **items;
    uint32_t count, room;
};

/* A whole template: NODE_BODY. NULL and a line in `errors` otherwise. */
struct node *template_parse(const struct token *tokens, struct arena *arena,
                            struct buf *errors) MUST_USE;

/* Tells the first error; returns NULL. */
struct node *parse_fail(struct parser *parser, const char *format, ...) PRINTF_LIKE(2, 3);
/* Zeroed; NULL after telling that the template is too large. */
void *parse_alloc(struct parser *parser, size_t size);
/* One level deeper; false after telling that it is too deep. Every true is followed by
 * parse_leave. */
bool parse_enter(struct parser *parser);
static inline void parse_leave(struct parser *parser)
{
    parser->depth--;
}

bool parse_at(const struct parser *parser, enum token_type type);
bool parse_at_name(const struct parser *parser, const char *name);
/* Takes the token if it is the one asked for. */
bool parse_skip(struct parser *parser, enum token_type type);
bool parse_skip_name(struct parser *parser, const char *name);
/* The same, but its absence is an error. */
bool parse_expect(struct parser *parser, enum token_type type);
bool parse_expect_name(struct parser *parser, const char *name);
/* Takes a name; false after an error. */
bool parse_take_name(struct parser *parser, const struct value **ret_name);

/* The node takes the kids (NULL: none). NULL after an error: the tree gets too deep or too large.
 */
struct node *parse_node(struct parser *parser, enum node_kind kind, uint32_t line,
                        const struct kids *kids);
void parse_push(struct parser *parser, struct kids *kids, struct node *node);
/* With one, two kids. NULL, without a word, when one of them that is needed is NULL. */
struct node *parse_node1(struct parser *parser, enum node_kind kind, uint32_t line,
                         struct node *kid);
struct node *parse_node2(struct parser *parser, enum node_kind kind, uint32_t line,
                         struct node *first, struct node *second);
/* A constant that was just made (NULL: the arena is full), or the text; NULL after an error. */
const struct value *parse_made(struct parser *parser, const struct value *value);
const struct value *parse_text(struct parser *parser, struct slice text);

/* Expressions. */
struct node *parse_expression(struct parser *parser);
/* Without an inline if at its top. */
struct node *parse_or(struct parser *parser);
/* One expression, or several with commas: a tuple. `end_name` (may be NULL) is a word that ends
 * it. */
struct node *parse_tuple(struct parser *parser, bool conditional, const char *end_name,
                         bool parentheses);
/* `| filter...` behind an input that is told at run time (NULL in the tree); with `inline`, the
 * first bar is left out. NULL without an error: none stands here. */
struct node *parse_filters(struct parser *parser, bool first_inline);
/* A name, name.attribute (where allowed) or a tuple of names. */
struct node *parse_target(struct parser *parser, bool members, const char *end_name);

#endif
