/*
 * What values of a run's own kinds point to.
 */
#ifndef SLUICE_PROMPT_TEMPLATE_OBJECTS_H
#define SLUICE_PROMPT_TEMPLATE_OBJECTS_H

#include "gateway/prompt/template_run.h"

/* VALUE_VIEW */
enum view_of {
    VIEW_KEYS,
    VIEW_VALUES,
    VIEW_ITEMS,
};

struct view {
    const struct value *dict;
    enum view_of what;
};

/* VALUE_RANGE */
struct range {
    int64_t start, stop, step;
    size_t count;
};

/* VALUE_METHOD */
struct method {
    const struct native *native;
    const struct value *self;
};

/* VALUE_MACRO: a macro where its definition was reached. */
struct macro {
    const struct node *node; /* NODE_MACRO */
    struct frame *closure;
};

/* VALUE_LOOP: a for at work, and what `loop` names in its body. */
struct loop {
    struct iter iter;
    const struct node *node; /* NODE_FOR */
    struct frame *frame;     /* around the loop */
    size_t index0;           /* of the item at hand */
    size_t length;           /* once known */
    bool knows_length;
    uint32_t depth0;               /* of recursion */
    const struct value *previous;  /* NULL: none */
    const struct value *current;   /* NULL: not begun */
    const struct value *following; /* taken already; NULL: not looked, or none */
    const struct value *changed;   /* arguments of the last loop.changed(); NULL: none */
};

/* VALUE_CYCLER */
struct cycler {
    const struct value *items; /* a tuple */
    size_t at;
};

/* VALUE_JOINER */
struct joiner {
    const struct value *separator;
    bool used;
};

#endif
