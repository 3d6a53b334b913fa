/*
 * Implementation of the toy tokenizer. Id space:
 *
 *     1 .. 15             special tokens
 *     16 .. 271           one byte
 *     272 ..              words of the vocabulary: 272 + 2 * index, + 1 with a leading space
 *     0x10000 + 16 bits   two bytes
 *     0x1000000 + 24 bits three bytes
 */
#include "tests/engine/tokens.h"

#include <stdlib.h>

enum token_range {
    RANGE_BYTE = 16,
    RANGE_WORD = 272,
    RANGE_PAIR = 0x10000,
    RANGE_TRIPLE = 0x1000000,
    RANGE_END = 0x2000000,
};

static const struct slice words[] = {
#define WORD(text) SLICE_INIT(text),
#include "tests/engine/words.def"
#undef WORD
};

static const struct {
    uint32_t id;
    struct slice text;
} specials[] = {
    { TOKEN_IM_START, SLICE_INIT("<|im_start|>") },
    { TOKEN_IM_END, SLICE_INIT("<|im_end|>") },
    { TOKEN_END_OF_TEXT, SLICE_INIT("<|endoftext|>") },
};

/* Open addressing from a word to its index + 1; filled on first use, one thread. */
#define WORD_SLOTS 2048
static uint16_t word_slot[WORD_SLOTS];
_Static_assert(ARRAY_LEN(words) * 2 < WORD_SLOTS, "the vocabulary has outgrown its table");

void tokens_init(struct tokens *tokens)
{
    *tokens = (struct tokens){ 0 };
}

void tokens_release(struct tokens *tokens)
{
    free(tokens->at);
    tokens_init(tokens);
}

static void make_room(struct tokens *tokens, size_t more)
{
    size_t need = tokens->count + more;

    if (need <= tokens->size)
        return;
    tokens->size = need > 2 * tokens->size ? need : 2 * tokens->size;
    tokens->at = xrealloc(tokens->at, tokens->size * sizeof(*tokens->at));
}

void tokens_add(struct tokens *tokens, uint32_t id)
{
    make_room(tokens, 1);
    tokens->at[tokens->count++] = id;
}

void tokens_append(struct tokens *tokens, const uint32_t *ids, size_t count)
{
    if (count == 0)
        return;
    make_room(tokens, count);
    memcpy(tokens->at + tokens->count, ids, count * sizeof(*ids));
    tokens->count += count;
}

static size_t word_hash(struct slice word)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < word.len; i++)
        h = (h ^ (uint8_t)word.at[i]) * 16777619u;
    return (h ^ h >> 15) % WORD_SLOTS;
}

static void fill_words(void)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        size_t slot = word_hash(words[i]);

        while (word_slot[slot] != 0)
            slot = (slot + 1) % WORD_SLOTS;
        word_slot[slot] = (uint16_t)(i + 1);
    }
}

/* The word's index + 1, or 0. */
static unsigned find_word(struct slice word)
{
    static bool filled;

    if (!filled)
        fill_words();
    filled = true;
    for (size_t slot = word_hash(word); word_slot[slot] != 0; slot = (slot + 1) % WORD_SLOTS)
        if (slice_eq(words[word_slot[slot] - 1], word))
            return word_slot[slot];
    return 0;
}

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c & 0x80);
}

/* The first one to three bytes as one id; sets how many. */
static uint32_t piece_id(struct slice bytes, size_t *ret_len)
{
    const uint8_t *b = (const uint8_t *)bytes.at;

    *ret_len = bytes.len < 3 ? bytes.len : 3;
    if (*ret_len == 3)
        return RANGE_TRIPLE + ((uint32_t)b[0] << 16 | (uint32_t)b[1] << 8 | b[2]);
    if (*ret_len == 2)
        return RANGE_PAIR + ((uint32_t)b[0] << 8 | b[1]);
    return RANGE_BYTE + (uint32_t)b[0];
}

/* `run`: word bytes, with at most one space before them. */
static void encode_run(struct tokens *tokens, struct slice run)
{
    bool space = run.at[0] == ' ';
    unsigned word = find_word(slice_skip(run, space));

    if (word != 0) {
        tokens_add(tokens, token_word(word - 1, space));
        return;
    }
    while (run.len > 0) {
        size_t len;

        tokens_add(tokens, piece_id(run, &len));
        run = slice_skip(run, len);
    }
}

/* Length of the special token at the front, 0 when there is none. */
static size_t encode_special(struct tokens *tokens, struct slice text)
{
    for (size_t i = 0; i < ARRAY_LEN(specials); i++)
        if (slice_starts(text, specials[i].text)) {
            tokens_add(tokens, specials[i].id);
            return specials[i].text.len;
        }
    return 0;
}

void tokens_encode(struct tokens *tokens, struct slice text)
{
    while (text.len > 0) {
        size_t n = text.at[0] == '<' ? encode_special(tokens, text) : 0;

        if (n == 0) {
            n = text.at[0] == ' ';
            while (n < text.len && is_word_byte(text.at[n]))
                n++;
            if (n > 1 || is_word_byte(text.at[0])) {
                encode_run(tokens, slice_head(text, n));
            } else {
                n = 1;
                tokens_add(tokens, token_byte(text.at[0]));
            }
        }
        text = slice_skip(text, n);
    }
}

static struct slice special_text(uint32_t id)
{
    for (size_t i = 0; i < ARRAY_LEN(specials); i++)
        if (specials[i].id == id)
            return specials[i].text;
    return slice_of(NULL, 0);
}

static struct slice word_text(uint32_t offset, char ret_text[TOKEN_TEXT_MAX])
{
    struct slice word;
    bool space = offset % 2;

    if (offset / 2 >= ARRAY_LEN(words))
        return slice_of(NULL, 0);
    word = words[offset / 2];
    ret_text[0] = ' ';
    memcpy(ret_text + space, word.at, word.len);
    return slice_of(ret_text, space + word.len);
}

struct slice token_text(uint32_t id, char ret_text[TOKEN_TEXT_MAX])
{
    size_t len = id >= RANGE_TRIPLE ? 3 : id >= RANGE_PAIR ? 2 : 1;
    uint32_t bytes = id - (len == 3 ? RANGE_TRIPLE : len == 2 ? RANGE_PAIR : RANGE_BYTE);

    if (id < RANGE_BYTE || id >= RANGE_END)
        return special_text(id);
    if (id >= RANGE_WORD && id < RANGE_PAIR)
        return word_text(id - RANGE_WORD, ret_text);
    if (len == 2 && bytes > UINT16_MAX)
        return slice_of(NULL, 0);
    for (size_t i = 0; i < len; i++)
        ret_text[i] = (char)(bytes >> 8 * (len - 1 - i));
    return slice_of(ret_text, len);
}

size_t token_word_count(void)
{
    return ARRAY_LEN(words);
}

uint32_t token_word(size_t index, bool leading_space)
{
    return (uint32_t)(RANGE_WORD + 2 * index + leading_space);
}

uint32_t token_byte(char c)
{
    return RANGE_BYTE + (uint32_t)(uint8_t)c;
}
