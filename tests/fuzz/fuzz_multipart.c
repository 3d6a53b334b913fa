/*
 * Forms from anybody: parts lie inside the body, in order, and none is larger than it. The input's
 * first line is the content type.
 */
#include "gateway/prompt/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct slice body = slice_of((const char *)bytes, size);
    struct slice type = slice_cut(&body, '\n');
    const char *before = body.at;
    struct multipart form;
    struct multipart_part part;

    if (multipart_open(&form, body, type))
        return 0;
    while (multipart_next(&form, &part)) {
        CHECK(part.name.at >= before && part.value.at >= part.name.at + part.name.len);
        before = part.value.at + part.value.len;
        CHECK(before <= body.at + body.len);
    }
    CHECK(!multipart_close(&form) == (form.ended && !form.reason));
    return 0;
}
