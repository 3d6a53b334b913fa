/*
 * Turn reuse: the tokens of prompts seen before, by what their texts begin with, so that the next
 * turn of a conversation costs only its new text.
 *
 * Texts are cut into chunks of TURNS_CHUNK bytes, whatever stands in them. A chunk's node hangs on
 * the node of the chunk before it, so conversations that begin alike share their beginning. A node
 * has the chunk's bytes and the ids up to the last place in it where encoding can begin anew
 * (struct cut of tokenizer.h). The table is keyed by a chained hash with a secret seed, and what is
 * found is compared byte by byte: a collision costs time and never gives other ids. Scopes
 * (tenants, salts) share nothing, so that time tells nobody what another one asked.
 *
 * Bounded in bytes; the least recently used chunk that no other hangs on goes first. One worker's.
 */
#ifndef SLUICE_PROMPT_TURNS_H
#define SLUICE_PROMPT_TURNS_H

#include "gateway/token/tokenizer.h"

/* A message or two. Smaller ones cost more lookups, larger ones more text that is encoded again. */
#define TURNS_CHUNK 1024

/* Whose texts are the same texts: the recipe's number, and what separates block keys. */
struct turns_owner {
    uint64_t recipe, scope;
};

struct turns;

/* `bytes` bounds what is kept; 0: nothing is. */
struct turns *turns_new(size_t bytes);
void turns_free(struct turns *turns);
void turns_bound(struct turns *turns, size_t bytes);

/*
 * Appends the ids of the longest known beginning of `text` to `ids` and returns its length: 0, or a
 * place where encoder_encode_rest may go on.
 */
size_t turns_find(struct turns *turns, struct turns_owner owner, struct slice text,
                  struct ids *ids);
/*
 * Keeps what turns_find did not know. `ids` are all of the text's; of them `known` had been found,
 * the others came from one call of the encoder with these cuts. Right after turns_find of the same
 * text.
 */
void turns_keep(struct turns *turns, struct turns_owner owner, struct slice text,
                const struct ids *ids, size_t known, const struct cut *cuts, size_t cut_count);

/* Bytes that are kept now. */
size_t turns_bytes(const struct turns *turns);

#endif
