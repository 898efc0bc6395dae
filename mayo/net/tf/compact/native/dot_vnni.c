/* dot_rows.h for processors with AVX-512, VNNI and VBMI2. */
#if defined(__x86_64__)
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi2,popcnt"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi2,popcnt")
#endif
#include <immintrin.h>
#define LANES 16
#define ACROSS 8
#define DEEP 3
#define OWN_GATHER
#include "dot_rows.h"
#include "dot_gather.h"

static Words dot(Words sums, Words x, int32_t w)
{
    return (Words)_mm512_dpbusd_epi32((__m512i)sums, (__m512i)x, _mm512_set1_epi32(w));
}

const Multiplier dot_vnni = {0, multiply, gather, finish};
#ifdef __clang__
#pragma clang attribute pop
#endif
#endif
