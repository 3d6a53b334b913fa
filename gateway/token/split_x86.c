/*
 * split_kernel with AVX2 (64 bytes as two vectors) and AVX-512 (as one).
 */
#include "gateway/token/split_kernel.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET(features) __attribute__((target(features)))
#define AVX2             TARGET("avx2")
#define AVX512           TARGET("avx512f,avx512bw")

struct pair {
    __m256i low, high;
};

AVX2 static inline uint64_t join(__m256i low, __m256i high)
{
    return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high)
                                                     << 32;
}

AVX2 static inline uint64_t equal_avx2(struct pair in, char c)
{
    __m256i all = _mm256_set1_epi8(c);

    return join(_mm256_cmpeq_epi8(in.low, all), _mm256_cmpeq_epi8(in.high, all));
}

/* The bytes from `first` to `last`. */
AVX2 static inline uint64_t range_avx2(struct pair in, char first, char last)
{
    __m256i base = _mm256_set1_epi8(first), size = _mm256_set1_epi8((char)(last - first));
    __m256i low = _mm256_sub_epi8(in.low, base), high = _mm256_sub_epi8(in.high, base);

    return join(_mm256_cmpeq_epi8(_mm256_min_epu8(low, size), low),
                _mm256_cmpeq_epi8(_mm256_min_epu8(high, size), high));
}

AVX2 void split_classify_avx2(const char *at, struct split_lanes *ret_lanes)
{
    struct pair in = { _mm256_loadu_si256((const __m256i *)at),
                       _mm256_loadu_si256((const __m256i *)(at + 32)) };

    ret_lanes->upper = range_avx2(in, 'A', 'Z');
    ret_lanes->lower = range_avx2(in, 'a', 'z');
    ret_lanes->digit = range_avx2(in, '0', '9');
    ret_lanes->space = equal_avx2(in, ' ');
    ret_lanes->newline = equal_avx2(in, '\n') | equal_avx2(in, '\r');
    ret_lanes->blank = range_avx2(in, '\t', '\r') & ~ret_lanes->newline;
    ret_lanes->quote = equal_avx2(in, '\'');
    ret_lanes->slash = equal_avx2(in, '/');
    ret_lanes->wide = join(in.low, in.high);
    ret_lanes->continued = range_avx2(in, (char)0x80, (char)0xbf);
}

AVX512 static inline uint64_t equal_avx512(__m512i in, char c)
{
    return _mm512_cmpeq_epi8_mask(in, _mm512_set1_epi8(c));
}

AVX512 static inline uint64_t range_avx512(__m512i in, char first, char last)
{
    return _mm512_cmple_epu8_mask(_mm512_sub_epi8(in, _mm512_set1_epi8(first)),
                                  _mm512_set1_epi8((char)(last - first)));
}

AVX512 void split_classify_avx512(const char *at, struct split_lanes *ret_lanes)
{
    __m512i in = _mm512_loadu_si512(at);

    ret_lanes->upper = range_avx512(in, 'A', 'Z');
    ret_lanes->lower = range_avx512(in, 'a', 'z');
    ret_lanes->digit = range_avx512(in, '0', '9');
    ret_lanes->space = equal_avx512(in, ' ');
    ret_lanes->newline = equal_avx512(in, '\n') | equal_avx512(in, '\r');
    ret_lanes->blank = range_avx512(in, '\t', '\r') & ~ret_lanes->newline;
    ret_lanes->quote = equal_avx512(in, '\'');
    ret_lanes->slash = equal_avx512(in, '/');
    ret_lanes->wide = _mm512_movepi8_mask(in);
    ret_lanes->continued = range_avx512(in, (char)0x80, (char)0xbf);
}

#endif
