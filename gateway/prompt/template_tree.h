/*
 * A compiled template: a tree of nodes whose names are places in frames.
 *
 * Made by template_parse and template_scope, never changed afterwards; lies in the template's
 * arena. What a node's children are is said at its kind; a missing child is NULL.
 */
#ifndef SLUICE_PROMPT_TEMPLATE_TREE_H
#define SLUICE_PROMPT_TEMPLATE_TREE_H

#include "gateway/prompt/template_native.h"

#include <stdatomic.h>

/* Levels of a tree, and so of what walks it: more than any template has. */
#define TREE_DEPTH_MAX 200

enum node_kind {
    /* statements */
    NODE_BODY,       /* statements and outputs, in order */
    NODE_DATA,       /* constant: text that is written as it is */
    NODE_PRINT,      /* expression */
    NODE_IF,         /* test, body, ...; an odd last one is the else */
    NODE_FOR,        /* target, iterable, filter, body, else, the filter's target; op: recursive */
    NODE_SET,        /* target, expression */
    NODE_SET_BLOCK,  /* target, body, filters (their innermost input is NULL) */
    NODE_MACRO,      /* parameters (a NODE_LIST), defaults (likewise), body; constant: name */
    NODE_CALL_BLOCK, /* call, caller (a NODE_MACRO) */
    NODE_FILTER_BLOCK, /* body, filters */
    NODE_WITH,         /* targets (NODE_LIST), values (NODE_LIST), body */
    NODE_GENERATION,   /* body */
    NODE_BREAK,
    NODE_CONTINUE,
    /* expressions */
    NODE_CONST,   /* constant */
    NODE_NAME,    /* constant: name; slot and hops: where it is */
    NODE_MEMBER,  /* a target `name.attribute`: name; constant: attribute */
    NODE_LIST,    /* items */
    NODE_TUPLE,   /* items */
    NODE_DICT,    /* key, value, ... */
    NODE_ATTR,    /* object; constant: attribute; native: methods of that name */
    NODE_ITEM,    /* object, index */
    NODE_SLICE,   /* start, stop, step; only as the index of NODE_ITEM, or among several */
    NODE_CALL,    /* callee, arguments; shape */
    NODE_FILTER,  /* input, arguments; native, shape */
    NODE_TEST,    /* input, arguments; native, shape */
    NODE_NOT,     /* operand */
    NODE_AND,     /* operands */
    NODE_OR,      /* operands */
    NODE_COMPARE, /* first, operand, ...; constant: NULL; ops: a byte an operand */
    NODE_ADD,     /* operands of +, left to right */
    NODE_CONCAT,  /* operands of ~ */
    NODE_BINARY,  /* left, right; op: enum number_op */
    NODE_NEGATE,  /* operand */
    NODE_PLUS,    /* operand */
    NODE_COND,    /* test, then, else */
    NODE_UNKNOWN, /* a filter or test that is not there, with what it would work on; allowed inside
                     an if only, where it may never be reached; constant: its name; op:
                     NODE_FILTER or NODE_TEST */
};

enum compare_op {
    COMPARE_EQ,
    COMPARE_NE,
    COMPARE_LT,
    COMPARE_LE,
    COMPARE_GT,
    COMPARE_GE,
    COMPARE_IN,
    COMPARE_NOT_IN,
};

/* How a call's arguments are given; their expressions are the node's children behind the first. */
struct call_shape {
    uint32_t positional, named;
    const struct value **names; /* of the named ones, texts */
    bool star, star_star;       /* *args, then **kwargs, last */
};

/* How a variable of a scope begins when the scope is entered. */
enum load_kind {
    LOAD_PARAMETER, /* set by who enters */
    LOAD_UNDEFINED,
    LOAD_RESOLVE, /* from the context, then the globals */
    LOAD_ALIAS,   /* from a scope around it */
};

struct load {
    uint8_t kind; /* enum load_kind */
    uint16_t hops;
    uint32_t slot;
    uint32_t from; /* LOAD_ALIAS: in the frame `hops` further out; LOAD_RESOLVE: in run->resolved */
    const struct value *name;
    const struct value *global; /* LOAD_RESOLVE: where the context has none; NULL: missing */
};

/* What entering a scope does. */
struct scope {
    struct load *loads;
    uint32_t count;
};

/* A body with a frame of its own: the template, a macro, a recursive loop. */
struct function {
    uint32_t slots;
};

enum for_scope {
    FOR_BODY,
    FOR_ELSE,
    FOR_FILTER,
    FOR_SCOPES,
};

struct node {
    uint8_t kind; /* enum node_kind */
    uint8_t op;
    uint16_t hops; /* frames outwards */
    uint32_t line;
    uint32_t count; /* of kids */
    uint32_t slot;
    struct node **kids;
    const struct value *constant;
    union {
        const struct native *native; /* filters, tests, attributes */
        struct block *block; /* NODE_FOR, MACRO, FILTER_BLOCK, SET_BLOCK, WITH, GENERATION */
        const uint8_t *ops;  /* NODE_COMPARE */
    };
    const struct call_shape *shape;
    uint16_t depth; /* of the tree below */
};

/* What statements with scopes have besides. */
struct block {
    struct scope scopes[FOR_SCOPES]; /* others than NODE_FOR use the first */
    struct function function;        /* NODE_MACRO and recursive loops */
    bool uses_loop;                  /* NODE_FOR: its body names `loop` */
    uint32_t loop_slot;
    bool uses_caller, uses_varargs, uses_kwargs; /* NODE_MACRO */
    uint32_t caller_slot, varargs_slot, kwargs_slot;
};

struct template
{
    atomic_uint refs;
    struct arena arena;
    struct node *root; /* NODE_BODY */
    struct scope scope;
    struct function function;
    uint32_t resolved; /* loads of LOAD_RESOLVE */
    bool takes_parts;
};

#endif
