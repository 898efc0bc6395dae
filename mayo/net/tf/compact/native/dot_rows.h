/* Products of bytes by vectors of LANES pixels; those that include this say what `dot` is:

       dot(sums, x, w)                      sums + the products of 4 bytes each; x without a sign, w with one

   ACROSS rows times DEEP vectors of sums are in registers. */
#include "dot.h"
#include <string.h>

typedef int32_t Words __attribute__((vector_size(4 * LANES)));
typedef Words LooseWords __attribute__((aligned(4)));

static inline __attribute__((always_inline)) Words dot(Words sums, Words x, int32_t w);

static inline __attribute__((always_inline)) void multiply_rows(const Product *product, const uint8_t *weights, int64_t pixel,
                                                                int32_t *sums, const int deep)
{
    Words total[ACROSS][DEEP];
    #pragma GCC unroll 8
    for (int r = 0; r < ACROSS; r++)
        #pragma GCC unroll 4
        for (int v = 0; v < deep; v++)
            total[r][v] = (Words){0};
    for (int p = 0; p < product->parts; p++)
        for (int t = 0; t < product->taps; t++, weights += ROWS * SLOT) {
            const int32_t *source = product->source + (int64_t)p * product->units * product->plane + product->offsets[t] + pixel;
            for (int u = 0; u < product->units; u++, source += product->plane) {
                Words x[DEEP];
                #pragma GCC unroll 4
                for (int v = 0; v < deep; v++)
                    x[v] = *(const LooseWords *)(source + v * LANES);
                #pragma GCC unroll 8
                for (int r = 0; r < ACROSS; r++) {
                    int32_t w;
                    memcpy(&w, weights + r * SLOT + u * 4, 4);
                    #pragma GCC unroll 4
                    for (int v = 0; v < deep; v++)
                        total[r][v] = dot(total[r][v], x[v], w);
                }
            }
        }
    #pragma GCC unroll 8
    for (int r = 0; r < ACROSS; r++)
        #pragma GCC unroll 4
        for (int v = 0; v < deep; v++)
            *(LooseWords *)(sums + r * PIXELS + v * LANES) = total[r][v];
}

static void multiply(const Product *product, int32_t *sums, int blocks, int pixels)
{
    int64_t block = block_of(product->parts, product->taps);
    for (int b = 0; b < blocks; b++)
        for (int row = 0; row < ROWS; row += ACROSS)
            for (int pixel = 0; pixel < pixels; pixel += DEEP * LANES) {
                const uint8_t *weights = product->weights + b * block + row * SLOT;
                int32_t *own = sums + (b * ROWS + row) * PIXELS + pixel;
                int left = (pixels - pixel + LANES - 1) / LANES;
                if (left >= DEEP)
                    multiply_rows(product, weights, pixel, own, DEEP);
                else if (left == 2)
                    multiply_rows(product, weights, pixel, own, 2);
                else
                    multiply_rows(product, weights, pixel, own, 1);
            }
}

#ifndef OWN_GATHER
static void gather(const uint8_t *row, int size, const int32_t *read, const uint64_t *active, int count, uint8_t *to)
{
    (void)active;
    if (size == 1)
        for (int i = 0; i < count; i++)
            to[i] = row[read[i]];
    else
        for (int i = 0; i < count; i++)
            memcpy(to + 2 * i, row + 2 * read[i], 2);
}
#endif

static void finish(void) {}
