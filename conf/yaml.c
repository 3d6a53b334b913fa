/*
 * libfyaml's events to nodes, on an explicit stack.
 *
 * libfyaml takes a byte that is no UTF-8 for the end of the file, so the text is looked through
 * first.
 */
#include "conf/yaml.h"

#include "gateway/base/utf8.h"

#include <libfyaml.h>
#include <stdlib.h>

/* A collection that is not closed yet. */
struct frame {
    struct yaml_node *node;
    struct yaml_item **tail;
    struct yaml_node *key; /* waits for its value */
    struct slice anchor;   /* `at` NULL: none */
};

/* What a star that was no alias means most often. */
#define QUOTE_STARS "; a text that begins with * is written in quotes: \"*\""

struct anchor {
    struct slice name;
    struct yaml_node *node;
    struct anchor *next;
};

struct builder {
    struct arena *arena;
    struct complaints *complaints;
    struct frame frames[YAML_DEPTH_MAX];
    size_t depth;
    struct anchor *anchors;
    size_t anchor_count, node_count, document_count;
    struct conf_place last; /* of the last token that had one: an empty value has none */
    struct yaml_node *root;
};

/* Bytes of the character at the start of `s` if it may stand in a file, else 0. */
static size_t character_len(struct slice s)
{
    unsigned char first = (unsigned char)s.at[0];

    if (first < ' ' || first == 0x7f)
        return first == '\t' || first == '\n' || first == '\r' ? 1 : 0;
    return utf8_sequence(s);
}

/* Complains about the first byte that is no text. */
static bool text_is_clean(struct slice text, struct complaints *complaints)
{
    struct conf_place place = { 1, 1 };

    for (size_t at = 0; at < text.len;) {
        size_t len = character_len(slice_skip(text, at));

        if (len == 0) {
            complain(complaints, place, "byte 0x%02x is not text; the file must be UTF-8",
                     (unsigned char)text.at[at]);
            return false;
        }
        place.column++;
        if (text.at[at] == '\n')
            place = (struct conf_place){ place.line + 1, 1 };
        at += len;
    }
    return true;
}

/*
 * Bytes, and values before libfyaml sees them: in flow style it keeps all tokens until it knows
 * whether the outermost one is a key, 350 bytes for each bracket. Brackets and commas in texts
 * count too; nobody has so many.
 */
static bool text_is_bounded(struct slice text, struct complaints *complaints)
{
    size_t marks = 0;

    if (text.len > YAML_BYTES_MAX) {
        complain(complaints, (struct conf_place){ 0, 0 }, "larger than %u MiB",
                 YAML_BYTES_MAX >> 20);
        return false;
    }
    for (size_t i = 0; i < text.len; i++)
        marks += text.at[i] == '[' || text.at[i] == '{' || text.at[i] == ',';
    if (marks > YAML_NODES_MAX)
        complain(complaints, (struct conf_place){ 0, 0 }, "more than %u values", YAML_NODES_MAX);
    return marks <= YAML_NODES_MAX;
}

/* Where a line's first value or key begins: behind its indentation and the dashes of lists. */
static size_t line_content(struct slice text, size_t at)
{
    while (at < text.len && (text.at[at] == ' ' || text.at[at] == '\t' || text.at[at] == '-'))
        at++;
    return at;
}

static bool is_key_mark(struct slice text, size_t at)
{
    return at < text.len && text.at[at] == '?' &&
           (at + 1 == text.len || memchr(" \t\r\n", text.at[at + 1], 4));
}

/*
 * Keys marked with `?` may be lists and mappings, which no key here is; and libfyaml 0.7.12 reads
 * through a null pointer (fy_indent_vacuum_internal) at a second mark with tabs around it.
 */
static bool keys_are_plain(struct slice text, struct complaints *complaints)
{
    unsigned line = 1;

    for (size_t at = 0, begin = 0; begin < text.len; line++) {
        at = line_content(text, begin);
        if (is_key_mark(text, at)) {
            complain(complaints, (struct conf_place){ line, (unsigned)(at - begin) + 1 },
                     "a key is written without `?`");
            return false;
        }
        begin = at + slice_find(slice_skip(text, at), '\n') + 1;
    }
    return true;
}

static struct slice token_text(struct builder *b, struct fy_token *token)
{
    size_t len = 0;
    const char *text = token ? fy_token_get_text(token, &len) : NULL;

    return slice_of(arena_str(b->arena, slice_of(text, text ? len : 0)), text ? len : 0);
}

/* libfyaml's marks of quoted texts and aliases are one behind the quote or star. */
static bool mark_is_inside(struct fy_token *token)
{
    enum fy_scalar_style style;

    if (fy_token_get_type(token) == FYTT_ALIAS)
        return true;
    if (fy_token_get_type(token) != FYTT_SCALAR)
        return false;
    style = fy_token_scalar_style(token);
    return style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;
}

static struct conf_place token_place(struct builder *b, struct fy_token *token)
{
    const struct fy_mark *mark = token ? fy_token_start_mark(token) : NULL;

    if (mark)
        b->last = (struct conf_place){ mark->line + 1, mark->column + !mark_is_inside(token) };
    return b->last;
}

static struct yaml_node *node_new(struct builder *b, enum yaml_kind kind, struct fy_token *token)
{
    struct conf_place place = token_place(b, token);
    struct yaml_node *node;

    if (++b->node_count > YAML_NODES_MAX) {
        complain(b->complaints, place, "more than %u values", YAML_NODES_MAX);
        return NULL;
    }
    node = arena_zalloc(b->arena, sizeof(*node));
    node->kind = kind;
    node->place = place;
    node->weight = 1;
    return node;
}

static bool item_add(struct builder *b, struct frame *frame, struct yaml_node *key,
                     struct yaml_node *value)
{
    struct yaml_item *item = arena_zalloc(b->arena, sizeof(*item));

    item->key = key;
    item->value = value;
    *frame->tail = item;
    frame->tail = &item->next;
    frame->node->count++;
    frame->node->weight += value->weight;
    if (frame->node->weight <= YAML_NODES_MAX)
        return true;
    complain(b->complaints, b->last, "more than %u values with its aliases written out",
             YAML_NODES_MAX);
    return false;
}

/* Puts a complete node where it belongs: a key, a value, an item, the root. */
static bool node_place(struct builder *b, struct yaml_node *node)
{
    struct frame *frame;
    struct yaml_node *key;

    if (b->depth == 0) {
        b->root = node;
        return true;
    }
    frame = &b->frames[b->depth - 1];
    if (frame->node->kind == YAML_SEQUENCE)
        return item_add(b, frame, NULL, node);
    if (frame->key) {
        key = frame->key;
        frame->key = NULL;
        return item_add(b, frame, key, node);
    }
    if (node->kind != YAML_SCALAR) {
        complain(b->complaints, node->place, "a key must be a text, not a list or mapping");
        return false;
    }
    frame->key = node;
    return true;
}

static bool anchor_add(struct builder *b, struct slice name, struct yaml_node *node)
{
    struct anchor *anchor;

    if (!name.at)
        return true;
    if (++b->anchor_count > YAML_ANCHORS_MAX) {
        complain(b->complaints, node->place, "more than %u anchors", YAML_ANCHORS_MAX);
        return false;
    }
    anchor = arena_zalloc(b->arena, sizeof(*anchor));
    *anchor = (struct anchor){ .name = name, .node = node, .next = b->anchors };
    b->anchors = anchor;
    return true;
}

static bool tag_refused(struct builder *b, struct fy_token *tag)
{
    if (tag)
        complain(b->complaints, token_place(b, tag), "tags are not understood; leave it out");
    return tag != NULL;
}

static bool on_scalar(struct builder *b, const struct fy_event_scalar_data *event)
{
    struct yaml_node *node = node_new(b, YAML_SCALAR, event->value);
    struct slice anchor = event->anchor ? token_text(b, event->anchor) : slice_of(NULL, 0);

    if (!node || tag_refused(b, event->tag))
        return false;
    node->text = token_text(b, event->value);
    if (slice_find(node->text, '\0') < node->text.len) {
        complain(b->complaints, node->place, "a text may not hold a zero byte");
        return false;
    }
    node->is_null = (!event->value || fy_token_scalar_style(event->value) == FYSS_PLAIN) &&
                    (node->text.len == 0 || slice_eq(node->text, SLICE("~")) ||
                     slice_eq(node->text, SLICE("null")));
    return anchor_add(b, anchor, node) && node_place(b, node);
}

static bool on_open(struct builder *b, enum yaml_kind kind, struct fy_token *start,
                    struct fy_token *anchor, struct fy_token *tag)
{
    struct yaml_node *node = node_new(b, kind, start);

    if (!node || tag_refused(b, tag))
        return false;
    if (b->depth == YAML_DEPTH_MAX) {
        complain(b->complaints, node->place, "nested deeper than %u levels", YAML_DEPTH_MAX);
        return false;
    }
    b->frames[b->depth++] = (struct frame){
        .node = node,
        .tail = &node->first,
        .anchor = anchor ? token_text(b, anchor) : slice_of(NULL, 0),
    };
    return true;
}

static bool on_close(struct builder *b)
{
    struct frame frame = b->frames[--b->depth];

    return anchor_add(b, frame.anchor, frame.node) && node_place(b, frame.node);
}

/* An anchor counts from its node's end on, so no node can hold itself. */
static bool on_alias(struct builder *b, struct fy_token *token)
{
    struct slice name = token_text(b, token);
    struct conf_place place = token_place(b, token);
    char excerpt[CONF_EXCERPT_SIZE];

    for (struct anchor *anchor = b->anchors; anchor; anchor = anchor->next)
        if (slice_eq(anchor->name, name))
            return node_place(b, anchor->node);
    conf_excerpt(name, excerpt);
    complain(b->complaints, place, "alias `*%s`: no anchor of that name ends before it" QUOTE_STARS,
             excerpt);
    return false;
}

static bool on_document(struct builder *b, struct fy_token *start)
{
    struct conf_place place = token_place(b, start);

    if (b->document_count++ == 0)
        return true;
    complain(b->complaints, place, "a second document begins; one file is one document");
    return false;
}

static bool on_event(struct builder *b, const struct fy_event *event)
{
    switch (event->type) {
    case FYET_DOCUMENT_START:
        return on_document(b, event->document_start.document_start);
    case FYET_SCALAR:
        return on_scalar(b, &event->scalar);
    case FYET_ALIAS:
        return on_alias(b, event->alias.anchor);
    case FYET_SEQUENCE_START:
        return on_open(b, YAML_SEQUENCE, event->sequence_start.sequence_start,
                       event->sequence_start.anchor, event->sequence_start.tag);
    case FYET_MAPPING_START:
        return on_open(b, YAML_MAPPING, event->mapping_start.mapping_start,
                       event->mapping_start.anchor, event->mapping_start.tag);
    case FYET_SEQUENCE_END:
    case FYET_MAPPING_END:
        return on_close(b);
    default:
        return true;
    }
}

/* The first error only: what follows it is its consequence. */
static void complain_syntax(struct builder *b, struct fy_diag *diag)
{
    void *at = NULL;
    const struct fy_diag_error *error = fy_diag_errors_iterate(diag, &at);

    if (error)
        complain(b->complaints, (struct conf_place){ error->line, error->column }, "%s%s",
                 error->msg, strstr(error->msg, "alias") ? QUOTE_STARS : "");
    else
        complain(b->complaints, b->last, "not YAML");
}

static bool parse_events(struct builder *b, struct fy_parser *parser, struct fy_diag *diag)
{
    struct fy_event *event;

    while ((event = fy_parser_parse(parser))) {
        bool good = on_event(b, event);

        fy_parser_event_free(parser, event);
        if (!good)
            return false;
    }
    if (!fy_parser_get_stream_error(parser))
        return true;
    complain_syntax(b, diag);
    return false;
}

static bool build(struct builder *b, struct slice text)
{
    struct fy_diag_cfg diag_settings;
    struct fy_parse_cfg settings = { .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG |
                                              FYPCF_SLOPPY_FLOW_INDENTATION };
    struct fy_parser *parser;
    bool good;

    fy_diag_cfg_default(&diag_settings);
    diag_settings.fp = NULL;
    settings.diag = fy_diag_create(&diag_settings);
    CHECK(settings.diag);
    fy_diag_set_collect_errors(settings.diag, true);
    parser = fy_parser_create(&settings);
    CHECK(parser);
    CHECK(fy_parser_set_string(parser, text.at, text.len) == 0);
    good = parse_events(b, parser, settings.diag);
    fy_parser_destroy(parser);
    fy_diag_destroy(settings.diag);
    return good;
}

struct yaml_node *yaml_parse(struct slice text, struct arena *arena, struct complaints *complaints)
{
    struct builder b = { .arena = arena, .complaints = complaints, .last = { 1, 1 } };

    if (!text_is_bounded(text, complaints) || !text_is_clean(text, complaints) ||
        !keys_are_plain(text, complaints))
        return NULL;
    if (text.len > 0 && !build(&b, text))
        return NULL;
    if (!b.root || b.root->is_null) {
        b.root = arena_zalloc(arena, sizeof(*b.root));
        b.root->kind = YAML_MAPPING;
        b.root->place = (struct conf_place){ 1, 1 };
    }
    return b.root;
}

const struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key)
{
    if (mapping->kind == YAML_MAPPING)
        for (const struct yaml_item *item = mapping->first; item; item = item->next)
            if (slice_eq(item->key->text, slice_str(key)))
                return item->value;
    return NULL;
}
