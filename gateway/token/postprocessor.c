/*
 * Loading post-processors: each is applied, at load, to a text that stands for any text.
 *
 * The reference hands a list of sequences from one processor to the next: a template makes of one
 * sequence as many as it has parts, and takes its form for pairs where it gets two. So the state is
 * such a list, of which one holds the text.
 */
#include "gateway/token/postprocessor.h"

#include <stdlib.h>

#define PARTS_MAX 64 /* of a template; the longest known has five */

/* Stands for the text in a list of ids, or for no id: none is as large. */
#define TEXT_ID UINT32_MAX

struct parts {
    struct ids list[PARTS_MAX];
    size_t count;
};

static void parts_release(struct parts *parts)
{
    for (size_t i = 0; i < parts->count; i++)
        ids_release(&parts->list[i]);
    parts->count = 0;
}

static struct ids *parts_add(struct parts *parts)
{
    struct ids *ids = &parts->list[parts->count++];

    ids_init(ids);
    return ids;
}

static void append(struct ids *ids, const struct ids *more)
{
    for (size_t i = 0; i < more->count; i++)
        ids_add(ids, more->at[i]);
}

/* `["[SEP]", 102]` */
static bool read_pair(const struct node *node, uint32_t *ret_id)
{
    struct node text = node_at(node, 0), id = node_at(node, 1);
    struct slice content;

    if (!node_is_array(node))
        return false;
    if (node_count(node) != 2)
        return node_fail(node, "must be a token and its id");
    return node_text(&text, &content) && node_id(&id, ret_id);
}

/* `ids` with an id in front, or TEXT_ID for none, and one behind. */
static void surround(struct ids *ids, uint32_t before, uint32_t after)
{
    struct ids around;

    ids_init(&around);
    if (before != TEXT_ID)
        ids_add(&around, before);
    append(&around, ids);
    ids_add(&around, after);
    ids_release(ids);
    *ids = around;
}

/* Later sequences are behind a second `sep` where they are `parted`. */
static bool apply_pairs(const struct node *node, struct parts *parts, bool parted)
{
    struct node sep = node_get(node, "sep"), cls = node_get(node, "cls");
    uint32_t sep_id, cls_id;

    if (!read_pair(&sep, &sep_id) || !read_pair(&cls, &cls_id))
        return false;
    for (size_t i = 0; i < parts->count; i++)
        surround(&parts->list[i], i == 0 ? cls_id : parted ? sep_id : TEXT_ID, sep_id);
    return true;
}

static bool apply_bert(const struct node *node, struct parts *parts)
{
    return apply_pairs(node, parts, /* parted= */ false);
}

static bool apply_roberta(const struct node *node, struct parts *parts)
{
    return apply_pairs(node, parts, /* parted= */ true);
}

static bool read_special(const struct node *node, const struct node *tokens, struct ids *ids)
{
    struct node id = node_get(node, "id"), token, list;
    struct slice name;

    if (!node_text(&id, &name))
        return false;
    token = node_get(tokens, name.at);
    if (!token.value)
        return node_fail(&id, "is not among special_tokens");
    list = node_get(&token, "ids");
    if (!node_is_array(&list))
        return false;
    for (size_t i = 0; i < node_count(&list); i++) {
        struct node element = node_at(&list, i);
        uint32_t value;

        if (!node_id(&element, &value))
            return false;
        ids_add(ids, value);
    }
    return true;
}

static bool read_sequence(const struct node *node, const struct parts *parts, struct ids *ids)
{
    struct node id = node_get(node, "id");
    struct slice name;
    size_t which;

    if (!node_text(&id, &name))
        return false;
    if (!slice_eq(name, SLICE("A")) && !slice_eq(name, SLICE("B")))
        return node_fail(&id, "is neither A nor B");
    which = name.at[0] == 'B';
    if (which >= parts->count)
        return node_fail(&id, "is B, where there is only one text");
    append(ids, &parts->list[which]);
    return true;
}

static bool apply_piece(const struct node *piece, const struct node *tokens,
                        const struct parts *parts, struct parts *made)
{
    struct node special, sequence;

    if (!node_is_object(piece))
        return false;
    special = node_get(piece, "SpecialToken");
    sequence = node_get(piece, "Sequence");
    if (special.value)
        return read_special(&special, tokens, parts_add(made));
    return node_is_object(&sequence) && read_sequence(&sequence, parts, parts_add(made));
}

static bool apply_template(const struct node *node, struct parts *parts)
{
    struct node tokens = node_get(node, "special_tokens");
    struct node form = node_get(node, parts->count == 1 ? "single" : "pair");
    struct parts made = { .count = 0 };
    bool good = true;

    if (parts->count > 2)
        return node_fail(node, "follows processors that leave it more than two sequences");
    if (!node_is_array(&form) || !node_is_object(&tokens))
        return false;
    if (node_count(&form) > PARTS_MAX)
        return node_fail(&form, "has more than %d parts", PARTS_MAX);
    for (size_t i = 0; i < node_count(&form) && good; i++) {
        struct node piece = node_at(&form, i);

        good = apply_piece(&piece, &tokens, parts, &made);
    }
    parts_release(parts);
    *parts = made;
    return good;
}

/* Says where tokens lie, which nobody asks here. */
static bool apply_nothing(const struct node *node, struct parts *parts)
{
    (void)node;
    (void)parts;
    return true;
}

static bool apply(const struct node *node, struct slice type, void *user)
{
    static const struct {
        struct slice type;
        bool (*apply)(const struct node *node, struct parts *parts);
    } types[] = {
        { SLICE_INIT("ByteLevel"), apply_nothing },
        { SLICE_INIT("BertProcessing"), apply_bert },
        { SLICE_INIT("RobertaProcessing"), apply_roberta },
        { SLICE_INIT("TemplateProcessing"), apply_template },
    };

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (slice_eq(type, types[i].type))
            return types[i].apply(node, user);
    return node_fail(node, "has type %.*s, which is not supported", SLICE_ARGS(type));
}

/* Cuts what was made at the text. */
static bool split_at_text(struct postprocessor *postprocessor, const struct node *node,
                          const struct parts *parts)
{
    size_t texts = 0;

    for (size_t i = 0; i < parts->count; i++)
        for (size_t j = 0; j < parts->list[i].count; j++) {
            uint32_t id = parts->list[i].at[j];

            if (id == TEXT_ID)
                texts++;
            else
                ids_add(texts ? &postprocessor->after : &postprocessor->before, id);
        }
    return texts == 1 || node_fail(node, "gives the text %zu times instead of once", texts);
}

bool postprocessor_load(struct postprocessor *postprocessor, const struct node *node)
{
    struct parts parts = { .count = 0 };
    bool good;

    *postprocessor = (struct postprocessor){ 0 };
    if (!node->value)
        return true;
    ids_add(parts_add(&parts), TEXT_ID);
    good =
        node_steps(node, "processors", apply, &parts) && split_at_text(postprocessor, node, &parts);
    parts_release(&parts);
    return good;
}

void postprocessor_release(struct postprocessor *postprocessor)
{
    ids_release(&postprocessor->before);
    ids_release(&postprocessor->after);
}
