/* run.h for processors with AVX2, whatever the compiler was told to compile for. */
#if defined(__x86_64__)
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#define LANES 8
#define VECTORS 2
#define SUMS 12
#define RUN run_avx2
#include "run.h"
#ifdef __clang__
#pragma clang attribute pop
#endif
#endif
