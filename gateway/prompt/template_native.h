/*
 * What templates can call that is written in C: filters, tests, methods and global functions. Each
 * is a row of a table; this is what a row says.
 *
 * A native gets its arguments bound to its parameters: by position or name, NULL where the caller
 * gave none. Where the parameters are not known beforehand (`raw`) it gets them as they were given.
 * It returns NULL after run_fail or when memory or a limit ended the run.
 */
#ifndef SLUICE_PROMPT_TEMPLATE_NATIVE_H
#define SLUICE_PROMPT_TEMPLATE_NATIVE_H

#include "gateway/prompt/value.h"

struct run;

#define NATIVE_PARAMETERS 6

/* Arguments as a call gives them: positional ones, then named ones. */
struct arguments {
    const struct value **items;
    uint32_t positional, named;
    const struct value **names; /* texts */
};

typedef const struct value *native_fn(struct run *run, const struct value *self,
                                      const struct value *const *bound);
typedef const struct value *native_raw_fn(struct run *run, const struct value *self,
                                          const struct arguments *arguments);

struct native {
    const char *name;
    native_fn *call;     /* one of the two */
    native_raw_fn *raw;  /* takes any arguments */
    uint8_t least, most; /* arguments besides the object */
    uint8_t kind;        /* of methods: enum value_kind of the object */
    bool forbidden;      /* of methods: changes the object, which the sandbox refuses */
    const char *parameters[NATIVE_PARAMETERS]; /* names; none: by position only */
};

/* NULL when there is none. Names of filters and tests. */
const struct native *native_filter(struct slice name);
const struct native *native_test(struct slice name);
/* The first of the rows of methods with that name, which stand together; NULL: none. */
const struct native *native_methods(struct slice name);
/* The method for an object of `kind` among rows of the same name; NULL: none. */
const struct native *native_method_of(const struct native *methods, enum value_kind kind);
/* A global function as a value that threads share; NULL: none. */
const struct value *native_global(struct slice name);

/* An int argument; `otherwise` where it was left out (NULL). False after a failure. */
bool native_int(struct run *run, const struct value *value, int64_t otherwise, int64_t *ret_number);

#endif
