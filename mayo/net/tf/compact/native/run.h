/* One image through a plan. plain.c, avx2.c and avx512.c include this, each for its set of instructions: LANES numbers in a
   vector, VECTORS of pixels and SUMS of results at once; RUN is the name of the only function that others call.

   A convolution reads its weights where they lie, [C][C' Kh Kw]: for each of some winners and each active channel of its
   source it takes Kh Kw numbers, multiplies each by a vector of pixels and adds up in registers:

       sums[winner][pixel] += weights[winner][channel][tap] * source[channel][pixel + offset[tap]]

   so nothing of a suppressed channel is touched and nothing is copied but the padded source. Pixels are counted along rows of
   the padded source, `pitch` apart; those that fall between two rows of the output are computed and left out. A stride takes
   the source apart into phases, planes of every stride-th row and column, within which it is 1. */

#include "frame.h"
#include <math.h>
#include <string.h>
#include <time.h>

typedef float Vector __attribute__((vector_size(4 * LANES)));
typedef float Loose __attribute__((vector_size(4 * LANES), aligned(4)));
typedef int32_t Bits __attribute__((vector_size(4 * LANES), aligned(4)));
#define BLOCK (VECTORS * LANES)

/* --- functions --- */

INLINE float exponential(float x)
{
    /* 2^n times a polynomial of x - n log 2, |.| <= log(2) / 2: its Taylor series, 2e-8 off at most */
    x = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x;
    float n = (x * 1.44269504f + 12582912.0f) - 12582912.0f;
    float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1 / 5040.0f;
    p = p * r + 1 / 720.0f;
    p = p * r + 1 / 120.0f;
    p = p * r + 1 / 24.0f;
    p = p * r + 1 / 6.0f;
    p = p * r + 0.5f;
    p = p * r + 1;
    p = p * r + 1;
    union { int32_t bits; float number; } power = {((int32_t)n + 127) << 23};
    return p * power.number;
}

INLINE float sigmoid(float x) { return 1 / (1 + exponential(-x)); }

INLINE float tangent(float x) { return 1 - 2 / (1 + exponential(2 * x)); }

#define EACH(result) \
    do { \
        for (int64_t i = 0; i < count; i++) { \
            float v = x[i]; \
            x[i] = (result); \
        } \
        return; \
    } while (0)

/* x = function(x); softmax is not among them, it needs all channels. What is no number stays none, here and below: a network that
   has diverged must not look as if it had not. */
static void apply(int function, const float *arguments, float *x, int64_t count)
{
    float a = arguments[0], most = arguments[1], least = arguments[2];
    switch (function) {
    case RELU:                              /* arguments: negative_slope, max_value, threshold */
        if (a == 0 && most == INFINITY && least == 0)
            EACH(v < 0 ? 0 : v);
        EACH(v > least ? (v < 0 ? 0 : v > most ? most : v) : a * (v - least));
    case RELU6: EACH(v > 6 ? 6 : v < 0 ? 0 : v);
    case LEAKY_RELU: EACH(v > 0 ? v : a * v);
    case ELU: EACH(v > 0 ? v : a * (exponential(v) - 1));
    case SELU: EACH(1.05070098f * (v > 0 ? v : 1.67326324f * (exponential(v) - 1)));
    case GELU:                              /* arguments: approximate */
        if (a != 0)
            EACH(0.5f * v * (1 + tangent(0.797884561f * (v + 0.044715f * v * v * v))));
        EACH(0.5f * v * (1 + erff(v * 0.707106781f)));
    case SIGMOID: EACH(sigmoid(v));
    case HARD_SIGMOID: EACH(v < -3 ? 0 : v > 3 ? 1 : v / 6 + 0.5f);
    case TANH: EACH(tangent(v));
    case SILU: EACH(v * sigmoid(v));
    case HARD_SILU: EACH(v * (v < -3 ? 0 : v > 3 ? 1 : v / 6 + 0.5f));
    case SOFTPLUS: EACH(v > 15 ? v : log1pf(exponential(v)));
    case SOFTSIGN: EACH(v / (1 + (v < 0 ? -v : v)));
    default: break;
    }
}


static void softmax(float *x, int channels, int64_t pixels)
{
    for (int64_t p = 0; p < pixels; p++) {
        float most = x[p], sum = 0;
        for (int c = 1; c < channels; c++)
            most = x[c * pixels + p] > most ? x[c * pixels + p] : most;
        for (int c = 0; c < channels; c++)
            sum += x[c * pixels + p] = exponential(x[c * pixels + p] - most);
        for (int c = 0; c < channels; c++)
            x[c * pixels + p] /= sum;
    }
}

/* --- gates --- */

/* The sum over some pixels of x, |x| or x^2, or the largest. */
static float summed(int pool, const float *x, int64_t pixels)
{
    Vector sums[4] = {{0}, {0}, {0}, {0}};
    float sum = 0;
    int64_t p = 0;
    if (pool == MAX) {
        for (sum = x[0]; p < pixels; p++)
            sum = x[p] > sum ? x[p] : sum;
        return sum;
    }
    for (; p + 4 * LANES <= pixels; p += 4 * LANES)
        for (int v = 0; v < 4; v++) {
            Vector next = *(const Loose *)(x + p + v * LANES);
            sums[v] += pool == AVG ? next : pool == L2 ? next * next : (Vector)((Bits)next & 0x7fffffff);
        }
    for (; p < pixels; p++)
        sum += pool == AVG ? x[p] : pool == L2 ? x[p] * x[p] : fabsf(x[p]);
    sums[0] += sums[1] + (sums[2] + sums[3]);
    for (int v = 0; v < LANES; v++)
        sum += sums[0][v];
    return sum;
}

/* s of all channels, for each thread its own copy. */
static const float *summarize(const Frame *frame, const Value *in, int pool)
{
    Part part = part_of(frame, in);
    int64_t width = frame->plan->channels + SLACK, pixels = pixels_of(in);
    int bands = pixels >= BANDS, channels = channels_of(frame, in);
    float *mine = frame->partial + (bands ? frame->thread : 0) * width, *summary = frame->summary + frame->thread * width;
    for (int64_t c = part.channel; c < part.last_channel; c++)
        if (part.last_row > part.row)
            mine[c] = summed(pool, plane_of(frame, in, c) + part.row * in->width, (part.last_row - part.row) * in->width);
        else
            mine[c] = pool == MAX ? -INFINITY : 0;
    meet(frame);
    for (int c = 0; c < channels; c++) {
        float sum = frame->partial[c];
        for (int t = 1; t < (bands ? frame->threads : 1); t++) {
            float next = frame->partial[t * width + c];
            sum = pool != MAX ? sum + next : next > sum ? next : sum;
        }
        summary[c] = pool == MAX ? sum : sum / (float)pixels;
    }
    return summary;
}

#define AT_ONCE 8

/* to[j] = bias[j] + sum of x[c] weights[read[c]][j] over a thread's share of the outputs, in whole lines. Rows of the weights that
   meet a zero are not read: after relu that is many. Returns how many multiply-accumulates that took. */
static int64_t product(const Frame *frame, const float *weights, const float *bias, int64_t outputs, const float *x,
                               int count, const int32_t *read, float *to)
{
    const float *rows[AT_ONCE];
    float factors[AT_ONCE];
    int64_t from, end, done = 0;
    share_lines(frame, outputs, &from, &end);
    for (int64_t j = from; j < end; j++)
        to[j] = bias[j];
    for (int c = 0; c < count && from < end;) {
        int n = 0;
        for (; n < AT_ONCE && c < count; c++)
            if (x[c] != 0) {
                factors[n] = x[c];
                rows[n++] = weights + read[c] * outputs;
                done += end - from;
            }
        for (int i = n; n && i < AT_ONCE; i++) {
            factors[i] = 0;
            rows[i] = rows[0];
        }
        if (n)
            for (int64_t j = from; j < end; j++)
                to[j] += factors[0] * rows[0][j] + factors[1] * rows[1][j] + factors[2] * rows[2][j] + factors[3] * rows[3][j]
                    + factors[4] * rows[4][j] + factors[5] * rows[5][j] + factors[6] * rows[6][j] + factors[7] * rows[7][j];
    }
    return done;
}

/* The (keep + 1)-th largest of `count` numbers, none of them negative: as integers they are in the same order. */
static float best_loser(const float *numbers, int count, int keep)
{
    int32_t low = 0, high = 0x7f800000;     /* so many reach low, fewer than keep + 1 reach high + 1 */
    while (low < high) {
        int32_t middle = low + (high - low + 1) / 2;
        int reach = 0, i = 0;
        Bits found = {0};
        for (; i + LANES <= count; i += LANES)
            found -= *(const Bits *)(numbers + i) >= middle;
        for (; i < count; i++)
            reach += ((const int32_t *)numbers)[i] >= middle;
        for (int v = 0; v < LANES; v++)
            reach += found[v];
        if (reach > keep)
            low = middle;
        else
            high = middle - 1;
    }
    union { int32_t bits; float number; } cut = {low};
    return cut.number;
}

/* Who wins among all `channels`, and what happens to their features: factor function(scale features + shift). */
static void select_winners(const Frame *frame, const Op *op, int channels)
{
    const Gate *gate = op->gate;
    const float *saliency = frame->saliency;
    int64_t width = frame->plan->channels + SLACK;
    float *scale = frame->effect, *shift = scale + width, *factor = shift + width;
    const float *shifts = gate->shift.weights ? frame->shift : gate->shift.bias;
    int32_t *winners = op->index < 0 ? NULL : frame->entries[op->index];
    float cut = !winners ? -1 : gate->has_cut ? gate->cut : best_loser(saliency, channels, gate->keep);
    int count = 0;
    for (int c = 0; c < channels; c++) {
        if (saliency[c] <= cut || count == gate->keep)          /* so one that is no number wins, and shows */
            continue;
        float g = saliency[c], own = op->scale ? op->scale[c] : 1, b = shifts ? shifts[c] : 0;
        int before = gate->boost == BEFORE;
        scale[count] = before ? own * g : own;
        shift[count] = before ? (gate->shift_first ? g * (op->bias[c] + b) : g * op->bias[c] + b)
                              : op->bias[c] + (gate->shift_first ? b : 0);
        factor[count] = gate->boost == AFTER ? g : 1;
        if (winners)
            winners[count] = c;
        count++;
    }
    if (winners)
        frame->counts[op->index] = count;
}

/* The gate's decision; all threads know it when this returns. */
static void decide(const Frame *frame, const Op *op, const Value *in)
{
    const Gate *gate = op->gate;
    const int32_t *read = index_of(frame, in);
    int channels = channels_of(frame, in);
    const float *last = summarize(frame, in, gate->pool);
    if (gate->shift.weights)
        *frame->macs += product(frame, gate->shift.weights, gate->shift.bias, gate->shift.outputs, last, channels, read,
                                      frame->shift);
    for (int l = 0; l < gate->depth; l++) {
        const Affine *layer = gate->layers + l;
        float *result = l + 1 == gate->depth ? frame->saliency : frame->hidden;
        *frame->macs += product(frame, layer->weights, layer->bias, layer->outputs, last, channels, read, result);
        int64_t from, to;
        share_lines(frame, layer->outputs, &from, &to);
        for (int64_t j = from; j < to; j++)
            result[j] = result[j] < 0 ? 0 : result[j];
        meet(frame);
        last = result;
        channels = layer->outputs;
        read = frame->plan->identity;
    }
    if (!frame->thread)
        select_winners(frame, op, channels);
    meet(frame);
}

/* --- convolutions --- */

#if LANES == 4
#define EVENS 0, 2, 4, 6
#elif LANES == 8
#define EVENS 0, 2, 4, 6, 8, 10, 12, 14
#else
#define EVENS 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#endif
#ifdef __clang__
#define SHUFFLE(low, high, ...) __builtin_shufflevector(low, high, __VA_ARGS__)
#else
#define SHUFFLE(low, high, ...) __builtin_shuffle(low, high, (Bits){__VA_ARGS__})
#endif

/* Numbers from one row to another, `step` apart, by whole vectors where those written too many stay before `limit`. */
INLINE void copy_row(float *to, const float *from, int count, int step, const float *limit)
{
    int x = 0;
    if (step == 1)
        for (; x < count && to + x + LANES <= limit; x += LANES)
            *(Loose *)(to + x) = *(const Loose *)(from + x);
    if (step == 2)
        for (; x < count && to + x + LANES <= limit; x += LANES)
            *(Loose *)(to + x) = SHUFFLE(*(const Loose *)(from + 2 * x), *(const Loose *)(from + 2 * x + LANES), EVENS);
    for (; x < count; x++)
        to[x] = from[x * step];
}

/* The rows `first` to `last` of each phase of a plane, with zeros around. */
static void spread(const Op *op, const Grid *grid, const Value *in, const float *plane, float *phase, int64_t first,
                           int64_t last)
{
    int down = op->stride[0], across = op->stride[1], pitch = grid->pitch;
    for (int py = 0; py < grid->down; py++)
        for (int px = 0; px < grid->across; px++, phase += (int64_t)grid->height * pitch) {
            int column = px - op->pads[2], left = column >= 0 ? 0 : (-column + across - 1) / across;
            int right = column >= in->width ? 0 : (in->width - column + across - 1) / across;
            right = right > pitch ? pitch : right;
            for (int64_t y = first; y < last; y++) {
                int64_t row = y * down + py - op->pads[0];
                float *to = phase + y * pitch;
                int outside = row < 0 || row >= in->height || right <= left, from = outside ? pitch : left;
                for (int x = 0; x < from; x++)
                    to[x] = 0;
                if (outside)
                    continue;
                copy_row(to + left, plane + row * in->width + column + (int64_t)left * across, right - left, across,
                           phase + last * pitch);
                for (int x = right; x < pitch; x++)
                    to[x] = 0;
            }
        }
}

/* The source as a convolution looks at it, all of it when this returns; what the other threads do is not waited for. */
static const float *prepared_source(const Frame *frame, const Op *op, const Grid *grid, int64_t first, int64_t last, int by_rows)
{
    const Value *in = source_of(frame, op);
    if (grid->direct)
        return frame->values + in->place;
    int64_t row = 0, last_row = grid->height;
    if (by_rows)
        share(frame, grid->height, &row, &last_row);
    for (int64_t c = first; c < last; c++)
        spread(op, grid, in, plane_of(frame, in, c), frame->scratch + c * grid->plane, row, last_row);
    return frame->scratch;
}

typedef struct {
    const float *rows[12];                  /* weights of each winner */
    const float *source;                    /* at the first pixel */
    const int32_t *read;                    /* the channels of the source, as the weights count them */
    const int64_t *offsets;                 /* of each tap */
    int64_t plane;
    int channels, taps, more;               /* more: the results so far are added to */
} Tile;

INLINE void multiply(const Tile *tile, float *results, const int rows, const int vectors, const int taps)
{
    Vector sums[12][4];
    #pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
        #pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            sums[r][v] = tile->more ? *(const Vector *)(results + r * BLOCK + v * LANES) : (Vector){0};
    const int64_t *offsets = tile->offsets;
    for (int c = 0; c < tile->channels; c++) {
        const float *plane = tile->source + c * tile->plane;
        int64_t place = (int64_t)tile->read[c] * taps;
        #pragma GCC unroll 9
        for (int t = 0; t < taps; t++) {
            const float *from = plane + offsets[t];
            Vector pixels[4];
            #pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                pixels[v] = *(const Loose *)(from + v * LANES);
            #pragma GCC unroll 12
            for (int r = 0; r < rows; r++) {
                float weight = tile->rows[r][place + t];
                #pragma GCC unroll 4
                for (int v = 0; v < vectors; v++)
                    sums[r][v] += weight * pixels[v];
            }
        }
    }
    #pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
        #pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            *(Vector *)(results + r * BLOCK + v * LANES) = sums[r][v];
}

/* What follows turns the numbers into constants, for each of which the compiler writes `multiply` anew. Sums that the registers
   do not hold are never asked for. */
INLINE void multiply_rows(const Tile *tile, float *results, int rows, const int vectors, const int taps)
{
    switch (rows) {
    case 1: multiply(tile, results, 1, vectors, taps); break;
    case 2: multiply(tile, results, 2, vectors, taps); break;
    case 3: multiply(tile, results, 3, vectors, taps); break;
    case 4: multiply(tile, results, 4, vectors, taps); break;
    case 5: multiply(tile, results, 5, vectors, taps); break;
    case 6: multiply(tile, results, 6, vectors, taps); break;
    case 7: if (7 * vectors <= SUMS) multiply(tile, results, 7, vectors, taps); break;
    case 8: if (8 * vectors <= SUMS) multiply(tile, results, 8, vectors, taps); break;
    case 9: if (9 * vectors <= SUMS) multiply(tile, results, 9, vectors, taps); break;
    case 10: if (10 * vectors <= SUMS) multiply(tile, results, 10, vectors, taps); break;
    case 11: if (11 * vectors <= SUMS) multiply(tile, results, 11, vectors, taps); break;
    case 12: if (12 * vectors <= SUMS) multiply(tile, results, 12, vectors, taps); break;
    }
}

INLINE void multiply_vectors(const Tile *tile, float *results, int rows, int vectors, const int taps)
{
    switch (vectors) {
    case 1: multiply_rows(tile, results, rows, 1, taps); break;
    case 2: multiply_rows(tile, results, rows, 2, taps); break;
#if VECTORS > 2
    case 3: multiply_rows(tile, results, rows, 3, taps); break;
    case 4: multiply_rows(tile, results, rows, 4, taps); break;
#endif
    }
}

/* Kernels of 1 x 1 and 3 x 3 have loops of known length. */
static void multiply_one(const Tile *tile, float *results, int rows, int vectors)
{
    multiply_vectors(tile, results, rows, vectors, 1);
}

static void multiply_nine(const Tile *tile, float *results, int rows, int vectors)
{
    multiply_vectors(tile, results, rows, vectors, 9);
}

static void multiply_any(const Tile *tile, float *results, int rows, int vectors)
{
    multiply_vectors(tile, results, rows, vectors, tile->taps);
}

typedef struct {                            /* what happens to the sums of a row; a NULL is none */
    const float *scale, *shift, *factor;
    int function;
    const float *arguments;
} Effect;

/* factor function(scale x + shift) */
static void apply_effect(const Effect *effect, int row, float *x, int count)
{
    float scale = effect->scale ? effect->scale[row] : 1, shift = effect->shift ? effect->shift[row] : 0;
    if (effect->function == RELU && effect->arguments[1] == INFINITY && !effect->arguments[0] && !effect->arguments[2])
        for (int i = 0; i < count; i++) {
            float v = scale * x[i] + shift;
            x[i] = v < 0 ? 0 : v;
        }
    else {
        for (int i = 0; i < count; i++)
            x[i] = scale * x[i] + shift;
        apply(effect->function, effect->arguments, x, count);
    }
    if (effect->factor)
        for (int i = 0; i < count; i++)
            x[i] *= effect->factor[row];
}

/* The pixels from `first` on into a plane of the output, without those between its rows. */
static void store(const Grid *grid, const Value *out, int64_t first, int count, const float *x, float *plane)
{
    int64_t row = first / grid->pitch, end = (first + count) / grid->pitch, rest = (first + count) % grid->pitch;
    const float *limit = plane + end * out->width + (rest < out->width ? rest : out->width);
    int column = (int)(first % grid->pitch);
    if (grid->pitch == out->width)
        copy_row(plane + first, x, count, 1, limit);
    else
        for (int i = 0; i < count; row++, column = 0) {
            int left = grid->pitch - column < count - i ? grid->pitch - column : count - i;
            int valid = out->width - column < left ? out->width - column : left;
            copy_row(plane + row * out->width + column, x + i, valid, 1, limit);
            i += left;
        }
}

#define FIRST_CACHE 24576                   /* bytes of the source that stay in the first cache while rows pass */
#define SECOND_CACHE 196608                 /* bytes of weights that stay in the second one while pixels pass */
#define MOST_ROWS 96                        /* whose sums are under way at once */

/* How many channels of a block of pixels the first cache holds. */
INLINE int channels_at_once(const Op *op, const Grid *grid)
{
    int phases = grid->down * grid->across, down = (op->kernel[0] + grid->down - 1) / grid->down;
    int64_t apart = down * (BLOCK / 16 + 2), together = (BLOCK + (down - 1) * grid->pitch + op->kernel[1]) / 16 + 2;
    int64_t count = FIRST_CACHE / (64 * phases * (apart < together ? apart : together));
    return count < 8 ? 8 : (int)count;
}

typedef struct {                            /* a convolution under way */
    const Op *op;
    const Value *out;
    Grid grid;
    const Effect *effect;                   /* NULL: none, the sums are the result */
    const float *source;
    const int32_t *read, *winners;          /* the channels of the source and of each row, as the weights count them */
    const int64_t *offsets;
    int channels;
    float *result;
} Job;

/* `count` pixels from `first` on, for the rows `from` to `to`, at most MOST_ROWS. */
static void convolve_block(const Job *job, int64_t first, int count, int from, int to)
{
    float sums[MOST_ROWS * BLOCK + LANES] __attribute__((aligned(64)));
    const Grid *grid = &job->grid;
    int taps = job->op->kernel[0] * job->op->kernel[1], vectors = (count + LANES - 1) / LANES;
    int step = channels_at_once(job->op, grid), at_once = SUMS / vectors < 12 ? SUMS / vectors : 12;
    int parts = (to - from + at_once - 1) / at_once;
    int64_t length = job->op->integers[0];
    void (*multiply_tile)(const Tile *, float *, int, int) = taps == 1 ? multiply_one : taps == 9 ? multiply_nine : multiply_any;
    int c = 0;
    do {                                    /* once even where no channel of the source is active: the sums are then zeros */
        int left = job->channels - c;
        Tile tile = {.read = job->read + c, .offsets = job->offsets, .source = job->source + first + c * grid->plane,
                     .plane = grid->plane, .channels = left < step ? left : step, .taps = taps, .more = c > 0};
        for (int part = 0; part < parts; part++) {
            int row = (to - from) * part / parts, rows = (to - from) * (part + 1) / parts - row;
            for (int r = 0; r < rows; r++)
                tile.rows[r] = job->op->weights + job->winners[from + row + r] * length;
            multiply_tile(&tile, sums + row * BLOCK, rows, vectors);
        }
    } while ((c += step) < job->channels);
    for (int row = from; row < to; row++) {
        float *x = sums + (row - from) * BLOCK;
        if (job->effect)
            apply_effect(job->effect, row, x, count);
        store(grid, job->out, first, count, x, job->result + row * pixels_of(job->out));
    }
}

/* The rows `from` to `to` at the pixels `first` to `last`: blocks of equal size, and of rows as many as a cache holds. */
static void convolve_blocks(const Job *job, int64_t first, int64_t last, int from, int to)
{
    int64_t vectors = (last - first + LANES - 1) / LANES, count = (vectors + VECTORS - 1) / VECTORS;
    int most = SECOND_CACHE / (job->channels * job->op->kernel[0] * job->op->kernel[1] * 5 + 1) / 24 * 24;
    most = most < 24 ? 24 : most > MOST_ROWS ? MOST_ROWS : most;
    int groups = (to - from + most - 1) / most;
    for (int g = 0; g < groups; g++)
        for (int64_t b = 0; b < count; b++) {
            int64_t begin = first + vectors * b / count * LANES, end = first + vectors * (b + 1) / count * LANES;
            convolve_block(job, begin, (int)((end < last ? end : last) - begin), from + (to - from) * g / groups,
                        from + (to - from) * (g + 1) / groups);
        }
}

/* A thread's part of the rows `from` to `to`. */
static void convolve_rows(const Frame *frame, const Job *job, int from, int to)
{
    int64_t first = 0, last = job->grid.extent, a, b;
    if (pixels_of(job->out) >= BANDS) {
        share(frame, job->out->height, &first, &last);
        first *= job->grid.pitch;
        last = last == job->out->height ? job->grid.extent : last * job->grid.pitch;
    } else {
        share(frame, to - from, &a, &b);
        to = from + (int)b;
        from += (int)a;
    }
    if (from < to && first < last)
        convolve_blocks(job, first, last, from, to);
}

/* Planes with mean 0 and variance 1, then the effect. */
static void standardize(const Frame *frame, const Op *op, const Value *out, const Effect *effect, int rows)
{
    int64_t pixels = pixels_of(out), from, to;
    meet(frame);
    share(frame, rows, &from, &to);
    for (int64_t r = from; r < to; r++) {
        float *plane = plane_of(frame, out, r), mean = summed(AVG, plane, pixels) / (float)pixels;
        for (int64_t p = 0; p < pixels; p++)
            plane[p] -= mean;
        float factor = 1 / sqrtf(summed(L2, plane, pixels) / (float)pixels + op->arguments[3]);
        for (int64_t p = 0; p < pixels; p++)
            plane[p] *= factor;
        apply_effect(effect, (int)r, plane, (int)pixels);
    }
}

/* integers: weights of a channel of the output, and how many of those there are. */
static void conv_wide(const Frame *frame, const Op *op)
{
    const Plan *plan = frame->plan;
    const Value *in = source_of(frame, op), *out = output_of(frame, op);
    int channels = channels_of(frame, in), rows = out->channels, by_rows = pixels_of(out) >= BANDS;
    int64_t offsets[op->kernel[0] * op->kernel[1]], first = 0, last = channels;
    Effect effect = {op->scale, op->bias, NULL, op->function, op->arguments};
    Job job = {.op = op, .out = out, .grid = grid_of(op, in, out), .effect = op->standardized ? NULL : &effect,
               .read = index_of(frame, in), .winners = plan->identity, .offsets = offsets, .channels = channels / op->groups};
    offsets_of(op, &job.grid, offsets);
    if (!by_rows)
        share(frame, channels, &first, &last);
    const float *source = prepared_source(frame, op, &job.grid, first, last, by_rows);
    if (op->gate) {
        decide(frame, op, in);
        effect.scale = frame->effect;
        effect.shift = effect.scale + plan->channels + SLACK;
        effect.factor = op->gate->boost == AFTER ? effect.shift + plan->channels + SLACK : NULL;
        rows = channels_of(frame, out);
        job.winners = index_of(frame, out);
    } else if (!job.grid.direct)
        meet(frame);
    for (int g = 0, row = 0; g < op->groups; g++) {
        int end = row;
        while (end < rows && job.winners[end] < (g + 1) * (int64_t)op->integers[1] / op->groups)
            end++;
        job.source = source + (int64_t)g * job.channels * job.grid.plane;
        job.result = frame->values + out->place;
        convolve_rows(frame, &job, row, end);
        row = end;
    }
    if (!frame->thread) {
        int scales = op->gate && op->gate->boost != NEVER;
        *frame->macs += pixels_of(out) * rows * (job.channels * op->kernel[0] * op->kernel[1] + scales);
    }
    if (op->standardized)
        standardize(frame, op, out, &effect, rows);
}

#include "narrow.h"

static void conv(const Frame *frame, const Op *op)
{
    if (op->precision == FLOAT32)
        conv_wide(frame, op);
    else
        conv_narrow(frame, op);
}

#define STRETCH 1024                        /* pixels of a channel that stay in the first cache from the sums to the output */

/* to = the sums over the taps at `count` pixels, of one channel by one kernel; numbers up to a whole vector follow. */
INLINE void filter(const float *from, const int64_t *offsets, const float *weights, const int taps, int64_t count, float *to)
{
    int64_t p = 0;
    for (; p + BLOCK <= count; p += BLOCK) {
        Vector sums[VECTORS] = {{0}};
        #pragma GCC unroll 9
        for (int t = 0; t < taps; t++)
            #pragma GCC unroll 4
            for (int v = 0; v < VECTORS; v++)
                sums[v] += weights[t] * *(const Loose *)(from + offsets[t] + p + v * LANES);
        #pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++)
            *(Vector *)(to + p + v * LANES) = sums[v];
    }
    for (; p < count; p += LANES) {
        Vector sum = {0};
        #pragma GCC unroll 9
        for (int t = 0; t < taps; t++)
            sum += weights[t] * *(const Loose *)(from + offsets[t] + p);
        *(Vector *)(to + p) = sum;
    }
}

/* Each channel by itself, its grid made just before it is read: it never leaves the caches, and no thread waits for another.
   integers: weights of a channel of the source, and its kernels. */
static void depthwise(const Frame *frame, const Op *op)
{
    const Value *in = source_of(frame, op), *out = output_of(frame, op);
    const int32_t *read = index_of(frame, in);
    int taps = op->kernel[0] * op->kernel[1], times = op->integers[1], count = channels_of(frame, in);
    int64_t offsets[taps], from = 0, to = count, row = 0, last_row = out->height;
    float sums[STRETCH + LANES] __attribute__((aligned(64)));
    Grid grid = grid_of(op, in, out);
    offsets_of(op, &grid, offsets);
    if (!frame->thread)
        *frame->macs += pixels_of(out) * count * times * taps;
    if (pixels_of(out) >= BANDS)
        share(frame, out->height, &row, &last_row);
    else
        share(frame, count, &from, &to);
    float *phases = frame->scratch + frame->thread * grid.plane;
    int64_t below = last_row + (op->kernel[0] - 1) / op->stride[0], first = row * grid.pitch;
    int64_t last = last_row == out->height ? grid.extent : last_row * grid.pitch;
    for (int64_t c = from; c < to && row < last_row; c++) {
        const float *source = plane_of(frame, in, c);
        if (!grid.direct) {
            spread(op, &grid, in, source, phases, row, below < grid.height ? below : grid.height);
            source = phases;
        }
        for (int t = 0; t < times; t++) {
            int64_t kernel = (int64_t)read[c] * times + t;
            const float *weights = op->weights + kernel * taps;
            Effect effect = {NULL, op->bias + kernel, NULL, op->function, op->arguments};
            for (int64_t p = first; p < last; p += STRETCH) {
                int length = last - p < STRETCH ? (int)(last - p) : STRETCH;
                if (taps == 9)
                    filter(source + p, offsets, weights, 9, length, sums);
                else
                    filter(source + p, offsets, weights, taps, length, sums);
                apply_effect(&effect, 0, sums, length);
                store(&grid, out, p, length, sums, plane_of(frame, out, c * times + t));
            }
        }
    }
}

static void dense(const Frame *frame, const Op *op)
{
    const Value *in = source_of(frame, op), *out = output_of(frame, op);
    float *to = frame->values + out->place;
    if (op->precision != FLOAT32) {
        dense_narrow(frame, op);
        return;
    }
    *frame->macs += product(frame, op->weights, op->bias, out->channels, frame->values + in->place, channels_of(frame, in),
                                  index_of(frame, in), to);
    int64_t from, end;
    share_lines(frame, out->channels, &from, &end);
    apply(op->function, op->arguments, to + from, end - from);
}

/* --- layers without weights --- */

static void scale(const Frame *frame, const Op *op)
{
    const Value *in = source_of(frame, op), *out = output_of(frame, op);
    const int32_t *read = index_of(frame, in);
    Part part = part_of(frame, out);
    for (int64_t c = part.channel; c < part.last_channel; c++) {
        const float *x = plane_of(frame, in, c);
        float *y = plane_of(frame, out, c), scale = op->scale[read[c]], shift = op->bias[read[c]];
        int64_t from = part.row * out->width, to = part.last_row * out->width;
        for (int64_t p = from; p < to; p++)
            y[p] = scale * x[p] + shift;
        apply(op->function, op->arguments, y + from, to - from);
    }
}

/* A row of a pooling: first over the rows of its windows, then along them. */
static void pool_row(const Op *op, const Value *in, const Value *out, const float *plane, int y, float *line, float *to)
{
    int is_max = op->integers[0] == MAX, width = in->width, stride = op->stride[1];
    int first = y * op->stride[0] - op->pads[0], last = first + op->kernel[0];
    first = first < 0 ? 0 : first;
    last = last > in->height ? in->height : last;
    memcpy(line, plane + (int64_t)first * width, (size_t)width * sizeof(float));
    for (int row = first + 1; row < last; row++) {
        const float *from = plane + (int64_t)row * width;
        if (is_max)
            for (int x = 0; x < width; x++)
                line[x] = line[x] > from[x] ? line[x] : from[x];
        else
            for (int x = 0; x < width; x++)
                line[x] += from[x];
    }
    int inside = op->pads[2] == 0 && (out->width - 1) * stride + op->kernel[1] <= width;
    if (inside && stride == 2 && is_max && op->kernel[1] == 2) {
        for (int x = 0; x < out->width; x++)
            to[x] = line[2 * x] > line[2 * x + 1] ? line[2 * x] : line[2 * x + 1];
        return;
    }
    for (int x = 0; x < out->width; x++) {
        int from = x * stride - op->pads[2], end = from + op->kernel[1];
        from = from < 0 ? 0 : from;
        end = end > width ? width : end;
        float result = line[from];
        for (int i = from + 1; i < end; i++)
            result = is_max ? (line[i] > result ? line[i] : result) : result + line[i];
        to[x] = is_max ? result : result / (float)((last - first) * (end - from));
    }
}

static void pool(const Frame *frame, const Op *op)
{
    const Value *in = source_of(frame, op), *out = output_of(frame, op);
    Part part = part_of(frame, out);
    int64_t pixels = pixels_of(in);
    float line[in->width];
    for (int64_t c = part.channel; c < part.last_channel; c++) {
        const float *plane = plane_of(frame, in, c);
        float *result = plane_of(frame, out, c);
        if (pixels_of(out) == 1 && op->kernel[0] >= in->height && op->kernel[1] >= in->width && !(op->pads[0] | op->pads[2]))
            *result = summed(op->integers[0], plane, pixels) / (op->integers[0] == MAX ? 1 : (float)pixels);
        else
            for (int64_t y = part.row; y < part.last_row; y++)
                pool_row(op, in, out, plane, (int)y, line, result + y * out->width);
    }
}

/* integers: whether height, width, channels go. */
static void mean(const Frame *frame, const Op *op)
{
    const Value *in = source_of(frame, op), *out = output_of(frame, op);
    const float *x = frame->values + in->place;
    float *y = frame->values + out->place;
    int channels = channels_of(frame, in), gone_y = op->integers[0], gone_x = op->integers[1], gone_c = op->integers[2];
    int64_t height = gone_y ? 1 : in->height, width = gone_x ? 1 : in->width, pixels = pixels_of(in), from, to;
    if (gone_y && gone_x && !gone_c) {
        share(frame, channels, &from, &to);
        for (int64_t c = from; c < to; c++)
            y[c] = summed(AVG, x + c * pixels, pixels) / (float)pixels;
        return;
    }
    if (frame->thread)
        return;
    int64_t count = (gone_c ? channels : 1) * (pixels / (height * width)), size = (gone_c ? 1 : channels) * height * width;
    for (int64_t i = 0; i < size; i++)
        y[i] = 0;
    for (int c = 0; c < channels; c++)
        for (int row = 0; row < in->height; row++)
            for (int column = 0; column < in->width; column++)
                y[((gone_c ? 0 : c) * height + (gone_y ? 0 : row)) * width + (gone_x ? 0 : column)] += *x++;
    for (int64_t i = 0; i < size; i++)
        y[i] /= (float)count;
}

static void activation(const Frame *frame, const Op *op)
{
    const Value *in = source_of(frame, op), *out = output_of(frame, op);
    Part part = part_of(frame, out);
    int channels = channels_of(frame, in), all = op->function == SOFTMAX;
    if (all && frame->thread)
        return;
    if (all)
        part = (Part){0, channels, 0, out->height};
    for (int64_t c = part.channel; c < part.last_channel; c++) {
        int64_t from = part.row * out->width, count = part.last_row * out->width - from;
        float *y = plane_of(frame, out, c) + from;
        memmove(y, plane_of(frame, in, c) + from, (size_t)count * sizeof(float));
        apply(op->function, op->arguments, y, count);
    }
    if (all)
        softmax(frame->values + out->place, channels, pixels_of(out));
}

/* Over all channels of the source, which is no slice. */
static void local_response(const Frame *frame, const Op *op)
{
    const Value *in = source_of(frame, op), *out = output_of(frame, op);
    int64_t pixels = pixels_of(in), from, to;
    int radius = op->integers[0], channels = in->channels;
    float bias = op->arguments[0], alpha = op->arguments[1], beta = op->arguments[2];
    const float *x = frame->values + in->place;
    share(frame, channels, &from, &to);
    for (int64_t c = from; c < to; c++) {
        int64_t first = c - radius < 0 ? 0 : c - radius, last = c + radius >= channels ? channels - 1 : c + radius;
        float *y = frame->values + out->place + c * pixels;
        for (int64_t p = 0; p < pixels; p++)
            y[p] = 0;
        for (int64_t n = first; n <= last; n++)
            for (int64_t p = 0; p < pixels; p++)
                y[p] += x[n * pixels + p] * x[n * pixels + p];
        for (int64_t p = 0; p < pixels; p++) {
            float sum = bias + alpha * y[p];
            float root = sqrtf(sum), power = beta == 0.75f ? root * sqrtf(root) : beta == 0.5f ? root : powf(sum, beta);
            y[p] = x[c * pixels + p] / power;
        }
    }
}

/* y = x, y + x or y x; x is one number where `single`. */
INLINE void accumulate(float *y, const float *x, int64_t count, int single, int is_first, int is_add)
{
    if (is_first && !single)
        memcpy(y, x, (size_t)count * sizeof(float));
    else if (is_first)
        for (int64_t i = 0; i < count; i++)
            y[i] = *x;
    else if (is_add)
        for (int64_t i = 0; i < count; i++)
            y[i] += single ? *x : x[i];
    else
        for (int64_t i = 0; i < count; i++)
            y[i] *= single ? *x : x[i];
}

/* The sum or the product of sources whose sizes are equal or 1. */
static void combine(const Frame *frame, const Op *op)
{
    const Value *out = output_of(frame, op);
    Part part = part_of(frame, out);
    for (int64_t c = part.channel; c < part.last_channel; c++)
        for (int s = 0; s < op->source_count; s++) {
            const Value *in = frame->plan->values + op->sources[s];
            const float *x = plane_of(frame, in, in->channels == 1 ? 0 : c);
            float *y = plane_of(frame, out, c);
            int whole = in->height == out->height && in->width == out->width;
            int64_t from = part.row * out->width, count = part.last_row * out->width - from;
            if (whole || pixels_of(in) == 1)
                accumulate(y + from, x + (whole ? from : 0), count, !whole, !s, op->kind == ADD);
            else
                for (int64_t row = part.row; row < part.last_row; row++)
                    accumulate(y + row * out->width, x + (in->height == 1 ? 0 : row * in->width), out->width,
                                     in->width == 1, !s, op->kind == ADD);
        }
}

static void concat(const Frame *frame, const Op *op)
{
    const Value *out = output_of(frame, op);
    int64_t done = 0;
    for (int s = 0; s < op->source_count; s++) {
        const Value *in = frame->plan->values + op->sources[s];
        Part part = part_of(frame, in);
        int64_t from = part.row * in->width, count = part.last_row * in->width - from;
        for (int64_t c = part.channel; c < part.last_channel; c++)
            memcpy(plane_of(frame, out, done + c) + from, plane_of(frame, in, c) + from, (size_t)count * sizeof(float));
        done += channels_of(frame, in);
    }
}

/* Along the channels first, as if both had them last. Of a slice, the output has as many channels for each of its pixels. */
static void reshape(const Frame *frame, const Op *op)
{
    const Value *in = source_of(frame, op), *out = output_of(frame, op);
    int64_t before = pixels_of(in), after = pixels_of(out), channels = channels_of(frame, in), from, to;
    int64_t wide = channels * before / after;
    const float *x = frame->values + in->place;
    float *y = frame->values + out->place;
    share(frame, before * channels, &from, &to);
    for (int64_t i = from; i < to; i++)
        y[i % wide * after + i / wide] = x[i % channels * before + i / channels];
}

static void space_to_depth(const Frame *frame, const Op *op)
{
    const Value *in = source_of(frame, op), *out = output_of(frame, op);
    int block = op->integers[0], channels = channels_of(frame, in);
    int64_t from, to;
    share(frame, (int64_t)block * block * channels, &from, &to);
    for (int64_t c = from; c < to; c++) {
        int place = (int)(c / channels);
        const float *x = frame->values + in->place + c % channels * pixels_of(in);
        float *y = frame->values + out->place + c * pixels_of(out);
        for (int row = 0; row < out->height; row++)
            for (int column = 0; column < out->width; column++)
                *y++ = x[(int64_t)(row * block + place / block) * in->width + column * block + place % block];
    }
}

/* Zeros around, or, where `pads` is negative, positions taken off. integers: the same before the channels. */
static void pad(const Frame *frame, const Op *op)
{
    const Value *in = source_of(frame, op), *out = output_of(frame, op);
    int channels = channels_of(frame, out), least = channels_of(frame, in);
    int64_t from, to;
    share(frame, channels, &from, &to);
    for (int64_t c = from; c < to; c++) {
        int64_t channel = c - op->integers[0];
        float *y = frame->values + out->place + c * pixels_of(out);
        const float *x = frame->values + in->place + channel * pixels_of(in);
        for (int row = 0; row < out->height; row++)
            for (int column = 0; column < out->width; column++) {
                int i = row - op->pads[0], j = column - op->pads[2];
                int inside = channel >= 0 && channel < least && i >= 0 && i < in->height && j >= 0 && j < in->width;
                *y++ = inside ? x[(int64_t)i * in->width + j] : 0;
            }
    }
}

/* integers: times, the number of parts, and for each its index, its count without one, the number of offsets, these. */
static void reindex(const Frame *frame, const Op *op)
{
    const int32_t *part = op->integers + 2;
    int times = op->integers[0], count = 0;
    int32_t *to = frame->entries[op->index];
    if (frame->thread)
        return;
    for (int p = 0; p < op->integers[1]; p++, part += 3 + part[2]) {
        int length = part[0] < 0 ? part[1] : frame->counts[part[0]];
        const int32_t *entries = part[0] < 0 ? frame->plan->identity : frame->entries[part[0]];
        for (int o = 0; o < part[2]; o++)
            for (int e = 0; e < length; e++)
                for (int t = 0; t < times; t++)
                    to[count++] = (entries[e] + part[3 + o]) * times + t;
    }
    frame->counts[op->index] = count;
}

/* bias: what channels that are not in the slice hold, NULL for zero. */
static void expand(const Frame *frame, const Op *op)
{
    const Value *in = source_of(frame, op), *out = output_of(frame, op);
    const int32_t *read = index_of(frame, in);
    Part part = part_of(frame, out);
    int64_t from = part.row * out->width, count = part.last_row * out->width - from;
    int channels = channels_of(frame, in), next = 0;
    while (next < channels && read[next] < part.channel)
        next++;
    for (int64_t c = part.channel; c < part.last_channel; c++) {
        float *y = plane_of(frame, out, c) + from, fill = op->bias ? op->bias[c] : 0;
        if (next < channels && read[next] == c)
            memcpy(y, plane_of(frame, in, next++) + from, (size_t)count * sizeof(float));
        else
            for (int64_t p = 0; p < count; p++)
                y[p] = fill;
    }
}

static void take(const Frame *frame, const Op *op)
{
    const Value *in = source_of(frame, op), *out = output_of(frame, op);
    const int32_t *taken = index_of(frame, out);
    Part part = part_of(frame, out);
    int64_t from = part.row * out->width, count = part.last_row * out->width - from;
    for (int64_t c = part.channel; c < part.last_channel; c++)
        memcpy(plane_of(frame, out, c) + from, plane_of(frame, in, taken[c]) + from, (size_t)count * sizeof(float));
}

/* --- the whole --- */

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* image: [height][width][channels]. */
static void take_in(const Frame *frame, const float *image)
{
    const Value *in = frame->plan->values + frame->plan->input;
    int64_t pixels = pixels_of(in), from, to;
    float *to_ = frame->values + in->place;
    share(frame, pixels, &from, &to);
    for (int c = 0; c < in->channels; c++)
        for (int64_t p = from; p < to; p++)
            to_[c * pixels + p] = image[p * in->channels + c];
}

static void (*const operations[])(const Frame *, const Op *) = {
    [CONV] = conv, [DEPTHWISE] = depthwise, [DENSE] = dense, [SCALE] = scale, [POOL] = pool,
    [MEAN] = mean, [ACTIVATION] = activation, [LOCAL_RESPONSE] = local_response, [ADD] = combine,
    [MUL] = combine, [CONCAT] = concat, [RESHAPE] = reshape, [SPACE_TO_DEPTH] = space_to_depth,
    [PAD] = pad, [CROP] = pad, [INDEX] = reindex, [EXPAND] = expand, [TAKE] = take};

void RUN(Frame *frame, const float *image)
{
    take_in(frame, image);
    meet(frame);
    double start = frame->seconds ? now() : 0;
    for (int i = 0; i < frame->plan->op_count; i++) {
        const Op *op = frame->plan->ops + i;
        operations[op->kind](frame, op);
        meet(frame);
        if (frame->seconds && !frame->thread) {
            double end = now();
            frame->seconds[i] += end - start;
            start = end;
        }
    }
    frame->multiplier->finish();
}
