/* Convolutions of narrow numbers: bytes, or bfloat16, which is the upper half of a float. run.h includes this.

   A unit is what 4 bytes hold: 4 channels as bytes, or 2 as bfloat16, at one pixel. A source of units lies as one of floats does,
   [units][pixels], so that a grid serves both, and a product of units adds 4 or 2 multiply-accumulates to a sum at once:

       sums[winner][pixel] += weights[winner][tap][unit] . source[unit][pixel + offset[tap]]

   The source is made narrow while it is copied to its grid. Bytes are x8 = round(x inverse) + zero, held to 0 ... 255, and weights
   bytes with a sign, so that sums are exact in 32 bits, and what they stand for is

       unit[winner] (sum of w8 x8 - zero sum of w8)

   Weights of the channels that are active are packed side by side once an image (dot.h says how they lie); where all are, the
   plan holds them packed. */

typedef int32_t Words __attribute__((vector_size(4 * LANES)));
typedef Words LooseWords __attribute__((aligned(4)));

/* LANES numbers, or zeros where fewer are left. */
INLINE Vector some(const float *from, int count)
{
    Vector x = {0};
    if (count >= LANES)
        return *(const Loose *)from;
    memcpy(&x, from, (size_t)count * sizeof(float));
    return x;
}

/* Of each pair of words one, as `first` says with all bits or none. */
INLINE Words either(Words first, Words one, Words other) { return (first & one) | (~first & other); }

typedef struct {                            /* how numbers become bytes: of the operation, where the compiler keeps them at hand */
    float inverse;
    int32_t zero;
} Steps;

INLINE Steps steps_of(const Op *op) { return (Steps){op->inverse, op->zero}; }

/* Bytes of the same channel in each word. The sum's last bits are the number, rounded, as it is written with 23 of them. */
INLINE Words to_bytes(Steps steps, Vector x, Vector *lost)
{
    const float magic = 12582912.0f;
    float least = -(float)steps.zero, most = 255 - (float)steps.zero;
    Vector y = x * steps.inverse;
    *lost += y - y;                         /* 0, or no number */
    y = (Vector)either(y < least, (Words)(least + (Vector){0}), (Words)y);
    y = (Vector)either(y > most, (Words)(most + (Vector){0}), (Words)y);
    return ((Words)(y + magic) + steps.zero) & 255;
}

/* Keeps that a number was lost in a sum of `to_bytes`. */
static void note_lost(const Frame *frame, Vector lost)
{
    for (int v = 0; v < LANES; v++)
        if (lost[v] != lost[v])
            __atomic_store_n(frame->lost, 1, __ATOMIC_RELAXED);
}

/* The upper half of each number, rounded to the nearest, of two to the even one. */
INLINE Words to_half(Vector x)
{
    Words bits = (Words)x;
    return either(x == x, (bits + 0x7fff + ((bits >> 16) & 1)) >> 16, bits >> 16 | 64) & 0xffff;
}

/* LANES pixels of `channels` planes, `apart` from each other, of which `count` are there, as units. Adds to `lost` what is no
   finite number. */
INLINE Words units_of(const Steps *steps, const float *from, int64_t apart, const int channels, int count, Vector *lost)
{
    Words words = {0};
    #pragma GCC unroll 4
    for (int c = 0; c < channels; c++) {
        Vector x = some(from + c * apart, count);
        words |= steps ? to_bytes(*steps, x, lost) << (8 * c) : to_half(x) << (16 * c);
    }
    return words;
}

/* `count` pixels; steps: NULL for bfloat16. */
INLINE void narrow_run(const Steps *steps, const float *from, int64_t apart, const int channels, int count, int32_t *to, Vector *lost)
{
    Vector sum = *lost;
    int p = 0;
    for (; p + LANES <= count; p += LANES)
        *(LooseWords *)(to + p) = units_of(steps, from + p, apart, channels, LANES, &sum);
    if (p < count) {
        Words words = units_of(steps, from + p, apart, channels, count - p, &sum);
        memcpy(to + p, &words, (size_t)(count - p) * sizeof(int32_t));
    }
    *lost = sum;
}

INLINE void narrow_pixels(const Op *op, const float *from, int64_t apart, const int channels, int count, int32_t *to, Vector *lost)
{
    const Steps steps = steps_of(op);
    if (op->precision == INT8)
        narrow_run(&steps, from, apart, channels, count, to, lost);
    else if (channels <= 2)
        narrow_run(NULL, from, apart, channels, count, to, lost);
}

static void narrow_line(const Op *op, const float *from, int64_t apart, int channels, int count, int32_t *to, Vector *lost)
{
    switch (channels) {
    case 1: narrow_pixels(op, from, apart, 1, count, to, lost); break;
    case 2: narrow_pixels(op, from, apart, 2, count, to, lost); break;
    case 3: narrow_pixels(op, from, apart, 3, count, to, lost); break;
    default: narrow_pixels(op, from, apart, 4, count, to, lost);
    }
}

INLINE void fill_words(int32_t *to, int from, int end, int32_t word)
{
    for (int x = from; x < end; x++)
        to[x] = word;
}

/* The rows `first` to `last` of each phase of one unit's plane, with zeros around, which are `zero` as bytes. */
static void spread_unit(const Op *op, const Grid *grid, const Value *in, const float *plane, int channels, int32_t *unit,
                        int64_t first, int64_t last, Vector *lost)
{
    int down = op->stride[0], across = op->stride[1], pitch = grid->pitch;
    int32_t around = op->precision == INT8 ? op->zero * 0x01010101 : 0, line[in->width];
    if (grid->direct) {
        int64_t from = first * pitch;
        narrow_line(op, plane + from, pixels_of(in), channels, (int)((last - first) * pitch), unit + from, lost);
        return;
    }
    for (int64_t y = first; y < last; y++)
        for (int py = 0; py < grid->down; py++) {
            int64_t row = y * down + py - op->pads[0];
            int inside = row >= 0 && row < in->height;
            if (inside)
                narrow_line(op, plane + row * in->width, pixels_of(in), channels, in->width, line, lost);
            for (int px = 0; px < grid->across; px++) {
                int32_t *to = unit + (((int64_t)py * grid->across + px) * grid->height + y) * pitch;
                int column = px - op->pads[2], left = column >= 0 ? 0 : (-column + across - 1) / across;
                int right = column >= in->width ? 0 : (in->width - column + across - 1) / across;
                right = right > pitch ? pitch : right;
                left = !inside || right <= left ? pitch : left;
                fill_words(to, 0, left, around);
                if (left == pitch)
                    continue;
                if (across == 1)
                    memcpy(to + left, line + column + left, (size_t)(right - left) * sizeof(int32_t));
                else
                    for (int x = left; x < right; x++)
                        to[x] = line[column + x * across];
                fill_words(to, right, pitch, around);
            }
        }
}

/* A thread's part of the source, in the frame's scratch. */
static void spread_units(const Frame *frame, const Op *op, const Grid *grid, const Packing *packing, int channels, int by_rows)
{
    const Value *in = source_of(frame, op);
    int64_t first = 0, last = packing->parts * packing->units, row = 0, last_row = grid->height;
    int32_t *scratch = (int32_t *)frame->scratch;
    Vector lost = {0};
    if (by_rows)
        share(frame, grid->height, &row, &last_row);
    else
        share(frame, last, &first, &last);
    for (int64_t u = first; u < last; u++) {
        int left = channels - (int)u * packing->each, own = left < packing->each ? left : packing->each;
        if (left > 0)
            spread_unit(op, grid, in, plane_of(frame, in, u * packing->each), own, scratch + u * grid->plane, row, last_row, &lost);
        else if (!row)
            memset(scratch + u * grid->plane, 0, (size_t)grid->plane * sizeof(int32_t));
    }
    note_lost(frame, lost);
}

/* Weights of the rows 16 at a time, a thread's share of them: those of the channels `read`, NULL for all, and their sums. */
static void pack_rows(const Frame *frame, const Op *op, const Packing *packing, const int32_t *winners, int rows,
                      const int32_t *read, int channels, int taps)
{
    int size = 4 / packing->each, width = op->integers[0];                   /* bytes of a number, of a row of weights */
    int blocks = (rows + ROWS - 1) / ROWS;
    int64_t from, to, block = block_of(packing->parts, taps);
    uint64_t active[width / 64 + 1];
    uint8_t line[width + 3 * SLOT];
    if (read)
        activate(active, width * packing->each / 4, read, channels);
    share(frame, blocks, &from, &to);
    for (int64_t b = from; b < to; b++)
        for (int r = 0; r < ROWS; r++) {
            int64_t row = b * ROWS + r;
            int32_t sum = 0;
            for (int t = 0; t < taps; t++) {
                const uint8_t *source = op->narrow + ((row < rows ? winners[row] : 0) * (int64_t)taps + t) * width;
                if (row < rows && read) {
                    frame->multiplier->gather(source, size, read, active, channels, line);
                    memset(line + channels * size, 0, SLOT);
                    source = line;
                }
                for (int i = 0; op->zero && row < rows && i < channels; i++)
                    sum += (int8_t)source[i];
                uint8_t *slot = frame->packed + b * block + (int64_t)t * ROWS * SLOT + r * SLOT;
                for (int p = 0; p < packing->parts; p++, slot += (int64_t)taps * ROWS * SLOT)
                    if (row < rows)
                        memcpy(slot, source + p * packing->units * 4, SLOT);
                    else
                        memset(slot, 0, SLOT);
            }
            if (row < rows)
                frame->starts[row] = -op->zero * sum;
        }
}

typedef struct {                            /* a convolution under way */
    const Op *op;
    const Value *out;
    const Grid *grid;
    const Effect *effect;                   /* NULL: none */
    const int32_t *winners, *starts;        /* which channel each row is; what its sums start from */
    const Multiplier *multiplier;
    Product product;
    int rows;
    float *result;
} NarrowJob;

/* What the sums of a row stand for, in their place. */
static void widen(const NarrowJob *job, int row, int32_t *sums, int count)
{
    float *x = (float *)sums, unit = job->op->unit[job->winners[row]];
    int32_t start = job->starts[row];
    if (job->op->precision == INT8)
        for (int i = 0; i < count; i++)
            x[i] = (float)(sums[i] + start) * unit;
}

/* The blocks of rows `from` to `to` at the pixels `first` to `last`. */
static void multiply_blocks(const NarrowJob *job, int64_t first, int64_t last, int from, int to)
{
    int32_t sums[AT_ONCE_BLOCKS * ROWS * PIXELS + 64] __attribute__((aligned(64)));
    int64_t block = block_of(job->product.parts, job->product.taps);
    int most = (int)(NARROW_CACHE / (block + 1)) / AT_ONCE_BLOCKS * AT_ONCE_BLOCKS;
    most = most < AT_ONCE_BLOCKS ? AT_ONCE_BLOCKS : most;
    for (int group = from; group < to; group += most)
        for (int64_t pixel = first; pixel < last; pixel += PIXELS) {
            int count = last - pixel < PIXELS ? (int)(last - pixel) : PIXELS;
            for (int b = group; b < to && b < group + most; b += AT_ONCE_BLOCKS) {
                Product product = job->product;
                int blocks = to - b < AT_ONCE_BLOCKS ? to - b : AT_ONCE_BLOCKS;
                product.weights += b * block;
                product.source += pixel;
                if (product.parts)
                    job->multiplier->multiply(&product, sums, blocks, count);
                else                                         /* no channel of the source is active */
                    memset(sums, 0, sizeof sums);
                for (int row = b * ROWS; row < job->rows && row < (b + blocks) * ROWS; row++) {
                    int32_t *own = sums + (row - b * ROWS) * PIXELS;
                    widen(job, row, own, count);
                    if (job->effect)
                        apply_effect(job->effect, row, (float *)own, count);
                    store(job->grid, job->out, pixel, count, (float *)own, job->result + row * pixels_of(job->out));
                }
            }
        }
}

/* As `conv`, but narrow. integers: the bytes of a row of weights, for each channel and each tap. */
static void conv_narrow(const Frame *frame, const Op *op)
{
    const Plan *plan = frame->plan;
    const Value *in = source_of(frame, op), *out = output_of(frame, op);
    int channels = channels_of(frame, in), rows = out->channels, by_rows = pixels_of(out) >= BANDS;
    int taps = op->kernel[0] * op->kernel[1];
    int64_t offsets[taps];
    Grid grid = grid_of(op, in, out);
    Packing packing = packing_of(op, channels);
    Effect effect = {op->scale, op->bias, NULL, op->function, op->arguments};
    const int32_t *winners = plan->identity;
    offsets_of(op, &grid, offsets);
    spread_units(frame, op, &grid, &packing, channels, by_rows);
    if (op->gate) {
        decide(frame, op, in);
        effect.scale = frame->effect;
        effect.shift = effect.scale + plan->channels + SLACK;
        effect.factor = op->gate->boost == AFTER ? effect.shift + plan->channels + SLACK : NULL;
        rows = channels_of(frame, out);
        winners = index_of(frame, out);
    }
    if (!op->is_packed)
        pack_rows(frame, op, &packing, winners, rows, in->index < 0 ? NULL : index_of(frame, in), channels, taps);
    meet(frame);
    NarrowJob job = {.op = op, .out = out, .grid = &grid, .effect = op->standardized ? NULL : &effect, .winners = winners,
                     .starts = op->is_packed ? op->starts : frame->starts, .multiplier = frame->multiplier, .rows = rows,
                     .result = frame->values + out->place,
                     .product = {.weights = op->is_packed ? op->narrow : frame->packed, .source = (const int32_t *)frame->scratch,
                                 .offsets = offsets, .plane = grid.plane, .parts = packing.parts, .units = packing.units,
                                 .taps = taps, .is_bytes = op->precision == INT8}};
    int64_t first = 0, last = grid.extent, from = 0, to = (rows + ROWS - 1) / ROWS;
    if (by_rows) {
        share(frame, out->height, &first, &last);
        first *= grid.pitch;
        last = last == out->height ? grid.extent : last * grid.pitch;
    } else
        share(frame, to, &from, &to);
    multiply_blocks(&job, first, last, (int)from, (int)to);
    if (!frame->thread) {
        int scales = op->gate && op->gate->boost != NEVER;
        *frame->macs += pixels_of(out) * rows * (channels * taps + scales);
    }
    if (op->standardized)
        standardize(frame, op, out, &effect, rows);
}

/* The source as bytes less `zero`, in the frame's summary of this thread. */
static const int32_t *bytes_of(const Frame *frame, const Op *op, const float *x, int count)
{
    int32_t *bytes = (int32_t *)frame->summary + frame->thread * (frame->plan->channels + SLACK);
    Vector lost = {0};
    for (int c = 0; c < count; c += LANES)
        *(LooseWords *)(bytes + c) = to_bytes(steps_of(op), some(x + c, count - c), &lost) - op->zero;
    note_lost(frame, lost);
    return bytes;
}

/* to[j] += sum of x[c] weights[read[c]][j], all whole numbers; rows of the weights that meet a zero are not read. */
static int64_t product_of_bytes(const Op *op, const int32_t *x, int count, const int32_t *read, int32_t *to, int64_t from, int64_t end)
{
    int64_t done = 0;
    for (int c = 0; c < count;) {
        const int8_t *rows[4];
        int32_t factors[4] = {0};
        int n = 0;
        for (; n < 4 && c < count; c++)
            if (x[c]) {
                factors[n] = x[c];
                rows[n++] = (const int8_t *)op->narrow + (int64_t)read[c] * op->integers[0];
            }
        done += n * (end - from);
        for (int i = n; n && i < 4; i++)
            rows[i] = rows[0];
        for (int64_t j = from; n && j < end; j++)
            to[j] += factors[0] * rows[0][j] + factors[1] * rows[1][j] + factors[2] * rows[2][j] + factors[3] * rows[3][j];
    }
    return done;
}

/* The same with weights of 16 bits, in floats. */
static int64_t product_of_halves(const Op *op, const float *x, int count, const int32_t *read, float *to, int64_t from, int64_t end)
{
    int64_t done = 0;
    for (int c = 0; c < count; c++) {
        const uint16_t *row = (const uint16_t *)op->narrow + (int64_t)read[c] * op->integers[0] / 2;
        if (x[c] == 0)
            continue;
        for (int64_t j = from; j < end; j++) {
            union { uint32_t bits; float number; } weight = {(uint32_t)row[j] << 16};
            to[j] += x[c] * weight.number;
        }
        done += end - from;
    }
    return done;
}

/* integers: the bytes of a row of weights, for each channel of the source. */
static void dense_narrow(const Frame *frame, const Op *op)
{
    const Value *in = source_of(frame, op), *out = output_of(frame, op);
    const float *x = frame->values + in->place;
    float *to = frame->values + out->place;
    int32_t *sums = (int32_t *)to;
    int64_t from, end;
    int count = channels_of(frame, in);
    share_lines(frame, out->channels, &from, &end);
    if (op->precision == INT8) {
        memset(sums + from, 0, (size_t)(end > from ? end - from : 0) * sizeof(int32_t));
        *frame->macs += product_of_bytes(op, bytes_of(frame, op, x, count), count, index_of(frame, in), sums, from, end);
        for (int64_t j = from; j < end; j++)
            to[j] = (float)sums[j] * op->unit[j] + op->bias[j];
    } else {
        for (int64_t j = from; j < end; j++)
            to[j] = op->bias[j];
        *frame->macs += product_of_halves(op, x, count, index_of(frame, in), to, from, end);
    }
    apply(op->function, op->arguments, to + from, end - from);
}
