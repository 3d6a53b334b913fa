/*
 * A configuration: the file, parsed, checked and immutable; a counted snapshot.
 *
 * Made on the control thread. Every complaint names file, line, column, what is wrong and, for a
 * misspelt key or word, the nearest valid one. A file with any error gives no configuration.
 */
#ifndef SLUICE_CONF_CONF_H
#define SLUICE_CONF_CONF_H

#include "conf/directive.h"
#include "gateway/base/buf.h"
#include "gateway/base/snapshot.h"

struct conf {
    struct snapshot snapshot;
    uint64_t generation; /* set by whoever publishes it */
    char *path;
    struct conf_sections *sections;
};

/* Complaints are appended to `errors`, a line each: "sluice.yaml:12:5: unknown key `wieght`; did
 * you mean `weight`?". NULL when there is any. `sets` is NULL-terminated, static. */
struct conf *conf_load(const char *path, const struct directive_set *const *sets,
                       struct buf *errors) MUST_USE;
/* The same from memory; `path` is for complaints and relative paths. */
struct conf *conf_parse(const char *path, struct slice text,
                        const struct directive_set *const *sets, struct buf *errors) MUST_USE;

static inline struct conf *conf_ref(struct conf *conf)
{
    snapshot_ref(&conf->snapshot);
    return conf;
}
void conf_unref(struct conf *conf);

/*
 * The section of a set: pointer to the set's struct (ROOT, OBJECT: with defaults when the key is
 * left out), or to a struct conf_list (LIST).
 */
const void *conf_section(const struct conf *conf, const struct directive_set *set);

/*
 * In a set's check: complains about the value of the field at `field` (its address inside the
 * section's struct; a field that was left out: the place of its mapping). Any complaint refuses the
 * file. conf_complain_word adds the nearest of `candidates`.
 */
void conf_complain(struct conf_checker *checker, const void *field, const char *format, ...)
    PRINTF_LIKE(3, 4);
void conf_complain_word(struct conf_checker *checker, const void *field, struct slice word,
                        const char *const *candidates, size_t count, const char *format, ...)
    PRINTF_LIKE(6, 7);
/*
 * The same afterwards, for what only shows when a loaded configuration is used (a folder that holds
 * no tokenizer): appends a line to `errors`, with the place of the field.
 */
void conf_blame(const struct conf *conf, const void *field, struct slice what, struct buf *errors);
/* The other sections, parsed but perhaps not checked yet. */
const struct conf *conf_checker_conf(const struct conf_checker *checker);

/* `sluice schema`: a JSON Schema (2020-12). `sluice reference`: Markdown, a row a directive. */
void conf_print_schema(const struct directive_set *const *sets, struct buf *out);
void conf_print_reference(const struct directive_set *const *sets, struct buf *out);
/* What differs between two configurations, a line a directive: "pools.llama-a.endpoints[2]: +
 * http://...". Lists of things with a `name` are compared by it. Returns whether anything differs.
 */
bool conf_print_diff(const struct conf *a, const struct conf *b, struct buf *out);
/* All of it with defaults filled in, secrets' values never read: as JSON, for /config. */
void conf_print_json(const struct conf *conf, struct buf *out);

#endif
