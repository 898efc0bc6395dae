/* run.h for processors with AVX-512, whatever the compiler was told to compile for. */
#if defined(__x86_64__)
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")
#endif
#define LANES 16
#define VECTORS 4
#define SUMS 24
#define RUN run_avx512
#include "run.h"
#ifdef __clang__
#pragma clang attribute pop
#endif
#endif
