/*
 * Turn reuse: the tokens of prompts seen before, by what their texts begin with, so that the next
 * turn of a conversation costs only its new text.
 *
 * Texts are cut into chunks of TURNS_CHUNK bytes, whatever stands in them, the last one shorter. A
 * chunk's node hangs on the node of the chunk before it, so conversations that begin alike share
 * their beginning; a node has at most one shorter chunk behind it, the end of the last text. A node
 * has the chunk's bytes, the ids up to the last place in it where encoding can begin anew (struct
 * cut of tokenizer.h), and the keys of the blocks that these ids end. A chunk is looked for at its
 * parent's heir first, the child met last: in a conversation that goes on this is the one. Others
 * are in a table keyed by a chained hash with a secret seed. What is found is compared byte by
 * byte: a collision costs time and never gives other ids. Scopes (tenants, salts) share nothing, so
 * that time tells nobody what another one asked.
 *
 * Bounded in bytes; the least recently used chunk that no other hangs on goes first. One worker's.
 */
#ifndef SLUICE_PROMPT_TURNS_H
#define SLUICE_PROMPT_TURNS_H

#include "gateway/token/blocks.h"
#include "gateway/token/tokenizer.h"

/* A message or two. Smaller ones cost more lookups, larger ones more text that is encoded again. */
#define TURNS_CHUNK 1024

/* Whose texts are the same texts, with the same keys: the recipe's number, the parent of the first
 * block, and the ids of a block. */
struct turns_owner {
    uint64_t recipe, scope, block;
};

struct turns;

/* `bytes` bounds what is kept; 0: nothing is. */
struct turns *turns_new(size_t bytes);
void turns_free(struct turns *turns);
void turns_bound(struct turns *turns, size_t bytes);

/* A text's tokens and the keys of its whole blocks. */
struct turns_tokens {
    struct ids *ids;
    struct blocks *keys;
};

/*
 * Appends ids and keys of the longest known beginning of `text` to `tokens`, of which there are
 * none yet, and returns its length: 0, or a place where encoder_encode_rest may go on.
 */
size_t turns_find(struct turns *turns, struct turns_owner owner, struct slice text,
                  struct turns_tokens tokens);
/*
 * Keeps what turns_find did not know. `tokens` are all of the text's; of the ids `known` had been
 * found, the others came from one call of the encoder with these cuts. Right after turns_find of
 * the same text.
 */
void turns_keep(struct turns *turns, struct turns_owner owner, struct slice text,
                struct turns_tokens tokens, size_t known, const struct cut *cuts, size_t cut_count);

/* Bytes that are kept now. */
size_t turns_bytes(const struct turns *turns);

#endif
