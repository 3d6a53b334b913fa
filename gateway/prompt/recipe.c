/*
 * Loading of recipes. What is read here is an operator's file: trusted not to be hostile, not
 * trusted to be right.
 */
#include "gateway/prompt/recipe.h"

#include "gateway/base/log.h"

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* A config.json of a model: a few KB; some list every layer. */
#define CONFIG_BYTES_MAX (4u << 20)
/* Values of special tokens and default arguments; the templates' own text. */
#define ARENA_BYTES_MAX (64u << 20)
#define TEMPLATES_MAX   32

const char *const recipe_format_names[] = { "auto", "string", "openai", NULL };
const char *const recipe_mode_names[] = {
    "auto", "hf", "mistral", "deepseek_v32", "harmony", NULL
};

struct load {
    struct recipe *recipe;
    const struct recipe_settings *settings;
    struct buf *errors;
};

static bool load_fail(struct load *load, const char *where, const char *what)
{
    buf_printf(load->errors, "%s: %s\n", where, what);
    return false;
}

/* ---- files ---- */

static struct slice path_of(struct arena *arena, const char *folder, const char *name)
{
    struct slice path = arena_printf(arena, "%s/%s", folder, name);

    return slice_str(arena_str(arena, path));
}

/* The file's text in the arena; empty with at NULL where there is no such file. False: it is there
 * and cannot be read. */
static bool read_file(struct load *load, const char *path, size_t max, struct slice *ret_text)
{
    FILE *file = fopen(path, "re");
    char *text;
    size_t len;

    *ret_text = slice_of(NULL, 0);
    if (!file)
        return errno == ENOENT || errno == ENOTDIR || load_fail(load, path, strerror(errno));
    text = xmalloc(max + 1);
    len = fread(text, 1, max + 1, file);
    if (ferror(file) || len > max) {
        fclose(file);
        free(text);
        return load_fail(load, path, len > max ? "larger than such a file is" : "cannot be read");
    }
    fclose(file);
    *ret_text = arena_copy(&load->recipe->arena, slice_of(text, len));
    free(text);
    return true;
}

/* ---- templates ---- */

static bool template_add(struct load *load, struct slice name, const char *where,
                         struct slice source)
{
    struct recipe *recipe = load->recipe;
    struct recipe_template *added;
    struct buf why;

    if (recipe->template_count == TEMPLATES_MAX)
        return load_fail(load, where, "more chat templates than a model has");
    buf_init(&why, SIZE_MAX);
    added = &recipe->templates[recipe->template_count];
    *added = (struct recipe_template){ .name = name };
    added->template = template_compile(source, &why);
    if (added->template) {
        recipe->template_count++;
        added->takes_parts = load->settings->content_format == RECIPE_FORMAT_OPENAI ||
                             (load->settings->content_format == RECIPE_FORMAT_AUTO &&
                              template_takes_parts(added->template));
    } else {
        struct slice text = slice_trim(buf_join(&why));

        buf_printf(load->errors, "%s: chat template `%.*s`: %.*s\n", where, SLICE_ARGS(name),
                   SLICE_ARGS(text));
    }
    buf_release(&why);
    return added->template != NULL;
}

static bool template_file(struct load *load, struct slice name, const char *path, bool *ret_found)
{
    struct slice source;

    *ret_found = false;
    if (!read_file(load, path, TEMPLATE_SOURCE_MAX, &source))
        return false;
    *ret_found = source.at != NULL;
    return !*ret_found || template_add(load, name, path, source);
}

static int is_template(const struct dirent *entry)
{
    return slice_ends(slice_str(entry->d_name), SLICE(".jinja"));
}

/* additional_chat_templates/NAME.jinja, by name; `visit` ends the walk with false. Paths lie in
 * the arena. */
static bool each_named_template(struct arena *arena, const char *tokenizer,
                                bool (*visit)(void *user, struct slice path), void *user)
{
    struct slice folder = path_of(arena, tokenizer, "additional_chat_templates");
    struct dirent **entries = NULL;
    int count = scandir(folder.at, &entries, is_template, alphasort);
    bool good = true;

    for (int i = 0; i < count; i++) {
        good = good && visit(user, path_of(arena, folder.at, entries[i]->d_name));
        free(entries[i]);
    }
    free(entries);
    return good;
}

static bool add_named_template(void *user, struct slice path)
{
    struct slice file = slice_str(strrchr(path.at, '/') + 1);
    bool found;

    return template_file(user, slice_head(file, file.len - strlen(".jinja")), path.at, &found);
}

/* One of the list form: {"name": ..., "template": ...}. */
static bool template_item(struct load *load, struct json_reader *r, const char *where)
{
    struct arena *arena = &load->recipe->arena;
    struct slice name = { NULL, 0 }, source = { NULL, 0 };
    struct json_value key, value;

    if (!json_enter_object(r))
        return load_fail(load, where, "chat_template: an item that is no object");
    while (json_next(r, &key)) {
        json_take(r, &value);
        if (json_text_is(key, SLICE("name")) && json_text(value, arena, &name))
            return load_fail(load, where, "chat_template: a name that is no text");
        if (json_text_is(key, SLICE("template")) && json_text(value, arena, &source))
            return load_fail(load, where, "chat_template: a template that is no text");
    }
    return template_add(load, name, where, source);
}

/* tokenizer_config.json's: a text, or a list of named ones. */
static bool templates_of_config(struct load *load, struct json_value value, const char *where)
{
    struct json_reader r;
    struct slice source;
    bool good = true;

    if (value.kind == JSON_KIND_STRING) {
        if (json_text(value, &load->recipe->arena, &source))
            return load_fail(load, where, "chat_template: no proper text");
        return template_add(load, SLICE("default"), where, source);
    }
    json_open(&r, value.raw, NULL);
    if (!json_enter_array(&r))
        return load_fail(load, where, "chat_template: neither a text nor a list");
    while (good && json_next(&r, NULL))
        good = template_item(load, &r, where);
    return good;
}

/* By falling rank: the operator's file, the folder's files, tokenizer_config.json. */
static bool load_templates(struct load *load, struct json_value config, const char *config_path)
{
    struct arena *arena = &load->recipe->arena;
    struct slice path = path_of(arena, load->settings->tokenizer, "chat_template.jinja");
    bool found;

    load->recipe->templates = xcalloc(TEMPLATES_MAX, sizeof(*load->recipe->templates));
    if (load->settings->chat_template) {
        if (!template_file(load, SLICE("default"), load->settings->chat_template, &found))
            return false;
        return found || load_fail(load, load->settings->chat_template, "no such file");
    }
    if (!template_file(load, SLICE("default"), path.at, &found) ||
        !each_named_template(arena, load->settings->tokenizer, add_named_template, load))
        return false;
    return found || config.kind <= JSON_KIND_NULL || templates_of_config(load, config, config_path);
}

const struct recipe_template *recipe_template(const struct recipe *recipe, bool tools)
{
    const struct recipe_template *found = NULL;

    for (size_t i = 0; i < recipe->template_count; i++) {
        const struct recipe_template *at = &recipe->templates[i];

        if (tools && slice_eq(at->name, SLICE("tool_use")))
            return at;
        if (slice_eq(at->name, SLICE("default")))
            found = at;
    }
    return found;
}

/* ---- what every context has ---- */

static void pair_put(struct recipe *recipe, struct slice key, struct value *value)
{
    for (size_t i = 0; i < recipe->pair_count; i++)
        if (slice_eq(recipe->pairs[i].key, key)) {
            recipe->pairs[i].value = value;
            return;
        }
    if (recipe->pair_count == recipe->pair_room) {
        recipe->pair_room = recipe->pair_room ? 2 * recipe->pair_room : 16;
        recipe->pairs = xrealloc(recipe->pairs, recipe->pair_room * sizeof(*recipe->pairs));
    }
    recipe->pairs[recipe->pair_count++] = (struct recipe_pair){ key, value };
}

/* A special token: its text, or an AddedToken object with a `content`. NULL: neither. */
static struct value *token_value(struct arena *arena, struct json_value json)
{
    struct json_value key, value, content = { .kind = JSON_KIND_NONE };
    struct json_reader r;
    struct slice text;

    if (json.kind == JSON_KIND_OBJECT) {
        json_open(&r, json.raw, NULL);
        if (json_enter_object(&r))
            while (json_next(&r, &key)) {
                json_take(&r, &value);
                if (json_text_is(key, SLICE("content")))
                    content = value;
            }
        json = content;
    }
    return json_text(json, arena, &text) ? NULL : value_text(arena, text);
}

/* additional_special_tokens: a list of tokens. */
static struct value *token_list(struct arena *arena, struct json_value json)
{
    struct value *list = value_list(arena), *token;
    struct json_value item;
    struct json_reader r;

    json_open(&r, json.raw, NULL);
    if (json_enter_array(&r))
        while (json_next(&r, NULL)) {
            json_take(&r, &item);
            token = token_value(arena, item);
            if (list && token && !value_append(arena, list, token))
                return NULL;
        }
    return list;
}

static bool put_token(struct load *load, struct json_value key, struct json_value value)
{
    struct arena *arena = &load->recipe->arena;
    struct slice name;
    struct value *token;

    if (json_text(key, arena, &name))
        return false;
    token = slice_eq(name, SLICE("additional_special_tokens")) ? token_list(arena, value)
            : slice_ends(name, SLICE("_token"))                ? token_value(arena, value)
                                                               : NULL;
    if (token)
        pair_put(load->recipe, name, token);
    return true;
}

/* Puts every member of a JSON object into the context. The text is copied: it may be gone before
 * the recipe is. */
static bool put_members(struct load *load, const char *object, const char *where)
{
    struct json_value key, value;
    struct json_reader r;

    json_open(&r, arena_copy(&load->recipe->arena, slice_str(object)), NULL);
    if (!json_enter_object(&r))
        return load_fail(load, where, "no JSON object");
    while (json_next(&r, &key)) {
        struct slice name;
        struct value *made;

        json_take(&r, &value);
        if (r.reason || json_text(key, &load->recipe->arena, &name) ||
            value_json(&load->recipe->arena, value, &made))
            return load_fail(load, where, "no JSON object that can be used");
        pair_put(load->recipe, name, made);
    }
    return !json_close(&r) || load_fail(load, where, "no JSON object");
}

/* ---- the whole ---- */

/* model_type of config.json; empty where there is none. */
static bool read_model_type(struct load *load, struct slice *ret_type)
{
    struct arena *arena = &load->recipe->arena;
    struct slice path = path_of(arena, load->settings->tokenizer, "config.json"), text;
    struct json_value key, value;
    struct json_reader r;

    *ret_type = slice_of(NULL, 0);
    if (!read_file(load, path.at, CONFIG_BYTES_MAX, &text))
        return false;
    json_open(&r, text, NULL);
    if (text.at && json_enter_object(&r))
        while (json_next(&r, &key)) {
            json_take(&r, &value);
            if (json_text_is(key, SLICE("model_type")) && json_text(value, arena, ret_type))
                return load_fail(load, path.at, "model_type: no text");
        }
    return true;
}

/* Harmony's tokenizer has these two, and nobody else's both. */
static bool is_harmony(const struct recipe *recipe)
{
    uint32_t id;

    return tokenizer_id(recipe->tokenizer, SLICE("<|channel|>"), &id) &&
           tokenizer_id(recipe->tokenizer, SLICE("<|constrain|>"), &id);
}

static bool decide_chats(struct load *load)
{
    struct recipe *recipe = load->recipe;
    int mode = load->settings->mode;
    struct slice type;

    if (!read_model_type(load, &type))
        return false;
    if (mode == RECIPE_MODE_AUTO && (is_harmony(recipe) || slice_eq(type, SLICE("gpt_oss")) ||
                                     slice_eq(type, SLICE("deepseek_v32"))))
        recipe->chats = EXACTNESS_renderer;
    else if (mode != RECIPE_MODE_AUTO && mode != RECIPE_MODE_HF)
        recipe->chats = EXACTNESS_renderer;
    else if (!recipe_template(recipe, false))
        recipe->chats = EXACTNESS_no_template;
    return true;
}

static bool load_config(struct load *load)
{
    struct slice path =
        path_of(&load->recipe->arena, load->settings->tokenizer, "tokenizer_config.json");
    struct slice config = tokenizer_config(load->recipe->tokenizer);
    struct json_value key, value, templates = { .kind = JSON_KIND_NONE };
    struct json_reader r;
    bool good = true;

    json_open(&r, config.len > 0 ? config : SLICE("{}"), NULL);
    if (!json_enter_object(&r))
        return load_fail(load, path.at, "no JSON object");
    while (good && json_next(&r, &key)) {
        json_take(&r, &value);
        if (json_text_is(key, SLICE("chat_template")))
            templates = value;
        else
            good = put_token(load, key, value);
    }
    if (!good || json_close(&r))
        return load_fail(load, path.at, "no JSON object that can be used");
    return load_templates(load, templates, path.at);
}

static void recipe_free(struct snapshot *snapshot)
{
    struct recipe *recipe = CONTAINER_OF(snapshot, struct recipe, snapshot);

    for (size_t i = 0; i < recipe->template_count; i++)
        template_unref(recipe->templates[i].template);
    free(recipe->templates);
    free(recipe->pairs);
    tokenizer_unref(recipe->tokenizer);
    arena_release(&recipe->arena);
    free(recipe);
}

/* An operator who expects exact tokens learns at the start that chats will have none. */
static void say_chats(const struct recipe *recipe, const char *folder)
{
    if (recipe->chats != EXACTNESS_exact)
        log_info(NULL, "%s: tokens of chats are estimated: %s", folder,
                 exactness_rows[recipe->chats].words);
}

/* Takes the tokenizer; NULL: it could not be loaded. */
static struct recipe *load_around(const struct recipe_settings *settings,
                                  struct tokenizer *tokenizer, struct buf *errors)
{
    static _Atomic uint64_t numbers;
    struct recipe *recipe = xcalloc(1, sizeof(*recipe));
    struct load load = { recipe, settings, errors };

    snapshot_init(&recipe->snapshot, recipe_free);
    arena_init(&recipe->arena, ARENA_BYTES_MAX);
    recipe->number = atomic_fetch_add(&numbers, 1) + 1;
    recipe->exclude_tools = settings->exclude_tools;
    recipe->tokenizer = tokenizer;
    if (tokenizer && load_config(&load) && decide_chats(&load) &&
        (!settings->chat_template_kwargs ||
         put_members(&load, settings->chat_template_kwargs, "default_chat_template_kwargs"))) {
        say_chats(recipe, settings->tokenizer);
        return recipe;
    }
    recipe_unref(recipe);
    return NULL;
}

struct recipe *recipe_load(const struct recipe_settings *settings, struct buf *errors)
{
    return load_around(settings, tokenizer_load(settings->tokenizer, errors), errors);
}

struct recipe *recipe_load_beside(const struct recipe_settings *settings,
                                  const struct recipe *sibling, struct buf *errors)
{
    return load_around(settings, tokenizer_ref(sibling->tokenizer), errors);
}

struct recipe *recipe_ref(struct recipe *recipe)
{
    snapshot_ref(&recipe->snapshot);
    return recipe;
}

void recipe_unref(struct recipe *recipe)
{
    if (recipe)
        snapshot_unref(&recipe->snapshot);
}

/* ---- whether it is worth loading again ---- */

struct files {
    void (*add)(void *user, const char *path);
    void *user;
    size_t left; /* so many more templates are named: more are not loaded */
};

static bool name_template(void *user, struct slice path)
{
    struct files *files = user;

    files->add(files->user, path.at);
    return --files->left > 0;
}

void recipe_files(const struct recipe_settings *settings, void (*add)(void *user, const char *path),
                  void *user)
{
    static const char *const names[] = { "tokenizer.json",
                                         "tokenizer.json.gz",
                                         "tokenizer_config.json",
                                         "tokenizer_config.json.gz",
                                         "chat_template.jinja",
                                         "additional_chat_templates",
                                         "config.json" };
    struct files files = { add, user, TEMPLATES_MAX };
    struct arena arena;

    arena_init(&arena, ARENA_BYTES_MAX);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        add(user, path_of(&arena, settings->tokenizer, names[i]).at);
    each_named_template(&arena, settings->tokenizer, name_template, &files);
    if (settings->chat_template)
        add(user, settings->chat_template);
    arena_release(&arena);
}

static void add_to_stamp(void *user, const char *path)
{
    uint64_t *stamp = user;
    struct stat about;

    *stamp *= 0x9e3779b97f4a7c15ull; /* odd: order and number of files matter */
    if (stat(path, &about) != 0)
        *stamp += 1;
    else
        *stamp ^= (uint64_t)about.st_size ^ (uint64_t)about.st_ino << 20 ^
                  (uint64_t)about.st_mtim.tv_sec << 32 ^ (uint64_t)about.st_mtim.tv_nsec;
}

uint64_t recipe_stamp(const struct recipe_settings *settings)
{
    uint64_t stamp = 1; /* never 0: that says "any" */

    recipe_files(settings, add_to_stamp, &stamp);
    return stamp | 1;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool recipe_settings_same(const struct recipe_settings *a, const struct recipe_settings *b)
{
    return same_text(a->tokenizer, b->tokenizer) && same_text(a->chat_template, b->chat_template) &&
           same_text(a->chat_template_kwargs, b->chat_template_kwargs) &&
           a->content_format == b->content_format && a->mode == b->mode &&
           a->exclude_tools == b->exclude_tools;
}
