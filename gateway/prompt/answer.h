/*
 * What dialects share when they read answers and write errors: members named by tables, usage, and
 * OpenAI's forms, which most engines speak.
 *
 * For dialect_*.c only.
 */
#ifndef SLUICE_PROMPT_ANSWER_H
#define SLUICE_PROMPT_ANSWER_H

#include "gateway/prompt/dialect.h"

/* One event being read. */
struct answer_walk {
    struct answer_facts facts;
    struct json_value type; /* the member "type" at the top; kind JSON_KIND_NONE: not there */
};

/* Reads the value that comes next; must take or enter it. `key` is the member's. */
typedef void answer_read_fn(struct json_reader *reader, struct answer_walk *walk,
                            const struct json_value *key);

struct answer_member {
    struct slice key;
    answer_read_fn *read;
};

/* Goes through the object that comes next, calling what `members` name; anything else is taken.
 * Ended by an empty key. */
void answer_read_object(struct json_reader *reader, struct answer_walk *walk,
                        const struct answer_member *members);
/* A whole text. False, and nothing in *ret_walk, when it is no JSON. */
bool answer_read_text(struct slice data, const struct answer_member *members,
                      struct answer_walk *ret_walk);

/* Readers of members that several dialects have. */
answer_read_fn answer_read_usage; /* OpenAI's usage, of chat and of responses */
answer_read_fn answer_read_error; /* anything but null is an error */
answer_read_fn answer_read_type;
answer_read_fn answer_read_content; /* text, list or object that is not empty: content */
answer_read_fn answer_read_finish;  /* anything but null: finish */
answer_read_fn answer_read_opening; /* its presence announces an answer */
answer_read_fn answer_read_cached;  /* a number: cached tokens */

/* Takes a number if one comes next and remembers it under `bit`. */
void answer_take_count(struct json_reader *reader, struct answer_usage *usage,
                       enum answer_usage_bit bit);

/* chat, completions and everything that answers like them: choices with delta, message or text. */
void openai_classify(struct slice type, struct slice data, struct answer_facts *facts);
void openai_error(struct buf *out, const struct reason *reason, struct slice message,
                  struct slice param);
void openai_stream_error(struct buf *out, const struct reason *reason, struct slice message,
                         uint64_t sequence);
/* "message": ..., or the reason's own words. */
void answer_write_message(struct buf *out, const struct reason *reason, struct slice message);
/* A JSON string, or null for none. */
void answer_write_or_null(struct buf *out, struct slice text);

#endif
