/*
 * Scopes. Each scope is gone through twice: first all names that its own statements read or store
 * are noted (`note_...`), then every name gets its place and the scopes inside follow
 * (`place_...`).
 *
 * Jinja2's rules, as they show:
 * - A name that is read first is looked up around the scope, at last in the context.
 * - A name that is stored becomes the scope's own; it begins with the value around it, and if there
 * is none, as undefined, unless only some branches of an if store it: then the context is asked.
 * - Scopes begin anew each time they are entered; a loop's body at each turn.
 */
#include "gateway/prompt/template_scope.h"

#include "gateway/prompt/template_lex.h"

#include <stdio.h>

/* More names than any scope has; looking one up is a walk. */
#define NAMES_MAX 1024

struct ref {
    const struct value *name;
    struct load load;
    bool stored;
    uint8_t branches; /* of the if at hand: how many stored it */
};

/* The frame that scopes share. */
struct frame_layout {
    struct frame_layout *parent;
    uint32_t slots;
};

struct symbols {
    struct symbols *parent;
    struct frame_layout *frame;
    struct ref *refs;
    uint32_t count, room;
    uint32_t *journal; /* refs in the order in which they were first stored */
    uint32_t journal_count, journal_room;
};

struct scoper {
    struct arena *arena;
    struct buf *errors;
    uint32_t resolved; /* loads that ask the context, so far */
    bool failed;
    bool soft; /* directly inside an if: unknown filters may stand here */
};

static void fail(struct scoper *scoper, const struct node *node, const char *what,
                 struct slice name)
{
    if (!scoper->failed)
        buf_printf(scoper->errors, "line %u: %s%s%.*s\n", node->line, what, name.len ? " " : "",
                   SLICE_ARGS(name));
    scoper->failed = true;
}

static struct ref *own_ref(const struct symbols *symbols, const struct value *name)
{
    for (uint32_t i = 0; i < symbols->count; i++)
        if (slice_eq(value_slice(symbols->refs[i].name), value_slice(name)))
            return &symbols->refs[i];
    return NULL;
}

/* The ref that a name means, and how many frames further out it is. */
static struct ref *find_ref(const struct symbols *symbols, const struct value *name,
                            uint16_t *ret_hops)
{
    uint16_t hops = 0;

    for (; symbols; symbols = symbols->parent) {
        struct ref *ref = own_ref(symbols, name);

        if (ref) {
            *ret_hops = hops;
            return ref;
        }
        hops += symbols->parent && symbols->parent->frame != symbols->frame;
    }
    return NULL;
}

/* NULL after telling that the template is too large. */
static void *alloc(struct scoper *scoper, const struct node *at, size_t size)
{
    void *room = arena_try_alloc(scoper->arena, size);

    if (!room)
        fail(scoper, at, TEMPLATE_TOO_LARGE, SLICE(""));
    return room;
}

/* Doubles an array of the compiler's arena when it is full; NULL after an error. */
static void *room_for_one(struct scoper *scoper, const struct node *at, void *items, uint32_t count,
                          uint32_t *room, size_t size)
{
    uint32_t doubled = *room ? *room * 2 : 8;
    void *more;

    if (count < *room)
        return items;
    more = alloc(scoper, at, doubled * size);
    if (!more)
        return NULL;
    if (count)
        memcpy(more, items, count * size);
    *room = doubled;
    return more;
}

/* NULL after an error. */
static struct ref *define(struct scoper *scoper, struct symbols *symbols, const struct node *at,
                          const struct value *name, enum load_kind kind)
{
    struct ref *refs, *ref;

    if (symbols->count == NAMES_MAX) {
        fail(scoper, at, "more names than a scope may have", SLICE(""));
        return NULL;
    }
    refs = room_for_one(scoper, at, symbols->refs, symbols->count, &symbols->room, sizeof(*ref));
    if (!refs)
        return NULL;
    symbols->refs = refs;
    ref = &symbols->refs[symbols->count++];
    *ref = (struct ref){
        .name = name,
        .load = { .kind = (uint8_t)kind, .slot = symbols->frame->slots++, .name = name }
    };
    return ref;
}

/* What a variable that is stored begins with: the one around it, or else `otherwise`. */
static void begin_with_outer(const struct symbols *symbols, struct ref *ref,
                             enum load_kind otherwise)
{
    uint16_t hops;
    const struct ref *outer = symbols->parent ? find_ref(symbols->parent, ref->name, &hops) : NULL;

    ref->load.kind = (uint8_t)otherwise;
    if (!outer)
        return;
    ref->load.kind = LOAD_ALIAS;
    ref->load.from = outer->load.slot;
    ref->load.hops = (uint16_t)(hops + (symbols->parent->frame != symbols->frame));
}

static void note_load(struct scoper *scoper, struct symbols *symbols, const struct node *name)
{
    uint16_t hops;

    if (!find_ref(symbols, name->constant, &hops))
        define(scoper, symbols, name, name->constant, LOAD_RESOLVE);
}

static void note_store(struct scoper *scoper, struct symbols *symbols, const struct node *at,
                       const struct value *name)
{
    struct ref *ref = own_ref(symbols, name);
    uint32_t *journal;

    if (!ref) {
        ref = define(scoper, symbols, at, name, LOAD_UNDEFINED);
        if (!ref)
            return;
        begin_with_outer(symbols, ref, LOAD_UNDEFINED);
    }
    if (ref->stored)
        return;
    journal = room_for_one(scoper, at, symbols->journal, symbols->journal_count,
                           &symbols->journal_room, sizeof(*symbols->journal));
    if (!journal)
        return;
    ref->stored = true;
    symbols->journal = journal;
    symbols->journal[symbols->journal_count++] = (uint32_t)(ref - symbols->refs);
}

static void note_parameter(struct scoper *scoper, struct symbols *symbols, const struct node *at,
                           const struct value *name, uint32_t *ret_slot)
{
    struct ref *ref = own_ref(symbols, name);

    if (!ref)
        ref = define(scoper, symbols, at, name, LOAD_PARAMETER);
    if (!ref)
        return;
    ref->load.kind = LOAD_PARAMETER;
    ref->stored = true;
    if (ret_slot)
        *ret_slot = ref->load.slot;
}

/* Names, tuples of names, and name.attribute, which reads its name. */
static void note_target(struct scoper *scoper, struct symbols *symbols, const struct node *target,
                        bool parameter)
{
    if (target->kind == NODE_MEMBER)
        note_load(scoper, symbols, target->kids[0]);
    else if (target->kind == NODE_TUPLE)
        for (uint32_t i = 0; i < target->count; i++)
            note_target(scoper, symbols, target->kids[i], parameter);
    else if (parameter)
        note_parameter(scoper, symbols, target, target->constant, NULL);
    else
        note_store(scoper, symbols, target, target->constant);
}

static void note(struct scoper *scoper, struct symbols *symbols, const struct node *node);

/* Forgets that names behind `start` of the journal are stored: the next branch knows nothing of
 * this one. */
static void end_branch(struct symbols *symbols, uint32_t start)
{
    for (uint32_t i = start; i < symbols->journal_count; i++)
        symbols->refs[symbols->journal[i]].stored = false;
}

/* Of three branches (then, elif, else): what only some store begins with what is around. Each
 * branch that stores a name has put it into the journal once. */
static void end_branches(struct symbols *symbols, uint32_t start)
{
    uint32_t kept = start;

    for (uint32_t i = start; i < symbols->journal_count; i++)
        symbols->refs[symbols->journal[i]].branches = 0;
    for (uint32_t i = start; i < symbols->journal_count; i++)
        symbols->refs[symbols->journal[i]].branches++;
    for (uint32_t i = start; i < symbols->journal_count; i++) {
        struct ref *ref = &symbols->refs[symbols->journal[i]];

        if (ref->stored)
            continue;
        if (ref->branches != 3)
            begin_with_outer(symbols, ref, LOAD_RESOLVE);
        ref->stored = true;
        symbols->journal[kept++] = symbols->journal[i];
    }
    symbols->journal_count = kept;
}

/* An if without its elifs and with `otherwise`, which may be NULL. */
static void note_branches(struct scoper *scoper, struct symbols *symbols, const struct node *node,
                          uint32_t first, uint32_t elifs_end, const struct node *otherwise)
{
    uint32_t start, branch;

    note(scoper, symbols, node->kids[first]);
    start = branch = symbols->journal_count;
    note(scoper, symbols, node->kids[first + 1]);
    end_branch(symbols, branch);
    branch = symbols->journal_count;
    for (uint32_t i = first + 2; i + 1 < elifs_end; i += 2)
        note_branches(scoper, symbols, node, i, 0, NULL);
    end_branch(symbols, branch);
    branch = symbols->journal_count;
    if (otherwise)
        note(scoper, symbols, otherwise);
    end_branch(symbols, branch);
    end_branches(symbols, start);
}

static void note_if(struct scoper *scoper, struct symbols *symbols, const struct node *node)
{
    bool has_else = node->count % 2;

    note_branches(scoper, symbols, node, 0, node->count,
                  has_else ? node->kids[node->count - 1] : NULL);
}

static void note_kids(struct scoper *scoper, struct symbols *symbols, const struct node *node)
{
    for (uint32_t i = 0; i < node->count; i++)
        if (node->kids[i])
            note(scoper, symbols, node->kids[i]);
}

/* What a node reads and stores in the scope that it stands in; scopes inside are their own. */
static void note(struct scoper *scoper, struct symbols *symbols, const struct node *node)
{
    if (scoper->failed)
        return;
    switch ((enum node_kind)node->kind) {
    case NODE_NAME:
        note_load(scoper, symbols, node);
        break;
    case NODE_IF:
        note_if(scoper, symbols, node);
        break;
    case NODE_MACRO:
        note_store(scoper, symbols, node, node->constant);
        break;
    case NODE_SET:
        note(scoper, symbols, node->kids[1]);
        note_target(scoper, symbols, node->kids[0], false);
        break;
    case NODE_SET_BLOCK:
        note_target(scoper, symbols, node->kids[0], false);
        break;
    case NODE_FOR:
        note(scoper, symbols, node->kids[1]);
        break;
    case NODE_CALL_BLOCK:
        note(scoper, symbols, node->kids[0]);
        break;
    case NODE_FILTER_BLOCK:
        note(scoper, symbols, node->kids[1]);
        break;
    case NODE_WITH:
        note_kids(scoper, symbols, node->kids[1]);
        break;
    case NODE_GENERATION:
        break;
    default:
        note_kids(scoper, symbols, node);
    }
}

static void place(struct scoper *scoper, struct symbols *symbols, struct node *node);

static void place_kids(struct scoper *scoper, struct symbols *symbols, struct node *node)
{
    for (uint32_t i = 0; i < node->count; i++)
        if (node->kids[i])
            place(scoper, symbols, node->kids[i]);
}

static void place_name(struct symbols *symbols, struct node *node)
{
    const struct ref *ref = find_ref(symbols, node->constant, &node->hops);

    CHECK(ref);
    node->slot = ref->load.slot;
}

static struct load finish_load(struct scoper *scoper, struct load load)
{
    if (load.kind == LOAD_RESOLVE) {
        load.from = scoper->resolved++;
        load.global = native_global(value_slice(load.name));
    }
    return load;
}

/* What entering the scope does, once all of it is noted. */
static void finish_scope(struct scoper *scoper, const struct symbols *symbols,
                         const struct node *at, struct scope *ret_scope)
{
    struct load *loads = alloc(scoper, at, symbols->count * sizeof(*loads));

    ret_scope->count = 0;
    if (!loads)
        return;
    for (uint32_t i = 0; i < symbols->count; i++)
        if (symbols->refs[i].load.kind != LOAD_PARAMETER)
            loads[ret_scope->count++] = finish_load(scoper, symbols->refs[i].load);
    ret_scope->loads = loads;
}

/* Is the name read anywhere below? */
static bool reads(const struct node *node, struct slice name)
{
    if (node->kind == NODE_NAME)
        return slice_eq(value_slice(node->constant), name);
    for (uint32_t i = 0; i < node->count; i++)
        if (node->kids[i] && reads(node->kids[i], name))
            return true;
    return false;
}

static const struct value loop_name = { .kind = VALUE_TEXT, .count = 4, .text = "loop" };

static void place_for(struct scoper *scoper, struct symbols *outer, struct node *node)
{
    struct node *target = node->kids[0], *filter = node->kids[2];
    struct node *body = node->kids[3], *otherwise = node->kids[4];
    struct frame_layout own = { .parent = outer->frame };
    struct frame_layout *frame = node->op ? &own : outer->frame;
    struct symbols in_filter = { .parent = outer, .frame = frame };
    struct symbols in_body = in_filter, in_else = in_filter;
    struct slice loop = value_slice(&loop_name);

    if (reads(target, loop))
        fail(scoper, node, "cannot assign to", loop);
    place(scoper, outer, node->kids[1]);
    if (filter) {
        note_target(scoper, &in_filter, target, true);
        note(scoper, &in_filter, filter);
        place(scoper, &in_filter, node->kids[5]);
        place(scoper, &in_filter, filter);
        finish_scope(scoper, &in_filter, node, &node->block->scopes[FOR_FILTER]);
    }
    node->block->uses_loop = node->op || reads(body, loop);
    if (node->block->uses_loop)
        note_parameter(scoper, &in_body, node, &loop_name, &node->block->loop_slot);
    note_target(scoper, &in_body, target, true);
    note(scoper, &in_body, body);
    place(scoper, &in_body, target);
    place(scoper, &in_body, body);
    finish_scope(scoper, &in_body, node, &node->block->scopes[FOR_BODY]);
    if (otherwise) {
        note(scoper, &in_else, otherwise);
        place(scoper, &in_else, otherwise);
        finish_scope(scoper, &in_else, node, &node->block->scopes[FOR_ELSE]);
    }
    node->block->function.slots = own.slots;
}

/* caller, varargs, kwargs: parameters of a macro that names them. */
static bool note_special(struct scoper *scoper, struct symbols *symbols, const struct node *macro,
                         const struct value *name, uint32_t *ret_slot)
{
    const struct node *parameters = macro->kids[0];

    for (uint32_t i = 0; i < parameters->count; i++)
        if (slice_eq(value_slice(parameters->kids[i]->constant), value_slice(name)))
            return false;
    if (!reads(macro->kids[2], value_slice(name)))
        return false;
    note_parameter(scoper, symbols, macro, name, ret_slot);
    return true;
}

static void place_macro(struct scoper *scoper, struct symbols *outer, struct node *node)
{
    static const struct value caller = { .kind = VALUE_TEXT, .count = 6, .text = "caller" };
    static const struct value varargs = { .kind = VALUE_TEXT, .count = 7, .text = "varargs" };
    static const struct value kwargs = { .kind = VALUE_TEXT, .count = 6, .text = "kwargs" };
    struct frame_layout frame = { .parent = outer->frame };
    struct symbols symbols = { .parent = outer, .frame = &frame };
    struct block *block = node->block;

    for (uint32_t i = 0; i < node->kids[0]->count; i++)
        note_target(scoper, &symbols, node->kids[0]->kids[i], true);
    note_kids(scoper, &symbols, node->kids[1]);
    note(scoper, &symbols, node->kids[2]);
    block->uses_caller = note_special(scoper, &symbols, node, &caller, &block->caller_slot);
    block->uses_varargs = note_special(scoper, &symbols, node, &varargs, &block->varargs_slot);
    block->uses_kwargs = note_special(scoper, &symbols, node, &kwargs, &block->kwargs_slot);
    if (scoper->failed)
        return;
    for (int i = 0; i < 3; i++)
        place(scoper, &symbols, node->kids[i]);
    finish_scope(scoper, &symbols, node, &block->scopes[0]);
    block->function.slots = frame.slots;
}

/* A scope of kids `first` and, if there is one, `second`, both noted and placed in it. */
static void place_scope(struct scoper *scoper, struct symbols *symbols, struct node *node,
                        struct node *first, struct node *second)
{
    note(scoper, symbols, first);
    if (second)
        note(scoper, symbols, second);
    if (scoper->failed)
        return;
    place(scoper, symbols, first);
    if (second)
        place(scoper, symbols, second);
    finish_scope(scoper, symbols, node, &node->block->scopes[0]);
}

static void place_with(struct scoper *scoper, struct symbols *outer, struct node *node)
{
    struct symbols symbols = { .parent = outer, .frame = outer->frame };

    place(scoper, outer, node->kids[1]);
    for (uint32_t i = 0; i < node->kids[0]->count; i++)
        note_target(scoper, &symbols, node->kids[0]->kids[i], true);
    place_scope(scoper, &symbols, node, node->kids[2], NULL);
    if (!scoper->failed)
        place_kids(scoper, &symbols, node->kids[0]);
}

/* Statements with scopes of their own. */
static void place_block(struct scoper *scoper, struct symbols *outer, struct node *node)
{
    struct symbols symbols = { .parent = outer, .frame = outer->frame };
    uint16_t hops;

    switch ((enum node_kind)node->kind) {
    case NODE_FOR:
        place_for(scoper, outer, node);
        break;
    case NODE_MACRO:
        node->slot = own_ref(outer, node->constant)
                         ? find_ref(outer, node->constant, &hops)->load.slot
                         : UINT32_MAX; /* a caller, which has no name outside */
        place_macro(scoper, outer, node);
        break;
    case NODE_SET_BLOCK:
        place(scoper, outer, node->kids[0]);
        place_scope(scoper, &symbols, node, node->kids[1], node->kids[2]);
        break;
    case NODE_FILTER_BLOCK:
        place_scope(scoper, &symbols, node, node->kids[1], node->kids[0]);
        break;
    case NODE_WITH:
        place_with(scoper, outer, node);
        break;
    default:
        place_scope(scoper, &symbols, node, node->kids[0], NULL);
    }
}

static void fail_unknown(struct scoper *scoper, const struct node *node)
{
    char what[96];

    snprintf(what, sizeof(what), "no %s named '%.*s'", node->op == NODE_FILTER ? "filter" : "test",
             SLICE_ARGS(slice_head(value_slice(node->constant), 60)));
    fail(scoper, node, what, SLICE(""));
}

/* Gives every name below its place; all names of the scope are noted. */
static void place(struct scoper *scoper, struct symbols *symbols, struct node *node)
{
    bool soft = scoper->soft;

    if (scoper->failed)
        return;
    switch ((enum node_kind)node->kind) {
    case NODE_NAME:
        place_name(symbols, node);
        break;
    case NODE_FOR:
    case NODE_MACRO:
    case NODE_SET_BLOCK:
    case NODE_FILTER_BLOCK:
    case NODE_WITH:
    case NODE_GENERATION:
        scoper->soft = false;
        place_block(scoper, symbols, node);
        break;
    case NODE_UNKNOWN:
        if (!soft)
            fail_unknown(scoper, node);
        place_kids(scoper, symbols, node);
        break;
    default:
        scoper->soft |= node->kind == NODE_IF || node->kind == NODE_COND;
        place_kids(scoper, symbols, node);
    }
    scoper->soft = soft;
}

bool template_scope(struct template *template, struct buf *errors)
{
    struct scoper scoper = { .arena = &template->arena, .errors = errors };
    struct frame_layout frame = { 0 };
    struct symbols symbols = { .frame = &frame };

    note(&scoper, &symbols, template->root);
    if (scoper.failed)
        return false;
    place(&scoper, &symbols, template->root);
    finish_scope(&scoper, &symbols, template->root, &template->scope);
    template->function.slots = frame.slots;
    template->resolved = scoper.resolved;
    return !scoper.failed;
}
