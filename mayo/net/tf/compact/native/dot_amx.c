/* Products of units by the tiles of AMX: 16 rows times 16 pixels of sums in a tile, 64 bytes of each row and pixel at once. */
#if defined(__x86_64__)
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi2,popcnt,amx-tile,amx-int8,amx-bf16"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512vbmi2,popcnt,amx-tile,amx-int8,amx-bf16")
#endif
#include "dot.h"
#include <immintrin.h>
#include <string.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif
#include "dot_gather.h"

enum { FEW_UNITS = 4 };                      /* of which vectors make more than tiles, most of whose rows were empty */
enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };                        /* of arch_prctl */

int amx_allowed(void)
{
#ifdef __linux__
    return !syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA);
#else
    return 0;
#endif
}

static __thread int configured;             /* the units that the tiles of this thread are made for; 0: none */

/* Tiles 0 to 3: sums; 4, 5: weights, 16 rows of units; 6, 7: source, a row for each unit. */
static void configure(int units)
{
    struct { uint8_t palette, start, unused[14]; uint16_t bytes[16]; uint8_t rows[16]; } tiles = {.palette = 1};
    if (configured == units)
        return;
    for (int t = 0; t < 8; t++) {
        tiles.bytes[t] = t == 4 || t == 5 ? (uint16_t)(4 * units) : 64;
        tiles.rows[t] = t >= 6 ? (uint8_t)units : 16;
    }
    _tile_loadconfig(&tiles);
    configured = units;
}

#define DOT(sums, weights, source) \
    do { \
        if (is_bytes) \
            _tile_dpbsud(sums, weights, source); \
        else \
            _tile_dpbf16ps(sums, weights, source); \
    } while (0)

/* One or two blocks of rows, one or two sixteens of pixels. */
static inline __attribute__((always_inline)) void multiply_tiles(const Product *product, int64_t pixel, int32_t *sums, const int two_blocks,
                                                                 const int two_pixels, const int is_bytes)
{
    const uint8_t *weights = product->weights, *below = weights + block_of(product->parts, product->taps);
    int64_t plane = product->plane * 4;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int p = 0; p < product->parts; p++)
        for (int t = 0; t < product->taps; t++, weights += ROWS * SLOT, below += ROWS * SLOT) {
            const int32_t *source = product->source + (int64_t)p * product->units * product->plane + product->offsets[t] + pixel;
            _tile_loadd(4, weights, SLOT);
            _tile_loadd(6, source, plane);
            DOT(0, 4, 6);
            if (two_pixels) {
                _tile_loadd(7, source + 16, plane);
                DOT(1, 4, 7);
            }
            if (two_blocks) {
                _tile_loadd(5, below, SLOT);
                DOT(2, 5, 6);
            }
            if (two_blocks && two_pixels)
                DOT(3, 5, 7);
        }
    _tile_stored(0, sums, PIXELS * 4);
    if (two_pixels)
        _tile_stored(1, sums + 16, PIXELS * 4);
    if (two_blocks)
        _tile_stored(2, sums + ROWS * PIXELS, PIXELS * 4);
    if (two_blocks && two_pixels)
        _tile_stored(3, sums + ROWS * PIXELS + 16, PIXELS * 4);
}

static inline __attribute__((always_inline)) void multiply_as(const Product *product, int32_t *sums, int blocks, int pixels, const int is_bytes)
{
    for (int pixel = 0; pixel < pixels; pixel += 32)
        if (pixels - pixel > 16)
            if (blocks > 1)
                multiply_tiles(product, pixel, sums + pixel, 1, 1, is_bytes);
            else
                multiply_tiles(product, pixel, sums + pixel, 0, 1, is_bytes);
        else if (blocks > 1)
            multiply_tiles(product, pixel, sums + pixel, 1, 0, is_bytes);
        else
            multiply_tiles(product, pixel, sums + pixel, 0, 0, is_bytes);
}

static void multiply(const Product *product, int32_t *sums, int blocks, int pixels)
{
    if (product->is_bytes && product->parts * product->units < FEW_UNITS) {
        dot_vnni.multiply(product, sums, blocks, pixels);
        return;
    }
    configure(product->units);
    if (product->is_bytes)
        multiply_as(product, sums, blocks, pixels, 1);
    else
        multiply_as(product, sums, blocks, pixels, 0);
}

static void finish(void)
{
    if (configured)
        _tile_release();
    configured = 0;
}

const Multiplier dot_amx = {1, multiply, gather, finish};
#ifdef __clang__
#pragma clang attribute pop
#endif
#endif
