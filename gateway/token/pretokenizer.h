/*
 * The pre-tokenizer of a tokenizer.json: steps that cut a normalized text into pieces, each step
 * the pieces of the one before, and some that rewrite them.
 *
 * Immutable once loaded; any thread. Each kind is a row of pretokenizers.def.
 */
#ifndef SLUICE_TOKEN_PRETOKENIZER_H
#define SLUICE_TOKEN_PRETOKENIZER_H

#include "gateway/token/pattern.h"
#include "gateway/token/scratch.h"

/* What becomes of matches and of what lies between them (SplitDelimiterBehavior). */
enum split_behavior {
    SPLIT_REMOVED,
    SPLIT_ISOLATED,
    SPLIT_MERGED_WITH_PREVIOUS,
    SPLIT_MERGED_WITH_NEXT,
    SPLIT_CONTIGUOUS,
};

enum prepend_scheme { PREPEND_NEVER, PREPEND_FIRST, PREPEND_ALWAYS };

/* One step. First the pieces are rewritten, if it does that, then they are cut, then written in
 * letters. */
struct pretokenizer_step {
    bool replaces;                /* Metaspace: spaces by `replacement` */
    enum prepend_scheme prepends; /* `replacement`, to pieces that do not begin with it */
    uint32_t replacement;
    bool cuts;
    struct pattern pattern;
    enum split_behavior behavior;
    bool invert;          /* what does not match is taken for a match, and the other way */
    uint64_t fixed_codes; /* FixedLength: so many code points each; 0: by pattern */
    bool letters;         /* ByteLevel: bytes as letters */
    bool unletters;       /* and back, before a model of bytes */
};

struct pretokenizer_type {
    const char *name; /* as tokenizer.json's "type" */
    bool (*load)(const struct node *node, struct pretokenizer_step *step);
};

struct pretokenizer {
    struct pretokenizer_step *steps;
    size_t count;
    bool first_is_late; /* PREPEND_FIRST is asked of pieces that other steps have made */
};

/* `node` may be absent: no steps. */
bool pretokenizer_load(struct pretokenizer *pretokenizer, const struct node *node) MUST_USE;
void pretokenizer_release(struct pretokenizer *pretokenizer);
/*
 * Whether a model can be given bytes where the file has letters: they are made in one place, by the
 * normalizer (`letters`) or here, and only cut afterwards. If so the steps are changed to give
 * bytes.
 */
bool pretokenizer_take_bytes(struct pretokenizer *pretokenizer, bool letters) MUST_USE;
/* The only thing that the steps do is to cut by this scanner; NULL: not so. `*ret_whole`: they do
 * nothing. */
const struct split_type *pretokenizer_split(const struct pretokenizer *pretokenizer,
                                            bool *ret_whole);

/* The pieces of `text`; borrowed from the scratch until the next call. `front`: how many bytes
 * stand for the first code point of the whole, that is what PREPEND_FIRST asks for; 0: it is
 * elsewhere. */
const struct spans *pretokenizer_apply(const struct pretokenizer *pretokenizer,
                                       struct scratch *scratch, struct slice text, size_t front);

#endif
