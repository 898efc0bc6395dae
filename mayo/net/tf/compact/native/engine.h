/* What the engine runs: the tables that plan.py makes, and one image on its way through them.

   A value is a map of planes, [channels][height width], or a vector, a map of 1 x 1. A slice holds the planes of its active
   channels only; how many those are is known when its index has been made. The order of all fields is that of tables.py. */
#ifndef MAYO_ENGINE_H
#define MAYO_ENGINE_H
#include <stdint.h>

enum { CONV, DEPTHWISE, DENSE, SCALE, POOL, MEAN, ACTIVATION, LOCAL_RESPONSE, ADD, MUL, CONCAT, RESHAPE, SPACE_TO_DEPTH, PAD,
       CROP, INDEX, EXPAND, TAKE };
enum { LINEAR, RELU, RELU6, LEAKY_RELU, ELU, SELU, GELU, SIGMOID, HARD_SIGMOID, TANH, SILU, HARD_SILU, SOFTPLUS, SOFTSIGN,
       SOFTMAX };
enum { AVG, L1, L2, MAX };                  /* how a gate sums up a plane; AVG and MAX also name poolings */
enum { BEFORE, AFTER, NEVER };              /* where a gate boosts */
enum { FLOAT32, BFLOAT16, INT8 };           /* what an operation multiplies */

typedef struct {
    int64_t place;                          /* of its first number in the frame's values */
    int32_t height, width, channels;        /* as computed: at most so many channels */
    int32_t index;                          /* which index names its channels; -1: none, it has them all */
} Value;

typedef struct {                            /* s weights + bias, weights [inputs][outputs] */
    const float *weights, *bias;
    int32_t outputs, unused;
} Affine;

typedef struct {
    Affine layers[2], shift;                /* a shift with weights is computed; one without is the constant bias, or none */
    int32_t depth, keep, pool, boost, shift_first, has_cut;
    float cut;                              /* with one, what is above it wins, however many channels that are */
    int32_t unused;
} Gate;

typedef struct {
    int32_t kind, function, output, source_count;
    const int32_t *sources, *integers;      /* integers: what only one kind of operation knows, see there */
    const float *weights, *bias, *scale;
    const Gate *gate;
    float arguments[4];                     /* of the function, or of the operation itself */
    int32_t kernel[2], stride[2], pads[4];  /* pads: top, bottom, left, right */
    int32_t groups, index, standardized;
    int32_t precision;                      /* what follows is for those but FLOAT32, see narrow.h */
    float inverse;                          /* of INT8: a number of the source times this, plus zero, is a byte */
    int32_t zero;
    const uint8_t *narrow;                  /* the weights: as they are packed for all channels, or [C][taps][bytes of a row] */
    const float *unit;                      /* of INT8, for each channel of the output: what a sum of bytes times this is */
    const int32_t *starts;                  /* of packed INT8: what sums start from */
    int64_t is_packed;
} Op;

typedef struct {
    const Value *values;
    const Op *ops;
    const int32_t *identity;                /* 0, 1, 2 ... : the index of all channels */
    const int32_t *index_sizes;             /* the most entries of each index */
    int64_t values_size, indices_size;      /* numbers in a frame */
    int32_t value_count, op_count, index_count, channels;      /* channels: the most of any value, full width */
    int32_t input, output_count;
    const int32_t *outputs;
    int32_t gated_count, unused;
    const int32_t *gated;                   /* the index, or -1 for all channels, and the full width of each layer with a gate */
} Plan;

typedef struct {                            /* one image; in a team each thread has its own frame of the same memory */
    const Plan *plan;
    float *values, *scratch;
    float *partial, *summary;               /* of a gate, for each thread: sums over its pixels; s */
    float *saliency, *hidden, *shift, *effect;              /* effect: scale, shift and factor of the winners */
    int32_t *counts, **entries;
    uint8_t *packed;                        /* weights of a narrow convolution, and what the sums of its rows start from */
    int32_t *starts;
    int *lost;                              /* whether something was no finite number where bytes were made of it */
    const struct Multiplier *multiplier;
    int64_t *macs;                          /* what this thread has multiplied and added so far */
    double *seconds;                        /* of each operation so far, where somebody asks; else NULL */
    int thread, threads;
    struct Team *team;                      /* the threads of an image, if they are several */
} Frame;

#endif
