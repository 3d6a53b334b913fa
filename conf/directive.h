/*
 * A directive: one row says the key, the type, where the value goes, its default and the words for
 * people. The parser, `sluice check`, `schema` and `reference` are all made from the rows.
 *
 * A module describes its part of the file:
 *
 *     struct admin_conf { char *address; };
 *     static const struct directive admin_rows[] = {
 *         DIRECTIVE_TEXT(struct admin_conf, address, NULL, "Where /metrics and the like are served."),
 *     };
 *     const struct directive_set admin_set = {
 *         .key = "admin", .shape = DIRECTIVE_OBJECT, .help = "...", .rows = admin_rows,
 *         .count = ARRAY_LEN(admin_rows), .size = sizeof(struct admin_conf) };
 *
 * main.c lists all sets in one array; conf knows none by name. A module reaches its part by
 * conf_section(conf, &admin_set). Values are parsed here and nowhere else: numbers, sizes ("64 KB",
 * "1MiB"), durations ("500ms", "5s", "2m", "1h"), booleans (on, off, true, false), words out of a list.
 */
#ifndef SLUICE_CONF_DIRECTIVE_H
#define SLUICE_CONF_DIRECTIVE_H

#include "gateway/base/slice.h"

enum directive_type {
    DIRECTIVE_TYPE_TEXT,     /* char * */
    DIRECTIVE_TYPE_PATH,     /* char *; relative to the file's folder, made absolute */
    DIRECTIVE_TYPE_BOOL,     /* bool */
    DIRECTIVE_TYPE_NUMBER,   /* uint64_t, bounds min..max */
    DIRECTIVE_TYPE_REAL,     /* double, bounds min..max */
    DIRECTIVE_TYPE_SIZE,     /* uint64_t bytes */
    DIRECTIVE_TYPE_DURATION, /* uint64_t milliseconds */
    DIRECTIVE_TYPE_WORD,     /* int: index into words */
    DIRECTIVE_TYPE_TEXTS,    /* struct conf_texts: a list of texts (one text is a list of one) */
    DIRECTIVE_TYPE_OBJECT,   /* pointer to a struct of `set`, NULL when left out */
    DIRECTIVE_TYPE_LIST,     /* struct conf_list of structs of `set` */
};

struct directive_set;

struct directive {
    const char *key;
    enum directive_type type;
    size_t offset;             /* of the field in the set's struct */
    const char *default_text;  /* as a user would write it; NULL: none (texts: NULL, numbers: 0) */
    bool required;
    double min, max;           /* of numbers, sizes (bytes), durations (ms); both 0: unbounded */
    const char *const *words;  /* DIRECTIVE_TYPE_WORD: NULL-terminated */
    const struct directive_set *set; /* OBJECT, LIST */
    const char *format;        /* for the schema and checks: "address", "url", "header", "name"; NULL */
    const char *help;          /* one or two sentences */
};

/* The tables' rows. S: the set's struct, F: the field, which is also the key. */
#define DIRECTIVE_TEXT(S, F, def, words_) { .key = #F, .type = DIRECTIVE_TYPE_TEXT, .offset = offsetof(S, F), .default_text = def, .help = words_ }
#define DIRECTIVE_BOOL(S, F, def, words_) { .key = #F, .type = DIRECTIVE_TYPE_BOOL, .offset = offsetof(S, F), .default_text = def, .help = words_ }
#define DIRECTIVE_NUMBER(S, F, def, lo, hi, words_) { .key = #F, .type = DIRECTIVE_TYPE_NUMBER, .offset = offsetof(S, F), .default_text = def, .min = lo, .max = hi, .help = words_ }
#define DIRECTIVE_REAL(S, F, def, lo, hi, words_) { .key = #F, .type = DIRECTIVE_TYPE_REAL, .offset = offsetof(S, F), .default_text = def, .min = lo, .max = hi, .help = words_ }
#define DIRECTIVE_SIZE(S, F, def, lo, hi, words_) { .key = #F, .type = DIRECTIVE_TYPE_SIZE, .offset = offsetof(S, F), .default_text = def, .min = lo, .max = hi, .help = words_ }
#define DIRECTIVE_DURATION(S, F, def, lo, hi, words_) { .key = #F, .type = DIRECTIVE_TYPE_DURATION, .offset = offsetof(S, F), .default_text = def, .min = lo, .max = hi, .help = words_ }
#define DIRECTIVE_PATH(S, F, words_) { .key = #F, .type = DIRECTIVE_TYPE_PATH, .offset = offsetof(S, F), .help = words_ }
#define DIRECTIVE_WORD(S, F, def, list, words_) { .key = #F, .type = DIRECTIVE_TYPE_WORD, .offset = offsetof(S, F), .default_text = def, .words = list, .help = words_ }
#define DIRECTIVE_TEXTS(S, F, words_) { .key = #F, .type = DIRECTIVE_TYPE_TEXTS, .offset = offsetof(S, F), .help = words_ }
#define DIRECTIVE_SUB(S, F, set_, words_) { .key = #F, .type = DIRECTIVE_TYPE_OBJECT, .offset = offsetof(S, F), .set = set_, .help = words_ }
#define DIRECTIVE_SUBS(S, F, set_, words_) { .key = #F, .type = DIRECTIVE_TYPE_LIST, .offset = offsetof(S, F), .set = set_, .help = words_ }

struct conf_texts {
    char **at;
    size_t count;
};

struct conf_list {
    void *items; /* `count` structs of the set's size, one after the other */
    size_t count;
};

/* Where a value stood, for complaints. A field `struct conf_place place` of that name is not needed: ask conf_complain with the struct's and field's address. */

struct conf_checker;

enum directive_shape {
    DIRECTIVE_ROOT,   /* its keys stand at the top of the file */
    DIRECTIVE_OBJECT, /* top-level key with a mapping */
    DIRECTIVE_LIST    /* top-level key with a sequence of mappings */
};

struct directive_set {
    const char *key; /* top-level key; NULL for ROOT; for nested sets: a name for the reference ("endpoint TLS") */
    enum directive_shape shape;
    const char *help;
    const struct directive *rows;
    size_t count;
    size_t size; /* of the struct */
    /*
     * Optional: looks at what the rows cannot say (references, combinations), after all sections are parsed.
     * Called once an item (LIST, nested) or once. Complains through conf_complain.
     */
    void (*check)(struct conf_checker *checker, const void *section);
};

#endif
