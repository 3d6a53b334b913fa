/*
 * A directive: one row says the key, the type, where the value goes, its default and the words for
 * people. The parser, `sluice check`, `schema` and `reference` are all made from the rows.
 *
 * A module describes its part of the file:
 *
 *     struct admin_conf { char *address; };
 *     static const struct directive admin_rows[] = {
 *         DIRECTIVE_TEXT(struct admin_conf, address, NULL, "Where /metrics is served."),
 *     };
 *     const struct directive_set admin_set = {
 *         .key = "admin", .shape = DIRECTIVE_OBJECT, .help = "...", .rows = admin_rows,
 *         .count = ARRAY_LEN(admin_rows), .size = sizeof(struct admin_conf) };
 *
 * gateway/control.c lists all sets in one array; conf knows none by name. A module reaches its
 * part by conf_section(conf, &admin_set). Values are parsed here and nowhere else: numbers, parts
 * ("0.2", "20%"), sizes ("64 KB" = 64000, "1MiB" = 1048576), durations ("500ms", "5s", "1m30s",
 * "1h", "7d"), booleans (on, off, true, false), words out of a list. Quotes never change what a
 * value means.
 */
#ifndef SLUICE_CONF_DIRECTIVE_H
#define SLUICE_CONF_DIRECTIVE_H

#include "gateway/base/buf.h"

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
    size_t offset;            /* of the field in the set's struct */
    const char *default_text; /* as a user would write it; NULL: none (texts: NULL, numbers: 0) */
    bool required;
    bool implied;    /* OBJECT: when left out it is there all the same, with its defaults */
    double min, max; /* of numbers, sizes (bytes), durations (ms), reals; max below min or both 0:
                        no upper bound */
    const char *const *words;        /* DIRECTIVE_TYPE_WORD: NULL-terminated */
    const struct directive_set *set; /* OBJECT, LIST */
    const char *format; /* for the schema and checks, of texts: a row of conf/format.c ("address",
                           "url", "header", "path", "name", "pattern"); NULL */
    const char *help;   /* one or two sentences */
};

static inline bool directive_has_upper_bound(const struct directive *row)
{
    return row->max > row->min || (row->max == row->min && row->max != 0);
}

/* The tables' rows. S: the set's struct, F: the field, which is also the key. */
#define DIRECTIVE_TEXT(S, F, def, words_)                                                          \
    {                                                                                              \
        .key = #F, .type = DIRECTIVE_TYPE_TEXT, .offset = offsetof(S, F), .default_text = def,     \
        .help = words_                                                                             \
    }
#define DIRECTIVE_BOOL(S, F, def, words_)                                                          \
    {                                                                                              \
        .key = #F, .type = DIRECTIVE_TYPE_BOOL, .offset = offsetof(S, F), .default_text = def,     \
        .help = words_                                                                             \
    }
#define DIRECTIVE_NUMBER(S, F, def, lo, hi, words_)                                                \
    {                                                                                              \
        .key = #F, .type = DIRECTIVE_TYPE_NUMBER, .offset = offsetof(S, F), .default_text = def,   \
        .min = lo, .max = hi, .help = words_                                                       \
    }
#define DIRECTIVE_REAL(S, F, def, lo, hi, words_)                                                  \
    {                                                                                              \
        .key = #F, .type = DIRECTIVE_TYPE_REAL, .offset = offsetof(S, F), .default_text = def,     \
        .min = lo, .max = hi, .help = words_                                                       \
    }
#define DIRECTIVE_SIZE(S, F, def, lo, hi, words_)                                                  \
    {                                                                                              \
        .key = #F, .type = DIRECTIVE_TYPE_SIZE, .offset = offsetof(S, F), .default_text = def,     \
        .min = lo, .max = hi, .help = words_                                                       \
    }
#define DIRECTIVE_DURATION(S, F, def, lo, hi, words_)                                              \
    {                                                                                              \
        .key = #F, .type = DIRECTIVE_TYPE_DURATION, .offset = offsetof(S, F), .default_text = def, \
        .min = lo, .max = hi, .help = words_                                                       \
    }
#define DIRECTIVE_PATH(S, F, words_)                                                               \
    {                                                                                              \
        .key = #F, .type = DIRECTIVE_TYPE_PATH, .offset = offsetof(S, F), .help = words_           \
    }
#define DIRECTIVE_WORD(S, F, def, list, words_)                                                    \
    {                                                                                              \
        .key = #F, .type = DIRECTIVE_TYPE_WORD, .offset = offsetof(S, F), .default_text = def,     \
        .words = list, .help = words_                                                              \
    }
#define DIRECTIVE_TEXTS(S, F, words_)                                                              \
    {                                                                                              \
        .key = #F, .type = DIRECTIVE_TYPE_TEXTS, .offset = offsetof(S, F), .help = words_          \
    }
#define DIRECTIVE_SUB(S, F, set_, words_)                                                          \
    {                                                                                              \
        .key = #F, .type = DIRECTIVE_TYPE_OBJECT, .offset = offsetof(S, F), .set = set_,           \
        .help = words_                                                                             \
    }
/* The same, and there with its defaults when it is left out. */
#define DIRECTIVE_IMPLIED(S, F, set_, words_)                                                      \
    {                                                                                              \
        .key = #F, .type = DIRECTIVE_TYPE_OBJECT, .offset = offsetof(S, F), .implied = true,       \
        .set = set_, .help = words_                                                                \
    }
#define DIRECTIVE_SUBS(S, F, set_, words_)                                                         \
    {                                                                                              \
        .key = #F, .type = DIRECTIVE_TYPE_LIST, .offset = offsetof(S, F), .set = set_,             \
        .help = words_                                                                             \
    }

struct conf_texts {
    char **at;
    size_t count;
};

struct conf_list {
    void *items; /* `count` structs of the set's size, one after the other */
    size_t count;
};

struct conf_checker;

enum directive_shape {
    DIRECTIVE_ROOT,   /* its keys stand at the top of the file */
    DIRECTIVE_OBJECT, /* top-level key with a mapping */
    DIRECTIVE_LIST    /* top-level key with a sequence of mappings */
};

struct directive_set {
    const char *key; /* top-level key; NULL for ROOT; of a nested set nobody reads it: it is called
                        by its place, "pools.tls" */
    enum directive_shape shape;
    const char *help;
    const struct directive *rows;
    size_t count;
    size_t size; /* of the struct */
    /*
     * Optional: looks at what the rows cannot say (references, combinations). Called after all
     * sections are parsed and only when the rows found nothing wrong, so what is required is there
     * and every value is in its bounds. Called once an item (LIST, nested) or once; not for an
     * OBJECT that was left out. Complains through conf_complain. Two items of a list with the same
     * `name` have been refused before.
     */
    void (*check)(struct conf_checker *checker, const void *section);
};

/* What a row's type is called where people read it: "number", "duration". */
const char *directive_type_name(enum directive_type type);

/*
 * Reads one value as a user writes it. BOOL to WORD are stored into the field; TEXT, PATH and TEXTS
 * are only looked at (the text itself; an item of the list). On failure the field is untouched and
 * ret_complaint has a sentence that begins with the value: "`5 x` is no value of `idle`, which
 * takes a duration like ...".
 */
#define DIRECTIVE_COMPLAINT_SIZE 512
bool directive_read(const struct directive *row, struct slice text, void *field,
                    char ret_complaint[DIRECTIVE_COMPLAINT_SIZE]) MUST_USE;

/* Appends the value of a field, BOOL to WORD, so that directive_read reads the same again. */
void directive_print(const struct directive *row, const void *field, struct buf *out);
/* Appends one of the row's bounds, of numbers, sizes, durations and reals, in the same form. */
void directive_print_bound(const struct directive *row, double bound, struct buf *out);
/* Whether two fields, BOOL to WORD, have the same value. */
bool directive_same(const struct directive *row, const void *a, const void *b);

#endif
