/*
 * POST /tokenize as vLLM answers it: {"count":3,"max_model_len":4096,"tokens":[1,2,3],
 * "token_strs":null}; the strings as Hugging Face's id_to_token gives them, if they are asked for.
 */
#include "gateway/proxy/own.h"

#include "gateway/http/reply.h"
#include "routing/catalog.h"

/* Decimal digits of the largest id, and a comma. */
#define ID_BYTES 11

static void add_ids(struct buf *out, const struct ids *ids)
{
    for (size_t i = 0; i < ids->count; i++) {
        char *at = buf_reserve(out, ID_BYTES);
        char digits[ID_BYTES];
        size_t len = 0, written = 0;
        uint32_t id = ids->at[i];

        do
            digits[len++] = (char)('0' + id % 10);
        while ((id /= 10) > 0);
        if (i > 0)
            at[written++] = ',';
        while (len > 0)
            at[written++] = digits[--len];
        buf_commit(out, written);
    }
}

/* An id that no token has (a prompt of ids may name it) has no string. */
static void add_strings(struct buf *out, const struct tokenizer *tokenizer, const struct ids *ids)
{
    struct slice content;

    for (size_t i = 0; i < ids->count; i++) {
        if (i > 0)
            buf_add(out, SLICE(","));
        if (tokenizer_token(tokenizer, ids->at[i], &content))
            reply_json_string(out, content);
        else
            buf_add(out, SLICE("null"));
    }
}

/* What the version's engines say; 0: nothing. */
static int64_t max_model_len(const struct version *version)
{
    struct cards *cards = catalog_cards(version->pool);
    const struct card *said = cards_find(cards, version->base);
    int64_t len = said ? said->max_model_len : 0;

    cards_unref(cards);
    return len;
}

static const struct reason *why_not(const struct pipeline_tokens *tokens, struct slice *ret_message)
{
    *ret_message = tokens->message.len > 0 ? tokens->message
                                           : slice_str(exactness_rows[tokens->exactness].words);
    if (tokens->reason)
        return tokens->reason;
    return tokens->exactness == EXACTNESS_no_tokenizer ? &reason_no_tokenizer : &reason_bad_value;
}

const struct reason *own_tokenize(const struct version *version,
                                  const struct pipeline_tokens *tokens, bool strings,
                                  struct arena *arena, struct buf *out, struct slice *ret_message)
{
    const struct reason *reason;
    struct slice message;
    int64_t len;

    if (tokens->exactness != EXACTNESS_exact) {
        reason = why_not(tokens, &message);
        *ret_message =
            arena_printf(arena, "%.*s", SLICE_ARGS(slice_head(message, OWN_MESSAGE_MAX)));
        return reason;
    }
    len = max_model_len(version);
    buf_printf(out, "{\"count\":%zu,\"max_model_len\":", tokens->ids->count);
    if (len > 0)
        buf_printf(out, "%lld", (long long)len);
    else
        buf_add(out, SLICE("null"));
    buf_add(out, SLICE(",\"tokens\":["));
    add_ids(out, tokens->ids);
    buf_add(out, SLICE("],\"token_strs\":"));
    if (strings && version->recipe) {
        buf_add(out, SLICE("["));
        add_strings(out, version->recipe->tokenizer, tokens->ids);
        buf_add(out, SLICE("]}"));
    } else {
        buf_add(out, SLICE("null}"));
    }
    return NULL;
}
