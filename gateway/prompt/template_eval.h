/*
 * What the parts of the interpreter call of each other: expressions, statements, printing,
 * comparing, access, calls.
 *
 * All of it works for one run on its thread. Functions that return a value return NULL, those that
 * return bool false, after a failure, which is kept in the run.
 */
#ifndef SLUICE_PROMPT_TEMPLATE_EVAL_H
#define SLUICE_PROMPT_TEMPLATE_EVAL_H

#include "gateway/prompt/template_objects.h"

/* Arguments on the stack of a usual call. */
#define CALL_ARGUMENTS 8

/* Expressions (template_eval.c). */
const struct value *eval_node(struct run *run, struct frame *frame, const struct node *node);
/* Most operands are literals and variables at hand, which no call is made for. */
static inline const struct value *eval(struct run *run, struct frame *frame,
                                       const struct node *node)
{
    if (node->kind == NODE_CONST)
        return node->constant;
    if (node->kind == NODE_NAME && node->hops == 0 && frame->slots[node->slot] &&
        LIKELY(run->steps_left > 0)) {
        run->steps_left--;
        return frame->slots[node->slot];
    }
    return eval_node(run, frame, node);
}
/* Writes str() of an expression; texts that are put together go out piece by piece. */
bool eval_print(struct run *run, struct frame *frame, const struct node *node);
/* A filter (chain of filters) whose innermost input is `input`. */
const struct value *eval_filters(struct run *run, struct frame *frame, const struct node *node,
                                 const struct value *input);

/* Statements (template_exec.c). */
bool exec(struct run *run, struct frame *frame, const struct node *node);
struct frame *frame_new(struct run *run, struct frame *parent, const struct function *function);
void scope_enter(struct run *run, struct frame *frame, const struct scope *scope);
/* Gives what a target names a value; unpacks. */
bool assign(struct run *run, struct frame *frame, const struct node *target,
            const struct value *value);
const struct value *macro_new(struct run *run, struct frame *frame, const struct node *node);

/* Loops (template_loop.c). */
bool exec_for(struct run *run, struct frame *frame, const struct node *node);
/* loop(items) in a recursive loop. */
const struct value *loop_recurse(struct run *run, const struct value *loop,
                                 const struct arguments *arguments);
/* An attribute that is no method; NULL without a failure: none. */
const struct value *loop_attribute(struct run *run, const struct value *loop, struct slice name);

/* Calls (template_call.c). */
struct call {
    const struct value *callee;  /* or: */
    const struct native *native; /* a method, with self */
    const struct value *self;
    struct arguments arguments;
    const struct value *room[CALL_ARGUMENTS + 1];
    const struct value *names[CALL_ARGUMENTS + 1];
};

/* Evaluates callee and arguments of a NODE_CALL. There is room for one named argument more. */
bool call_prepare(struct run *run, struct frame *frame, const struct node *node,
                  struct call *ret_call);
/* Arguments of any node with a shape: its kids behind the first. */
bool call_arguments(struct run *run, struct frame *frame, const struct node *node,
                    struct call *ret_call);
bool call_add_named(struct run *run, struct call *call, const struct value *name,
                    const struct value *value);
const struct value *call_value(struct run *run, const struct value *callee,
                               const struct arguments *arguments);
const struct value *call_run(struct run *run, const struct call *call);
/* The same, with str() of the result written. */
bool call_print(struct run *run, const struct call *call);
const struct value *call_native(struct run *run, const struct native *native,
                                const struct value *self, const struct arguments *arguments);
/* A named argument, or NULL. */
const struct value *argument_named(const struct arguments *arguments, struct slice name);

/* Access (template_access.c), as the sandbox allows it. */
const struct value *access_attribute(struct run *run, const struct value *object,
                                     const struct value *name, const struct native *methods);
/* What an object has that is neither method nor item. NULL without a failure: nothing. */
const struct value *access_own(struct run *run, const struct value *object, struct slice name);
const struct value *access_item(struct run *run, const struct value *object,
                                const struct value *key);
/* Bounds are ints or None (NULL: left out). */
const struct value *access_slice(struct run *run, const struct value *object,
                                 const struct value *start, const struct value *stop,
                                 const struct value *step);
/* `a.b.0` as filters take it: items by name or number. */
const struct value *access_path(struct run *run, const struct value *object,
                                const struct value *path);
/* len(); -1 after a failure. */
int64_t access_length(struct run *run, const struct value *value);

/* Printing (template_print.c). */
void print_str(struct run *run, const struct value *value);
void print_repr(struct run *run, const struct value *value);
/* str() as a text; a text is itself. */
const struct value *text_of(struct run *run, const struct value *value);
/* The same as a slice. */
bool slice_of_value(struct run *run, const struct value *value, struct slice *ret_text);
/* & < > " ' as markupsafe writes them. */
void print_escaped(struct run *run, struct slice text);

/* Comparing (template_compare.c). */
bool equal(struct run *run, const struct value *a, const struct value *b);
/* a < b and so on, by Python's rules. */
bool compare(struct run *run, enum compare_op op, const struct value *a, const struct value *b);
bool contains(struct run *run, const struct value *container, const struct value *item);

/* Arithmetic (template_arithmetic.c). */
const struct value *add(struct run *run, const struct value *a, const struct value *b);
const struct value *arithmetic(struct run *run, uint8_t op, const struct value *a,
                               const struct value *b);
const struct value *negate(struct run *run, const struct value *value);
/* "format" % values (template_format.c). */
const struct value *format_percent(struct run *run, const struct value *format,
                                   const struct value *values);
/* "format".format(...) */
const struct value *format_braces(struct run *run, const struct value *format,
                                  const struct arguments *arguments);

#endif
