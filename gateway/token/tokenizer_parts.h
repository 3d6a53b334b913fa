/*
 * What a tokenizer is made of, for tokenizer.c and encoder.c.
 */
#ifndef SLUICE_TOKEN_TOKENIZER_PARTS_H
#define SLUICE_TOKEN_TOKENIZER_PARTS_H

#include "gateway/token/added.h"
#include "gateway/token/model.h"
#include "gateway/token/normalizer.h"
#include "gateway/token/postprocessor.h"
#include "gateway/token/pretokenizer.h"
#include "gateway/token/tokenizer.h"

#include <stdatomic.h>

/* What the reference library itself does to ids after all; transformers, and so engines, do not. */
struct fitting {
    bool truncates, truncates_left;
    uint64_t most; /* ids, those of the post-processor included */
    bool pads, pads_left, pads_to_fixed;
    uint64_t pad_to;       /* where pads_to_fixed; else to as many as there are */
    uint64_t pad_multiple; /* 0: none */
    uint32_t pad_id;
};

struct tokenizer {
    _Atomic uint32_t refs;
    struct normalizer normalizer;
    struct pretokenizer pretokenizer;
    struct model model;
    struct added added;
    struct postprocessor postprocessor;
    struct ids before_completion, after_completion; /* what an engine puts around a completion */
    struct fitting fitting;
    uint32_t size;   /* one more than the largest id */
    uint32_t *by_id; /* of `size`: an entry of the vocabulary, behind those an added token,
                        plus one; 0: no token has this id */
    char *config;    /* tokenizer_config.json */
    size_t config_len;
};

#endif
