/*
 * json_span with AVX2 (32 bytes a step) and AVX-512 (64).
 */
#include "gateway/prompt/json_span.h"

#include "gateway/prompt/json_span_utf8.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define TARGET(features) __attribute__((target(features)))

/* Lanes of `in` where a fault shows; `before` is the block in front of it. */
TARGET("avx2") static inline uint32_t faults_avx2(__m256i in, __m256i before)
{
    const __m256i low_half = _mm256_set1_epi8(0x0f);
    const __m256i table1 =
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)json_span_first_high));
    const __m256i table2 =
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)json_span_first_low));
    const __m256i table3 =
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)json_span_second_high));
    __m256i joint = _mm256_permute2x128_si256(before, in, 0x21);
    __m256i back1 = _mm256_alignr_epi8(in, joint, 15);
    __m256i back2 = _mm256_alignr_epi8(in, joint, 14);
    __m256i back3 = _mm256_alignr_epi8(in, joint, 13);
    __m256i high1 = _mm256_and_si256(_mm256_srli_epi16(back1, 4), low_half);
    __m256i high2 = _mm256_and_si256(_mm256_srli_epi16(in, 4), low_half);
    __m256i faults = _mm256_and_si256(
        _mm256_and_si256(_mm256_shuffle_epi8(table1, high1),
                         _mm256_shuffle_epi8(table2, _mm256_and_si256(back1, low_half))),
        _mm256_shuffle_epi8(table3, high2));
    /* the third byte after e0..ff and the fourth after f0..ff must be continuations, others must
     * not */
    __m256i third = _mm256_subs_epu8(back2, _mm256_set1_epi8((char)(0xe0 - 0x80)));
    __m256i fourth = _mm256_subs_epu8(back3, _mm256_set1_epi8((char)(0xf0 - 0x80)));
    __m256i owed = _mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8((char)0x80));

    faults = _mm256_xor_si256(faults, owed);
    return ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(faults, _mm256_setzero_si256()));
}

TARGET("avx2") static inline uint32_t stops_avx2(__m256i in)
{
    __m256i quote = _mm256_cmpeq_epi8(in, _mm256_set1_epi8('"'));
    __m256i slash = _mm256_cmpeq_epi8(in, _mm256_set1_epi8('\\'));
    __m256i control = _mm256_cmpeq_epi8(_mm256_min_epu8(in, _mm256_set1_epi8(0x1f)), in);

    return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(_mm256_or_si256(quote, slash), control));
}

/* The last bytes before `end`, and zeros, which stop the run there. */
TARGET("avx2") static inline __m256i tail_avx2(const char *at, const char *end)
{
    char bytes[32] = { 0 };

    memcpy(bytes, at, (size_t)(end - at));
    return _mm256_loadu_si256((const __m256i *)bytes);
}

TARGET("avx2") const char *json_span_avx2(const char *at, const char *end)
{
    __m256i before = _mm256_setzero_si256();
    bool open = false; /* the block before may end inside a sequence */

    for (; at < end; at += 32) {
        bool whole = end - at >= 32;
        __m256i in = whole ? _mm256_loadu_si256((const __m256i *)at) : tail_avx2(at, end);
        uint32_t stops = stops_avx2(in);
        uint32_t beyond = (uint32_t)_mm256_movemask_epi8(in);
        size_t n = stops ? (size_t)__builtin_ctz(stops) : 32;
        uint32_t seen = stops ^ (stops - 1); /* the lanes up to the stop, all without one */

        if (!whole &&
            n >= (size_t)(end - at)) { /* cut off by the end: the zero after it is no fault */
            n = (size_t)(end - at);
            seen = (1u << n) - 1;
        }
        if ((open || beyond) && (faults_avx2(in, before) & seen))
            return NULL;
        if (stops)
            return at + n;
        open = (beyond >> 29) != 0;
        before = in;
    }
    return end;
}

TARGET("avx512bw,avx512vl") static inline uint64_t faults_avx512(__m512i in, __m512i before)
{
    const __m512i low_half = _mm512_set1_epi8(0x0f);
    const __m512i table1 =
        _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)json_span_first_high));
    const __m512i table2 =
        _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)json_span_first_low));
    const __m512i table3 =
        _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)json_span_second_high));
    __m512i joint = _mm512_alignr_epi64(in, before, 6);
    __m512i back1 = _mm512_alignr_epi8(in, joint, 15);
    __m512i back2 = _mm512_alignr_epi8(in, joint, 14);
    __m512i back3 = _mm512_alignr_epi8(in, joint, 13);
    __m512i high1 = _mm512_and_si512(_mm512_srli_epi16(back1, 4), low_half);
    __m512i high2 = _mm512_and_si512(_mm512_srli_epi16(in, 4), low_half);
    __m512i faults = _mm512_and_si512(
        _mm512_and_si512(_mm512_shuffle_epi8(table1, high1),
                         _mm512_shuffle_epi8(table2, _mm512_and_si512(back1, low_half))),
        _mm512_shuffle_epi8(table3, high2));
    __m512i third = _mm512_subs_epu8(back2, _mm512_set1_epi8((char)(0xe0 - 0x80)));
    __m512i fourth = _mm512_subs_epu8(back3, _mm512_set1_epi8((char)(0xf0 - 0x80)));
    __m512i owed = _mm512_and_si512(_mm512_or_si512(third, fourth), _mm512_set1_epi8((char)0x80));

    return _mm512_test_epi8_mask(_mm512_xor_si512(faults, owed), _mm512_set1_epi8((char)0xff));
}

TARGET("avx512bw,avx512vl") const char *json_span_avx512(const char *at, const char *end)
{
    __m512i before = _mm512_setzero_si512();
    bool open = false;

    for (; at < end; at += 64) {
        size_t left = (size_t)(end - at);
        uint64_t lanes = left >= 64 ? ~0ull : (1ull << left) - 1;
        __m512i in = _mm512_maskz_loadu_epi8(lanes, at);
        uint64_t stops = lanes & (_mm512_cmpeq_epi8_mask(in, _mm512_set1_epi8('"')) |
                                  _mm512_cmpeq_epi8_mask(in, _mm512_set1_epi8('\\')) |
                                  _mm512_cmplt_epu8_mask(in, _mm512_set1_epi8(0x20)));
        uint64_t beyond = _mm512_movepi8_mask(in);
        uint64_t seen = lanes & (stops ^ (stops - 1));

        if ((open || beyond) && (faults_avx512(in, before) & seen))
            return NULL;
        if (stops)
            return at + __builtin_ctzll(stops);
        open = (beyond >> 61) != 0;
        before = in;
    }
    return end;
}

#endif
