/* dot_rows.h for processors with AVX-512 but without VNNI. */
#if defined(__x86_64__)
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw")
#endif
#include <immintrin.h>
#define LANES 16
#define ACROSS 8
#define DEEP 2
#include "dot_rows.h"

/* As in dot_avx2.c. */
static Words dot(Words sums, Words x, int32_t w)
{
    __m512i all = _mm512_set1_epi32(w);
    __m512i even = _mm512_srai_epi16(_mm512_slli_epi16(all, 8), 8), odd = _mm512_srai_epi16(all, 8);
    sums += (Words)_mm512_madd_epi16((__m512i)(x & 0x00ff00ff), even);
    return sums + (Words)_mm512_madd_epi16((__m512i)((x >> 8) & 0x00ff00ff), odd);
}

const Multiplier dot_avx512 = {0, multiply, gather, finish};
#ifdef __clang__
#pragma clang attribute pop
#endif
#endif
