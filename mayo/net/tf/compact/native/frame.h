/* What operations share, whatever the instructions: a value's channels, a thread's part, the grid of a convolution. */
#ifndef MAYO_FRAME_H
#define MAYO_FRAME_H
#include "dot.h"
#include "engine.h"
#include "team.h"

#define SLACK 256                           /* numbers that may be read after the last one of a buffer */
#define BANDS 512                           /* of so many pixels threads share the rows of a map, of fewer its channels */
#define NARROW_MAP 16                           /* columns of maps that get a copy of the source for each column of the kernel */
#define NARROW_CACHE 524288                 /* bytes of narrow weights that stay in the second cache while pixels pass */
#define INLINE static inline __attribute__((always_inline, unused))

/* Waits for the other threads of an image. */
INLINE void meet(const Frame *frame)
{
    if (frame->threads > 1)
        team_meet(frame->team);
}

/* How many channels a value holds now. */
INLINE int channels_of(const Frame *frame, const Value *value)
{
    return value->index < 0 ? value->channels : frame->counts[value->index];
}

/* Which they are. */
INLINE const int32_t *index_of(const Frame *frame, const Value *value)
{
    return value->index < 0 ? frame->plan->identity : frame->entries[value->index];
}

INLINE int64_t pixels_of(const Value *value) { return (int64_t)value->height * value->width; }

INLINE const Value *source_of(const Frame *frame, const Op *op) { return frame->plan->values + op->sources[0]; }

INLINE const Value *output_of(const Frame *frame, const Op *op) { return frame->plan->values + op->output; }

INLINE float *plane_of(const Frame *frame, const Value *value, int64_t channel)
{
    return frame->values + value->place + channel * pixels_of(value);
}

/* A thread's share of `count` things. */
INLINE void share(const Frame *frame, int64_t count, int64_t *from, int64_t *to)
{
    *from = count * frame->thread / frame->threads;
    *to = count * (frame->thread + 1) / frame->threads;
}

/* Of numbers that lie side by side: whole lines of a cache. */
INLINE void share_lines(const Frame *frame, int64_t count, int64_t *from, int64_t *to)
{
    share(frame, (count + 15) / 16, from, to);
    *from *= 16;
    *to = *to * 16 < count ? *to * 16 : count;
}

/* A thread's part of a value: some channels, or some rows of all. Neighbours stay with the same processor from layer to layer,
   as what another one wrote last is slow to read. */
typedef struct {
    int64_t channel, last_channel, row, last_row;
} Part;

INLINE Part part_of(const Frame *frame, const Value *value)
{
    Part part = {0, channels_of(frame, value), 0, value->height};
    if (pixels_of(value) >= BANDS)
        share(frame, value->height, &part.row, &part.last_row);
    else
        share(frame, part.last_channel, &part.channel, &part.last_channel);
    return part;
}

/* How a convolution looks at its source: as phases, each of every stride-th row and column of the padded map, one after the
   other; there the stride is 1. */
typedef struct {
    int direct;                             /* the source serves as it is: one phase, no padding */
    int shifted;                            /* a phase for each column of the kernel: no pixels between the rows of the output */
    int height, pitch;                      /* of a phase; pitch: numbers from row to row */
    int down, across;                       /* phases */
    int64_t plane;                          /* numbers from channel to channel */
    int64_t extent;                         /* pixels of the output along rows of `pitch`, those between its rows included */
} Grid;

INLINE Grid grid_of(const Op *op, const Value *in, const Value *out)
{
    const int *kernel = op->kernel, *stride = op->stride;
    Grid grid = {.direct = stride[0] == 1 && stride[1] == 1 && !(op->pads[0] | op->pads[1] | op->pads[2] | op->pads[3])};
    grid.shifted = !grid.direct && op->kind == CONV && out->width <= NARROW_MAP;        /* copies cost a depthwise one more */
    grid.down = kernel[0] < stride[0] ? kernel[0] : stride[0];
    grid.across = grid.shifted || kernel[1] < stride[1] ? kernel[1] : stride[1];
    grid.height = grid.direct ? in->height : out->height + (kernel[0] - 1) / stride[0];
    grid.pitch = grid.direct ? in->width : out->width + (grid.shifted ? 0 : (kernel[1] - 1) / stride[1]);
    grid.plane = (int64_t)grid.height * grid.pitch * grid.down * grid.across;
    if (!grid.direct || op->precision != FLOAT32)
        grid.plane = ((grid.plane + 15) / 16 | 1) * 16;     /* an odd number of lines: planes share no place of a cache */
    grid.extent = (int64_t)(out->height - 1) * grid.pitch + out->width;
    return grid;
}

/* Where each tap finds its number, from the first pixel of a plane. */
INLINE void offsets_of(const Op *op, const Grid *grid, int64_t *offsets)
{
    int64_t phase = (int64_t)grid->height * grid->pitch;
    for (int y = 0; y < op->kernel[0]; y++)
        for (int x = 0; x < op->kernel[1]; x++) {
            int column = grid->shifted ? x : x % op->stride[1];
            *offsets++ = (y % op->stride[0] * grid->across + column) * phase
                + (int64_t)(y / op->stride[0]) * grid->pitch + (x - column) / op->stride[1];
        }
}

typedef struct {                            /* how channels make up units (dot.h), and units parts, which a product takes at once */
    int each, count, parts, units;          /* channels of a unit; units; parts; units of a part, of which the last may be empty */
} Packing;

INLINE Packing packing_of(const Op *op, int channels)
{
    Packing packing = {.each = op->precision == INT8 ? 4 : 2};
    packing.count = (channels + packing.each - 1) / packing.each;
    packing.parts = (packing.count + UNITS - 1) / UNITS;
    packing.units = packing.parts ? (packing.count + packing.parts - 1) / packing.parts : 0;
    return packing;
}

/* Bytes of packed weights that a plan needs: the largest that are packed while it runs. */
INLINE int64_t packed_of(const Plan *plan)
{
    int64_t most = 0;
    for (int i = 0; i < plan->op_count; i++) {
        const Op *op = plan->ops + i;
        if (op->kind == CONV && op->precision != FLOAT32 && !op->is_packed) {
            int rows = (plan->values[op->output].channels + ROWS - 1) / ROWS;
            int64_t size = rows * block_of(packing_of(op, plan->values[op->sources[0]].channels).parts, op->kernel[0] * op->kernel[1]);
            most = size > most ? size : most;
        }
    }
    return most;
}

/* Numbers of scratch that a plan needs: the largest padded source, of a depthwise convolution a channel for each thread. */
INLINE int64_t scratch_of(const Plan *plan, int threads)
{
    int64_t most = 0;
    for (int i = 0; i < plan->op_count; i++) {
        const Op *op = plan->ops + i;
        if (op->kind == CONV || op->kind == DEPTHWISE) {
            const Value *in = plan->values + op->sources[0];
            Grid grid = grid_of(op, in, plan->values + op->output);
            int64_t size = grid.plane * (op->kind == DEPTHWISE ? threads : in->channels);
            if (grid.direct && op->precision == FLOAT32)
                size = 0;
            if (op->precision != FLOAT32) {
                Packing packing = packing_of(op, in->channels);
                size = grid.plane * packing.parts * packing.units;
            }
            most = size > most ? size : most;
        }
    }
    return most;
}

#endif
