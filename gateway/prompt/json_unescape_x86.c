/*
 * json_unescape with AVX-512: what stands behind a backslash is looked up in its place, and then
 * the backslashes are closed over.
 */
#include "gateway/prompt/json_unescape.h"

#include "gateway/prompt/json_string_lanes.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define VBMI2 __attribute__((target("avx512f,avx512bw,avx512vbmi,avx512vbmi2")))

/* The lanes below a place. */
static inline uint64_t lanes_below(unsigned place)
{
    return (1ull << place) - 1;
}

VBMI2 struct json_unescaped json_unescape_vbmi2(struct slice in, char *out, size_t room)
{
    const __m512i low = _mm512_loadu_si512(json_escaped_char);
    const __m512i high = _mm512_loadu_si512(json_escaped_char + 64);
    struct json_string_run run = { .open = false };
    struct json_unescaped done = { 0, 0 };
    uint64_t u = 0;

    for (; !u && in.len - done.read >= 64 && room - done.written >= 64; done.read += 64) {
        __m512i bytes = _mm512_loadu_si512(in.at + done.read);
        uint64_t slashes = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\\'));
        uint64_t escaped = json_string_escaped(&run, slashes);
        __m512i meant = _mm512_permutex2var_epi8(low, bytes, high);
        uint64_t kept = ~slashes | escaped;

        u = escaped & _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('u'));
        if (u)
            kept &= lanes_below((unsigned)__builtin_ctzll(u));
        bytes = _mm512_maskz_compress_epi8(kept, _mm512_mask_mov_epi8(bytes, escaped, meant));
        _mm512_storeu_si512(out + done.written, bytes);
        done.written += (size_t)__builtin_popcountll(kept);
    }
    /* The backslash whose character was not taken was not, either. */
    if (u)
        done.read -= 64 - (size_t)__builtin_ctzll(u) + 1;
    else
        done.read -= run.escapes_next;
    return done;
}

#endif
