/*
 * Byte-pair merging against a reference that is naive on purpose: for every family, on random and
 * adversarial texts, with and without a cache.
 */
#include "gateway/token/bpe.h"

#include "tests/unit/texts.h"
#include "tests/unit/vocabulary.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define TEXT 600

/* ---- the reference: all pairs are looked at for each merge ---- */

struct naive {
    const struct bpe_spec *spec;
    json_t *ranks; /* "left right" to rank */
    json_t *ids;   /* bytes of a token to id */
};

static void naive_init(struct naive *naive, const struct bpe_spec *spec)
{
    char key[32];

    *naive = (struct naive){ spec, json_object(), json_object() };
    for (size_t i = 0; i < spec->merge_count; i++) {
        snprintf(key, sizeof(key), "%u %u", spec->merges[i].left, spec->merges[i].right);
        json_object_set_new(naive->ranks, key, json_integer((json_int_t)i));
    }
    for (size_t i = 0; i < spec->token_count; i++) {
        struct slice bytes = spec->tokens[i].bytes;

        json_object_setn_new_nocheck(naive->ids, bytes.at, bytes.len,
                                     json_integer(spec->tokens[i].id));
    }
}

static void naive_release(struct naive *naive)
{
    json_decref(naive->ranks);
    json_decref(naive->ids);
}

static uint32_t naive_id(const struct naive *naive, struct slice bytes)
{
    json_t *id = json_object_getn(naive->ids, bytes.at, bytes.len);

    return id ? (uint32_t)json_integer_value(id) : BPE_NO_ID;
}

static json_int_t naive_rank(const struct naive *naive, uint32_t left, uint32_t right)
{
    char key[32];
    json_t *rank;

    snprintf(key, sizeof(key), "%u %u", left, right);
    rank = json_object_get(naive->ranks, key);
    return rank ? json_integer_value(rank) : INT64_MAX;
}

static void naive_merge(const struct naive *naive, struct ids *ids)
{
    for (;;) {
        json_int_t lowest = INT64_MAX;
        size_t at = 0;

        for (size_t i = 0; i + 1 < ids->count; i++) {
            json_int_t rank = naive_rank(naive, ids->at[i], ids->at[i + 1]);

            if (rank < lowest) {
                lowest = rank;
                at = i;
            }
        }
        if (lowest == INT64_MAX)
            return;
        ids->at[at] = naive->spec->merges[lowest].result;
        ids->count--;
        memmove(ids->at + at + 1, ids->at + at + 2, (ids->count - at - 1) * sizeof(uint32_t));
    }
}

static void naive_symbols(const struct naive *naive, struct slice piece, struct ids *ids)
{
    const struct bpe_spec *spec = naive->spec;
    uint32_t n;

    for (; piece.len > 0; piece = slice_skip(piece, n)) {
        char symbol[16];
        uint32_t id;

        unicode_read(piece.at, &n);
        n = spec->byte_level ? 1 : n;
        memcpy(symbol, piece.at, n);
        if (n == piece.len && spec->end_of_word.len > 0)
            memcpy(symbol + n, spec->end_of_word.at, spec->end_of_word.len);
        id = naive_id(naive, slice_of(symbol, n + (n == piece.len ? spec->end_of_word.len : 0)));
        if (id != BPE_NO_ID)
            ids_add(ids, id);
        else if (!spec->byte_level && spec->byte_ids[0] != BPE_NO_ID)
            for (uint32_t i = 0; i < n; i++)
                ids_add(ids, spec->byte_ids[(uint8_t)piece.at[i]]);
        else if (spec->unk_id != BPE_NO_ID)
            ids_add(ids, spec->unk_id);
    }
}

static void naive_piece(const struct naive *naive, struct slice piece, struct ids *ids)
{
    uint32_t whole = naive->spec->ignore_merges ? naive_id(naive, piece) : BPE_NO_ID;

    ids->count = 0;
    if (whole != BPE_NO_ID) {
        ids_add(ids, whole);
        return;
    }
    naive_symbols(naive, piece, ids);
    naive_merge(naive, ids);
}

/* ---- families ---- */

static const char *const families[] = {
    "gpt2",       "llama3_2",  "qwen3", "deepseek_v3", "mistral_nemo", "gptoss",  "gemma3",
    "mistral_v1", "phi3_mini", "phi2",  "falcon",      "chatglm3",     "roberta", "clip",
};

struct rig {
    struct vocabulary vocabulary;
    struct naive naive;
    struct bpe *bpe;
    struct bpe_cache *small, *none; /* one that must evict, one that keeps nothing */
    struct ids expected, got;
};

static bool rig_init(struct rig *rig, const char *family)
{
    *rig = (struct rig){ 0 };
    if (!vocabulary_load(&rig->vocabulary, family))
        return false;
    naive_init(&rig->naive, &rig->vocabulary.spec);
    rig->bpe = bpe_new(&rig->vocabulary.spec);
    rig->small = bpe_cache_new(rig->bpe, 16384);
    rig->none = bpe_cache_new(rig->bpe, 0);
    return true;
}

static void rig_release(struct rig *rig)
{
    bpe_cache_free(rig->small);
    bpe_cache_free(rig->none);
    bpe_free(rig->bpe);
    naive_release(&rig->naive);
    vocabulary_release(&rig->vocabulary);
    ids_release(&rig->expected);
    ids_release(&rig->got);
}

static void compare(const struct rig *rig, const char *family, struct slice piece)
{
    if (rig->got.count == rig->expected.count &&
        memcmp(rig->got.at, rig->expected.at, rig->got.count * sizeof(uint32_t)) == 0)
        return;
    fail_msg("%s: %zu ids, expected %zu, for \"%.*s\"", family, rig->got.count, rig->expected.count,
             SLICE_ARGS(piece));
}

static void check_piece(struct rig *rig, const char *family, struct slice piece)
{
    struct bpe_cache *caches[] = { rig->none, rig->small, rig->small };

    naive_piece(&rig->naive, piece, &rig->expected);
    for (size_t i = 0; i < ARRAY_LEN(caches); i++) {
        rig->got.count = 0;
        bpe_encode_piece(rig->bpe, caches[i], piece, &rig->got);
        compare(rig, family, piece);
    }
}

/* A few tokens behind each other: what merges in more ways than one. */
static struct slice joined_tokens(const struct rig *rig, uint64_t *seed, char *to)
{
    const struct bpe_spec *spec = &rig->vocabulary.spec;
    size_t len = 0;

    for (size_t n = 1 + random_below(seed, 4); n > 0; n--) {
        struct slice token = spec->tokens[random_below(seed, spec->token_count)].bytes;

        if (len + token.len > TEXT)
            break;
        memcpy(to + len, token.at, token.len);
        len += token.len;
    }
    return slice_of(to, len);
}

/* Few letters, many times: pairs overlap themselves. */
static struct slice few_letters(uint64_t *seed, char *to)
{
    const char *letters = random_below(seed, 2) ? "aA =-" : "etaoin shrdlu";
    size_t kinds = 1 + random_below(seed, strlen(letters)), len = 1 + random_below(seed, 200);

    for (size_t i = 0; i < len; i++)
        to[i] = letters[random_below(seed, kinds)];
    return slice_of(to, len);
}

static void every_family_merges_as_the_naive_reference(void **state)
{
    char text[TEXT];

    (void)state;
    for (size_t f = 0; f < ARRAY_LEN(families); f++) {
        uint64_t seed = 3 + f;
        struct rig rig;

        if (!rig_init(&rig, families[f])) {
            printf("SKIP: no %s%s\n", VOCABULARY_FOLDER, families[f]);
            continue;
        }
        for (int round = 0; round < 100; round++) {
            check_piece(&rig, families[f], joined_tokens(&rig, &seed, text));
            check_piece(&rig, families[f], few_letters(&seed, text));
            check_piece(&rig, families[f], texts_random(&seed, text, 150));
        }
        rig_release(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_family_merges_as_the_naive_reference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
