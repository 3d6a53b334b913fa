/*
 * A tokenizer as a model's folder describes it (Hugging Face's tokenizer.json and
 * tokenizer_config.json, as they are or as .gz): text in, the same ids out as the reference gives.
 *
 * The stages, in the reference's order: added tokens cut the text, then for each piece between them
 * normalizer, pre-tokenizer, model; a post-processor puts special tokens around the whole.
 *
 * struct tokenizer is immutable and counted; any number of threads share it. struct encoder is what
 * one thread needs to use it: scratch memory and the cache of pieces met before.
 */
#ifndef SLUICE_TOKEN_TOKENIZER_H
#define SLUICE_TOKEN_TOKENIZER_H

#include "gateway/base/buf.h"
#include "gateway/base/slice.h"
#include "gateway/token/ids.h"

struct tokenizer;
struct encoder;

/* What is put around a text. Special tokens written in it are recognised either way, as the
 * reference does. */
enum encoder_special {
    ENCODER_PLAIN,     /* nothing: for rendered chats (add_special_tokens=false) */
    ENCODER_PROCESSED, /* what tokenizer.json's post-processor adds (add_special_tokens=true) */
    /*
     * What an engine puts around a completion's prompt: the same, and the beginning and end tokens
     * that tokenizer_config.json asks for (add_bos_token, add_eos_token) where the post-processor
     * adds none (DeepSeek).
     */
    ENCODER_COMPLETION,
};

/*
 * Loads a folder. NULL when a file is missing, corrupt or uses what is not supported; `errors` then
 * has one line that names the file, the JSON path and what is wrong there. Control thread or a
 * tool; takes from milliseconds to a second.
 */
struct tokenizer *tokenizer_load(const char *folder, struct buf *errors) MUST_USE;
/* The same from the two files' texts, unpacked; `config` empty: there is none. Borrows both. */
struct tokenizer *tokenizer_load_text(struct slice json, struct slice config,
                                      struct buf *errors) MUST_USE;
struct tokenizer *tokenizer_ref(struct tokenizer *tokenizer);
void tokenizer_unref(struct tokenizer *tokenizer);

/* The id of an added token or vocabulary entry by its exact content. */
bool tokenizer_id(const struct tokenizer *tokenizer, struct slice content, uint32_t *ret_id);
/* The other way: an added token's content, or the vocabulary's entry as tokenizer.json writes it
 * (bytes as letters, where it does so). Borrowed; false: no token has this id. */
bool tokenizer_token(const struct tokenizer *tokenizer, uint32_t id, struct slice *ret_content);
/* One more than the largest id. */
uint32_t tokenizer_size(const struct tokenizer *tokenizer);
/*
 * Does to ids of ENCODER_PLAIN or ENCODER_PROCESSED what the reference library does at the end
 * where tokenizer.json has `truncation` or `padding`. Not for prompts: transformers switches both
 * off before it encodes, so engines see neither.
 */
void tokenizer_fit(const struct tokenizer *tokenizer, enum encoder_special special,
                   struct ids *ids);
/* tokenizer_config.json: its members as JSON text, for chat templates (chat_template, bos_token,
 * ...). Borrowed; empty when the folder has none. */
struct slice tokenizer_config(const struct tokenizer *tokenizer);

/* Keeps a reference on the tokenizer. `cache_bytes` bounds the cache of pieces; 0: none. */
struct encoder *encoder_new(struct tokenizer *tokenizer, size_t cache_bytes);
void encoder_free(struct encoder *encoder);

/*
 * Appends the ids of `text` (valid UTF-8, NUL allowed). One piece as long as the text takes the
 * most memory meanwhile, about 40 bytes a byte of it; all but some MB is given back by the next
 * text. Who calls bounds the text: the gateway leaves bodies over tokens.prompt_bytes to
 * approximate keys.
 */
void encoder_encode(struct encoder *encoder, struct slice text, enum encoder_special special,
                    struct ids *ids);

/*
 * Whether the ids of the last call are the reference's for sure. Not so where a regular expression
 * took more steps than it may, where normalizers make a text many times as long (scratch.h), and
 * where a text has something unknown that the file has no token for: the reference fails on such a
 * text.
 */
bool encoder_exact(const struct encoder *encoder);

/*
 * When the clock (clock_now_us) passes `deadline_us`, encoding of a text is given up, some ids are
 * missing, and encoder_late says so. 0: never. Holds until the next call.
 */
void encoder_until(struct encoder *encoder, uint64_t deadline_us);
bool encoder_late(const struct encoder *encoder); /* of the last text */

/*
 * The same in steps, for who keeps tokens of a text's beginning: goes on from byte `from` of
 * `text`, which must be a place that encoder_cuts gave for a text with the same beginning, to the
 * end, and appends what is put behind the whole. The ids before are the caller's to keep.
 */
void encoder_encode_rest(struct encoder *encoder, struct slice text, size_t from,
                         enum encoder_special special, struct ids *ids);

/* A place in a text behind an added token where encoding can begin anew and give the same ids. */
struct cut {
    size_t at;    /* bytes of the text before it */
    size_t count; /* ids of the text before it */
};
/* The cuts of the last call of encoder_encode or encoder_encode_rest, in order; borrowed until the
 * next call. `count` is counted from the ids that call appended. */
const struct cut *encoder_cuts(const struct encoder *encoder, size_t *ret_count);

#endif
