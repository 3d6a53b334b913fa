/*
 * Opening a JSON file, packed or not: its size is bounded before it is unpacked, and how many
 * values it has before a tree is made of them, since a tree takes up to fifty times a text's bytes.
 */
#include "gateway/token/node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

/* zlib's default of 8 KB makes many small reads. */
#define ZLIB_BUFFER_BYTES (128 << 10)
#define FIRST_BYTES       ((size_t)1 << 20)

static bool fail(struct document *document, const char *what)
{
    struct node root = { .document = document };

    return node_fail(&root, "%s", what);
}

/* All of a file; zlib passes files through that are not packed. */
static bool read_all(struct document *document, gzFile file, char **ret_bytes, size_t *ret_len)
{
    size_t room = FIRST_BYTES, len = 0;
    char *bytes = xmalloc(room);
    int got, error = Z_OK;

    while ((got = gzread(file, bytes + len, (unsigned)(room - len))) > 0) {
        len += (size_t)got;
        if (len > DOCUMENT_BYTES_MAX) {
            free(bytes);
            return fail(document, "is too large");
        }
        if (len == room) {
            room *= 2;
            bytes = xrealloc(bytes, room);
        }
    }
    gzerror(file, &error);
    if (got < 0 || error != Z_OK) {
        free(bytes);
        return fail(document, "cannot be unpacked: it is corrupt or cut off");
    }
    *ret_bytes = bytes;
    *ret_len = len;
    return true;
}

static gzFile open_either(const char *folder, const char *name)
{
    static const char *const endings[] = { "", ".gz" };
    char path[4096];

    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        gzFile file;

        if (snprintf(path, sizeof(path), "%s/%s%s", folder, name, endings[i]) >= (int)sizeof(path))
            continue;
        file = gzopen(path, "rb");
        if (file)
            return file;
    }
    return NULL;
}

/* Counts values by the bytes between them, and depth; text in strings is passed over. What is no
 * JSON is left to the parser. */
static bool within_limits(struct document *document, const char *bytes, size_t len)
{
    size_t values = 1, depth = 0;

    for (size_t i = 0; i < len; i++) {
        char c = bytes[i];

        if (c == '"') {
            for (i++; i < len && bytes[i] != '"'; i++)
                i += bytes[i] == '\\';
        } else if (c == '[' || c == '{') {
            values++;
            depth++;
        } else if (c == ']' || c == '}') {
            depth -= depth > 0;
        } else if (c == ',' || c == ':') {
            values++;
        }
        if (depth > DOCUMENT_DEPTH_MAX)
            return fail(document, "is nested too deeply");
    }
    return values <= DOCUMENT_VALUES_MAX ? true : fail(document, "has too many values");
}

/* An object or a list that is open where one looks, and what of it was met last. */
struct level {
    bool list;
    size_t index;
    struct slice key; /* as written */
};

/* The string that begins at `at`, without its quotes. */
static struct slice string_at(const char *bytes, size_t at, size_t end)
{
    size_t stop = ++at;

    while (stop < end && bytes[stop] != '"')
        stop += bytes[stop] == '\\' ? 2 : 1;
    return slice_of(bytes + at, (stop < end ? stop : end) - at);
}

/* What is open before byte `end` of a text within limits; how many there are. */
static size_t open_levels(const char *bytes, size_t end, struct level *levels)
{
    struct slice string = { NULL, 0 };
    size_t depth = 0;

    for (size_t i = 0; i < end; i++) {
        char c = bytes[i];

        if (c == '"') {
            string = string_at(bytes, i, end);
            i += string.len + 1;
        } else if (c == '[' || c == '{') {
            levels[depth++] = (struct level){ .list = c == '[' };
        } else if (depth == 0) {
            continue;
        } else if (c == ']' || c == '}') {
            depth--;
        } else if (c == ',') {
            levels[depth - 1].index++;
        } else if (c == ':') {
            levels[depth - 1].key = string;
        }
    }
    return depth;
}

/* Complains of the innermost value that is open before byte `end`. */
static bool fail_inside(struct document *document, const char *bytes, size_t end, const char *what)
{
    struct level levels[DOCUMENT_DEPTH_MAX + 1];
    struct node nodes[DOCUMENT_DEPTH_MAX + 1];
    char *keys[DOCUMENT_DEPTH_MAX + 1] = { NULL };
    size_t depth = open_levels(bytes, end, levels);

    nodes[0] = (struct node){ .document = document };
    for (size_t i = 1; i < depth; i++) {
        const struct level *around = &levels[i - 1];

        keys[i] = around->list ? NULL : slice_dup(around->key);
        nodes[i] = (struct node){
            .document = document, .up = &nodes[i - 1], .key = keys[i], .index = around->index
        };
    }
    node_fail(&nodes[depth > 0 ? depth - 1 : 0], "%s", what);
    for (size_t i = 1; i < depth; i++)
        free(keys[i]);
    return false;
}

/* What is JSON but more than jansson takes has a path; what is none has a line. */
static bool refuse(struct document *document, const char *bytes, const json_error_t *error)
{
    struct node root = { .document = document };

    if (json_error_code(error) == json_error_null_byte_in_key)
        return fail_inside(document, bytes, (size_t)error->position,
                           "has a key with U+0000, which is not supported");
    if (json_error_code(error) == json_error_duplicate_key)
        return fail_inside(document, bytes, (size_t)error->position, "has a key twice");
    return node_fail(&root, "line %d, column %d: %s", error->line, error->column, error->text);
}

/* Whole numbers beyond 64 bits are JSON (model_max_length is 10^30 in many files): then all numbers
 * are read as real ones, and a token id that is one is refused where it is used. */
static bool parse(struct document *document, const char *bytes, size_t len)
{
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
    json_error_t error;
    struct node root = { .document = document };

    document->root = json_loadb(bytes, len, flags, &error);
    if (!document->root && json_error_code(&error) == json_error_numeric_overflow)
        document->root = json_loadb(bytes, len, flags | JSON_DECODE_INT_AS_REAL, &error);
    if (!document->root)
        return refuse(document, bytes, &error);
    root.value = document->root;
    return node_is_object(&root);
}

bool document_parse(struct document *document, const char *name, struct slice text,
                    struct buf *errors)
{
    *document = (struct document){ .name = name, .errors = errors, .text = text };
    if (within_limits(document, text.at, text.len) && parse(document, text.at, text.len))
        return true;
    document_close(document);
    return false;
}

bool document_read(const char *folder, const char *name, struct buf *errors, bool *ret_missing,
                   struct slice *ret_text)
{
    struct document document = { .name = name, .errors = errors };
    gzFile file = open_either(folder, name);
    char *bytes = NULL;
    size_t len = 0;
    bool good;

    *ret_missing = !file;
    if (!file)
        return false;
    gzbuffer(file, ZLIB_BUFFER_BYTES);
    good = read_all(&document, file, &bytes, &len);
    gzclose(file);
    if (good)
        *ret_text = slice_of(bytes, len);
    return good;
}

void document_close(struct document *document)
{
    json_decref(document->root);
    document->root = NULL;
}
