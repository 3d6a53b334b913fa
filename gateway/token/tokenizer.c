/*
 * Loading a tokenizer's folder.
 */
#include "gateway/token/tokenizer.h"

#include "gateway/token/tokenizer_parts.h"

#include <stdlib.h>

static bool load_truncation(struct fitting *fitting, const struct node *node)
{
    struct node direction = node_get(node, "direction"), most = node_get(node, "max_length");
    struct node strategy = node_get(node, "strategy");
    struct slice where, how;

    if (!node->value)
        return true;
    if (!node_is_object(node) || !node_text_or(&direction, SLICE("Right"), &where) ||
        !node_number(&most, UINT32_MAX, &fitting->most) || !node_text(&strategy, &how))
        return false;
    fitting->truncates = !slice_eq(how, SLICE("OnlySecond")); /* there is never a second text */
    fitting->truncates_left = slice_eq(where, SLICE("Left"));
    return true;
}

/* More than any model takes; padding is memory that no text has asked for. */
#define PAD_MAX (1u << 20)

static bool load_padding(struct fitting *fitting, const struct node *node)
{
    struct node strategy = node_get(node, "strategy"), direction = node_get(node, "direction");
    struct node multiple = node_get(node, "pad_to_multiple_of"), id = node_get(node, "pad_id");
    struct node fixed = node_get(&strategy, "Fixed");
    struct slice where;

    if (!node->value)
        return true;
    if (!node_is_object(node) || !node_need(&strategy) || !node_text(&direction, &where) ||
        !node_id(&id, &fitting->pad_id) ||
        (fixed.value && !node_number(&fixed, PAD_MAX, &fitting->pad_to)) ||
        (multiple.value && !node_number(&multiple, PAD_MAX, &fitting->pad_multiple)))
        return false;
    fitting->pads = true;
    fitting->pads_to_fixed = fixed.value;
    fitting->pads_left = slice_eq(where, SLICE("Left"));
    return true;
}

static bool load_fitting(struct fitting *fitting, const struct node *root)
{
    struct node truncation = node_get(root, "truncation"), padding = node_get(root, "padding");

    return load_truncation(fitting, &truncation) && load_padding(fitting, &padding);
}

static bool check_version(const struct node *root)
{
    struct node version = node_get(root, "version");
    struct slice text;

    if (!version.value)
        return true;
    if (!node_text(&version, &text))
        return false;
    return slice_eq(text, SLICE("1.0")) || node_fail(&version, "is not 1.0");
}

static bool load_parts(struct tokenizer *tokenizer, const struct node *root)
{
    struct node normalizer = node_get(root, "normalizer");
    struct node pretokenizer = node_get(root, "pre_tokenizer");
    struct node model = node_get(root, "model"), added = node_get(root, "added_tokens");
    struct node postprocessor = node_get(root, "post_processor");
    struct scratch scratch;
    bool good;

    scratch_init(&scratch);
    good = check_version(root) && normalizer_load(&tokenizer->normalizer, &normalizer) &&
           pretokenizer_load(&tokenizer->pretokenizer, &pretokenizer) &&
           model_load(&tokenizer->model, &model, &tokenizer->pretokenizer,
                      tokenizer->normalizer.letters) &&
           added_load(&tokenizer->added, &added, &tokenizer->model.vocab, &tokenizer->normalizer,
                      &scratch) &&
           postprocessor_load(&tokenizer->postprocessor, &postprocessor) &&
           load_fitting(&tokenizer->fitting, root);
    scratch_release(&scratch);
    return good;
}

/* One more than the largest id of either kind. */
static uint32_t count_ids(const struct tokenizer *tokenizer)
{
    uint32_t size = tokenizer->model.vocab.size;

    for (size_t i = 0; i < tokenizer->added.count; i++)
        if (tokenizer->added.tokens[i].id >= size)
            size = tokenizer->added.tokens[i].id + 1;
    return size;
}

/* Where an added token and an entry have one id, the token is asked first, as the reference does.
 */
static void index_by_id(struct tokenizer *tokenizer)
{
    const struct vocab *vocab = &tokenizer->model.vocab;

    tokenizer->size = count_ids(tokenizer);
    tokenizer->by_id = xcalloc((size_t)tokenizer->size + 1, sizeof(*tokenizer->by_id));
    for (size_t i = 0; i < vocab->count; i++)
        tokenizer->by_id[vocab->entries[i].id] = (uint32_t)i + 1;
    for (size_t i = 0; i < tokenizer->added.count; i++)
        tokenizer->by_id[tokenizer->added.tokens[i].id] = (uint32_t)(vocab->count + i) + 1;
}

static bool load_tokenizer(struct tokenizer *tokenizer, struct slice text, struct buf *errors)
{
    struct document document;
    struct node root;
    bool good;

    if (!document_parse(&document, "tokenizer.json", text, errors))
        return false;
    root = document_root(&document);
    good = load_parts(tokenizer, &root);
    document_close(&document);
    if (good)
        index_by_id(tokenizer);
    return good;
}

/* Classes of transformers that make a post-processor of their own from add_bos_token and
 * add_eos_token, whatever tokenizer.json has (LlamaTokenizerFast.update_post_processor). */
static bool class_makes_processor(struct slice class)
{
    static const char *const classes[] = { "LlamaTokenizer", "CodeLlamaTokenizer", "GemmaTokenizer",
                                           "CohereTokenizer" };

    for (size_t i = 0; i < ARRAY_LEN(classes); i++)
        if (slice_starts(class, slice_str(classes[i])))
            return true;
    return false;
}

/* `"<s>"` or `{"content": "<s>", ..}`; absent: no token. */
static bool read_token(const struct tokenizer *tokenizer, const struct node *node, bool *ret_there,
                       uint32_t *ret_id)
{
    struct node content = node_get(node, "content");
    struct slice text;

    *ret_there = false;
    if (!node->value)
        return true;
    if (!node_text(json_is_object(node->value) ? &content : node, &text))
        return false;
    *ret_there = tokenizer_id(tokenizer, text, ret_id);
    return true;
}

static void copy(struct ids *to, const struct ids *from)
{
    to->count = 0;
    for (size_t i = 0; i < from->count; i++)
        ids_add(to, from->at[i]);
}

/* One side of a completion: `has` is what the post-processor puts there; `edge` the place in it
 * where the token would be. */
static void complete_side(struct ids *side, bool wanted, bool replaces, uint32_t id, bool first)
{
    size_t edge = first ? 0 : side->count - 1;

    if (replaces)
        side->count = 0;
    if (!wanted || (side->count > 0 && side->at[edge] == id))
        return;
    ids_reserve(side, 1);
    if (first)
        memmove(side->at + 1, side->at, side->count * sizeof(*side->at));
    side->at[first ? 0 : side->count] = id;
    side->count++;
}

static bool load_completion(struct tokenizer *tokenizer, const struct node *root)
{
    struct node class = node_get(root, "tokenizer_class");
    struct node add_bos = node_get(root, "add_bos_token");
    struct node add_eos = node_get(root, "add_eos_token");
    struct node bos = node_get(root, "bos_token"), eos = node_get(root, "eos_token");
    bool adds_bos, adds_eos, has_bos, has_eos, replaces;
    uint32_t bos_id = 0, eos_id = 0;
    struct slice name;

    if (!node_text_or(&class, SLICE(""), &name))
        return false;
    replaces = class_makes_processor(name);
    if (!node_bool(&add_bos, replaces, &adds_bos) || !node_bool(&add_eos, false, &adds_eos) ||
        !read_token(tokenizer, &bos, &has_bos, &bos_id) ||
        !read_token(tokenizer, &eos, &has_eos, &eos_id))
        return false;
    complete_side(&tokenizer->before_completion, adds_bos && has_bos, replaces, bos_id, true);
    complete_side(&tokenizer->after_completion, adds_eos && has_eos, replaces, eos_id, false);
    return true;
}

/* Keeps a copy of `text`; empty: there is none. */
static bool load_config(struct tokenizer *tokenizer, struct slice text, struct buf *errors)
{
    struct document document;
    struct node root;
    bool good;

    copy(&tokenizer->before_completion, &tokenizer->postprocessor.before);
    copy(&tokenizer->after_completion, &tokenizer->postprocessor.after);
    if (text.len == 0)
        return true;
    if (!document_parse(&document, "tokenizer_config.json", text, errors))
        return false;
    tokenizer->config = slice_dup(text);
    tokenizer->config_len = text.len;
    root = document_root(&document);
    good = load_completion(tokenizer, &root);
    document_close(&document);
    return good;
}

struct tokenizer *tokenizer_load_text(struct slice json, struct slice config, struct buf *errors)
{
    struct tokenizer *tokenizer = xcalloc(1, sizeof(*tokenizer));

    atomic_init(&tokenizer->refs, 1);
    if (load_tokenizer(tokenizer, json, errors) && load_config(tokenizer, config, errors))
        return tokenizer;
    tokenizer_unref(tokenizer);
    return NULL;
}

static struct tokenizer *load_folder(const char *folder, struct buf *errors)
{
    struct slice json, config = { NULL, 0 };
    struct tokenizer *tokenizer = NULL;
    bool missing;

    if (!document_read(folder, "tokenizer.json", errors, &missing, &json)) {
        if (missing)
            buf_printf(errors, "tokenizer.json: there is none\n");
        return NULL;
    }
    if (document_read(folder, "tokenizer_config.json", errors, &missing, &config) || missing)
        tokenizer = tokenizer_load_text(json, config, errors);
    free((void *)(uintptr_t)json.at);
    free((void *)(uintptr_t)config.at);
    return tokenizer;
}

struct tokenizer *tokenizer_load(const char *folder, struct buf *errors)
{
    struct tokenizer *tokenizer;
    struct buf why;

    buf_init(&why, SIZE_MAX);
    tokenizer = load_folder(folder, &why);
    if (!tokenizer) {
        buf_printf(errors, "%s/", folder);
        buf_move(errors, &why, why.len);
    }
    buf_release(&why);
    return tokenizer;
}

struct tokenizer *tokenizer_ref(struct tokenizer *tokenizer)
{
    atomic_fetch_add_explicit(&tokenizer->refs, 1, memory_order_relaxed);
    return tokenizer;
}

void tokenizer_unref(struct tokenizer *tokenizer)
{
    if (!tokenizer || atomic_fetch_sub_explicit(&tokenizer->refs, 1, memory_order_acq_rel) != 1)
        return;
    normalizer_release(&tokenizer->normalizer);
    pretokenizer_release(&tokenizer->pretokenizer);
    model_release(&tokenizer->model);
    added_release(&tokenizer->added);
    postprocessor_release(&tokenizer->postprocessor);
    ids_release(&tokenizer->before_completion);
    ids_release(&tokenizer->after_completion);
    free(tokenizer->by_id);
    free(tokenizer->config);
    free(tokenizer);
}

bool tokenizer_id(const struct tokenizer *tokenizer, struct slice content, uint32_t *ret_id)
{
    return added_find(&tokenizer->added, content, ret_id) ||
           vocab_find(&tokenizer->model.vocab, content, ret_id);
}

bool tokenizer_token(const struct tokenizer *tokenizer, uint32_t id, struct slice *ret_content)
{
    uint32_t number = id < tokenizer->size ? tokenizer->by_id[id] : 0;
    size_t entries = tokenizer->model.vocab.count;
    const struct added_token *added;

    if (number == 0)
        return false;
    if (number <= entries) {
        *ret_content = vocab_text(&tokenizer->model.vocab, number - 1);
        return true;
    }
    added = &tokenizer->added.tokens[number - 1 - entries];
    *ret_content = slice_of(added->content, added->content_len);
    return true;
}

uint32_t tokenizer_size(const struct tokenizer *tokenizer)
{
    return tokenizer->size;
}

struct slice tokenizer_config(const struct tokenizer *tokenizer)
{
    return slice_of(tokenizer->config, tokenizer->config_len);
}

/* Drops all but `most` of the text's ids, which have `before` in front and `after` behind them. */
static void truncate_text(struct ids *ids, size_t before, size_t after, uint64_t most, bool left)
{
    size_t text = ids->count - before - after;
    size_t drop = text > most ? text - (size_t)most : 0;
    size_t at = left ? before : before + text - drop;

    if (drop == 0)
        return;
    memmove(ids->at + at, ids->at + at + drop, (ids->count - at - drop) * sizeof(*ids->at));
    ids->count -= drop;
}

static void pad(const struct fitting *fitting, struct ids *ids)
{
    uint64_t wanted = fitting->pads_to_fixed ? fitting->pad_to : ids->count;
    size_t missing;

    if (fitting->pad_multiple > 0 && wanted % fitting->pad_multiple > 0)
        wanted += fitting->pad_multiple - wanted % fitting->pad_multiple;
    missing = wanted > ids->count ? (size_t)wanted - ids->count : 0;
    ids_reserve(ids, missing + 1);
    if (fitting->pads_left)
        memmove(ids->at + missing, ids->at, ids->count * sizeof(*ids->at));
    for (size_t i = 0; i < missing; i++)
        ids->at[fitting->pads_left ? i : ids->count + i] = fitting->pad_id;
    ids->count += missing;
}

void tokenizer_fit(const struct tokenizer *tokenizer, enum encoder_special special, struct ids *ids)
{
    const struct fitting *fitting = &tokenizer->fitting;
    bool processed = special == ENCODER_PROCESSED;
    size_t before = processed ? tokenizer->postprocessor.before.count : 0;
    size_t after = processed ? tokenizer->postprocessor.after.count : 0;

    if (fitting->truncates && fitting->most >= before + after)
        truncate_text(ids, before, after, fitting->most - before - after, fitting->truncates_left);
    if (fitting->pads)
        pad(fitting, ids);
}
