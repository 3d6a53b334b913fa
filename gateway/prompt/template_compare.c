/*
 * ==, <, in, by Python's rules.
 */
#include "gateway/prompt/template_eval.h"
#include "gateway/prompt/template_text.h"

#include "gateway/prompt/value_number.h"

static bool equal_items(struct run *run, const struct value *a, const struct value *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (!equal(run, a->items[i], b->items[i]))
            return false;
    return true;
}

static bool equal_dicts(struct run *run, const struct value *a, const struct value *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++) {
        const struct dict_entry *mine = value_entry(a, i), *other = value_find(b, &mine->key);

        if (!other || !equal(run, mine->item, other->item))
            return false;
    }
    return true;
}

static bool equal_ranges(const struct range *a, const struct range *b)
{
    if (a->count != b->count || a->count == 0)
        return a->count == b->count;
    return a->start == b->start && (a->count == 1 || a->step == b->step);
}

static bool equal_objects(const struct value *a, const struct value *b)
{
    const struct method *left, *right;

    if (a->kind == VALUE_RANGE)
        return equal_ranges(a->object, b->object);
    if (a->kind != VALUE_METHOD)
        return a == b || a->object == b->object;
    left = a->object;
    right = b->object;
    return left->native == right->native && left->self == right->self;
}

static bool equal_kinds(struct run *run, const struct value *a, const struct value *b)
{
    switch ((enum value_kind)a->kind) {
    case VALUE_LIST:
    case VALUE_TUPLE:
        return equal_items(run, a, b);
    case VALUE_DICT:
        return equal_dicts(run, a, b);
    case VALUE_UNDEFINED:
    case VALUE_NONE:
        return true;
    case VALUE_BYTES:
        return slice_eq(value_slice(a), value_slice(b));
    default:
        return equal_objects(a, b);
    }
}

bool equal(struct run *run, const struct value *a, const struct value *b)
{
    bool same;

    if (a->kind == VALUE_TEXT && b->kind == VALUE_TEXT)
        return slice_eq(value_slice(a), value_slice(b));
    if (number_is(a) && number_is(b))
        return number_compare(a, b) == 0;
    if (a->kind != b->kind || !run_step(run, 1) || !run_enter(run))
        return false;
    same = equal_kinds(run, a, b);
    run_leave(run);
    return same;
}

static int order_texts(struct slice a, struct slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.at, b.at, len) : 0; /* UTF-8 sorts as its code points do */

    if (order != 0) /* memcmp may answer 2, which means something else here */
        return order < 0 ? -1 : 1;
    return a.len < b.len ? -1 : a.len > b.len;
}

static int order(struct run *run, enum compare_op op, const struct value *a, const struct value *b);

/* Of the first items that differ; then of the lengths. */
static int order_items(struct run *run, enum compare_op op, const struct value *a,
                       const struct value *b)
{
    int found;

    for (uint32_t i = 0; i < a->count && i < b->count; i++) {
        if (equal(run, a->items[i], b->items[i]))
            continue;
        if (run->reason || !run_enter(run))
            return 0;
        found = order(run, op, a->items[i], b->items[i]);
        run_leave(run);
        return found;
    }
    return a->count < b->count ? -1 : a->count > b->count;
}

/* Less, equal, greater, or NUMBER_UNORDERED. */
static int order(struct run *run, enum compare_op op, const struct value *a, const struct value *b)
{
    static const char *const signs[] = {
        [COMPARE_LT] = "<", [COMPARE_LE] = "<=", [COMPARE_GT] = ">", [COMPARE_GE] = ">="
    };

    if (number_is(a) && number_is(b))
        return number_compare(a, b);
    if (a->kind == b->kind && (a->kind == VALUE_TEXT || a->kind == VALUE_BYTES))
        return order_texts(value_slice(a), value_slice(b));
    if (a->kind == b->kind && (a->kind == VALUE_LIST || a->kind == VALUE_TUPLE))
        return order_items(run, op, a, b);
    run_fail(run, "'%s' not supported between instances of '%s' and '%s'", signs[op], type_name(a),
             type_name(b));
    return 0;
}

static bool is_part(struct run *run, struct slice part, struct slice text)
{
    if (part.len > text.len)
        return false;
    return part.len == 0 || (run_step_bytes(run, text.len) && text_find(text, part) >= 0);
}

static bool contains_item(struct run *run, const struct value *container, const struct value *item)
{
    const struct value *have;
    struct iter iter;

    if (!iter_begin(run, container, &iter))
        return false;
    while ((have = iter_next(run, &iter)))
        if (have == item || equal(run, have, item))
            return !run->reason;
    return false;
}

bool contains(struct run *run, const struct value *container, const struct value *item)
{
    const struct view *view;

    switch ((enum value_kind)container->kind) {
    case VALUE_TEXT:
        if (item->kind != VALUE_TEXT)
            return run_fail(run, "'in <string>' requires string as left operand, not %s",
                            type_name(item));
        return is_part(run, value_slice(item), value_slice(container));
    case VALUE_BYTES:
        return item->kind == VALUE_BYTES ? is_part(run, value_slice(item), value_slice(container))
                                         : contains_item(run, container, item);
    case VALUE_DICT:
        if (!value_hashable(item))
            return run_fail(run, "unhashable type: '%s'", type_name(item));
        return value_find(container, item);
    case VALUE_VIEW:
        view = container->object;
        return view->what == VIEW_KEYS ? contains(run, view->dict, item)
                                       : contains_item(run, container, item);
    default:
        return contains_item(run, container, item);
    }
}

bool compare(struct run *run, enum compare_op op, const struct value *a, const struct value *b)
{
    int found;

    switch (op) {
    case COMPARE_EQ:
        return equal(run, a, b);
    case COMPARE_NE:
        return !equal(run, a, b);
    case COMPARE_IN:
        return contains(run, b, a);
    case COMPARE_NOT_IN:
        return !contains(run, b, a);
    default:
        break;
    }
    if (a->kind == VALUE_UNDEFINED || b->kind == VALUE_UNDEFINED)
        return run_fail(run, "'%.*s' is undefined",
                        SLICE_ARGS(value_slice(a->kind == VALUE_UNDEFINED ? a : b)));
    found = order(run, op, a, b);
    if (found == NUMBER_UNORDERED)
        return false;
    return op == COMPARE_LT   ? found < 0
           : op == COMPARE_LE ? found <= 0
           : op == COMPARE_GT ? found > 0
                              : found >= 0;
}
