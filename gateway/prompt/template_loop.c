/*
 * For loops, and what `loop` knows of them.
 *
 * Items are taken one at a time, and one ahead only where the template asks (loop.last,
 * loop.nextitem, loop.length): a filter's test may depend on what the body did.
 */
#include "gateway/prompt/template_eval.h"

/* The next item that the loop's filter lets pass. */
static const struct value *take_item(struct run *run, struct loop *loop)
{
    const struct node *node = loop->node, *filter = node->kids[2];
    const struct value *item, *test;

    while ((item = iter_next(run, &loop->iter)) && filter) {
        scope_enter(run, loop->frame, &node->block->scopes[FOR_FILTER]);
        if (!assign(run, loop->frame, node->kids[5], item))
            return NULL;
        test = eval(run, loop->frame, filter);
        if (!test || value_truth(test))
            return test ? item : NULL;
    }
    return item;
}

static const struct value *look_ahead(struct run *run, struct loop *loop)
{
    if (!loop->following)
        loop->following = take_item(run, loop);
    return loop->following;
}

static bool go_on(struct run *run, struct loop *loop)
{
    const struct value *item = look_ahead(run, loop);

    if (!item)
        return false;
    loop->index0 += loop->current != NULL;
    loop->previous = loop->current;
    loop->current = item;
    loop->following = NULL;
    return true;
}

/* One turn of the body. False: the loop is over. ret_whole: the body was run to its end. */
static bool run_turn(struct run *run, struct loop *loop, const struct value *self, bool *ret_whole)
{
    const struct block *block = loop->node->block;
    bool good;

    scope_enter(run, loop->frame, &block->scopes[FOR_BODY]);
    if (block->uses_loop)
        loop->frame->slots[block->loop_slot] = self;
    good = assign(run, loop->frame, loop->node->kids[0], loop->current) &&
           exec(run, loop->frame, loop->node->kids[3]);
    *ret_whole |= run->jump == JUMP_NONE;
    good = good && run->jump != JUMP_BREAK;
    run->jump = JUMP_NONE;
    return good;
}

static bool run_loop(struct run *run, struct frame *frame, const struct node *node,
                     const struct value *items, uint32_t depth0)
{
    struct loop *loop = run_alloc(run, sizeof(*loop));
    const struct value *self = run_object(run, VALUE_LOOP, loop);
    bool whole = false; /* Jinja runs the else also where no turn came to its end */

    if (node->op)
        frame = frame_new(run, frame, &node->block->function);
    if (!loop || !self || !frame)
        return false;
    *loop = (struct loop){ .node = node, .frame = frame, .depth0 = depth0 };
    if (!iter_begin(run, items, &loop->iter))
        return false;
    while (go_on(run, loop) && run_turn(run, loop, self, &whole))
        ;
    if (run->reason || whole || !node->kids[4])
        return !run->reason;
    scope_enter(run, frame, &node->block->scopes[FOR_ELSE]);
    return exec(run, frame, node->kids[4]);
}

bool exec_for(struct run *run, struct frame *frame, const struct node *node)
{
    const struct value *items = eval(run, frame, node->kids[1]);

    return items && run_loop(run, frame, node, items, 0);
}

const struct value *loop_recurse(struct run *run, const struct value *self,
                                 const struct arguments *arguments)
{
    const struct loop *loop = self->object;
    struct capture capture;

    if (!loop->node->op)
        return run_fail(run, "the loop is not marked as recursive");
    if (arguments->positional != 1 || arguments->named)
        return run_fail(run, "loop() takes what to loop over");
    if (!run_enter(run))
        return NULL;
    capture = run_capture(run);
    run_loop(run, loop->frame->parent, loop->node, arguments->items[0], loop->depth0 + 1);
    run_leave(run);
    return run_captured(run, capture);
}

/* Takes all that is left into a list that the loop goes on with. */
static bool count_rest(struct run *run, struct loop *loop)
{
    const struct value *rest = run_made(run, value_list(run->arena)), *item;

    while (rest && (item = take_item(run, loop)))
        if (!run_append(run, rest, item))
            return false;
    if (run->reason)
        return false;
    loop->length = loop->index0 + 1 + (loop->following != NULL) + rest->count;
    loop->knows_length = true;
    if (!iter_begin(run, rest, &loop->iter))
        return false;
    return true;
}

/* -1 after a failure. */
static int64_t loop_length(struct run *run, struct loop *loop)
{
    if (!loop->knows_length && !count_rest(run, loop))
        return -1;
    return (int64_t)loop->length;
}

static const struct value *get_index(struct run *run, struct loop *loop)
{
    return run_int(run, (int64_t)loop->index0 + 1);
}

static const struct value *get_index0(struct run *run, struct loop *loop)
{
    return run_int(run, (int64_t)loop->index0);
}

static const struct value *get_first(struct run *run, struct loop *loop)
{
    (void)run;
    return value_bool(loop->index0 == 0);
}

static const struct value *get_last(struct run *run, struct loop *loop)
{
    const struct value *next = look_ahead(run, loop);

    return run->reason ? NULL : value_bool(!next);
}

static const struct value *get_length(struct run *run, struct loop *loop)
{
    int64_t length = loop_length(run, loop);

    return length < 0 ? NULL : run_int(run, length);
}

static const struct value *get_revindex(struct run *run, struct loop *loop)
{
    int64_t length = loop_length(run, loop);

    return length < 0 ? NULL : run_int(run, length - (int64_t)loop->index0);
}

static const struct value *get_revindex0(struct run *run, struct loop *loop)
{
    int64_t length = loop_length(run, loop);

    return length < 0 ? NULL : run_int(run, length - (int64_t)loop->index0 - 1);
}

static const struct value *get_previtem(struct run *run, struct loop *loop)
{
    return loop->previous ? loop->previous : run_undefined(run, SLICE("previtem"));
}

static const struct value *get_nextitem(struct run *run, struct loop *loop)
{
    const struct value *next = look_ahead(run, loop);

    if (run->reason)
        return NULL;
    return next ? next : run_undefined(run, SLICE("nextitem"));
}

static const struct value *get_depth(struct run *run, struct loop *loop)
{
    return run_int(run, (int64_t)loop->depth0 + 1);
}

static const struct value *get_depth0(struct run *run, struct loop *loop)
{
    return run_int(run, loop->depth0);
}

const struct value *loop_attribute(struct run *run, const struct value *self, struct slice name)
{
    static const struct {
        struct slice name;
        const struct value *(*get)(struct run *run, struct loop *loop);
    } attributes[] = {
        { SLICE_INIT("index0"), get_index0 },       { SLICE_INIT("index"), get_index },
        { SLICE_INIT("first"), get_first },         { SLICE_INIT("last"), get_last },
        { SLICE_INIT("length"), get_length },       { SLICE_INIT("revindex"), get_revindex },
        { SLICE_INIT("revindex0"), get_revindex0 }, { SLICE_INIT("previtem"), get_previtem },
        { SLICE_INIT("nextitem"), get_nextitem },   { SLICE_INIT("depth"), get_depth },
        { SLICE_INIT("depth0"), get_depth0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(attributes); i++)
        if (slice_eq(attributes[i].name, name))
            return attributes[i].get(run, self->object);
    return NULL;
}
