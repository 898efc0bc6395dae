/* Steps of preprocessing, with the arithmetic of TensorFlow, which trained the network: docs/runtime.md names them. Rows and columns
   are resized one after the other, each row of the result a weighted sum of some rows of the image. */
#include "file.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    float *numbers;                         /* [height][width][channels] */
    Size size;
} Image;

static int64_t numbers_of(Size size) { return (int64_t)size.height * size.width * size.channels; }

static int no_memory(void) { return problem("no memory is left"); }

/* An image of so many numbers in place of another; what is in it is the caller's. 0 without memory. */
static int renew(Image *image, Size size, float **old)
{
    float *numbers = calloc((size_t)numbers_of(size) + 1, sizeof(float));
    if (!numbers)
        return no_memory();
    *old = image->numbers;
    image->numbers = numbers;
    image->size = size;
    return 1;
}

/* --- resizing --- */

typedef struct {                            /* one side: weights [after][before], of which those from `first` to `last` are not zero */
    int before, after;
    float *weights;
    int32_t *first, *last;
} Side;

static float kernel(int method, float x)
{
    const float pi = 3.14159265358979f, radius = method == LANCZOS3 ? 3 : 5;
    switch (method) {
    case BILINEAR: return x < 1 ? 1 - x : 0;
    case BICUBIC:
        return x >= 2 ? 0 : x >= 1 ? ((-0.5f * x + 2.5f) * x - 4) * x + 2 : (1.5f * x - 2.5f) * x * x + 1;
    case MITCHELL:
        return x >= 2 ? 0 : x >= 1 ? ((-7.0f / 18 * x + 2) * x - 10.0f / 3) * x + 16.0f / 9 : (7.0f / 6 * x - 2) * x * x + 8.0f / 9;
    case GAUSSIAN: return x >= 1.5f ? 0 : expf(-x * x / 0.5f);
    default: return x > radius ? 0 : x <= 1e-3f ? 1 : radius * sinf(pi * x) * sinf(pi * x / radius) / (pi * pi * x * x);
    }
}

static float radius_of(int method)
{
    return method == BILINEAR ? 1 : method == GAUSSIAN ? 1.5f : method == LANCZOS3 ? 3 : method == LANCZOS5 ? 5 : 2;
}

static int held(int place, int count) { return place < 0 ? 0 : place >= count ? count - 1 : place; }

/* A window around each place, wider where an image shrinks and `antialias` is asked for. */
static void by_kernel(const Side *side, int row, int method, int antialias)
{
    float inverse = 1 / ((float)side->after / (float)side->before), wide = antialias && inverse > 1 ? inverse : 1;
    float middle = ((float)row + 0.5f) * inverse, reach = radius_of(method) * wide, total = 0;
    float *weights = side->weights + (int64_t)row * side->before;
    int from = held((int)ceilf(middle - reach - 0.5f), side->before), to = held((int)floorf(middle + reach - 0.5f), side->before);
    for (int i = from; i <= to; i++)
        total += weights[i] = kernel(method, fabsf(((float)i + 0.5f - middle) / wide));
    for (int i = from; i <= to && fabsf(total) > 1e-35f; i++)
        weights[i] /= total;
}

/* Four neighbours; a is -0.5 and neighbours outside count for nothing, or, as in TensorFlow 1, it is -0.75 and the border repeats. */
static void cubic(const Side *side, int row, float place, int half_pixel)
{
    float a = half_pixel ? -0.5f : -0.75f, *weights = side->weights + (int64_t)row * side->before, total = 0;
    int middle = (int)floorf(place);
    float steps = rintf((place - (float)middle) * 1024) / 1024;         /* TensorFlow has a table of so many */
    for (int i = -1; i < 3; i++) {
        float x = fabsf(steps - (float)i), own;
        own = x <= 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
        int inside = middle + i >= 0 && middle + i < side->before;
        if (half_pixel && !inside)
            continue;
        weights[held(middle + i, side->before)] += own;
        total += own;
    }
    for (int i = middle - 1; half_pixel && i < middle + 3; i++)
        if (i >= 0 && i < side->before)
            weights[i] /= total;
}

static void area(const Side *side, int row, float scale)
{
    float *weights = side->weights + (int64_t)row * side->before, from = (float)row * scale, to = (float)(row + 1) * scale;
    for (int i = (int)floorf(from); (float)i < to; i++) {
        float own = (float)i < from ? ((float)(i + 1) > to ? scale : (float)(i + 1) - from) : (float)(i + 1) > to ? to - (float)i : 1;
        weights[held(i, side->before)] += own / scale;
    }
}

static void fill_row(const Side *side, int row, const Step *step)
{
    float scale = (float)side->before / (float)side->after, *weights = side->weights + (int64_t)row * side->before;
    float place = step->half_pixel ? ((float)row + 0.5f) * scale - 0.5f : (float)row * scale;
    int by = step->method != AREA && step->method != NEAREST;
    if (by && (step->antialias || (step->method != BILINEAR && step->method != BICUBIC)))
        by_kernel(side, row, step->method, step->antialias);
    else if (step->method == BICUBIC)
        cubic(side, row, place, step->half_pixel);
    else if (step->method == AREA)
        area(side, row, scale);
    else if (step->method == NEAREST)
        weights[held((int)floorf(((float)row + (step->half_pixel ? 0.5f : 0)) * scale), side->before)] = 1;
    else {
        float below = floorf(place), share = place - below;
        weights[held((int)below, side->before)] += 1 - share;
        weights[held((int)ceilf(place), side->before)] += share;
    }
}

static void drop(Side *side)
{
    free(side->weights);
    free(side->first);
    free(side->last);
}

static int make(Side *side, int before, int after, const Step *step)
{
    *side = (Side){before, after, calloc((size_t)before * (size_t)after + 1, sizeof(float)), malloc((size_t)after * sizeof(int32_t)),
                   malloc((size_t)after * sizeof(int32_t))};
    if (!side->weights || !side->first || !side->last)
        return no_memory();
    for (int row = 0; row < after; row++) {
        const float *weights = side->weights + (int64_t)row * before;
        int first = 0, last = before;
        if (before == after)
            side->weights[(int64_t)row * before + row] = 1;
        else
            fill_row(side, row, step);
        while (first < before && weights[first] == 0)
            first++;
        while (last > first && weights[last - 1] == 0)
            last--;
        side->first[row] = first;
        side->last[row] = last;
    }
    return 1;
}

static void rows_of(const Side *side, const float *from, int64_t width, float *to)
{
    for (int row = 0; row < side->after; row++)
        for (int i = side->first[row]; i < side->last[row]; i++) {
            float weight = side->weights[(int64_t)row * side->before + i];
            for (int64_t x = 0; x < width; x++)
                to[row * width + x] += weight * from[i * width + x];
        }
}

static void columns_of(const Side *side, const float *from, int rows, int channels, float *to)
{
    for (int row = 0; row < rows; row++, from += (int64_t)side->before * channels, to += (int64_t)side->after * channels)
        for (int column = 0; column < side->after; column++)
            for (int i = side->first[column]; i < side->last[column]; i++) {
                float weight = side->weights[(int64_t)column * side->before + i];
                for (int c = 0; c < channels; c++)
                    to[(int64_t)column * channels + c] += weight * from[(int64_t)i * channels + c];
            }
}

static int resized(Image *image, int height, int width, const Step *step)
{
    Side down = {0}, across = {0};
    Size size = image->size;
    float *old = NULL;
    if (size.height == height && size.width == width)
        return 1;
    int done = make(&down, size.height, height, step) && make(&across, size.width, width, step);
    done = done && renew(image, (Size){height, size.width, size.channels}, &old);
    if (done) {
        rows_of(&down, old, (int64_t)size.width * size.channels, image->numbers);
        free(old);
        done = renew(image, (Size){height, width, size.channels}, &old);
    }
    if (done) {
        columns_of(&across, old, height, size.channels, image->numbers);
        free(old);
    }
    drop(&down);
    drop(&across);
    return done;
}

/* The middle of the image, or the image amid zeros. */
static int crop_or_pad(Image *image, int height, int width)
{
    Size size = image->size;
    float *old = NULL;
    int top = (size.height - height) / 2, left = (size.width - width) / 2;     /* towards zero: as TensorFlow, either way */
    if (!renew(image, (Size){height, width, size.channels}, &old))
        return 0;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            if (y + top >= 0 && y + top < size.height && x + left >= 0 && x + left < size.width)
                memcpy(image->numbers + ((int64_t)y * width + x) * size.channels,
                       old + ((int64_t)(y + top) * size.width + x + left) * size.channels, (size_t)size.channels * sizeof(float));
    free(old);
    return 1;
}

static int resize(Image *image, const Step *step, Size network)
{
    int height = step->height ? step->height : network.height, width = step->width ? step->width : network.width;
    if (step->fill) {
        double shape = (double)width / height, wide = fmin(rint(image->size.height * shape), image->size.width);
        double high = fmin(rint(wide / shape), image->size.height);
        if (high < 1 || wide < 1)
            return problem("an image of %d x %d has no part with the proportions that are wanted", image->size.height, image->size.width);
        if (!crop_or_pad(image, (int)high, (int)wide))
            return 0;
    }
    if (step->shorter_side) {
        Size now = image->size;
        double least = now.height < now.width ? now.height : now.width;
        double high = rint((double)now.height * step->shorter_side / least), wide = rint((double)now.width * step->shorter_side / least);
        if (high > 1 << 16 || wide > 1 << 16)
            return problem("an image of %d x %d is too long to be resized", now.height, now.width);
        height = (int)high;
        width = (int)wide;
    }
    return resized(image, height, width, step);
}

/* --- steps --- */

static int central_crop(Image *image, double fraction)
{
    int height = image->size.height, width = image->size.width;
    int top = (int)((height - height * fraction) / 2), left = (int)((width - width * fraction) / 2);
    return crop_or_pad(image, height - 2 * top, width - 2 * left);
}

static void subtract_mean(Image *image, int divide)
{
    int64_t count = numbers_of(image->size);
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < count; i++)
        sum += image->numbers[i];
    float mean = (float)(sum / (double)count);
    for (int64_t i = 0; i < count; i++) {
        image->numbers[i] -= mean;
        squares += (double)image->numbers[i] * image->numbers[i];
    }
    float deviation = (float)fmax(sqrt(squares / (double)count), 1 / sqrt((double)count));
    for (int64_t i = 0; divide && i < count; i++)
        image->numbers[i] /= deviation;
}

static int for_channels(const Step *step, const uint8_t *base, Image *image)
{
    int channels = image->size.channels;
    if (step->list_count != (step->kind == PERMUTE ? 1 : 2) * channels)
        return problem("an image of %d channels has others than its preprocessing is for", channels);
    const float *means = (const float *)(base + step->list), *stds = means + channels;
    for (float *pixel = image->numbers, *end = pixel + numbers_of(image->size); pixel < end; pixel += channels)
        for (int c = 0; c < channels; c++)
            pixel[c] = (pixel[c] - means[c]) / stds[c];
    return 1;
}

static int permute(const Step *step, const uint8_t *base, Image *image)
{
    const int32_t *order = (const int32_t *)(base + step->list);
    int channels = image->size.channels;
    float *old = NULL, *to;
    if (step->list_count != channels)
        return problem("an image of %d channels has others than its preprocessing is for", channels);
    if (!renew(image, image->size, &old))
        return 0;
    to = image->numbers;
    for (int64_t p = 0; p < numbers_of(image->size); p += channels)
        for (int c = 0; c < channels; c++)
            *to++ = old[p + order[c]];
    free(old);
    return 1;
}

static int ensure_channels(Image *image, int channels)
{
    Size size = image->size;
    float *old = NULL;
    if (size.channels == channels)
        return 1;
    if (size.channels != 1 && !(size.channels == 3 && channels == 1))
        return problem("an image of %d channels, but the network reads %d", size.channels, channels);
    if (!renew(image, (Size){size.height, size.width, channels}, &old))
        return 0;
    float *to = image->numbers;
    for (int64_t p = 0; p < (int64_t)size.height * size.width; p++)
        if (channels == 1)
            to[p] = 0.2989f * old[3 * p] + 0.587f * old[3 * p + 1] + 0.114f * old[3 * p + 2];
        else
            for (int c = 0; c < channels; c++)
                *to++ = old[p];
    free(old);
    return 1;
}

static int apply(const Step *step, const uint8_t *base, Size network, Image *image)
{
    const Step whole = {.kind = RESIZE, .method = BILINEAR, .fill = 1};
    float scale = (float)step->numbers[0], shift = (float)step->numbers[1];
    switch (step->kind) {
    case LINEAR_MAP:
        for (int64_t i = 0; i < numbers_of(image->size); i++)
            image->numbers[i] = image->numbers[i] * scale + shift;
        return 1;
    case CHANNELS: return for_channels(step, base, image);
    case IMAGE_MEAN: subtract_mean(image, 0); return 1;
    case STANDARDIZE: subtract_mean(image, 1); return 1;
    case PERMUTE: return permute(step, base, image);
    case CROP_OR_PAD:
        return crop_or_pad(image, step->height ? step->height : network.height, step->width ? step->width : network.width);
    case CENTRAL_CROP: return central_crop(image, step->numbers[0]);
    case RESIZE: return resize(image, step, network);
    default: return ensure_channels(image, network.channels) && resize(image, &whole, network);
    }
}

static int takes_any_size(const Step *steps, int count)
{
    for (int s = 0; s < count; s++)
        if (steps[s].kind == RESIZE || steps[s].kind == ENSURE_SHAPE)
            return 1;
    return 0;
}

int takes_any_channels(const Step *steps, int count)
{
    return count && steps[count - 1].kind == ENSURE_SHAPE;
}

int preprocess(const Step *steps, int count, const uint8_t *base, const uint8_t *bytes, Size size, Size network, float *to)
{
    int side = network.height > network.width ? network.height : network.width, done = 1;
    const Step shrink = {.kind = RESIZE, .shorter_side = side, .method = BILINEAR, .antialias = 1, .half_pixel = 1};
    Image image = {malloc((size_t)numbers_of(size) * sizeof(float) + 1), size};
    if (!image.numbers)
        return no_memory();
    for (int64_t i = 0; i < numbers_of(size); i++)
        image.numbers[i] = bytes[i];
    if (size.height > side && size.width > side && !takes_any_size(steps, count))
        done = resize(&image, &shrink, network);
    for (int s = 0; done && s < count; s++)
        done = apply(steps + s, base, network, &image);
    if (done && memcmp(&image.size, &network, sizeof network))
        done = problem("images of %d x %d x %d become %d x %d x %d, and the network reads %d x %d x %d", size.height, size.width,
                       size.channels, image.size.height, image.size.width, image.size.channels, network.height, network.width,
                       network.channels);
    if (done)
        memcpy(to, image.numbers, (size_t)numbers_of(network) * sizeof(float));
    free(image.numbers);
    return done;
}

int steps_are_sound(const Step *steps, int count, const uint8_t *base, int64_t size, int channels)
{
    for (int s = 0; s < count; s++) {
        const Step *step = steps + s;
        int has_list = step->kind == CHANNELS || step->kind == PERMUTE, sound = step->kind >= 0 && step->kind < STEP_KINDS;
        sound = sound && step->height >= 0 && step->height <= 1 << 15 && step->width >= 0 && step->width <= 1 << 15;
        sound = sound && step->shorter_side >= 0 && step->shorter_side <= 1 << 15 && step->method >= 0 && step->method < METHODS;
        sound = sound && isfinite(step->numbers[0]) && isfinite(step->numbers[1]);
        sound = sound && (step->kind != CENTRAL_CROP || (step->numbers[0] > 0 && step->numbers[0] <= 1));
        if (has_list)
            sound = sound && step->list >= (int64_t)sizeof(Program) && step->list % 4 == 0 && step->list_count > 0
                && step->list_count <= 2 * channels && step->list <= size - 4 * (int64_t)step->list_count;
        for (int i = 0; sound && step->kind == PERMUTE && i < step->list_count; i++) {
            int32_t own = ((const int32_t *)(base + step->list))[i];
            sound = own >= 0 && own < step->list_count;
        }
        if (!sound)
            return problem("step %d of its preprocessing is broken", s);
    }
    return 1;
}
