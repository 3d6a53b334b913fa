/*
 * json_string with AVX2 (64 bytes as two vectors) and AVX-512 (as one).
 */
#include "gateway/prompt/json_string.h"

#include "gateway/prompt/json_string_lanes.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#define TARGET(features) __attribute__((target(features)))
#define AVX2             TARGET("avx2")
#define AVX512           TARGET("avx512f,avx512bw")

/* ---- AVX2 ---- */

struct pair {
    __m256i low, high;
};

/* Past the end there are zeros, and a zero ends every run. */
AVX2 static inline struct pair load_pair(const char *at, const char *end)
{
    char bytes[64];

    if (end - at < 64) {
        memset(bytes, 0, sizeof(bytes));
        memcpy(bytes, at, (size_t)(end - at));
        at = bytes;
    }
    return (struct pair){ _mm256_loadu_si256((const __m256i *)at),
                          _mm256_loadu_si256((const __m256i *)(at + 32)) };
}

AVX2 static inline uint64_t join_lanes(__m256i low, __m256i high)
{
    return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high)
                                                     << 32;
}

AVX2 static inline uint64_t equal_avx2(struct pair in, char c)
{
    __m256i all = _mm256_set1_epi8(c);

    return join_lanes(_mm256_cmpeq_epi8(in.low, all), _mm256_cmpeq_epi8(in.high, all));
}

/* Unsigned: no greater than. */
AVX2 static inline uint64_t at_most_avx2(struct pair in, char c)
{
    __m256i all = _mm256_set1_epi8(c);

    return join_lanes(_mm256_cmpeq_epi8(_mm256_min_epu8(in.low, all), in.low),
                      _mm256_cmpeq_epi8(_mm256_min_epu8(in.high, all), in.high));
}

AVX2 static inline __m256i look_up_avx2(const uint8_t table[16], __m256i halves)
{
    __m128i once = _mm_loadu_si128((const __m128i *)table);

    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(once), halves);
}

AVX2 static inline __m256i low_halves_avx2(__m256i in)
{
    return _mm256_and_si256(in, _mm256_set1_epi8(0x0f));
}

AVX2 static inline __m256i high_halves_avx2(__m256i in)
{
    return low_halves_avx2(_mm256_srli_epi16(in, 4));
}

AVX2 static inline __m256i no_escape_avx2(__m256i in)
{
    __m256i high = look_up_avx2(json_string_escape_high, high_halves_avx2(in));
    __m256i low = look_up_avx2(json_string_escape_low, low_halves_avx2(in));

    return _mm256_cmpeq_epi8(_mm256_and_si256(high, low), _mm256_setzero_si256());
}

AVX2 static inline __m256i less(__m256i in, char base)
{
    return _mm256_sub_epi8(in, _mm256_set1_epi8(base));
}

AVX2 static inline uint64_t hex_avx2(struct pair in)
{
    __m256i lower = _mm256_set1_epi8(0x20);
    struct pair digits = { less(in.low, '0'), less(in.high, '0') };
    struct pair letters = { less(_mm256_or_si256(in.low, lower), 'a'),
                            less(_mm256_or_si256(in.high, lower), 'a') };

    return at_most_avx2(digits, 9) | at_most_avx2(letters, 5);
}

/* Where escapes are wrong, given the lanes that are escaped. */
AVX2 static inline uint64_t escape_faults_avx2(struct json_string_run *run, struct pair in,
                                               uint64_t escaped)
{
    uint64_t faults = escaped & join_lanes(no_escape_avx2(in.low), no_escape_avx2(in.high));
    uint64_t wanted = json_string_hex_lanes(run, escaped & equal_avx2(in, 'u'));

    return wanted ? faults | (wanted & ~hex_avx2(in)) : faults;
}

/* Nonzero bytes where a fault of UTF-8 shows; `before` is the vector in front. */
AVX2 static inline __m256i utf8_faults_avx2(__m256i in, __m256i before)
{
    __m256i joint = _mm256_permute2x128_si256(before, in, 0x21);
    __m256i back1 = _mm256_alignr_epi8(in, joint, 15);
    __m256i back2 = _mm256_alignr_epi8(in, joint, 14);
    __m256i back3 = _mm256_alignr_epi8(in, joint, 13);
    __m256i faults = _mm256_and_si256(
        _mm256_and_si256(look_up_avx2(json_string_first_high, high_halves_avx2(back1)),
                         look_up_avx2(json_string_first_low, low_halves_avx2(back1))),
        look_up_avx2(json_string_second_high, high_halves_avx2(in)));
    /* the third byte after e0..ff and the fourth after f0..ff must be continuations, others must
     * not */
    __m256i third = _mm256_subs_epu8(back2, _mm256_set1_epi8((char)(0xe0 - 0x80)));
    __m256i fourth = _mm256_subs_epu8(back3, _mm256_set1_epi8((char)(0xf0 - 0x80)));
    __m256i owed = _mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8((char)0x80));

    return _mm256_xor_si256(faults, owed);
}

AVX2 static inline uint64_t pair_faults_avx2(struct pair in, __m256i before)
{
    struct pair faults = { utf8_faults_avx2(in.low, before), utf8_faults_avx2(in.high, in.low) };

    return ~equal_avx2(faults, 0);
}

AVX2 const char *json_string_avx2(const char *at, const char *end, bool *ret_escaped)
{
    struct json_string_run run = { .open = false };
    __m256i before = _mm256_setzero_si256();

    for (*ret_escaped = false; at < end; at += 64) {
        struct pair in = load_pair(at, end);
        uint64_t slashes = equal_avx2(in, '\\'), control = at_most_avx2(in, 0x1f);
        uint64_t beyond = join_lanes(in.low, in.high);
        uint64_t escaped = 0, faults = 0, stops, seen;

        if (slashes | run.escapes_next)
            escaped = json_string_escaped(&run, slashes);
        if (escaped | run.hex_wanted)
            faults = escape_faults_avx2(&run, in, escaped);
        if (run.open || beyond)
            faults |= pair_faults_avx2(in, before);
        stops = (equal_avx2(in, '"') & ~escaped) | control;
        seen = stops ^ (stops - 1); /* the lanes up to the first stop, all without one */
        *ret_escaped |= (slashes & seen) != 0;
        if ((faults & seen) || (control & seen))
            return NULL;
        if (stops)
            return at + __builtin_ctzll(stops);
        run.open = (beyond >> 61) != 0;
        before = in.high;
    }
    return NULL;
}

AVX2 const char *json_string_close_avx2(const char *at, const char *end, bool *ret_escaped)
{
    struct json_string_run run = { .open = false };
    uint64_t closing = 0;

    for (; at < end; at += 64) {
        struct pair in = load_pair(at, end);
        closing = json_string_closing(&run, equal_avx2(in, '\\'), equal_avx2(in, '"'));
        if (closing)
            break;
    }
    *ret_escaped = run.slashes != 0;
    return closing ? at + __builtin_ctzll(closing) : NULL;
}

/* ---- AVX-512 ---- */

AVX512 static inline __m512i look_up_avx512(const uint8_t table[16], __m512i halves)
{
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)table)),
                               halves);
}

AVX512 static inline __m512i low_halves_avx512(__m512i in)
{
    return _mm512_and_si512(in, _mm512_set1_epi8(0x0f));
}

AVX512 static inline __m512i high_halves_avx512(__m512i in)
{
    return low_halves_avx512(_mm512_srli_epi16(in, 4));
}

AVX512 static inline uint64_t no_hex_avx512(__m512i in)
{
    __m512i digits = _mm512_sub_epi8(in, _mm512_set1_epi8('0'));
    __m512i letters =
        _mm512_sub_epi8(_mm512_or_si512(in, _mm512_set1_epi8(0x20)), _mm512_set1_epi8('a'));

    return _mm512_cmpgt_epu8_mask(digits, _mm512_set1_epi8(9)) &
           _mm512_cmpgt_epu8_mask(letters, _mm512_set1_epi8(5));
}

AVX512 static inline uint64_t escape_faults_avx512(struct json_string_run *run, __m512i in,
                                                   uint64_t escaped)
{
    __m512i high = look_up_avx512(json_string_escape_high, high_halves_avx512(in));
    __m512i low = look_up_avx512(json_string_escape_low, low_halves_avx512(in));
    uint64_t faults = escaped & ~_mm512_test_epi8_mask(high, low);
    uint64_t u = escaped & _mm512_cmpeq_epi8_mask(in, _mm512_set1_epi8('u'));
    uint64_t wanted = json_string_hex_lanes(run, u);

    return wanted ? faults | (wanted & no_hex_avx512(in)) : faults;
}

AVX512 static inline uint64_t utf8_faults_avx512(__m512i in, __m512i before)
{
    __m512i joint = _mm512_alignr_epi64(in, before, 6);
    __m512i back1 = _mm512_alignr_epi8(in, joint, 15);
    __m512i back2 = _mm512_alignr_epi8(in, joint, 14);
    __m512i back3 = _mm512_alignr_epi8(in, joint, 13);
    __m512i faults = _mm512_and_si512(
        _mm512_and_si512(look_up_avx512(json_string_first_high, high_halves_avx512(back1)),
                         look_up_avx512(json_string_first_low, low_halves_avx512(back1))),
        look_up_avx512(json_string_second_high, high_halves_avx512(in)));
    __m512i third = _mm512_subs_epu8(back2, _mm512_set1_epi8((char)(0xe0 - 0x80)));
    __m512i fourth = _mm512_subs_epu8(back3, _mm512_set1_epi8((char)(0xf0 - 0x80)));
    __m512i owed = _mm512_and_si512(_mm512_or_si512(third, fourth), _mm512_set1_epi8((char)0x80));
    __m512i all = _mm512_xor_si512(faults, owed);

    return _mm512_test_epi8_mask(all, all);
}

/* Lanes past the end read as zero, and a zero ends every run. */
AVX512 static inline __m512i load_avx512(const char *at, const char *end)
{
    size_t left = (size_t)(end - at);

    return _mm512_maskz_loadu_epi8(left >= 64 ? ~0ull : (1ull << left) - 1, at);
}

AVX512 const char *json_string_avx512(const char *at, const char *end, bool *ret_escaped)
{
    struct json_string_run run = { .open = false };
    __m512i before = _mm512_setzero_si512();

    for (*ret_escaped = false; at < end; at += 64) {
        __m512i in = load_avx512(at, end);
        uint64_t slashes = _mm512_cmpeq_epi8_mask(in, _mm512_set1_epi8('\\'));
        uint64_t control = _mm512_cmplt_epu8_mask(in, _mm512_set1_epi8(0x20));
        uint64_t beyond = _mm512_movepi8_mask(in);
        uint64_t escaped = 0, faults = 0, stops, seen;

        if (slashes | run.escapes_next)
            escaped = json_string_escaped(&run, slashes);
        if (escaped | run.hex_wanted)
            faults = escape_faults_avx512(&run, in, escaped);
        if (run.open || beyond)
            faults |= utf8_faults_avx512(in, before);
        stops = (_mm512_cmpeq_epi8_mask(in, _mm512_set1_epi8('"')) & ~escaped) | control;
        seen = stops ^ (stops - 1);
        *ret_escaped |= (slashes & seen) != 0;
        if ((faults & seen) || (control & seen))
            return NULL;
        if (stops)
            return at + __builtin_ctzll(stops);
        run.open = (beyond >> 61) != 0;
        before = in;
    }
    return NULL;
}

AVX512 const char *json_string_close_avx512(const char *at, const char *end, bool *ret_escaped)
{
    struct json_string_run run = { .open = false };
    uint64_t closing = 0;

    for (; at < end; at += 64) {
        __m512i in = load_avx512(at, end);
        closing = json_string_closing(&run, _mm512_cmpeq_epi8_mask(in, _mm512_set1_epi8('\\')),
                                      _mm512_cmpeq_epi8_mask(in, _mm512_set1_epi8('"')));
        if (closing)
            break;
    }
    *ret_escaped = run.slashes != 0;
    return closing ? at + __builtin_ctzll(closing) : NULL;
}

#endif
