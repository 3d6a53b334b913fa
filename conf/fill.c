/*
 * From a YAML tree to the structs that the rows describe.
 *
 * A mapping is read into slots: a slot is a row and the field it fills. The top of the file is a
 * mapping like any other; its slots are the rows of the ROOT sets and one for each other section.
 */
#include "conf/complaint.h"
#include "conf/nearest.h"
#include "conf/sections.h"
#include "conf/sets.h"

#include <stdio.h>
#include <stdlib.h>

struct slot {
    const struct directive *row;
    void *field;
    const struct yaml_node *key; /* where it was met; NULL: not yet */
};

struct filler {
    struct conf_sections *sections;
    struct conf_places *places;
    struct complaints *complaints;
};

static void fill_object(struct filler *f, const struct directive_set *set,
                        const struct yaml_node *node, void *object);

static char *text_keep(struct filler *f, struct slice text)
{
    return arena_str(&f->sections->arena, text);
}

/* "stdout" and the like: words that a path's row lists are none. */
static bool is_word(const struct directive *row, struct slice text)
{
    for (const char *const *word = row->words; word && *word; word++)
        if (slice_eq(text, slice_str(*word)))
            return true;
    return false;
}

static char *path_keep(struct filler *f, const struct directive *row, struct slice text)
{
    char *path;

    if (text.at[0] == '/' || is_word(row, text))
        return text_keep(f, text);
    path = arena_alloc(&f->sections->arena, strlen(f->sections->folder) + text.len + 2);
    sprintf(path, "%s/%.*s", f->sections->folder, SLICE_ARGS(text));
    return path;
}

/* One value, of the file or a default. False: ret_complaint says why. */
static bool read_scalar(struct filler *f, const struct directive *row, struct slice text,
                        void *field, char ret_complaint[DIRECTIVE_COMPLAINT_SIZE])
{
    char *copy;

    if (!directive_read(row, text, field, ret_complaint))
        return false;
    if (row->type == DIRECTIVE_TYPE_TEXT || row->type == DIRECTIVE_TYPE_TEXTS)
        copy = text_keep(f, text);
    else if (row->type == DIRECTIVE_TYPE_PATH)
        copy = path_keep(f, row, text);
    else
        return true;
    memcpy(field, &copy, sizeof(copy));
    return true;
}

static void fill_scalar(struct filler *f, const struct directive *row, const struct yaml_node *node,
                        void *field)
{
    char complaint[DIRECTIVE_COMPLAINT_SIZE];

    if (node->kind != YAML_SCALAR)
        complain(f->complaints, node->place, "`%s` takes one %s, not a %s", row->key,
                 directive_type_name(row->type), node->kind == YAML_MAPPING ? "mapping" : "list");
    else if (node->is_null)
        complain(f->complaints, node->place, "`%s` has no value; leave the key out or give one",
                 row->key);
    else if (!read_scalar(f, row, node->text, field, complaint))
        complain(f->complaints, node->place, "%s", complaint);
}

static void fill_texts(struct filler *f, const struct directive *row, const struct yaml_node *node,
                       void *field)
{
    struct conf_texts *texts = field;
    size_t count = node->kind == YAML_SEQUENCE ? node->count : 1;
    char **at = arena_zalloc(&f->sections->arena, count * sizeof(char *));
    size_t i = 0;

    *texts = (struct conf_texts){ .at = at, .count = count };
    if (node->kind != YAML_SEQUENCE) {
        conf_places_add(f->places, at, 0, node->place);
        fill_scalar(f, row, node, at);
        return;
    }
    for (const struct yaml_item *item = node->first; item && !f->complaints->overfull;
         item = item->next, i++) {
        conf_places_add(f->places, &at[i], 0, item->value->place);
        fill_scalar(f, row, item->value, &at[i]);
    }
}

static void fill_sub(struct filler *f, const struct directive *row, const struct yaml_node *node,
                     void *field)
{
    void *object = arena_zalloc(&f->sections->arena, row->set->size);

    fill_object(f, row->set, node, object);
    memcpy(field, &object, sizeof(object));
}

struct named {
    const char *name;
    struct conf_place place;
};

static int by_name_and_place(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    if (order != 0)
        return order;
    order = (x->place.line > y->place.line) - (x->place.line < y->place.line);
    return order != 0 ? order
                      : (x->place.column > y->place.column) - (x->place.column < y->place.column);
}

/* Things are referred to, compared and counted by name: two of one name could not be told apart. */
static void refuse_same_names(struct filler *f, const struct directive *row,
                              const struct yaml_node *list)
{
    struct named *named;
    size_t count = 0;

    if (!conf_row(row->set, "name"))
        return;
    named = xcalloc(list->count + 1, sizeof(*named));
    for (const struct yaml_item *item = list->first; item; item = item->next) {
        const struct yaml_node *name = yaml_get(item->value, "name");

        if (name && name->kind == YAML_SCALAR)
            named[count++] = (struct named){ name->text.at, name->place };
    }
    qsort(named, count, sizeof(*named), by_name_and_place);
    for (size_t i = 1; i < count; i++)
        if (strcmp(named[i].name, named[i - 1].name) == 0) {
            char excerpt[CONF_EXCERPT_SIZE];

            conf_excerpt(slice_str(named[i].name), excerpt);
            complain(f->complaints, named[i].place, "`%s` is a name in `%s` already, at %d:%d",
                     excerpt, row->key, named[i - 1].place.line, named[i - 1].place.column);
        }
    free(named);
}

static void fill_list(struct filler *f, const struct directive *row, const struct yaml_node *node,
                      void *field)
{
    struct conf_list *list = field;
    char *object;

    if (node->kind != YAML_SEQUENCE) {
        complain(f->complaints, node->place, "`%s` takes a list of mappings%s", row->key,
                 node->kind == YAML_MAPPING ? "; begin each item with `-`" : "");
        return;
    }
    object = arena_zalloc(&f->sections->arena, node->count * row->set->size);
    *list = (struct conf_list){ .items = object, .count = node->count };
    for (const struct yaml_item *item = node->first; item && !f->complaints->overfull;
         item = item->next) {
        fill_object(f, row->set, item->value, object);
        object += row->set->size;
    }
    refuse_same_names(f, row, node);
}

static void fill_field(struct filler *f, const struct directive *row, const struct yaml_node *node,
                       void *field)
{
    conf_places_add(f->places, field, 0, node->place);
    switch (row->type) {
    case DIRECTIVE_TYPE_TEXTS:
        fill_texts(f, row, node, field);
        break;
    case DIRECTIVE_TYPE_OBJECT:
        fill_sub(f, row, node, field);
        break;
    case DIRECTIVE_TYPE_LIST:
        fill_list(f, row, node, field);
        break;
    default:
        fill_scalar(f, row, node, field);
    }
}

static void fill_default(struct filler *f, const struct directive *row, struct conf_place place,
                         void *field);

/* A mapping that nobody wrote, with the defaults of its rows; `place` is that of the one it would
 * stand in. */
static void *fill_unwritten(struct filler *f, const struct directive_set *set,
                            struct conf_place place)
{
    char *object = arena_zalloc(&f->sections->arena, set->size);

    conf_places_add(f->places, object, set->size, place);
    for (size_t i = 0; i < set->count; i++)
        fill_default(f, &set->rows[i], place, object + set->rows[i].offset);
    return object;
}

static void fill_default(struct filler *f, const struct directive *row, struct conf_place place,
                         void *field)
{
    char complaint[DIRECTIVE_COMPLAINT_SIZE];

    if (row->implied)
        *(void **)field = fill_unwritten(f, row->set, place);
    if (!row->default_text)
        return;
    if (row->type == DIRECTIVE_TYPE_TEXTS) {
        struct conf_texts *texts = field;

        *texts = (struct conf_texts){ arena_zalloc(&f->sections->arena, sizeof(char *)), 1 };
        field = texts->at;
    }
    if (!read_scalar(f, row, slice_str(row->default_text), field, complaint))
        check_failed(__FILE__, __LINE__, complaint);
}

static struct slot *slot_find(struct slot *slots, size_t count, struct slice key)
{
    for (size_t i = 0; i < count; i++)
        if (slice_eq(slice_str(slots[i].row->key), key))
            return &slots[i];
    return NULL;
}

/* Where such a key belongs, a name as conf/sets.h has them; NULL: nowhere. */
static const char *home_of(struct filler *f, struct slice key, struct conf_sets *ret_all)
{
    const struct directive_set **sets = xcalloc(f->sections->count + 1, sizeof(*sets));
    const char *home = NULL;

    for (size_t i = 0; i < f->sections->count; i++)
        sets[i] = f->sections->at[i].set;
    conf_sets_collect(ret_all, sets);
    free(sets);
    for (size_t i = 0; i < ret_all->count && !home; i++)
        for (size_t r = 0; r < ret_all->at[i].set->count && !home; r++)
            if (slice_eq(slice_str(ret_all->at[i].set->rows[r].key), key))
                home = ret_all->at[i].name;
    return home;
}

static void complain_foreign(struct filler *f, const struct yaml_node *key, const char *excerpt)
{
    struct conf_sets *all = xcalloc(1, sizeof(*all));
    const char *home = home_of(f, key->text, all);

    if (!home)
        complain(f->complaints, key->place, "unknown key `%s`", excerpt);
    else if (home[0])
        complain(f->complaints, key->place, "unknown key `%s`, which belongs into `%s`", excerpt,
                 home);
    else
        complain(f->complaints, key->place,
                 "unknown key `%s`, which belongs to the top of the file", excerpt);
    free(all);
}

static void complain_unknown(struct filler *f, const struct slot *slots, size_t count,
                             const struct yaml_node *key)
{
    const char **keys = xcalloc(count + 1, sizeof(*keys));
    char excerpt[CONF_EXCERPT_SIZE];
    const char *near;

    for (size_t i = 0; i < count; i++)
        keys[i] = slots[i].key ? NULL : slots[i].row->key;
    conf_excerpt(key->text, excerpt);
    near = nearest_word(key->text, keys, count);
    if (near)
        complain(f->complaints, key->place, "unknown key `%s`; did you mean `%s`?", excerpt, near);
    else if (slice_eq(key->text, SLICE("<<")))
        complain(f->complaints, key->place, "`<<` is not part of YAML 1.2; write the keys out");
    else
        complain_foreign(f, key, excerpt);
    free(keys);
}

/* The keys of one mapping; those left out get their defaults. */
static void fill_slots(struct filler *f, struct slot *slots, size_t count,
                       const struct yaml_node *node)
{
    for (size_t i = 0; i < count; i++)
        fill_default(f, slots[i].row, node->place, slots[i].field);
    for (const struct yaml_item *item = node->first; item && !f->complaints->overfull;
         item = item->next) {
        struct slot *slot = slot_find(slots, count, item->key->text);

        if (!slot) {
            complain_unknown(f, slots, count, item->key);
        } else if (slot->key) {
            complain(f->complaints, item->key->place, "`%s` is given twice, first at %d:%d",
                     slot->row->key, slot->key->place.line, slot->key->place.column);
        } else {
            slot->key = item->key;
            fill_field(f, slot->row, item->value, slot->field);
        }
    }
    for (size_t i = 0; i < count; i++)
        if (slots[i].row->required && !slots[i].key)
            complain(f->complaints, node->place, "`%s` is missing", slots[i].row->key);
}

static void slots_add_rows(struct slot *slots, size_t *count, const struct directive_set *set,
                           void *object)
{
    for (size_t i = 0; i < set->count; i++)
        slots[(*count)++] =
            (struct slot){ .row = &set->rows[i], .field = (char *)object + set->rows[i].offset };
}

static void fill_object(struct filler *f, const struct directive_set *set,
                        const struct yaml_node *node, void *object)
{
    struct slot *slots;
    size_t count = 0;

    conf_places_add(f->places, object, set->size, node->place);
    if (node->kind != YAML_MAPPING) {
        complain(f->complaints, node->place, "a mapping with keys such as `%s` is wanted here",
                 set->rows[0].key);
        return;
    }
    slots = xcalloc(set->count, sizeof(*slots));
    slots_add_rows(slots, &count, set, object);
    fill_slots(f, slots, count, node);
    free(slots);
}

/* The slots of the file's top; returns how many. */
static size_t top_slots(struct filler *f, struct slot *slots)
{
    size_t count = 0;

    for (size_t i = 0; i < f->sections->count; i++) {
        struct conf_section *section = &f->sections->at[i];

        if (section->set->shape == DIRECTIVE_ROOT)
            slots_add_rows(slots, &count, section->set, section->object);
        else
            slots[count++] = (struct slot){ .row = &section->top,
                                            .field = section->set->shape == DIRECTIVE_LIST
                                                         ? (void *)&section->list
                                                         : (void *)&section->object };
    }
    return count;
}

static size_t top_slot_count(const struct conf_sections *sections)
{
    size_t count = 0;

    for (size_t i = 0; i < sections->count; i++) {
        const struct directive_set *set = sections->at[i].set;

        count += set->shape == DIRECTIVE_ROOT ? set->count : 1;
    }
    return count;
}

static void note_presence(struct conf_sections *sections, const struct slot *slots, size_t count)
{
    for (size_t i = 0; i < sections->count; i++) {
        struct conf_section *section = &sections->at[i];

        section->present = section->set->shape == DIRECTIVE_ROOT;
        for (size_t k = 0; k < count; k++)
            if (slots[k].row == &section->top)
                section->present = slots[k].key != NULL;
    }
}

void conf_fill(struct conf_sections *sections, const struct yaml_node *root,
               struct conf_places *places, struct complaints *complaints)
{
    struct filler f = { .sections = sections, .places = places, .complaints = complaints };
    struct slot *slots;
    size_t count;

    if (root->kind != YAML_MAPPING) {
        complain(complaints, root->place, "the file must be a mapping of keys to values");
        return;
    }
    for (size_t i = 0; i < sections->count; i++) {
        struct conf_section *section = &sections->at[i];

        if (section->set->shape != DIRECTIVE_ROOT)
            continue;
        section->object = arena_zalloc(&sections->arena, section->set->size);
        conf_places_add(places, section->object, section->set->size, root->place);
    }
    slots = xcalloc(top_slot_count(sections) + 1, sizeof(*slots));
    count = top_slots(&f, slots);
    fill_slots(&f, slots, count, root);
    note_presence(sections, slots, count);
    free(slots);
    /* left out, a section has its defaults all the same; what it requires binds only who writes it
     */
    for (size_t i = 0; i < sections->count; i++)
        if (!sections->at[i].object && sections->at[i].set->shape == DIRECTIVE_OBJECT)
            sections->at[i].object = fill_unwritten(&f, sections->at[i].set, root->place);
}
