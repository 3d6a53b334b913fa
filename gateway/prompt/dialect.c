/*
 * The table of dialects, and which of them a request belongs to.
 */
#include "gateway/prompt/dialect.h"

#include "gateway/base/check.h"
#include "gateway/http/message.h"

#define DIALECT(name) extern const struct dialect_type dialect_##name;
#include "gateway/prompt/dialects.def"
#undef DIALECT

const struct dialect_type *const dialect_all[DIALECT_COUNT] = {
#define DIALECT(name) &dialect_##name,
#include "gateway/prompt/dialects.def"
#undef DIALECT
};

size_t dialect_index(const struct dialect_type *dialect)
{
    size_t at = 0;

    while (dialect_all[at] != dialect)
        CHECK(++at < DIALECT_COUNT);
    return at;
}

/* `pattern` is a route without its method. */
static bool path_fits(struct slice pattern, struct slice path)
{
    if (slice_ends(pattern, SLICE("*")))
        return slice_starts(path, slice_head(pattern, pattern.len - 1)) && path.len >= pattern.len;
    return slice_eq(pattern, path);
}

/* An empty method fits every route. */
static bool route_fits(const char *route, struct slice method, struct slice path)
{
    struct slice pattern = slice_str(route);
    struct slice route_method = slice_cut(&pattern, ' ');

    return (method.len == 0 || slice_eq(method, route_method)) && path_fits(pattern, path);
}

/* Whether the path is a route's own, with whatever method: then no route with "*" takes it. */
static bool is_exact(const char *route, struct slice path)
{
    struct slice pattern = slice_str(route);

    slice_cut(&pattern, ' ');
    return slice_eq(pattern, path);
}

const struct dialect_type *dialect_find(struct slice method, struct slice path)
{
    bool taken = false;

    for (size_t i = 0; i < DIALECT_COUNT; i++)
        for (const char *const *route = dialect_all[i]->routes; *route; route++) {
            bool exact = is_exact(*route, path);

            taken |= exact;
            if ((exact || !taken) && route_fits(*route, method, path))
                return dialect_all[i];
        }
    return NULL;
}

bool dialect_knows_path(struct slice path)
{
    return dialect_find(slice_of(NULL, 0), path) != NULL;
}

struct slice dialect_allow(struct slice path, struct arena *arena)
{
    struct slice list = { NULL, 0 };

    for (size_t i = 0; i < DIALECT_COUNT; i++)
        for (const char *const *route = dialect_all[i]->routes; *route; route++) {
            struct slice rest = slice_str(*route), method = slice_cut(&rest, ' ');

            if (dialect_find(method, path) && !field_has_token(list, method))
                list = arena_printf(arena, "%.*s%s%.*s", SLICE_ARGS(list), list.len > 0 ? ", " : "",
                                    SLICE_ARGS(method));
        }
    return list;
}

const struct dialect_type *dialect_for_errors(struct slice path)
{
    const struct dialect_type *dialect = dialect_find(slice_of(NULL, 0), path);

    if (dialect)
        return dialect;
    return slice_starts(path, SLICE("/api/")) ? &dialect_ollama : &dialect_chat;
}

const struct dialect_type *dialect_named(struct slice name)
{
    for (size_t i = 0; i < DIALECT_COUNT; i++)
        if (slice_eq(slice_str(dialect_all[i]->name), name))
            return dialect_all[i];
    return NULL;
}
