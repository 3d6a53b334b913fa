/*
 * What the files that build a template's context from a request share (chat.c and chat_*.c).
 *
 * Builders return NULL when something went wrong, and note the first thing that did in the build;
 * all of them take NULL for what an earlier one could not make. Values lie in the call's arena.
 */
#ifndef SLUICE_PROMPT_CHAT_BUILD_H
#define SLUICE_PROMPT_CHAT_BUILD_H

#include "gateway/prompt/chat.h"

/* A private-use character, so that no text that a template writes begins like it. */
#define MEDIA_MARK "\xee\x80\x80sluice"

/* What transformers puts behind the last message and cuts the text at (apply_chat_template with
 * continue_final_message). */
#define CONTINUE_TAG "CONTINUE_FINAL_MESSAGE_TAG"

struct build {
    const struct chat_call *call;
    struct arena *arena;
    bool takes_parts;
    bool marked;                 /* the first part that is no text is replaced by MEDIA_MARK */
    bool media_seen;             /* there was one */
    bool continues;              /* continue_final_message */
    const struct reason *reason; /* the first thing that went wrong */
};

struct value *build_fail(struct build *build, const struct reason *reason);
void build_put(struct build *build, struct value *dict, struct slice key, struct value *item);
void build_append(struct build *build, struct value *list, struct value *item);
struct value *build_dict(struct build *build);
struct value *build_list(struct build *build);
struct value *build_text(struct build *build, struct slice text);
/* As Python's json.loads reads it. */
struct value *build_any(struct build *build, struct json_value json);
/* What a string says; empty after a failure. */
struct slice build_text_of(struct build *build, struct json_value json);
struct value *build_string(struct build *build, struct json_value json);
struct slice build_join(struct build *build, const struct slice *parts, size_t count,
                        struct slice between);

/* The conversation. */
struct value *chat_messages(struct build *build);
/* A message's content in the form that the template takes. `tool`: of a tool's message;
 * `continued`: CONTINUE_TAG goes behind its last text. */
struct value *chat_content(struct build *build, struct json_value json, bool tool, bool continued);
/* NULL without a failure: there are none. */
struct value *chat_tool_calls(struct build *build, struct json_value json);

/* Whether the template is shown the request's tools. */
bool chat_shows_tools(const struct chat_call *call);
struct value *chat_tools(struct build *build);

#endif
