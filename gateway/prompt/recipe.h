/*
 * A recipe: how the prompts of one model version become the engine's tokens. The tokenizer of a
 * folder, its chat templates, its special tokens, and what the operator says the engine was started
 * with.
 *
 * An immutable counted snapshot, made on the control thread (or by a tool) and used by any number
 * of threads. Read from the folder, besides what tokenizer.h names: chat_template.jinja (replaces
 * the chat_template of tokenizer_config.json), additional_chat_templates/NAME.jinja, and model_type
 * of config.json.
 */
#ifndef SLUICE_PROMPT_RECIPE_H
#define SLUICE_PROMPT_RECIPE_H

#include "gateway/base/snapshot.h"
#include "gateway/prompt/exactness.h"
#include "gateway/prompt/template.h"
#include "gateway/token/tokenizer.h"

/* vLLM's --chat-template-content-format: what a template is given as a message's content. */
enum recipe_format { RECIPE_FORMAT_AUTO, RECIPE_FORMAT_STRING, RECIPE_FORMAT_OPENAI };
extern const char *const recipe_format_names[];

/* vLLM's --tokenizer-mode, and harmony. All but hf have no chat template that could be run. */
enum recipe_mode {
    RECIPE_MODE_AUTO, /* harmony or deepseek_v32 where the folder looks like it, else hf */
    RECIPE_MODE_HF,
    RECIPE_MODE_MISTRAL,
    RECIPE_MODE_DEEPSEEK_V32,
    RECIPE_MODE_HARMONY,
};
extern const char *const recipe_mode_names[];

/* Borrowed by recipe_load; compared by whoever wants to know whether two recipes are the same. */
struct recipe_settings {
    const char *tokenizer;            /* folder */
    const char *chat_template;        /* file instead of the folder's; NULL: none */
    const char *chat_template_kwargs; /* a JSON object, --default-chat-template-kwargs; NULL */
    int content_format;               /* enum recipe_format */
    int mode;                         /* enum recipe_mode */
    bool exclude_tools; /* --exclude-tools-when-tool-choice-none: with "none", no tools are shown */
};

struct recipe_template {
    struct slice name; /* "default", "tool_use" */
    struct template *template;
    bool takes_parts; /* content goes in as a list of parts */
};

struct recipe_pair {
    struct slice key;
    struct value *value;
};

struct recipe {
    struct snapshot snapshot;
    uint64_t number; /* tells recipes of a process apart: for caches of what they gave */
    struct tokenizer *tokenizer;
    struct recipe_template *templates;
    size_t template_count;
    struct recipe_pair *pairs; /* what every context has: special tokens, then default kwargs */
    size_t pair_count, pair_room;
    uint8_t chats; /* enum exactness: exact, or why chats are not rendered as the engine does */
    bool exclude_tools;
    struct arena arena; /* names, values; written by nobody after the load */
};

/* NULL when something is missing or not understood; `errors` then has one line. Takes from
 * milliseconds to a second. */
struct recipe *recipe_load(const struct recipe_settings *settings, struct buf *errors) MUST_USE;
/* The same with the tokenizer of a recipe that was loaded from the same folder. */
struct recipe *recipe_load_beside(const struct recipe_settings *settings,
                                  const struct recipe *sibling, struct buf *errors) MUST_USE;
struct recipe *recipe_ref(struct recipe *recipe);
void recipe_unref(struct recipe *recipe); /* NULL is fine */

/* A sum over what recipe_load would read (times and sizes of files): another one means that it is
 * worth loading again. */
uint64_t recipe_stamp(const struct recipe_settings *settings);
/* Calls `add` with the path of every file that recipe_load would look for. */
void recipe_files(const struct recipe_settings *settings, void (*add)(void *user, const char *path),
                  void *user);
bool recipe_settings_same(const struct recipe_settings *a, const struct recipe_settings *b);

/* As transformers picks one: tool_use where there are tools and it exists, else default. NULL:
 * none. */
const struct recipe_template *recipe_template(const struct recipe *recipe, bool tools);

#endif
