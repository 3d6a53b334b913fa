/*
 * Content format detection. Like vLLM's it looks at names and shapes, not at scopes: a loop over
 * messages (or a name assigned from it) has a variable; a loop over that variable's content makes
 * the template one that takes parts.
 */
#include "gateway/prompt/template_parts.h"

/* Names followed at once; more in one template are not followed. */
#define NAMES_MAX 64

struct names {
    const struct value *names[NAMES_MAX];
    size_t count;
};

static bool has(const struct names *names, const struct value *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (slice_eq(value_slice(names->names[i]), value_slice(name)))
            return true;
    return false;
}

static void include(struct names *names, const struct value *name)
{
    if (names->count < NAMES_MAX && !has(names, name))
        names->names[names->count++] = name;
}

static bool is_content(const struct value *key)
{
    return key && key->kind == VALUE_TEXT && slice_eq(value_slice(key), SLICE("content"));
}

/* The expression without filters, tests and slices around it. */
static const struct node *peel(const struct node *node)
{
    while (node &&
           (node->kind == NODE_FILTER || node->kind == NODE_TEST || node->kind == NODE_UNKNOWN ||
            (node->kind == NODE_ITEM && node->kids[1]->kind == NODE_SLICE)))
        node = node->kids[0];
    return node;
}

static bool names_one_of(const struct node *node, const struct names *names)
{
    node = peel(node);
    return node && node->kind == NODE_NAME && has(names, node->constant);
}

/* name.content or name['content'] of one of the names. */
static bool is_content_of(const struct node *node, const struct names *names)
{
    const struct value *key = NULL;

    node = peel(node);
    if (node && node->kind == NODE_ATTR)
        key = node->constant;
    else if (node && node->kind == NODE_ITEM && node->kids[1]->kind == NODE_CONST)
        key = node->kids[1]->constant;
    return is_content(key) && node->kids[0]->kind == NODE_NAME &&
           has(names, node->kids[0]->constant);
}

typedef void visit_fn(const struct node *node, void *state);

static void visit_all(const struct node *node, visit_fn *visit, void *state)
{
    visit(node, state);
    for (uint32_t i = 0; i < node->count; i++)
        if (node->kids[i])
            visit_all(node->kids[i], visit, state);
}

/* What detection knows so far. */
struct detection {
    struct names messages, message;
    struct names content;           /* macros' parameters that are given a message's content */
    const struct node *macro_loops; /* the call at work, while macros are looked for */
    bool found;
};

static void follow_assignment(const struct node *node, void *state)
{
    struct detection *d = state;

    if (node->kind == NODE_SET && node->kids[0]->kind == NODE_NAME &&
        names_one_of(node->kids[1], &d->messages))
        include(&d->messages, node->kids[0]->constant);
}

static void follow_messages(const struct node *node, void *state)
{
    struct detection *d = state;

    if (node->kind == NODE_FOR && node->kids[0]->kind == NODE_NAME &&
        names_one_of(node->kids[1], &d->messages))
        include(&d->message, node->kids[0]->constant);
}

/* Loops in a macro over a parameter that a call fills with content. */
static void look_in_macro(const struct node *node, void *state)
{
    struct detection *d = state;

    if (node->kind == NODE_FOR && names_one_of(node->kids[1], &d->content))
        d->found = true;
}

static void match_macro(const struct node *node, void *state)
{
    struct detection *d = state;
    const struct node *call = d->macro_loops;

    if (node->kind != NODE_MACRO ||
        !slice_eq(value_slice(node->constant), value_slice(call->kids[0]->constant)))
        return;
    d->content.count = 0;
    for (uint32_t i = 0; i < call->shape->positional && i < node->kids[0]->count; i++)
        if (is_content_of(call->kids[1 + i], &d->message))
            include(&d->content, node->kids[0]->kids[i]->constant);
    for (uint32_t i = 0; i < call->shape->named; i++)
        if (is_content_of(call->kids[1 + call->shape->positional + i], &d->message))
            include(&d->content, call->shape->names[i]);
    if (d->content.count)
        visit_all(node->kids[2], look_in_macro, d);
}

struct walk {
    struct detection *detection;
    const struct node *root;
};

static void look_for_content(const struct node *node, void *state)
{
    struct walk *walk = state;
    struct detection *d = walk->detection;
    bool given = false;

    if (node->kind == NODE_FOR && is_content_of(node->kids[1], &d->message))
        d->found = true;
    if (d->found || node->kind != NODE_CALL || node->kids[0]->kind != NODE_NAME)
        return;
    for (uint32_t i = 1; i < node->count && !given; i++)
        given = is_content_of(node->kids[i], &d->message);
    if (!given)
        return;
    d->macro_loops = node;
    visit_all(walk->root, match_macro, d);
}

bool parts_taken(const struct node *root)
{
    static const struct value messages = { .kind = VALUE_TEXT, .count = 8, .text = "messages" };
    struct detection detection = { .found = false };
    struct walk walk = { &detection, root };
    size_t before;

    include(&detection.messages, &messages);
    do {
        before = detection.messages.count;
        visit_all(root, follow_assignment, &detection);
    } while (detection.messages.count > before);
    visit_all(root, follow_messages, &detection);
    visit_all(root, look_for_content, &walk);
    return detection.found;
}
