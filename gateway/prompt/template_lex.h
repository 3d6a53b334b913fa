/*
 * Cuts a template into tokens as Jinja2's lexer does with trim_blocks and lstrip_blocks: white
 * space control is over when the parser sees the tokens.
 *
 * One call, one thread. Tokens lie in the compiler's arena and borrow the source where they can.
 */
#ifndef SLUICE_PROMPT_TEMPLATE_LEX_H
#define SLUICE_PROMPT_TEMPLATE_LEX_H

#include "gateway/base/arena.h"
#include "gateway/base/buf.h"

enum token_type {
    TOKEN_EOF,
    TOKEN_DATA,
    TOKEN_PRINT_BEGIN, /* {{ */
    TOKEN_PRINT_END,
    TOKEN_BLOCK_BEGIN, /* {% */
    TOKEN_BLOCK_END,
    TOKEN_NAME,
    TOKEN_STRING,  /* text: escapes resolved */
    TOKEN_INTEGER, /* text: digits without underscores, and a prefix like 0x */
    TOKEN_FLOAT,
    TOKEN_ADD,
    TOKEN_SUB,
    TOKEN_DIV,
    TOKEN_FLOORDIV,
    TOKEN_MUL,
    TOKEN_MOD,
    TOKEN_POW,
    TOKEN_TILDE,
    TOKEN_LBRACKET,
    TOKEN_RBRACKET,
    TOKEN_LPAREN,
    TOKEN_RPAREN,
    TOKEN_LBRACE,
    TOKEN_RBRACE,
    TOKEN_EQ,
    TOKEN_NE,
    TOKEN_GT,
    TOKEN_GE,
    TOKEN_LT,
    TOKEN_LE,
    TOKEN_ASSIGN,
    TOKEN_DOT,
    TOKEN_COLON,
    TOKEN_PIPE,
    TOKEN_COMMA,
    TOKEN_SEMICOLON,
};

/* Said where a source would pass the arena's limit. */
#define TEMPLATE_TOO_LARGE "the template takes more memory than one may"

struct token {
    uint8_t type; /* enum token_type */
    uint32_t line;
    struct slice text;
};

/*
 * The tokens, the last of which is TOKEN_EOF; NULL and one line in `errors` ("line N: what") when
 * the source is no template or takes more than the arena has. The source is UTF-8 (checked here);
 * \r\n and \r are read as \n, and one newline at the end is dropped.
 */
struct token *template_lex(struct slice source, struct arena *arena, struct buf *errors) MUST_USE;

#endif
