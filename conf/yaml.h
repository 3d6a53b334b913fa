/*
 * YAML to a tree with places. libfyaml stops in yaml.c.
 *
 * One document, aliases resolved by sharing nodes, no tags, keys are texts. Everything is bounded:
 * bytes, depth, anchors, and nodes as they count with every alias written out, so a small file
 * cannot unfold into a large one. Control thread.
 */
#ifndef SLUICE_CONF_YAML_H
#define SLUICE_CONF_YAML_H

#include "conf/complaint.h"
#include "gateway/base/arena.h"

#define YAML_BYTES_MAX   (4u << 20)
#define YAML_NODES_MAX   100000u /* a fleet of 30000 endpoints */
#define YAML_DEPTH_MAX   32u     /* the deepest directive stands at 6 */
#define YAML_ANCHORS_MAX 1000u

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_item {
    struct yaml_node *key; /* a scalar; NULL in a sequence */
    struct yaml_node *value;
    struct yaml_item *next;
};

struct yaml_node {
    enum yaml_kind kind;
    bool is_null;            /* a plain scalar that is empty, `~` or `null` */
    struct conf_place place; /* of its first character */
    struct slice text;       /* of a scalar, escapes resolved; terminated */
    struct yaml_item *first;
    size_t count;    /* of items */
    uint64_t weight; /* nodes in it, itself included, with every alias written out */
};

/*
 * The root, in `arena`; an empty file is an empty mapping. NULL after a complaint.
 */
struct yaml_node *yaml_parse(struct slice text, struct arena *arena, struct complaints *complaints);

/* The value of a mapping's key; NULL when there is none. */
const struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key);

#endif
