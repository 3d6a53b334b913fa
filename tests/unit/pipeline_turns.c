/*
 * Turn reuse in the whole pipeline: whatever stands behind what was kept, ids and keys are those
 * that encoding from scratch gives. Real tokenizers (../shared/tokenizers), this project's own, and
 * small ones whose added tokens contain each other; texts go on with what could change how their
 * kept end is cut: marks that combine, digits, white space, the rest of a longer added token.
 */
#include "gateway/prompt/json.h"
#include "gateway/prompt/pipeline.h"
#include "gateway/token/tokenizer_parts.h"
#include "tests/unit/random.h"
#include "tests/unit/tokenizer_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define TEXT_MAX      4096
#define CHUNK         1024 /* TURNS_CHUNK */
#define KEPT_ROUNDS   8
#define GOING_ON      25
#define TOKENS_TRIED  120
#define TOKEN_ODDS    4 /* one part of a text in so many is an added token, or some of one */
#define MARK_GRAVE    "\xcc\x80"
#define JOINER        "\xe2\x80\x8d"
#define SELECTOR      "\xef\xb8\x8f"
#define HANGUL_L      "\xe1\x84\x80"
#define HANGUL_V      "\xe1\x85\xa1"
#define KANA_VOICED   "\xe3\x82\x99"
#define NO_BREAK      "\xc2\xa0"
#define IDEOGRAM      "\xe4\xb8\xad"
#define PIECE_MARK    "\xe2\x96\x81" /* SentencePiece's space */
#define ARABIC_DIGIT  "\xd9\xa3"
#define FULL_STOP     "\xe3\x80\x82"
#define CAPITAL_I_DOT "\xc4\xb0"

static const char *const parts[] = {
    "a",        "b",          "The",     "x",        " ",      "  ",     "\n",     "\n\n",
    "\r\n",     "\t",         "0",       "12",       "3456",   "'s",     "'",      ".",
    "<",        ">",          "|",       "[",        "</",     "_",      " word",  "ab",
    MARK_GRAVE, JOINER,       SELECTOR,  HANGUL_L,   HANGUL_V, NO_BREAK, IDEOGRAM, KANA_VOICED,
    PIECE_MARK, ARABIC_DIGIT, FULL_STOP, "\xc3\xa9", "e",      "Hello",  "!",      CAPITAL_I_DOT
};

/* A tokenizer, and two pipelines: one that keeps turns and one that does not. */
struct rig {
    const char *name;
    struct recipe recipe; /* as much of one as completions need */
    struct pipeline *keeping, *fresh;
    size_t reused; /* tokens, all in all */
    uint64_t seed;
};

struct written {
    char at[TEXT_MAX];
    size_t len;
};

static struct slice all_of(const struct written *text)
{
    return slice_of(text->at, text->len);
}

/* Whole characters of it, as many as there is room for. */
static void add(struct written *text, struct slice more)
{
    size_t n = more.len < TEXT_MAX - text->len ? more.len : TEXT_MAX - text->len;

    while (n < more.len && n > 0 && ((uint8_t)more.at[n] & 0xc0) == 0x80)
        n--;
    memcpy(text->at + text->len, more.at, n);
    text->len += n;
}

static struct slice content_of(const struct added_token *token)
{
    return slice_of(token->content, token->content_len);
}

/* ---- the two pipelines ---- */

static void run(struct rig *rig, struct pipeline *pipeline, struct slice text, uint64_t turn_cache,
                struct pipeline_tokens *ret_tokens)
{
    struct pipeline_conf conf = { .key_block = 3,
                                  .budget = 60000,
                                  .prompt_bytes = 1 << 20,
                                  .turn_cache = turn_cache,
                                  .piece_cache = 1 << 18 };
    struct prompt prompt;
    struct pipeline_call call = {
        .conf = &conf, .recipe = &rig->recipe, .prompt = &prompt, .token_bytes = 4
    };
    struct slice param;
    struct arena arena;
    struct buf body;

    buf_init(&body, SIZE_MAX);
    arena_init(&arena, 1 << 20);
    buf_add(&body, SLICE("{\"model\":\"m\",\"prompt\":"));
    json_write_text(&body, text);
    buf_add(&body, SLICE("}"));
    assert_null(prompt_parse(dialect_named(SLICE("completions")), buf_join(&body),
                             slice_of(NULL, 0), false, &arena, &prompt, &param));
    pipeline_run(pipeline, &call, ret_tokens);
    if (ret_tokens->exactness != EXACTNESS_exact)
        fail_msg("%s: %s", rig->name, exactness_rows[ret_tokens->exactness].words);
    arena_release(&arena);
    buf_release(&body);
}

/* The first token that differs; SIZE_MAX: none does. */
static size_t first_difference(const struct ids *a, const struct ids *b)
{
    size_t i = 0;

    while (i < a->count && i < b->count && a->at[i] == b->at[i])
        i++;
    return i < a->count || i < b->count ? i : SIZE_MAX;
}

/* Through both; `border` is where the text leaves what was kept. */
static void compare(struct rig *rig, const struct written *text, size_t border)
{
    struct pipeline_tokens kept, fresh;
    size_t differs;

    run(rig, rig->keeping, all_of(text), 1 << 22, &kept);
    run(rig, rig->fresh, all_of(text), 0, &fresh);
    assert_int_equal(fresh.reused, 0);
    differs = first_difference(kept.ids, fresh.ids);
    if (differs != SIZE_MAX)
        fail_msg(
            "%s: of %zu and %zu ids the one at %zu differs, %zu reused; \"%.*s\" then \"%.*s\"",
            rig->name, kept.ids->count, fresh.ids->count, differs, kept.reused,
            (int)(border < 60 ? border : 60), text->at + border - (border < 60 ? border : 60),
            (int)(text->len - border < 60 ? text->len - border : 60), text->at + border);
    assert_int_equal(kept.keys.count, fresh.keys.count);
    if (fresh.keys.count > 0)
        assert_memory_equal(kept.keys.at, fresh.keys.at, fresh.keys.count * sizeof(uint64_t));
    rig->reused += kept.reused;
    blocks_release(&kept.keys);
    blocks_release(&fresh.keys);
}

/* ---- texts ---- */

/* An added token, its beginning or its end. */
static struct slice some_of_a_token(struct rig *rig)
{
    const struct added *added = &rig->recipe.tokenizer->added;
    struct slice content = content_of(&added->tokens[random_below(&rig->seed, added->count)]);
    size_t at = random_below(&rig->seed, content.len + 1);

    while (at < content.len && ((uint8_t)content.at[at] & 0xc0) == 0x80)
        at++;
    switch (random_below(&rig->seed, 4)) {
    case 0:
        return slice_head(content, at);
    case 1:
        return slice_skip(content, at);
    default:
        return content;
    }
}

static void add_part(struct rig *rig, struct written *text)
{
    if (rig->recipe.tokenizer->added.count > 0 && random_below(&rig->seed, TOKEN_ODDS) == 0)
        add(text, some_of_a_token(rig));
    else
        add(text, slice_str(parts[random_below(&rig->seed, ARRAY_LEN(parts))]));
}

/* A place of the text near which reuse may end: its end, or a chunk's, give or take. */
static size_t choose_border(struct rig *rig, const struct written *text)
{
    size_t at = text->len;

    if (random_below(&rig->seed, 3) > 0 && text->len > CHUNK)
        at = CHUNK * (1 + random_below(&rig->seed, text->len / CHUNK)) + 4;
    at -= random_below(&rig->seed, 3) * random_below(&rig->seed, 8);
    at = at < text->len ? at : text->len;
    while (at > 0 && at < text->len && ((uint8_t)text->at[at] & 0xc0) == 0x80)
        at--;
    return at;
}

/* Kept texts that go on otherwise, from anywhere, with anything. */
static void go_on_otherwise(struct rig *rig)
{
    for (int round = 0; round < KEPT_ROUNDS; round++) {
        size_t least = CHUNK / 2 + random_below(&rig->seed, 2 * CHUNK);
        struct written kept = { .len = 0 };

        while (kept.len < least)
            add_part(rig, &kept);
        for (int i = 0; i < GOING_ON; i++) {
            struct written other = kept;
            size_t border = choose_border(rig, &kept);

            compare(rig, &kept, kept.len);
            other.len = border;
            for (size_t n = 1 + random_below(&rig->seed, 6); n > 0; n--)
                add_part(rig, &other);
            compare(rig, &other, border);
        }
    }
}

/* A chunk, and then `end`, is kept; then the same with `more` behind it comes. */
static void keep_and_go_on(struct rig *rig, struct slice end, struct slice more)
{
    struct written text = { .len = 0 };

    while (text.len < CHUNK)
        add(&text, SLICE("A word or two. "));
    add(&text, end);
    compare(rig, &text, text.len);
    add(&text, more);
    compare(rig, &text, text.len - more.len);
}

/* Texts that end with `token`, and go on with each part, or like another token it is in. */
static void end_with(struct rig *rig, struct slice token)
{
    const struct added *added = &rig->recipe.tokenizer->added;

    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        keep_and_go_on(rig, token, slice_str(parts[i]));
    for (size_t i = 0, pairs = 0; i < added->count && pairs < ARRAY_LEN(parts); i++) {
        struct slice longer = content_of(&added->tokens[i]);
        const char *in = memmem(longer.at, longer.len, token.at, token.len);
        size_t end = in ? (size_t)(in - longer.at) + token.len : longer.len;

        if (end < longer.len) {
            keep_and_go_on(rig, slice_head(longer, end), slice_skip(longer, end));
            pairs++;
        }
    }
}

static void end_with_each_token(struct rig *rig)
{
    const struct added *added = &rig->recipe.tokenizer->added;
    size_t step = added->count / TOKENS_TRIED + 1;

    for (size_t i = 0; i < added->count; i += step)
        end_with(rig, content_of(&added->tokens[i]));
}

/* ---- tokenizers ---- */

static bool has_firm_ends(const struct tokenizer *tokenizer)
{
    for (size_t i = 0; i < tokenizer->added.count; i++)
        if (tokenizer->added.tokens[i].ends_firmly)
            return true;
    return false;
}

/* Takes the tokenizer. */
static void try(const char *name, struct tokenizer *tokenizer)
{
    struct rig rig = { .name = name,
                       .recipe = { .snapshot = { .refs = 1 }, .number = 1, .tokenizer = tokenizer },
                       .keeping = pipeline_new(),
                       .fresh = pipeline_new(),
                       .seed = 7 };

    go_on_otherwise(&rig);
    end_with_each_token(&rig);
    assert_int_equal(rig.reused > 0, has_firm_ends(tokenizer));
    pipeline_free(rig.keeping);
    pipeline_free(rig.fresh);
    tokenizer_unref(tokenizer);
}

static void tokens_inside_of_tokens_are_no_end(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(samples); i++)
        try("sample", sample_load(i));
}

static void what_follows_changes_nothing_before_it(void **state UNUSED)
{
    static const char *const folders[] = {
        "tests/engine/tokenizer",
        "../shared/tokenizers/bert",
        "../shared/tokenizers/chatglm3",
        "../shared/tokenizers/clip",
        "../shared/tokenizers/deepseek_v3",
        "../shared/tokenizers/falcon",
        "../shared/tokenizers/gemma3",
        "../shared/tokenizers/gpt2",
        "../shared/tokenizers/gptoss",
        "../shared/tokenizers/llama3_2",
        "../shared/tokenizers/mistral_nemo",
        "../shared/tokenizers/mistral_v1",
        "../shared/tokenizers/phi2",
        "../shared/tokenizers/phi3_mini",
        "../shared/tokenizers/qwen3",
        "../shared/tokenizers/roberta",
    };

    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        struct tokenizer *tokenizer;
        struct buf errors;

        if (access(folders[i], R_OK) != 0) {
            printf("SKIP: no %s\n", folders[i]);
            continue;
        }
        buf_init(&errors, SIZE_MAX);
        tokenizer = tokenizer_load(folders[i], &errors);
        if (!tokenizer)
            fail_msg("%.*s", SLICE_ARGS(buf_join(&errors)));
        buf_release(&errors);
        try(folders[i], tokenizer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_inside_of_tokens_are_no_end),
        cmocka_unit_test(what_follows_changes_nothing_before_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
