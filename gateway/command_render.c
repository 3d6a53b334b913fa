/*
 * `sluice render --templates DIR`: each line of standard input is a rendering to make.
 *
 * Either it has `source` and `context`, or `template` (a file of DIR, without .jinja), messages,
 * tools, documents, add_generation_prompt, special (tokens), kwargs. `now` is the local time that
 * strftime_now prints. Out goes {"id","text"}, or {"id","error"} with raise_exception's message or
 * what else went wrong.
 */
#include "gateway/commands.h"

#include "gateway/prompt/template.h"
#include "gateway/prompt/value.h"

#include <stdio.h>
#include <stdlib.h>

/* Of one line, whatever its length is. */
#define RUN_MEMORY    ((size_t)1 << 30)
#define RUN_OUTPUT    ((size_t)256 << 20)
#define ERRORS_MAX    65536
#define FILE_NAME_MAX 128
#define TEMPLATES     256

/* Templates of the folder, compiled when first asked for. */
struct shelf {
    const char *folder;
    struct {
        char *name;
        struct template *template; /* NULL: it cannot be compiled; why is in error */
        char *error;
    } entries[TEMPLATES];
    size_t count;
};

static bool read_file(const char *path, struct buf *ret_text)
{
    FILE *file = fopen(path, "r");
    char bytes[65536];
    size_t got;

    if (!file)
        return false;
    while ((got = fread(bytes, 1, sizeof(bytes), file)) > 0)
        buf_add(ret_text, slice_of(bytes, got));
    fclose(file);
    return true;
}

/* Without the line's end. */
static char *errors_text(struct buf *errors)
{
    struct slice text = buf_join(errors);

    return slice_dup(slice_ends(text, SLICE("\n")) ? slice_head(text, text.len - 1) : text);
}

static struct template *compile(struct slice source, char **ret_error)
{
    struct template *template;
    struct buf errors;

    buf_init(&errors, ERRORS_MAX);
    template = template_compile(source, &errors);
    if (!template)
        *ret_error = errors_text(&errors);
    buf_release(&errors);
    return template;
}

/* A file's name says nothing but a file of the folder. */
static bool is_name(struct slice name)
{
    return name.len > 0 && name.len <= FILE_NAME_MAX && slice_find(name, '/') == name.len &&
           slice_find(name, '\0') == name.len && name.at[0] != '.';
}

static struct template *shelf_load(struct shelf *shelf, struct slice name, char **ret_error)
{
    char path[4096];
    struct buf text;
    struct template *template = NULL;

    buf_init(&text, SIZE_MAX);
    snprintf(path, sizeof(path), "%s/%.*s.jinja", shelf->folder, SLICE_ARGS(name));
    if (is_name(name) && read_file(path, &text))
        template = compile(buf_join(&text), ret_error);
    else
        *ret_error = xstrdup("there is no such template");
    buf_release(&text);
    return template;
}

/* ret_error is the shelf's. */
static struct template *shelf_find(struct shelf *shelf, struct slice name, const char **ret_error)
{
    size_t i = 0;

    while (i < shelf->count && !slice_eq(slice_str(shelf->entries[i].name), name))
        i++;
    if (i == TEMPLATES) {
        *ret_error = "more templates than are kept";
        return NULL;
    }
    if (i == shelf->count) {
        shelf->entries[i].name = slice_dup(name);
        shelf->entries[i].template = shelf_load(shelf, name, &shelf->entries[i].error);
        shelf->count++;
    }
    *ret_error = shelf->entries[i].error;
    return shelf->entries[i].template;
}

static void shelf_release(struct shelf *shelf)
{
    for (size_t i = 0; i < shelf->count; i++) {
        template_unref(shelf->entries[i].template);
        free(shelf->entries[i].name);
        free(shelf->entries[i].error);
    }
}

/* What a line says is the run's context. */
static const struct value *context_of(struct arena *arena, const struct value *line)
{
    static const char *const keys[] = { "messages", "tools", "documents", "add_generation_prompt" };
    static const char *const spread[] = { "special", "kwargs" };
    const struct value *given = value_get(line, SLICE("context"));
    struct value *context = value_dict(arena);
    bool good = context;

    if (given)
        return given->kind == VALUE_DICT ? given : NULL;
    for (size_t i = 0; good && i < ARRAY_LEN(keys); i++) {
        struct value *item = value_get(line, slice_str(keys[i]));

        good = value_put(arena, context, slice_str(keys[i]), item ? item : value_none());
    }
    for (size_t i = 0; good && i < ARRAY_LEN(spread); i++) {
        const struct value *more = value_get(line, slice_str(spread[i]));

        for (uint32_t k = 0; more && more->kind == VALUE_DICT && good && k < more->count; k++)
            good = value_put_key(arena, context, &value_entry(more, k)->key,
                                 value_entry(more, k)->item);
    }
    return good ? context : NULL;
}

/* `now`, or the clock's local time. */
static struct tm time_of(const struct value *line)
{
    const struct value *now = value_get(line, SLICE("now"));
    time_t clock = time(NULL);
    struct tm tm = { 0 };
    char text[32];

    if (now && now->kind == VALUE_TEXT && now->count < sizeof(text)) {
        memcpy(text, now->text, now->count);
        text[now->count] = '\0';
        if (strptime(text, "%Y-%m-%dT%H:%M:%S", &tm)) {
            tm.tm_isdst = -1;
            mktime(&tm);
            return tm;
        }
    }
    localtime_r(&clock, &tm);
    return tm;
}

static void print_result(const struct value *id, const char *key, struct slice text)
{
    struct buf out;
    struct slice line;

    buf_init(&out, SIZE_MAX);
    buf_printf(&out, "{\"id\": ");
    if (id && id->kind == VALUE_INT)
        buf_printf(&out, "%lld", (long long)id->integer);
    else
        json_write_text(&out, id && id->kind == VALUE_TEXT ? value_slice(id) : SLICE(""));
    buf_printf(&out, ", \"%s\": ", key);
    json_write_text(&out, text);
    buf_printf(&out, "}\n");
    line = buf_join(&out);
    fwrite(line.at, 1, line.len, stdout);
    buf_release(&out);
}

static void render(const struct template *template, struct arena *arena, const struct value *line)
{
    const struct value *id = value_get(line, SLICE("id"));
    struct template_call call = {
        .context = context_of(arena, line),
        .arena = arena,
        .now = time_of(line),
        .limits = { .output_bytes = RUN_OUTPUT, .steps = TEMPLATE_STEPS, .depth = TEMPLATE_DEPTH },
    };
    struct slice message = SLICE("the context is no object");
    struct buf out;

    buf_init(&out, SIZE_MAX);
    if (!call.context || template_render(template, &call, &out, &message))
        print_result(id, "error", message);
    else
        print_result(id, "text", buf_join(&out));
    buf_release(&out);
}

static void render_line(struct shelf *shelf, struct arena *arena, const struct value *line)
{
    const struct value *id = value_get(line, SLICE("id"));
    const struct value *source = value_get(line, SLICE("source"));
    const struct value *name = value_get(line, SLICE("template"));
    struct template *template = NULL;
    const char *error = "neither template nor source";
    char *own_error = NULL;

    if (source && source->kind == VALUE_TEXT)
        template = compile(value_slice(source), &own_error);
    else if (name && name->kind == VALUE_TEXT)
        template = shelf_find(shelf, value_slice(name), &error);
    if (template)
        render(template, arena, line);
    else
        print_result(id, "error", slice_str(own_error ? own_error : error));
    if (source)
        template_unref(template);
    free(own_error);
}

/* False when the line is no JSON object. */
static bool take_line(struct shelf *shelf, struct slice text)
{
    struct json_reader reader;
    struct json_value json;
    struct value *line;
    struct arena arena;
    bool good;

    arena_init(&arena, RUN_MEMORY);
    json_open(&reader, text, NULL);
    json_take(&reader, &json);
    good =
        !json_close(&reader) && json.kind == JSON_KIND_OBJECT && !value_json(&arena, json, &line);
    if (good)
        render_line(shelf, &arena, line);
    arena_release(&arena);
    return good;
}

static int render_templates(const char *folder)
{
    struct shelf *shelf = xcalloc(1, sizeof(*shelf));
    char *line = NULL;
    size_t room = 0, number = 0;
    ssize_t len;
    int code = 0;

    shelf->folder = folder;
    while ((len = getline(&line, &room, stdin)) > 0) {
        number++;
        if (take_line(shelf, slice_of(line, (size_t)len)))
            continue;
        fprintf(stderr, "line %zu: no JSON object\n", number);
        code = 1;
    }
    free(line);
    shelf_release(shelf);
    free(shelf);
    return code;
}

int command_render(char **arguments)
{
    if (strcmp(arguments[0], "--templates") == 0)
        return render_templates(arguments[1]);
    if (strcmp(arguments[0], "--tokenizer") == 0)
        return command_render_requests(arguments[1]);
    fprintf(stderr, "usage: sluice render --templates DIR | --tokenizer DIR\n");
    return 2;
}
