/* dot_rows.h for processors with AVX2. */
#if defined(__x86_64__)
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC target("avx2")
#endif
#include <immintrin.h>
#define LANES 8
#define ACROSS 4
#define DEEP 2
#include "dot_rows.h"

/* Products of bytes in 16 bits could overflow when two are added: even and odd bytes by themselves, in 16 bits each. */
static Words dot(Words sums, Words x, int32_t w)
{
    __m256i even = _mm256_set1_epi32((int32_t)((uint32_t)(uint16_t)(int8_t)w | (uint32_t)(int8_t)(w >> 16) << 16));
    __m256i odd = _mm256_set1_epi32((int32_t)((uint32_t)(uint16_t)(int8_t)(w >> 8) | (uint32_t)(int8_t)(w >> 24) << 16));
    sums += (Words)_mm256_madd_epi16((__m256i)(x & 0x00ff00ff), even);
    return sums + (Words)_mm256_madd_epi16((__m256i)((x >> 8) & 0x00ff00ff), odd);
}

const Multiplier dot_avx2 = {0, multiply, gather, finish};
#ifdef __clang__
#pragma clang attribute pop
#endif
#endif
