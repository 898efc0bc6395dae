/* What a .mayo file holds for the engine; docs/runtime.md has it byte by byte. */
#ifndef MAYO_FILE_H
#define MAYO_FILE_H
#include "engine.h"

enum { VERSION = 1, ALIGNED = 64, AFTER_LAST = 128 };   /* AFTER_LAST: bytes after the weights that may be read */

typedef struct {                            /* offsets are from the first byte of this */
    char magic[8];
    uint32_t version, sum;                  /* sum: CRC-32 of the whole file, with zeros here */
    uint64_t size, start;                   /* of the file; where this lies in it */
    int64_t values_size, indices_size;
    int32_t value_count, op_count, gate_count, index_count;
    int32_t input, output_count, gated_count, step_count;
    int32_t label_count, probabilities;
    int64_t values, ops, gates, index_sizes, outputs, gated, steps, texts, text_size;
} Program;

enum { LINEAR_MAP, CHANNELS, IMAGE_MEAN, STANDARDIZE, PERMUTE, CROP_OR_PAD, CENTRAL_CROP, RESIZE, ENSURE_SHAPE, STEP_KINDS };
enum { AREA, BICUBIC, BILINEAR, GAUSSIAN, LANCZOS3, LANCZOS5, MITCHELL, NEAREST, METHODS };

typedef struct {                            /* a step of preprocessing */
    int32_t kind;
    int32_t height, width, shorter_side;    /* CROP_OR_PAD, RESIZE: 0 is what the network reads; shorter_side 0: none */
    int32_t method, antialias, half_pixel, fill;
    double numbers[2];                      /* LINEAR_MAP: scale, shift; CENTRAL_CROP: fraction */
    int64_t list;                           /* CHANNELS: float means, then stds, of each channel; PERMUTE: int32 */
    int32_t list_count, unused;             /* of numbers in `list` */
} Step;

/* Sentences for mayo_last_error; returns 0. */
int problem(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Whether `plan`, of a file of `size` bytes from `base` on, stays within what it says it needs, whatever the images. Fills in the
   pointers of its operations and gates, which are offsets from `base`, and `plan->channels`. */
int plan_is_sound(Plan *plan, Op *ops, Gate *gates, int gate_count, const uint8_t *base, int64_t size);

typedef struct { int32_t height, width, channels; } Size;

/* Whether steps of a file can be run; channels: of the network. */
int steps_are_sound(const Step *steps, int count, const uint8_t *base, int64_t size, int channels);

/* An image of bytes, as decoded, as the network reads it, into `to`. 0: see problem(). */
int preprocess(const Step *steps, int count, const uint8_t *base, const uint8_t *image, Size size, Size network, float *to);

/* Whether all channels of an image may be other than those of the network. */
int takes_any_channels(const Step *steps, int count);
#endif
