/*
 * Texts from anybody through small tokenizers of every kind (the first byte says which): encoding
 * may begin anew at any cut, and with and without a cache it is the same.
 */
#include "gateway/base/log.h"
#include "gateway/base/utf8.h"

#include "tests/unit/tokenizer_samples.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* What is no UTF-8 is left out: encoders are given nothing else. */
static size_t keep_utf8(struct slice from, char *ret_text)
{
    size_t len = 0;

    while (from.len > 0) {
        size_t n = utf8_sequence(from);

        memcpy(ret_text + len, from.at, n);
        len += n;
        from = slice_skip(from, n > 0 ? n : 1);
    }
    return len;
}

static void same_without_cache(struct tokenizer *tokenizer, struct encoder *encoder,
                               struct slice text)
{
    struct encoder *bare = encoder_new(tokenizer, 0);
    struct ids a, b;

    ids_init(&a);
    ids_init(&b);
    encoder_encode(encoder, text, ENCODER_PLAIN, &a);
    encoder_encode(bare, text, ENCODER_PLAIN, &b);
    CHECK(a.count == b.count);
    CHECK(a.count == 0 || memcmp(a.at, b.at, a.count * sizeof(*a.at)) == 0);
    ids_release(&a);
    ids_release(&b);
    encoder_free(bare);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct tokenizer *tokenizers[ARRAY_LEN(samples)];
    static struct encoder *encoders[ARRAY_LEN(samples)];
    char *text;
    size_t len, which;

    if (size == 0)
        return 0;
    log_level = LOG_ERROR;
    which = bytes[0] % ARRAY_LEN(samples);
    if (!tokenizers[which]) {
        tokenizers[which] = sample_load(which);
        encoders[which] = encoder_new(tokenizers[which], 1 << 20);
    }
    text = xmalloc(size);
    len = keep_utf8(slice_of((const char *)bytes + 1, size - 1), text);
    sample_check_cuts(encoders[which], slice_of(text, len), ENCODER_PROCESSED);
    same_without_cache(tokenizers[which], encoders[which], slice_of(text, len));
    free(text);
    return 0;
}
