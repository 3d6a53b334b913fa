/*
 * A value of a JSON file with the way to it, so that every complaint names its place:
 *     tokenizer.json: model.merges[17]: names a token that is not in the vocabulary
 *
 * Nodes live on the stack of who reads; they borrow jansson's values and the nodes above them. One
 * thread. The first complaint of a file is kept, later ones are dropped.
 */
#ifndef SLUICE_TOKEN_NODE_H
#define SLUICE_TOKEN_NODE_H

#include "gateway/base/buf.h"
#include "gateway/base/slice.h"

#include <jansson.h>

/* The file that is read. */
struct document {
    const char *name; /* "tokenizer.json" */
    struct buf *errors;
    bool failed;
    struct slice text; /* borrowed */
    json_t *root;
};

struct node {
    struct document *document;
    const struct node *up; /* NULL: the root */
    const char *key;       /* in an object; NULL: in an array */
    size_t index;
    json_t *value; /* NULL: absent, or null */
};

/* Bounds of what is read. */
#define DOCUMENT_BYTES_MAX  ((size_t)192 << 20) /* unpacked; the largest known has 33 MB */
#define DOCUMENT_VALUES_MAX ((size_t)6 << 20)   /* the same has 2.1 million */
#define DOCUMENT_DEPTH_MAX  64

/* Reads FOLDER/NAME or FOLDER/NAME.gz; gives the text. False when there is none (`*ret_missing`,
 * and no complaint) or it cannot be read. */
bool document_read(const char *folder, const char *name, struct buf *errors, bool *ret_missing,
                   struct slice *ret_text) MUST_USE;
/* Makes a tree of a text. Keeps `name`, `text` and `errors`; closed by document_close if it
 * succeeds. */
bool document_parse(struct document *document, const char *name, struct slice text,
                    struct buf *errors) MUST_USE;
void document_close(struct document *document);
struct node document_root(struct document *document);

/* Complains; false always. */
bool node_fail(const struct node *node, const char *format, ...) PRINTF_LIKE(2, 3);

/* A member of an object, or an element of an array; value NULL when it is not there, or null, or
 * `node` is no object (array). */
struct node node_get(const struct node *node, const char *key);
struct node node_at(const struct node *node, size_t index);
size_t node_count(const struct node *node);

/* One step of a kind, or a list of them under `list`, whose type is Sequence, which may hold such
 * lists: `take` is called for each step with what its type is. False as soon as one fails. */
typedef bool node_step_fn(const struct node *step, struct slice type, void *user);
bool node_steps(const struct node *node, const char *list, node_step_fn *take, void *user) MUST_USE;

/* Each complains when the value is anything else; node_need when there is none. */
bool node_need(const struct node *node) MUST_USE;
bool node_is_object(const struct node *node) MUST_USE;
bool node_is_array(const struct node *node) MUST_USE;
/* Borrowed from the document. */
bool node_text(const struct node *node, struct slice *ret_text) MUST_USE;
/* With what is taken when there is none. */
bool node_bool(const struct node *node, bool otherwise, bool *ret_value) MUST_USE;
bool node_text_or(const struct node *node, struct slice otherwise, struct slice *ret_text) MUST_USE;
/* A whole number from 0 to `max`. */
bool node_number(const struct node *node, uint64_t max, uint64_t *ret_value) MUST_USE;
/* A token id: below 2^31, so that an id more and a count fit as well. */
#define TOKEN_ID_MAX 0x7fffffffu
bool node_id(const struct node *node, uint32_t *ret_id) MUST_USE;
/* Exactly one code point. */
bool node_code(const struct node *node, uint32_t *ret_code) MUST_USE;

#endif
