/*
 * Chooses the kernel, and the one that needs no vector instructions.
 */
#include "gateway/prompt/json_span.h"

#include "gateway/base/utf8.h"

#include <stdbool.h>
#include <string.h>

#define EVERY_BYTE(b) (0x0101010101010101ull * (b))

/* Is none of eight bytes a quote, a backslash, a control character or beyond ASCII? */
static bool plain_word(uint64_t w)
{
    uint64_t quote = w ^ EVERY_BYTE('"');
    uint64_t slash = w ^ EVERY_BYTE('\\');
    uint64_t zeros = (quote - EVERY_BYTE(1)) | (slash - EVERY_BYTE(1)) | (w - EVERY_BYTE(0x20)) | w;

    return (zeros & EVERY_BYTE(0x80)) == 0;
}

const char *json_span_scalar(const char *at, const char *end)
{
    while (at < end) {
        unsigned char c = (unsigned char)*at;
        size_t len;
        uint64_t word;

        if (end - at >= 8) {
            memcpy(&word, at, 8);
            if (plain_word(word)) {
                at += 8;
                continue;
            }
        }
        if (c == '"' || c == '\\' || c < 0x20)
            return at;
        len = utf8_sequence(slice_of(at, (size_t)(end - at)));
        if (len == 0)
            return NULL;
        at += len;
    }
    return end;
}

static struct json_span_kernel kernels[4]; /* the last one stays empty */

static void add_kernel(struct json_span_kernel **at, const char *name, json_span_fn *span)
{
    *(*at)++ = (struct json_span_kernel){ .name = name, .span = span };
}

/* Before main, so that no thread sees it half done. */
__attribute__((constructor)) static void find_kernels(void)
{
    struct json_span_kernel *at = kernels;

#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        add_kernel(&at, "avx512", json_span_avx512);
    if (__builtin_cpu_supports("avx2"))
        add_kernel(&at, "avx2", json_span_avx2);
#elif defined(__aarch64__)
    add_kernel(&at, "neon", json_span_neon);
#endif
    add_kernel(&at, "scalar", json_span_scalar);
}

const struct json_span_kernel *json_span_kernels(void)
{
    return kernels;
}

const char *json_span(const char *at, const char *end)
{
    return kernels[0].span(at, end);
}
