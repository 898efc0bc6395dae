/* Products of units, 4 bytes each, for the instructions at hand: dot_plain.c, dot_avx2.c ... each has its own `Multiplier`.

   Weights lie in blocks of ROWS rows. A block is [parts][taps][ROWS][SLOT bytes]: the units of a part, at most UNITS, of each row. */
#ifndef MAYO_DOT_H
#define MAYO_DOT_H
#include <stdint.h>

enum { ROWS = 16, UNITS = 16, SLOT = 64, PIXELS = 96, AT_ONCE_BLOCKS = 2 };

typedef struct {
    const uint8_t *weights;
    const int32_t *source;                  /* [parts * units][plane], at the first pixel */
    const int64_t *offsets;                 /* of each tap */
    int64_t plane;
    int parts, units, taps, is_bytes;       /* is_bytes: else bfloat16, and the sums are floats */
} Product;

typedef struct Multiplier {
    int bfloat16;                           /* whether it multiplies that, too */
    /* sums[row][pixel], rows PIXELS apart, of some blocks, at most AT_ONCE_BLOCKS, and pixels, at most PIXELS. Up to 31 pixels more
       may be read, and those sums written that the rows have place for. */
    void (*multiply)(const Product *, int32_t *sums, int blocks, int pixels);
    /* Of a row, numbers of `size` bytes, the `count` that `read` names, ascending; `active` has a bit for each of them. */
    void (*gather)(const uint8_t *row, int size, const int32_t *read, const uint64_t *active, int count, uint8_t *to);
    void (*finish)(void);                   /* a thread is done with an image */
} Multiplier;

extern const Multiplier dot_plain;
#if defined(__x86_64__)
extern const Multiplier dot_avx2, dot_avxvnni, dot_avx512, dot_vnni, dot_amx;
int amx_allowed(void);                      /* whether the system lets this process use the tiles */
#endif

/* Bytes of a block of weights. */
static inline int64_t block_of(int parts, int taps) { return (int64_t)parts * taps * ROWS * SLOT; }

/* A bit for each of `width` channels: whether it is among those that `read` names. */
static inline void activate(uint64_t *active, int width, const int32_t *read, int count)
{
    for (int i = 0; i <= width / 64; i++)
        active[i] = 0;
    for (int i = 0; i < count; i++)
        active[read[i] / 64] |= (uint64_t)1 << read[i] % 64;
}
#endif
