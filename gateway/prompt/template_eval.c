/*
 * Expressions: a walk over the tree.
 */
#include "gateway/prompt/template_eval.h"

#include "gateway/prompt/value_number.h"

/* Operands of + that are put together at once; longer sums are folded in between. */
#define PIECES 16

static const struct value *eval_name(struct run *run, struct frame *frame, const struct node *node)
{
    const struct value *value;

    for (uint16_t hops = node->hops; hops > 0; hops--)
        frame = frame->parent;
    value = frame->slots[node->slot];
    return LIKELY(value != NULL) ? value : run_undefined(run, value_slice(node->constant));
}

static const struct value *eval_items(struct run *run, struct frame *frame, const struct node *node,
                                      enum value_kind kind)
{
    struct value *list = value_sequence(run->arena, kind, node->count);

    if (!list)
        return run_no_memory(run);
    for (uint32_t i = 0; i < node->count; i++) {
        const struct value *item = eval(run, frame, node->kids[i]);

        if (!item)
            return NULL;
        list->items[i] = (struct value *)(uintptr_t)item;
    }
    return list;
}

static const struct value *eval_dict(struct run *run, struct frame *frame, const struct node *node)
{
    const struct value *dict = run_made(run, value_dict(run->arena));

    for (uint32_t i = 0; dict && i < node->count; i += 2) {
        const struct value *key = eval(run, frame, node->kids[i]);
        const struct value *item = key ? eval(run, frame, node->kids[i + 1]) : NULL;

        if (!run_put(run, dict, key, item))
            return NULL;
    }
    return dict;
}

static const struct value *eval_attribute(struct run *run, struct frame *frame,
                                          const struct node *node)
{
    const struct value *object = eval(run, frame, node->kids[0]), *item;

    if (!object)
        return NULL;
    if (node->op || object->kind == VALUE_UNDEFINED)
        return access_attribute(run, object, node->constant, node->native);
    item = object->kind == VALUE_DICT ? value_get(object, value_slice(node->constant))
                                      : access_own(run, object, value_slice(node->constant));
    return item || run->reason ? item : run_undefined(run, value_slice(node->constant));
}

/* A bound that may be left out. */
static bool eval_bound(struct run *run, struct frame *frame, const struct node *node,
                       const struct value **ret_bound)
{
    *ret_bound = node ? eval(run, frame, node) : NULL;
    return !node || *ret_bound;
}

static const struct value *eval_item(struct run *run, struct frame *frame, const struct node *node)
{
    const struct value *object = eval(run, frame, node->kids[0]), *bounds[3], *key;
    const struct node *index = node->kids[1];

    if (!object)
        return NULL;
    if (index->kind != NODE_SLICE) {
        key = eval(run, frame, index);
        return key ? access_item(run, object, key) : NULL;
    }
    for (int i = 0; i < 3; i++)
        if (!eval_bound(run, frame, index->kids[i], &bounds[i]))
            return NULL;
    return access_slice(run, object, bounds[0], bounds[1], bounds[2]);
}

static const struct value *eval_call(struct run *run, struct frame *frame, const struct node *node)
{
    struct call call;

    return call_prepare(run, frame, node, &call) ? call_run(run, &call) : NULL;
}

/* A filter or test with its input at hand. */
static const struct value *apply(struct run *run, struct frame *frame, const struct node *node,
                                 const struct value *input)
{
    static const struct value *const nothing[NATIVE_PARAMETERS];
    const struct native *native = node->native;
    struct call call;

    if (!input)
        return NULL;
    if (node->count == 1 && native->call && native->least == 0)
        return native->call(run, input, nothing);
    return call_arguments(run, frame, node, &call)
               ? call_native(run, native, input, &call.arguments)
               : NULL;
}

static const struct value *fail_unknown(struct run *run, const struct node *node)
{
    return run_fail(run, "no %s named '%.*s'", node->op == NODE_FILTER ? "filter" : "test",
                    SLICE_ARGS(value_slice(node->constant)));
}

const struct value *eval_filters(struct run *run, struct frame *frame, const struct node *node,
                                 const struct value *input)
{
    if (node->kind == NODE_UNKNOWN)
        return fail_unknown(run, node);
    if (node->kids[0])
        input = eval_filters(run, frame, node->kids[0], input);
    return apply(run, frame, node, input);
}

static const struct value *eval_logic(struct run *run, struct frame *frame, const struct node *node)
{
    const struct value *value = NULL;

    for (uint32_t i = 0; i < node->count; i++) {
        value = eval(run, frame, node->kids[i]);
        if (!value || value_truth(value) == (node->kind == NODE_OR))
            return value;
    }
    return value;
}

static const struct value *eval_compare(struct run *run, struct frame *frame,
                                        const struct node *node)
{
    const struct value *left = eval(run, frame, node->kids[0]);
    bool truth = true;

    for (uint32_t i = 1; left && truth && i < node->count; i++) {
        const struct value *right = eval(run, frame, node->kids[i]);

        if (!right)
            return NULL;
        truth = compare(run, node->ops[i - 1], left, right);
        left = right;
    }
    return !left || run->reason ? NULL : value_bool(truth);
}

/* Operands that are plain texts, put together once; others are added one by one. */
static const struct value *join_pieces(struct run *run, const struct value *const *pieces,
                                       size_t count)
{
    size_t len = 0;
    char *text;

    for (size_t i = 0; i < count; i++)
        len += pieces[i]->count;
    if (!run_step_bytes(run, len))
        return NULL;
    text = run_alloc(run, len);
    if (!text)
        return NULL;
    len = 0;
    for (size_t i = 0; i < count; len += pieces[i]->count, i++)
        memcpy(text + len, pieces[i]->text, pieces[i]->count);
    return run_text(run, slice_of(text, len));
}

static bool is_plain_text(const struct value *value)
{
    return value->kind == VALUE_TEXT && !(value->flags & VALUE_MARKUP);
}

/* Evaluates operands from *next on until there are PIECES of them or one is no plain text, which
 * comes last. Returns how many; 0 after a failure. */
static size_t eval_pieces(struct run *run, struct frame *frame, const struct node *node,
                          uint32_t *next, const struct value **pieces, size_t count)
{
    while (*next < node->count && count < PIECES) {
        const struct value *value = eval(run, frame, node->kids[(*next)++]);

        if (!value)
            return 0;
        pieces[count++] = value;
        if (!is_plain_text(value))
            break;
    }
    return count;
}

/* One value of the pieces, of which only the last may be something else. */
static const struct value *fold_pieces(struct run *run, const struct value *const *pieces,
                                       size_t count)
{
    const struct value *left;

    if (count == 1)
        return pieces[0];
    if (is_plain_text(pieces[count - 1]))
        return join_pieces(run, pieces, count);
    left = fold_pieces(run, pieces, count - 1);
    return left ? add(run, left, pieces[count - 1]) : NULL;
}

static const struct value *eval_add(struct run *run, struct frame *frame, const struct node *node)
{
    const struct value *pieces[PIECES];
    uint32_t next = 0;
    size_t count = 0;

    do {
        count = eval_pieces(run, frame, node, &next, pieces, count);
        if (count == 0)
            return NULL;
        pieces[0] = fold_pieces(run, pieces, count);
        count = 1;
        /* what is no text never takes the way of texts again */
        while (pieces[0] && !is_plain_text(pieces[0]) && next < node->count) {
            const struct value *right = eval(run, frame, node->kids[next++]);

            pieces[0] = right ? add(run, pieces[0], right) : NULL;
        }
    } while (pieces[0] && next < node->count);
    return pieces[0];
}

static const struct value *eval_concat(struct run *run, struct frame *frame,
                                       const struct node *node)
{
    struct capture capture = run_capture(run);
    bool good = true;

    for (uint32_t i = 0; good && i < node->count; i++)
        good = eval_print(run, frame, node->kids[i]);
    return run_captured(run, capture);
}

static const struct value *eval_two(struct run *run, struct frame *frame, const struct node *node)
{
    const struct value *left = eval(run, frame, node->kids[0]);
    const struct value *right = left ? eval(run, frame, node->kids[1]) : NULL;

    return right ? arithmetic(run, node->op, left, right) : NULL;
}

/* The chosen branch of an inline if; NULL without a failure: there is none. */
static const struct node *choose(struct run *run, struct frame *frame, const struct node *node)
{
    const struct value *test = eval(run, frame, node->kids[0]);

    if (!test)
        return NULL;
    if (value_truth(test))
        return node->kids[1];
    return node->count > 2 ? node->kids[2] : NULL;
}

static const struct value *eval_cond(struct run *run, struct frame *frame, const struct node *node)
{
    const struct node *branch = choose(run, frame, node);

    if (!branch)
        return run->reason ? NULL : run_undefined(run, SLICE(""));
    return eval(run, frame, branch);
}

static const struct value *eval_signed(struct run *run, struct frame *frame,
                                       const struct node *node)
{
    const struct value *value = eval(run, frame, node->kids[0]);

    if (!value)
        return NULL;
    if (!number_is(value))
        return run_fail(run, "bad operand type for unary %c: '%s'",
                        node->kind == NODE_NEGATE ? '-' : '+', type_name(value));
    if (node->kind == NODE_NEGATE)
        return negate(run, value);
    return value->kind == VALUE_BOOL ? run_int(run, value->integer) : value;
}

static const struct value *eval_not(struct run *run, struct frame *frame, const struct node *node)
{
    const struct value *value = eval(run, frame, node->kids[0]);

    return value ? value_bool(!value_truth(value)) : NULL;
}

static const struct value *eval_kind(struct run *run, struct frame *frame, const struct node *node)
{
    switch ((enum node_kind)node->kind) {
    case NODE_LIST:
        return eval_items(run, frame, node, VALUE_LIST);
    case NODE_TUPLE:
        return eval_items(run, frame, node, VALUE_TUPLE);
    case NODE_DICT:
        return eval_dict(run, frame, node);
    case NODE_ATTR:
        return eval_attribute(run, frame, node);
    case NODE_ITEM:
        return eval_item(run, frame, node);
    case NODE_CALL:
        return eval_call(run, frame, node);
    case NODE_FILTER:
    case NODE_TEST:
        return apply(run, frame, node, eval(run, frame, node->kids[0]));
    case NODE_NOT:
        return eval_not(run, frame, node);
    case NODE_AND:
    case NODE_OR:
        return eval_logic(run, frame, node);
    case NODE_COMPARE:
        return eval_compare(run, frame, node);
    case NODE_ADD:
        return eval_add(run, frame, node);
    case NODE_CONCAT:
        return eval_concat(run, frame, node);
    case NODE_BINARY:
        return eval_two(run, frame, node);
    case NODE_NEGATE:
    case NODE_PLUS:
        return eval_signed(run, frame, node);
    case NODE_COND:
        return eval_cond(run, frame, node);
    case NODE_UNKNOWN:
        return fail_unknown(run, node);
    default:
        return run_fail(run, "a slice stands where a value is due");
    }
}

const struct value *eval_node(struct run *run, struct frame *frame, const struct node *node)
{
    const struct value *value;

    if (!run_step(run, 1))
        return NULL;
    if (node->kind == NODE_NAME)
        return eval_name(run, frame, node);
    if (!run_enter(run))
        return NULL;
    value = eval_kind(run, frame, node);
    run_leave(run);
    return value;
}

/* Of a sum of texts each operand is written by itself. */
static bool print_sum(struct run *run, struct frame *frame, const struct node *node)
{
    const struct value *pieces[PIECES];
    uint32_t next = 0;
    size_t count;

    if (node->count > PIECES) {
        const struct value *value = eval_add(run, frame, node);

        if (value)
            print_str(run, value);
        return !run->reason;
    }
    count = eval_pieces(run, frame, node, &next, pieces, 0);
    if (count == node->count && is_plain_text(pieces[count - 1])) {
        for (size_t i = 0; i < count; i++)
            run_write(run, value_slice(pieces[i]));
        return !run->reason;
    }
    pieces[0] = count ? fold_pieces(run, pieces, count) : NULL;
    while (pieces[0] && next < node->count) {
        const struct value *right = eval(run, frame, node->kids[next++]);

        pieces[0] = right ? add(run, pieces[0], right) : NULL;
    }
    if (pieces[0])
        print_str(run, pieces[0]);
    return !run->reason;
}

/* What is not written while it is made. */
static bool print_value(struct run *run, struct frame *frame, const struct node *node)
{
    const struct value *value = eval(run, frame, node);

    if (!value)
        return false;
    if (value->kind == VALUE_TEXT)
        run_write(run, value_slice(value));
    else
        print_str(run, value);
    return !run->reason;
}

static bool print_kind(struct run *run, struct frame *frame, const struct node *node)
{
    const struct node *branch;
    struct call call;

    switch ((enum node_kind)node->kind) {
    case NODE_ADD:
        return print_sum(run, frame, node);
    case NODE_CONCAT:
        for (uint32_t i = 0; i < node->count; i++)
            if (!eval_print(run, frame, node->kids[i]))
                return false;
        return true;
    case NODE_COND:
        branch = choose(run, frame, node);
        return branch ? eval_print(run, frame, branch) : !run->reason;
    case NODE_CALL:
        return call_prepare(run, frame, node, &call) && call_print(run, &call);
    default:
        return print_value(run, frame, node);
    }
}

bool eval_print(struct run *run, struct frame *frame, const struct node *node)
{
    bool good;

    if (node->kind == NODE_CONST)
        return print_value(run, frame, node);
    if (!run_enter(run))
        return false;
    good = print_kind(run, frame, node);
    run_leave(run);
    return good;
}
