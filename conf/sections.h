/*
 * What conf's own files know of a configuration: its sections, as the rows describe them.
 *
 * Every set has one section, in the order of the list it was loaded with. All values lie in one
 * arena. An OBJECT or LIST section is also described by a row of its own (`top`), so that whoever
 * walks rows (fill, print, diff, schema) meets a section as one more field.
 */
#ifndef SLUICE_CONF_SECTIONS_H
#define SLUICE_CONF_SECTIONS_H

#include "conf/conf.h"
#include "conf/yaml.h"

struct conf_section {
    const struct directive_set *set;
    bool present;         /* the key is there; ROOT: always */
    struct directive top; /* OBJECT, LIST */
    void *object;         /* ROOT, OBJECT: with defaults when left out */
    struct conf_list list;
};

/* Where fields stood in the file. */
struct conf_known_place {
    const char *at; /* address of a field or struct */
    size_t size;    /* of a struct; 0: a field, met only by its own address */
    struct conf_place place;
};

struct conf_places {
    struct conf_known_place *items; /* owned */
    size_t count, room;
};

struct conf_sections {
    struct arena arena;
    struct conf_places places;
    char *folder; /* what relative paths begin at, absolute; in the arena */
    struct conf_section *at;
    size_t count;
};

/* A section's row of its own; not for ROOT. */
struct directive conf_top_row(const struct directive_set *set);
/* The field that `top` describes. */
const void *conf_section_field(const struct conf_section *section);

void conf_places_add(struct conf_places *places, const void *at, size_t size,
                     struct conf_place place);
/* Of the field itself, else of the struct that it lies in, else the start of the file. */
struct conf_place conf_places_find(const struct conf_places *places, const void *field);
void conf_places_release(struct conf_places *places);

/* Fills all sections from the tree; what is wrong with values is complained about. */
void conf_fill(struct conf_sections *sections, const struct yaml_node *root,
               struct conf_places *places, struct complaints *complaints);

/* Calls every set's check. */
void conf_check(const struct conf *conf, const struct conf_places *places,
                struct complaints *complaints);

/* Where the field of a row lies in its struct. */
static inline const void *conf_field(const struct directive *row, const void *object)
{
    return (const char *)object + row->offset;
}

/* Item `i` of a list of structs. */
static inline const void *conf_item(const struct directive *row, const struct conf_list *list,
                                    size_t i)
{
    return (const char *)list->items + i * row->set->size;
}

/* The row of a set with this key, or NULL. */
const struct directive *conf_row(const struct directive_set *set, const char *key);

#endif
