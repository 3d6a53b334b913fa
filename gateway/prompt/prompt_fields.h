/*
 * A body that is being read into a prompt, member by member.
 */
#ifndef SLUICE_PROMPT_PROMPT_FIELDS_H
#define SLUICE_PROMPT_PROMPT_FIELDS_H

#include "gateway/prompt/prompt.h"

struct prompt_call {
    struct prompt *prompt;
    struct arena *arena;
    struct json_reader *reader;
    bool trusted;
    uint64_t seen; /* a bit a row of fields */
};

/* One member of the body; its key was read, its value is taken. `ret_param`: the key it is about,
 * where it is one of ours. */
const struct reason *prompt_read_member(struct prompt_call *call, struct json_value key,
                                        struct slice *ret_param);
/* The model's name, copied; `raw` is how it stands in the body. An empty one is none. */
const struct reason *prompt_keep_model(struct prompt_call *call, struct slice name,
                                       struct slice raw);

#endif
