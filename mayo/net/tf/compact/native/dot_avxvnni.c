/* dot_rows.h for processors with AVX2 and VNNI. */
#if defined(__x86_64__)
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,avxvnni"))), apply_to = function)
#else
#pragma GCC target("avx2,avxvnni")
#endif
#include <immintrin.h>
#define LANES 8
#define ACROSS 4
#define DEEP 3
#include "dot_rows.h"

static Words dot(Words sums, Words x, int32_t w)
{
    return (Words)_mm256_dpbusd_avx_epi32((__m256i)sums, (__m256i)x, _mm256_set1_epi32(w));
}

const Multiplier dot_avxvnni = {0, multiply, gather, finish};
#ifdef __clang__
#pragma clang attribute pop
#endif
#endif
