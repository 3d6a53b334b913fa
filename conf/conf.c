/*
 * A configuration's life: read, parse, fill, check; then immutable until the last reference goes.
 */
#include "conf/conf.h"

#include "conf/complaint.h"
#include "conf/nearest.h"
#include "conf/sections.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Only YAML_NODES_MAX and YAML_BYTES_MAX bound what is made of a file. */
#define VALUES_BYTES_MAX SIZE_MAX

struct conf_checker {
    const struct conf *conf;
    const struct conf_places *places;
    struct complaints *complaints;
};

struct directive conf_top_row(const struct directive_set *set)
{
    return (struct directive){ .key = set->key,
                               .type = set->shape == DIRECTIVE_LIST ? DIRECTIVE_TYPE_LIST
                                                                    : DIRECTIVE_TYPE_OBJECT,
                               .set = set,
                               .help = set->help };
}

const void *conf_section_field(const struct conf_section *section)
{
    return section->set->shape == DIRECTIVE_LIST ? (const void *)&section->list
                                                 : (const void *)&section->object;
}

const struct directive *conf_row(const struct directive_set *set, const char *key)
{
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->rows[i].key, key) == 0)
            return &set->rows[i];
    return NULL;
}

static void conf_free(struct snapshot *snapshot)
{
    struct conf *conf = CONTAINER_OF(snapshot, struct conf, snapshot);

    arena_release(&conf->sections->arena);
    conf_places_release(&conf->sections->places);
    free(conf->sections->at);
    free(conf->sections);
    free(conf->path);
    free(conf);
}

/* The folder of `path`, absolute but with its links as written: a link may be moved on purpose. In
 * `arena`. */
static char *folder_of(const char *path, struct arena *arena)
{
    const char *slash = strrchr(path, '/');
    struct slice folder = slice_of(path, slash ? (size_t)(slash - path) : 0);
    char *here, *absolute;

    if (path[0] == '/')
        return arena_str(arena, folder);
    here = getcwd(NULL, 0);
    absolute = arena_alloc(arena, (here ? strlen(here) : 0) + folder.len + 2);
    sprintf(absolute, "%s%s%.*s", here ? here : "", folder.len > 0 ? "/" : "", SLICE_ARGS(folder));
    free(here);
    return absolute;
}

static struct conf *conf_new(const char *path, const struct directive_set *const *sets)
{
    struct conf *conf = xcalloc(1, sizeof(*conf));
    struct conf_sections *sections = xcalloc(1, sizeof(*sections));

    snapshot_init(&conf->snapshot, conf_free);
    conf->path = xstrdup(path);
    conf->sections = sections;
    arena_init(&sections->arena, VALUES_BYTES_MAX);
    sections->folder = folder_of(path, &sections->arena);
    while (sets[sections->count])
        sections->count++;
    sections->at = xcalloc(sections->count + 1, sizeof(*sections->at));
    for (size_t i = 0; i < sections->count; i++) {
        sections->at[i].set = sets[i];
        sections->at[i].top = conf_top_row(sets[i]);
    }
    return conf;
}

void conf_unref(struct conf *conf)
{
    if (conf)
        snapshot_unref(&conf->snapshot);
}

static void check_object(struct conf_checker *checker, const struct directive_set *set,
                         const void *object);

static void check_field(struct conf_checker *checker, const struct directive *row,
                        const void *field)
{
    const struct conf_list *list = field;
    const void *const *object = field;

    if (row->type == DIRECTIVE_TYPE_OBJECT && *object)
        check_object(checker, row->set, *object);
    if (row->type == DIRECTIVE_TYPE_LIST)
        for (size_t i = 0; i < list->count; i++)
            check_object(checker, row->set, conf_item(row, list, i));
}

static void check_object(struct conf_checker *checker, const struct directive_set *set,
                         const void *object)
{
    for (size_t i = 0; i < set->count; i++)
        check_field(checker, &set->rows[i], conf_field(&set->rows[i], object));
    if (set->check)
        set->check(checker, object);
}

void conf_check(const struct conf *conf, const struct conf_places *places,
                struct complaints *complaints)
{
    struct conf_checker checker = { conf, places, complaints };

    for (size_t i = 0; i < conf->sections->count; i++) {
        const struct conf_section *section = &conf->sections->at[i];

        if (section->set->shape == DIRECTIVE_ROOT)
            check_object(&checker, section->set, section->object);
        else if (section->present)
            check_field(&checker, &section->top, conf_section_field(section));
    }
}

struct conf *conf_parse(const char *path, struct slice text,
                        const struct directive_set *const *sets, struct buf *errors)
{
    struct conf *conf = conf_new(path, sets);
    struct complaints complaints;
    struct yaml_node *root;
    struct arena tree;

    complaints_init(&complaints, path);
    arena_init(&tree, VALUES_BYTES_MAX);
    root = yaml_parse(text, &tree, &complaints);
    if (root)
        conf_fill(conf->sections, root, &conf->sections->places, &complaints);
    if (complaints.count == 0)
        conf_check(conf, &conf->sections->places, &complaints);
    if (complaints.count > 0) {
        complaints_print(&complaints, errors);
        conf_unref(conf);
        conf = NULL;
    }
    complaints_release(&complaints);
    arena_release(&tree);
    return conf;
}

/* Up to one byte more than may be in a file, so that its being too large shows. False: errno says
 * why. */
static bool file_read(const char *path, struct buf *text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t got = -1;
    int error;

    if (fd < 0)
        return false;
    while (text->len <= YAML_BYTES_MAX) {
        got = read(fd, buf_reserve(text, 65536), 65536);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        buf_commit(text, (size_t)got);
    }
    error = errno;
    close(fd);
    errno = error;
    return got >= 0;
}

struct conf *conf_load(const char *path, const struct directive_set *const *sets,
                       struct buf *errors)
{
    struct conf *conf = NULL;
    struct buf text;

    buf_init(&text, SIZE_MAX);
    if (file_read(path, &text))
        conf = conf_parse(path, buf_join(&text), sets, errors);
    else
        buf_printf(errors, "%s: cannot be read: %s\n", path, strerror(errno));
    buf_release(&text);
    return conf;
}

static const struct conf_section *section_find(const struct conf *conf,
                                               const struct directive_set *set)
{
    for (size_t i = 0; i < conf->sections->count; i++)
        if (conf->sections->at[i].set == set)
            return &conf->sections->at[i];
    check_failed(__FILE__, __LINE__, set->key ? set->key : "a ROOT set that was not loaded");
}

const void *conf_section(const struct conf *conf, const struct directive_set *set)
{
    const struct conf_section *section = section_find(conf, set);

    return set->shape == DIRECTIVE_LIST ? (const void *)&section->list : section->object;
}

void conf_complain(struct conf_checker *checker, const void *field, const char *format, ...)
{
    char text[DIRECTIVE_COMPLAINT_SIZE];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    complain(checker->complaints, conf_places_find(checker->places, field), "%s", text);
}

void conf_blame(const struct conf *conf, const void *field, struct slice what, struct buf *errors)
{
    struct conf_place place = conf_places_find(&conf->sections->places, field);

    buf_printf(errors, "%s:%d:%d: %.*s\n", conf->path, place.line, place.column, SLICE_ARGS(what));
}

void conf_complain_word(struct conf_checker *checker, const void *field, struct slice word,
                        const char *const *candidates, size_t count, const char *format, ...)
{
    const char *near = nearest_word(word, candidates, count);
    char text[DIRECTIVE_COMPLAINT_SIZE];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (near)
        conf_complain(checker, field, "%s; did you mean `%s`?", text, near);
    else
        conf_complain(checker, field, "%s", text);
}

const struct conf *conf_checker_conf(const struct conf_checker *checker)
{
    return checker->conf;
}
