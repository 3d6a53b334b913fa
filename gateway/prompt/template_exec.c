/*
 * Statements, scopes, assignment and macros.
 */
#include "gateway/prompt/template_eval.h"

struct frame *frame_new(struct run *run, struct frame *parent, const struct function *function)
{
    size_t size = function->slots * sizeof(struct value *);
    struct frame *frame = run_zalloc(run, sizeof(*frame) + size);

    if (frame)
        frame->parent = parent;
    return frame;
}

/* Stands in run->resolved for what is neither in the context nor a global. */
static const struct value missing = { .kind = VALUE_UNDEFINED };

/* From the context, which does not change while it is used, then the globals; NULL: missing. */
static const struct value *resolve(const struct run *run, const struct load *load)
{
    const struct value **known = &run->resolved[load->from];

    if (!*known)
        *known = value_get(run->call->context, value_slice(load->name));
    if (!*known)
        *known = load->global ? load->global : &missing;
    return *known == &missing ? NULL : *known;
}

void scope_enter(struct run *run, struct frame *frame, const struct scope *scope)
{
    for (uint32_t i = 0; i < scope->count; i++) {
        const struct load *load = &scope->loads[i];
        const struct frame *from = frame;

        switch ((enum load_kind)load->kind) {
        case LOAD_RESOLVE:
            frame->slots[load->slot] = resolve(run, load);
            break;
        case LOAD_ALIAS:
            for (uint16_t hops = load->hops; hops > 0; hops--)
                from = from->parent;
            frame->slots[load->slot] = from->slots[load->from];
            break;
        default:
            frame->slots[load->slot] = NULL;
        }
    }
}

static bool unpack(struct run *run, struct frame *frame, const struct node *target,
                   const struct value *value)
{
    const struct value *items;

    if (value->kind == VALUE_UNDEFINED)
        return run_fail(run, "undefined cannot be unpacked");
    items = value->kind == VALUE_TUPLE || value->kind == VALUE_LIST
                ? value
                : run_sequence(run, VALUE_TUPLE, value);
    if (!items)
        return false;
    if (items->count != target->count)
        return run_fail(run, "%s values to unpack (expected %u)",
                        items->count < target->count ? "not enough" : "too many", target->count);
    for (uint32_t i = 0; i < target->count; i++)
        if (!assign(run, frame, target->kids[i], items->items[i]))
            return false;
    return true;
}

bool assign(struct run *run, struct frame *frame, const struct node *target,
            const struct value *value)
{
    const struct value *object;

    if (LIKELY(target->kind == NODE_NAME)) {
        frame->slots[target->slot] = value;
        return true;
    }
    if (target->kind == NODE_TUPLE)
        return unpack(run, frame, target, value);
    object = eval(run, frame, target->kids[0]);
    if (!object)
        return false;
    if (object->kind != VALUE_NAMESPACE)
        return run_fail(run, "cannot assign attribute on non-namespace object");
    return run_put(run, object->object, target->constant, value);
}

static bool exec_body(struct run *run, struct frame *frame, const struct node *node)
{
    for (uint32_t i = 0; i < node->count; i++)
        if (!exec(run, frame, node->kids[i]) || run->jump)
            return !run->reason;
    return true;
}

static bool exec_if(struct run *run, struct frame *frame, const struct node *node)
{
    uint32_t i = 0;

    for (; i + 1 < node->count; i += 2) {
        const struct value *test = eval(run, frame, node->kids[i]);

        if (!test)
            return false;
        if (value_truth(test))
            return exec(run, frame, node->kids[i + 1]);
    }
    return i == node->count || exec(run, frame, node->kids[i]);
}

static bool exec_set(struct run *run, struct frame *frame, const struct node *node)
{
    const struct value *value = eval(run, frame, node->kids[1]);

    return value && assign(run, frame, node->kids[0], value);
}

/* What a body writes, as a text that went through filters (may be NULL). */
static const struct value *capture_body(struct run *run, struct frame *frame,
                                        const struct node *node, const struct node *body,
                                        const struct node *filters)
{
    struct capture capture = run_capture(run);
    const struct value *text;

    scope_enter(run, frame, &node->block->scopes[0]);
    exec(run, frame, body);
    text = run_captured(run, capture);
    return text && filters ? eval_filters(run, frame, filters, text) : text;
}

static bool exec_set_block(struct run *run, struct frame *frame, const struct node *node)
{
    const struct value *text = capture_body(run, frame, node, node->kids[1], node->kids[2]);

    return text && assign(run, frame, node->kids[0], text);
}

static bool exec_filter_block(struct run *run, struct frame *frame, const struct node *node)
{
    const struct value *text = capture_body(run, frame, node, node->kids[0], node->kids[1]);

    if (text && text->kind != VALUE_TEXT) /* Jinja2 joins what is put out, and joins texts only */
        return run_fail(run, "a filter block gives %s, not str", type_name(text));
    if (text)
        run_write(run, value_slice(text));
    return !run->reason;
}

const struct value *macro_new(struct run *run, struct frame *frame, const struct node *node)
{
    struct macro *macro = run_alloc(run, sizeof(*macro));

    if (!macro)
        return NULL;
    *macro = (struct macro){ .node = node, .closure = frame };
    return run_object(run, VALUE_MACRO, macro);
}

static bool exec_macro(struct run *run, struct frame *frame, const struct node *node)
{
    const struct value *macro = macro_new(run, frame, node);

    frame->slots[node->slot] = macro;
    return macro != NULL;
}

static bool exec_call_block(struct run *run, struct frame *frame, const struct node *node)
{
    static const struct value caller = { .kind = VALUE_TEXT, .count = 6, .text = "caller" };
    struct call call;

    return call_prepare(run, frame, node->kids[0], &call) &&
           call_add_named(run, &call, &caller, macro_new(run, frame, node->kids[1])) &&
           call_print(run, &call);
}

static bool exec_with(struct run *run, struct frame *frame, const struct node *node)
{
    const struct node *targets = node->kids[0], *values = node->kids[1];

    for (uint32_t i = 0; i < targets->count; i++) {
        const struct value *value = eval(run, frame, values->kids[i]);

        if (!value || !assign(run, frame, targets->kids[i], value))
            return false;
    }
    scope_enter(run, frame, &node->block->scopes[0]);
    return exec(run, frame, node->kids[2]);
}

static bool exec_kind(struct run *run, struct frame *frame, const struct node *node)
{
    switch ((enum node_kind)node->kind) {
    case NODE_BODY:
        return exec_body(run, frame, node);
    case NODE_PRINT:
        return eval_print(run, frame, node->kids[0]);
    case NODE_IF:
        return exec_if(run, frame, node);
    case NODE_FOR:
        return exec_for(run, frame, node);
    case NODE_SET:
        return exec_set(run, frame, node);
    case NODE_SET_BLOCK:
        return exec_set_block(run, frame, node);
    case NODE_MACRO:
        return exec_macro(run, frame, node);
    case NODE_CALL_BLOCK:
        return exec_call_block(run, frame, node);
    case NODE_FILTER_BLOCK:
        return exec_filter_block(run, frame, node);
    case NODE_WITH:
        return exec_with(run, frame, node);
    case NODE_GENERATION:
        scope_enter(run, frame, &node->block->scopes[0]);
        return exec(run, frame, node->kids[0]);
    case NODE_BREAK:
        run->jump = JUMP_BREAK;
        return true;
    default:
        run->jump = JUMP_CONTINUE;
        return true;
    }
}

bool exec(struct run *run, struct frame *frame, const struct node *node)
{
    bool good;

    if (node->kind == NODE_DATA) {
        run_write(run, value_slice(node->constant));
        return !run->reason;
    }
    if (!run_step(run, 1) || !run_enter(run))
        return false;
    run->line = node->line;
    good = exec_kind(run, frame, node);
    run_leave(run);
    return good;
}
