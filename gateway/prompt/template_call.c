/*
 * Calls: arguments are evaluated, bound to parameters, and whatever is called is called.
 */
#include "gateway/prompt/template_eval.h"

/* Arguments of one call, * and ** included: more than anybody writes. */
#define ARGUMENTS_MAX 100000

const struct value *argument_named(const struct arguments *arguments, struct slice name)
{
    for (uint32_t i = 0; i < arguments->named; i++)
        if (slice_eq(value_slice(arguments->names[i]), name))
            return arguments->items[arguments->positional + i];
    return NULL;
}

/* Puts what *args and **kwargs hold among the arguments, which move to the arena. */
static bool spread(struct run *run, struct call *call, const struct value *star,
                   const struct value *star_star)
{
    const struct value *more =
        star ? run_sequence(run, VALUE_TUPLE, star) : run_made(run, value_tuple(run->arena));
    struct arguments *a = &call->arguments;
    size_t count, named;
    const struct value **items, **names;

    if (!more)
        return false;
    if (star_star && star_star->kind != VALUE_DICT)
        return run_fail(run, "argument after ** must be a mapping, not %s", type_name(star_star));
    named = a->named + (star_star ? star_star->count : 0);
    count = a->positional + more->count + named;
    if (count > ARGUMENTS_MAX)
        return run_limit(run, "a call has too many arguments");
    items = run_alloc(run, (count + 1) * sizeof(*items));
    names = run_alloc(run, (named + 1) * sizeof(*names));
    if (!items || !names)
        return false;
    for (uint32_t i = 0; i < a->positional; i++)
        items[i] = a->items[i];
    for (uint32_t i = 0; i < more->count; i++)
        items[a->positional + i] = more->items[i];
    for (uint32_t i = 0; i < a->named; i++) {
        items[a->positional + more->count + i] = a->items[a->positional + i];
        names[i] = a->names[i];
    }
    for (size_t i = a->named; i < named; i++) {
        const struct dict_entry *entry = value_entry(star_star, i - a->named);

        if (entry->key.kind != VALUE_TEXT)
            return run_fail(run, "keywords must be strings");
        if (argument_named(a, value_slice(&entry->key)))
            return run_fail(run, "got multiple values for a keyword argument");
        items[a->positional + more->count + i] = entry->item;
        names[i] = &entry->key;
    }
    *a = (struct arguments){ items, a->positional + more->count, (uint32_t)named, names };
    return true;
}

bool call_arguments(struct run *run, struct frame *frame, const struct node *node,
                    struct call *call)
{
    const struct call_shape *shape = node->shape;
    uint32_t plain = shape->positional + shape->named;
    const struct value **items = call->room, *star = NULL, *star_star = NULL;

    call->arguments = (struct arguments){ items, shape->positional, shape->named, shape->names };
    if (plain == 0 && !shape->star && !shape->star_star)
        return true;
    if (plain > CALL_ARGUMENTS) {
        items = run_alloc(run, (plain + 1) * sizeof(*items));
        if (!items)
            return false;
        call->arguments.items = items;
    }
    for (uint32_t i = 0; i < plain; i++) {
        items[i] = eval(run, frame, node->kids[1 + i]);
        if (!items[i])
            return false;
    }
    if (!shape->star && !shape->star_star)
        return true;
    if (shape->star && !(star = eval(run, frame, node->kids[1 + plain])))
        return false;
    if (shape->star_star && !(star_star = eval(run, frame, node->kids[1 + plain + shape->star])))
        return false;
    return spread(run, call, star, star_star);
}

bool call_add_named(struct run *run, struct call *call, const struct value *name,
                    const struct value *value)
{
    struct arguments *a = &call->arguments;
    const struct value **names = call->names;

    if (!value)
        return false;
    if (a->named >= ARRAY_LEN(call->names))
        names = run_alloc(run, (a->named + 1) * sizeof(*names));
    if (!names)
        return false;
    for (uint32_t i = 0; i < a->named; i++)
        names[i] = a->names[i];
    names[a->named] = name;
    a->items[a->positional + a->named++] = value;
    a->names = names;
    return true;
}

/* A method is called without being made a value first. */
static bool prepare_method(struct run *run, struct frame *frame, const struct node *callee,
                           struct call *call)
{
    const struct value *object = eval(run, frame, callee->kids[0]);

    if (!object)
        return false;
    call->native = native_method_of(callee->native, object->kind);
    if (call->native && !call->native->forbidden) {
        call->self = object;
        return true;
    }
    call->native = NULL;
    call->callee = access_attribute(run, object, callee->constant, callee->native);
    return call->callee != NULL;
}

bool call_prepare(struct run *run, struct frame *frame, const struct node *node, struct call *call)
{
    const struct node *callee = node->kids[0];

    call->native = NULL;
    call->self = NULL;
    if (callee->kind == NODE_ATTR && callee->native) {
        if (!prepare_method(run, frame, callee, call))
            return false;
    } else {
        call->callee = eval(run, frame, callee);
        if (!call->callee)
            return false;
    }
    return call_arguments(run, frame, node, call);
}

static const char *parameter_at(const struct native *native, uint32_t i)
{
    return i < NATIVE_PARAMETERS ? native->parameters[i] : NULL;
}

/* The place of a parameter; -1: there is none. */
static int find_parameter(const struct native *native, const struct value *name)
{
    for (uint32_t i = 0; i < native->most && parameter_at(native, i); i++)
        if (slice_eq(slice_str(native->parameters[i]), value_slice(name)))
            return (int)i;
    return -1;
}

const struct value *call_native(struct run *run, const struct native *native,
                                const struct value *self, const struct arguments *arguments)
{
    const struct value *bound[NATIVE_PARAMETERS] = { NULL };

    if (native->raw)
        return native->raw(run, self, arguments);
    if (arguments->positional > native->most)
        return run_fail(run, "%s takes at most %u arguments", native->name, native->most);
    for (uint32_t i = 0; i < arguments->positional; i++)
        bound[i] = arguments->items[i];
    for (uint32_t i = 0; i < arguments->named; i++) {
        int at = find_parameter(native, arguments->names[i]);

        if (at < 0 || bound[at])
            return run_fail(run, "%s got an unexpected keyword argument '%.*s'", native->name,
                            SLICE_ARGS(value_slice(arguments->names[i])));
        bound[at] = arguments->items[arguments->positional + i];
    }
    for (uint32_t i = 0; i < native->least; i++)
        if (!bound[i])
            return run_fail(run, "%s misses an argument", native->name);
    return native->call(run, self, bound);
}

/* Gives a macro's parameters their values; those left out stay missing. */
static void bind_parameters(struct frame *frame, const struct node *node,
                            const struct arguments *arguments, bool *used)
{
    const struct node *parameters = node->kids[0];

    for (uint32_t i = 0; i < parameters->count; i++) {
        const struct node *parameter = parameters->kids[i];
        const struct value *value = i < arguments->positional ? arguments->items[i] : NULL;

        for (uint32_t k = 0; !value && k < arguments->named; k++)
            if (slice_eq(value_slice(arguments->names[k]), value_slice(parameter->constant))) {
                value = arguments->items[arguments->positional + k];
                used[k] = true;
            }
        frame->slots[parameter->slot] = value;
    }
}

/* Defaults see the parameters before them, and everything else that the macro was given. */
static bool fill_defaults(struct run *run, struct frame *frame, const struct node *node)
{
    const struct node *parameters = node->kids[0], *defaults = node->kids[1];
    uint32_t without = parameters->count - defaults->count;

    for (uint32_t i = without; i < parameters->count; i++) {
        const struct value **slot = &frame->slots[parameters->kids[i]->slot];

        if (!*slot && !(*slot = eval(run, frame, defaults->kids[i - without])))
            return false;
    }
    return true;
}

/* varargs: what is left of the positional arguments. */
static bool bind_varargs(struct run *run, struct frame *frame, const struct node *node,
                         const struct arguments *arguments)
{
    const struct value *rest;

    if (!node->block->uses_varargs)
        return arguments->positional <= node->kids[0]->count ||
               run_fail(run, "macro '%.*s' takes not more than %u arguments",
                        SLICE_ARGS(value_slice(node->constant)), node->kids[0]->count);
    rest = run_made(run, value_tuple(run->arena));
    for (uint32_t i = node->kids[0]->count; rest && i < arguments->positional; i++)
        if (!run_append(run, rest, arguments->items[i]))
            return false;
    frame->slots[node->block->varargs_slot] = rest;
    return rest;
}

/* caller, and kwargs: what is left of the named ones. */
static bool bind_named(struct run *run, struct frame *frame, const struct node *node,
                       const struct arguments *arguments, bool *used)
{
    const struct block *block = node->block;
    const struct value *rest = run_made(run, value_dict(run->arena));

    if (!rest)
        return false;
    if (block->uses_caller)
        frame->slots[block->caller_slot] = NULL;
    for (uint32_t i = 0; i < arguments->named; i++) {
        const struct value *value = arguments->items[arguments->positional + i];

        if (used[i])
            continue;
        if (block->uses_caller && slice_eq(value_slice(arguments->names[i]), SLICE("caller")))
            frame->slots[block->caller_slot] = value;
        else if (!block->uses_kwargs)
            return run_fail(run, "macro '%.*s' takes no keyword argument '%.*s'",
                            SLICE_ARGS(value_slice(node->constant)),
                            SLICE_ARGS(value_slice(arguments->names[i])));
        else if (!run_put(run, rest, arguments->names[i], value))
            return false;
    }
    if (block->uses_kwargs)
        frame->slots[block->kwargs_slot] = rest;
    return true;
}

/* Writes what a macro writes. */
static bool macro_write(struct run *run, const struct value *callee,
                        const struct arguments *arguments)
{
    const struct macro *macro = callee->object;
    const struct node *node = macro->node;
    struct frame *frame = frame_new(run, macro->closure, &node->block->function);
    bool *used = run_alloc(run, arguments->named + 1u);
    uint32_t line = run->line;
    bool good;

    if (!frame || !used || !run_enter(run))
        return false;
    memset(used, 0, arguments->named);
    scope_enter(run, frame, &node->block->scopes[0]);
    bind_parameters(frame, node, arguments, used);
    good = bind_varargs(run, frame, node, arguments) &&
           bind_named(run, frame, node, arguments, used) && fill_defaults(run, frame, node) &&
           exec(run, frame, node->kids[2]);
    run->line = good ? line : run->line;
    run_leave(run);
    return good;
}

static const struct value *macro_call(struct run *run, const struct value *callee,
                                      const struct arguments *arguments)
{
    struct capture capture = run_capture(run);

    macro_write(run, callee, arguments);
    return run_captured(run, capture);
}

static const struct value *joiner_call(struct run *run, struct joiner *joiner)
{
    if (joiner->used)
        return joiner->separator;
    joiner->used = true;
    return run_text(run, SLICE(""));
}

const struct value *call_value(struct run *run, const struct value *callee,
                               const struct arguments *arguments)
{
    const struct method *method;

    switch ((enum value_kind)callee->kind) {
    case VALUE_MACRO:
        return macro_call(run, callee, arguments);
    case VALUE_FUNCTION:
        return call_native(run, callee->object, NULL, arguments);
    case VALUE_METHOD:
        method = callee->object;
        return call_native(run, method->native, method->self, arguments);
    case VALUE_LOOP:
        return loop_recurse(run, callee, arguments);
    case VALUE_JOINER:
        return joiner_call(run, callee->object);
    case VALUE_UNDEFINED:
        return run_fail(run, "'%.*s' is %s", SLICE_ARGS(value_slice(callee)),
                        callee->flags & VALUE_UNSAFE ? "unsafe" : "undefined");
    default:
        return run_fail(run, "'%s' object is not callable", type_name(callee));
    }
}

const struct value *call_run(struct run *run, const struct call *call)
{
    if (call->native)
        return call_native(run, call->native, call->self, &call->arguments);
    return call_value(run, call->callee, &call->arguments);
}

bool call_print(struct run *run, const struct call *call)
{
    const struct value *result;

    if (!call->native && call->callee->kind == VALUE_MACRO)
        return macro_write(run, call->callee, &call->arguments);
    result = call_run(run, call);
    if (result)
        print_str(run, result);
    return !run->reason;
}
