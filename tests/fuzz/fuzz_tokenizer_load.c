/*
 * tokenizer.json from anybody: whatever the bytes are, there is a tokenizer or one line that says
 * what is wrong, never both; and a tokenizer encodes.
 */
#include "gateway/base/log.h"
#include "gateway/token/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void encodes(struct tokenizer *tokenizer)
{
    static const struct slice texts[] = {
        SLICE_INIT(""),
        SLICE_INIT("a ab <a>b\n"),
        SLICE_INIT("  \xc3\xa9\xcc\x81 \xe4\xb8\xad\xe2\x96\x81x"),
    };
    struct encoder *encoder = encoder_new(tokenizer, 1 << 16);
    struct ids ids;

    ids_init(&ids);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        encoder_encode(encoder, texts[i], ENCODER_PROCESSED, &ids);
    tokenizer_fit(tokenizer, ENCODER_PLAIN, &ids);
    ids_release(&ids);
    encoder_free(encoder);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct tokenizer *tokenizer;
    struct buf errors;

    log_level = LOG_ERROR;
    buf_init(&errors, SIZE_MAX);
    tokenizer = tokenizer_load_text(slice_of((const char *)bytes, size), SLICE(""), &errors);
    CHECK(!tokenizer == !buf_is_empty(&errors));
    if (tokenizer)
        encodes(tokenizer);
    else
        CHECK(slice_find(buf_join(&errors), '\n') == errors.len - 1);
    tokenizer_unref(tokenizer);
    buf_release(&errors);
    return 0;
}
