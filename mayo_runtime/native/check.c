/* Whether a plan that comes from a file can be run: everything that the engine takes for granted is looked at once, so that no file,
   whatever it holds, makes it read or write outside of its memory.

   Every value is computed before it is read and overlaps none that it is computed from; every index is made once, before it is used,
   and `bounds` holds one more than the largest channel that it can name. */
#include "file.h"
#include "frame.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SIDE = 1 << 15, MOST_CHANNELS = 1 << 20, MOST_TAPS = 1 << 12, MOST_STRIDE = 1 << 10, MOST_ROW = 1 << 18 };
#define MOST_NUMBERS ((int64_t)1 << 30)

typedef struct {
    Plan *plan;
    const Gate *gates;
    int gate_count;
    const uint8_t *base;
    int64_t size;
    uint8_t *computed, *made;               /* of each value, of each index */
    int64_t *bounds;                        /* of each index */
    int64_t channels;                       /* the most that anything counts */
    int op;                                 /* that is looked at */
} Check;

static int wrong(const Check *check, const char *what)
{
    return problem("operation %d of its program is broken: %s", check->op, what);
}

#define REQUIRE(condition, what) \
    do { \
        if (!(condition)) \
            return wrong(check, what); \
    } while (0)

static int within(int64_t number, int64_t least, int64_t most) { return number >= least && number <= most; }

/* The memory at an offset that a pointer holds; NULL where it is not all in the file. */
static const void *memory(const Check *check, const void *pointer, int64_t count, int64_t each, int aligned)
{
    int64_t offset = (int64_t)(intptr_t)pointer;
    if (offset < (int64_t)sizeof(Program) || offset % aligned || count < 0 || offset > check->size)
        return NULL;
    return count > (check->size - offset) / each ? NULL : check->base + offset;
}

#define POINT(field, count, what) REQUIRE(((field) = memory(check, (field), (count), sizeof *(field), 4)), what)

static int64_t numbers_of(const Value *value) { return (int64_t)value->height * value->width * value->channels; }

/* One more than the largest channel that a value's index names. */
static int64_t reach(const Check *check, const Value *value)
{
    return value->index < 0 ? value->channels : check->bounds[value->index];
}

static int overlap(const Value *one, const Value *other)
{
    return one->place < other->place + numbers_of(other) && other->place < one->place + numbers_of(one);
}

static int same_map(const Value *one, const Value *other) { return one->height == other->height && one->width == other->width; }

static int alike(const Value *one, const Value *other)
{
    return same_map(one, other) && one->channels == other->channels && one->index == other->index;
}

static void count_channels(Check *check, int64_t count) { check->channels = count > check->channels ? count : check->channels; }

static int check_values(Check *check)
{
    const Plan *plan = check->plan;
    int64_t sum = 0;
    if (!within(plan->values_size, 1, MOST_NUMBERS))
        return problem("it asks for %lld numbers of memory, at most %lld are allowed", (long long)plan->values_size, (long long)MOST_NUMBERS);
    for (int i = 0; i < plan->index_count; sum += plan->index_sizes[i++]) {
        if (!within(plan->index_sizes[i], 0, MOST_CHANNELS))
            return problem("its index %d holds %d channels", i, plan->index_sizes[i]);
        count_channels(check, plan->index_sizes[i]);
    }
    if (sum != plan->indices_size || sum > MOST_NUMBERS / 16)
        return problem("its indices hold %lld channels, not %lld", (long long)sum, (long long)plan->indices_size);
    for (int v = 0; v < plan->value_count; v++) {
        const Value *value = plan->values + v;
        if (!within(value->height, 1, MOST_SIDE) || !within(value->width, 1, MOST_SIDE) || !within(value->channels, 1, MOST_CHANNELS)
            || !within(value->index, -1, plan->index_count - 1) || value->place < 0
            || (value->index >= 0 && plan->index_sizes[value->index] != value->channels)
            || value->place > plan->values_size || numbers_of(value) > plan->values_size - value->place)
            return problem("the shape of its value %d is broken: %d x %d x %d at %lld of %lld", v, value->height, value->width,
                           value->channels, (long long)value->place, (long long)plan->values_size);
        count_channels(check, value->channels);
    }
    return 1;
}

/* How many positions a window takes along a side. */
static int fits(int in, int out, int kernel, int stride, int before, int after)
{
    int64_t room = (int64_t)in + before + after - kernel;
    return within(before, 0, MOST_SIDE) && within(after, 0, MOST_SIDE) && room >= 0 && room / stride + 1 == out;
}

static int check_window(const Check *check, const Op *op, const Value *in, const Value *out)
{
    const int *pads = op->pads;
    REQUIRE(within(op->kernel[0], 1, MOST_SIDE) && within(op->kernel[1], 1, MOST_SIDE), "the kernel's size");
    REQUIRE(within(op->stride[0], 1, MOST_STRIDE) && within(op->stride[1], 1, MOST_STRIDE), "the stride");
    REQUIRE(fits(in->height, out->height, op->kernel[0], op->stride[0], pads[0], pads[1])
            && fits(in->width, out->width, op->kernel[1], op->stride[1], pads[2], pads[3]), "the size of the map, or the padding");
    return 1;
}

static int check_taps(const Check *check, const Op *op)
{
    REQUIRE((int64_t)op->kernel[0] * op->kernel[1] <= MOST_TAPS, "the kernel's size");
    return 1;
}

static int check_affine(Check *check, Affine *layer, int64_t inputs)
{
    REQUIRE(within(layer->outputs, 1, MOST_CHANNELS), "the width of the gate");
    POINT(layer->weights, inputs * layer->outputs, "the weights of the gate");
    POINT(layer->bias, layer->outputs, "the biases of the gate");
    count_channels(check, layer->outputs);
    return 1;
}

static int check_gate(Check *check, const Op *op, Gate *gate, const Value *in, const Value *out)
{
    int outs = gate->layers[gate->depth == 2].outputs;
    REQUIRE(within(gate->depth, 1, 2) && within(gate->pool, AVG, MAX) && within(gate->boost, BEFORE, NEVER), "the kind of its gate");
    if (!check_affine(check, gate->layers, reach(check, in)))
        return 0;
    if (gate->depth == 2 && !check_affine(check, gate->layers + 1, gate->layers[0].outputs))
        return 0;
    if (gate->shift.weights) {
        REQUIRE(gate->shift.outputs == outs, "the width of the gate");
        if (!check_affine(check, &gate->shift, reach(check, in)))
            return 0;
    } else if (gate->shift.bias)
        POINT(gate->shift.bias, outs, "the shift of the gate");
    REQUIRE(out->index == op->index && within(gate->keep, 1, outs) && out->channels == gate->keep, "the channels that its gate keeps");
    REQUIRE(op->index >= 0 ? !check->made[op->index] : gate->keep == outs && !gate->has_cut, "the index of its gate");
    REQUIRE(!gate->has_cut || gate->keep == outs, "the channels that its gate keeps");
    if (op->index >= 0) {
        check->made[op->index] = 1;
        check->bounds[op->index] = outs;
    }
    return 1;
}

/* Of a convolution: weights of float32, for the channels `outs`. */
static int check_wide(Check *check, Op *op, const Value *in, int outs)
{
    int64_t taps = (int64_t)op->kernel[0] * op->kernel[1];
    POINT(op->integers, 2, "the numbers of its weights");
    REQUIRE(op->integers[1] == outs && within(op->integers[0], 1, (int64_t)MOST_CHANNELS * MOST_TAPS), "the numbers of its weights");
    REQUIRE(op->integers[0] % taps == 0, "the numbers of its weights");
    if (op->groups > 1)
        REQUIRE(in->index < 0 && in->channels % op->groups == 0 && outs % op->groups == 0
                && op->integers[0] / taps == in->channels / op->groups, "the groups");
    else
        REQUIRE(reach(check, in) <= op->integers[0] / taps, "the numbers of its weights");
    POINT(op->weights, (int64_t)outs * op->integers[0], "the weights");
    return 1;
}

static int check_bytes(const Check *check, Op *op, int64_t count, int64_t outs)
{
    REQUIRE((op->narrow = memory(check, op->narrow, count + AFTER_LAST, 1, 16)), "the weights");
    if (op->precision == INT8) {
        POINT(op->unit, outs, "the scales of the weights");
        REQUIRE(within(op->zero, 0, 255) && isfinite(op->inverse), "the range of its source");
    }
    return 1;
}

static int check_narrow(Check *check, Op *op, const Value *in, int outs)
{
    int64_t taps = (int64_t)op->kernel[0] * op->kernel[1];
    int size = op->precision == INT8 ? 1 : 2;
    REQUIRE(op->groups == 1, "the groups");
    POINT(op->integers, 1, "the numbers of its weights");
    REQUIRE(within(op->integers[0], 1, MOST_ROW) && op->integers[0] % SLOT == 0, "the numbers of its weights");
    REQUIRE(reach(check, in) <= op->integers[0] / size, "the numbers of its weights");
    if (!op->is_packed)
        return check_bytes(check, op, outs * taps * op->integers[0], outs);
    REQUIRE(op->is_packed == 1 && !op->gate && in->index < 0, "the packing of its weights");
    if (op->precision == INT8)
        POINT(op->starts, outs, "the sums of the weights");
    return check_bytes(check, op, (outs + ROWS - 1) / ROWS * block_of(packing_of(op, in->channels).parts, (int)taps), outs);
}

static int check_conv(Check *check, Op *op, Gate *gate, const Value *in, const Value *out)
{
    int outs = gate ? gate->layers[gate->depth == 2].outputs : out->channels;
    if (!check_window(check, op, in, out) || !check_taps(check, op))
        return 0;
    REQUIRE(within(op->groups, 1, MOST_CHANNELS) && within(op->standardized, 0, 1), "the groups");
    REQUIRE(within(op->precision, FLOAT32, INT8), "the precision");
    if (gate ? !check_gate(check, op, gate, in, out) : out->index >= 0)
        return gate ? 0 : wrong(check, "its index");
    if (!(op->precision == FLOAT32 ? check_wide(check, op, in, outs) : check_narrow(check, op, in, outs)))
        return 0;
    POINT(op->bias, outs, "the biases");
    if (op->scale)
        POINT(op->scale, outs, "the scale");
    count_channels(check, outs);
    return 1;
}

static int check_depthwise(Check *check, Op *op, const Value *in, const Value *out)
{
    int64_t times;
    if (!check_window(check, op, in, out) || !check_taps(check, op))
        return 0;
    POINT(op->integers, 2, "the numbers of its weights");
    times = op->integers[1];
    REQUIRE(within(times, 1, MOST_CHANNELS) && in->channels * times == out->channels, "the channels");
    REQUIRE(in->index >= 0 || out->index < 0, "its index");
    POINT(op->weights, reach(check, in) * times * op->kernel[0] * op->kernel[1], "the weights");
    POINT(op->bias, reach(check, in) * times, "the biases");
    return 1;
}

static int check_dense(Check *check, Op *op, const Value *in, const Value *out)
{
    REQUIRE(in->height * in->width == 1 && out->height * out->width == 1 && out->index < 0, "the shape of its vectors");
    REQUIRE(within(op->precision, FLOAT32, INT8), "the precision");
    POINT(op->bias, out->channels, "the biases");
    if (op->precision == FLOAT32) {
        POINT(op->weights, reach(check, in) * out->channels, "the weights");
        return 1;
    }
    POINT(op->integers, 1, "the numbers of its weights");
    REQUIRE(op->integers[0] % (op->precision == INT8 ? 1 : 2) == 0, "the numbers of its weights");
    REQUIRE(within(op->integers[0] / (op->precision == INT8 ? 1 : 2), out->channels, MOST_CHANNELS), "the numbers of its weights");
    return check_bytes(check, op, reach(check, in) * op->integers[0], out->channels);
}

static int check_scale(Check *check, Op *op, const Value *in, const Value *out)
{
    REQUIRE(alike(in, out), "the shape");
    POINT(op->scale, reach(check, in), "the scale");
    POINT(op->bias, reach(check, in), "the shift");
    return 1;
}

static int check_pool(Check *check, Op *op, const Value *in, const Value *out)
{
    if (!check_window(check, op, in, out))
        return 0;
    POINT(op->integers, 1, "the kind of pooling");
    REQUIRE(op->integers[0] == AVG || op->integers[0] == MAX, "the kind of pooling");
    REQUIRE(in->channels == out->channels && in->index == out->index, "the channels");
    for (int side = 0; side < 2; side++) {
        int64_t last = (int64_t)((side ? out->width : out->height) - 1) * op->stride[side] - op->pads[2 * side];
        REQUIRE(op->pads[2 * side] < op->kernel[side] && last < (side ? in->width : in->height), "the padding");
    }
    return 1;
}

static int check_mean(Check *check, Op *op, const Value *in, const Value *out)
{
    POINT(op->integers, 3, "the axes");
    int64_t height = op->integers[0] ? 1 : in->height, width = op->integers[1] ? 1 : in->width;
    REQUIRE(height * width * (op->integers[2] ? 1 : in->channels) == numbers_of(out), "the shape");
    return 1;
}

static int check_combine(const Check *check, const Op *op, const Value *out)
{
    for (int s = 0; s < op->source_count; s++) {
        const Value *in = check->plan->values + op->sources[s];
        REQUIRE(in->channels == 1 || (in->channels == out->channels && in->index == out->index), "the channels of a source");
        REQUIRE((in->height == 1 || in->height == out->height) && (in->width == 1 || in->width == out->width), "the size of a source");
    }
    return 1;
}

static int check_concat(const Check *check, const Op *op, const Value *out)
{
    int64_t channels = 0;
    for (int s = 0; s < op->source_count; s++) {
        const Value *in = check->plan->values + op->sources[s];
        REQUIRE(same_map(in, out), "the size of a source");
        channels += in->channels;
    }
    REQUIRE(channels == out->channels, "the channels");
    return 1;
}

static int check_reshape(const Check *check, const Value *in, const Value *out)
{
    int64_t before = (int64_t)in->height * in->width, after = (int64_t)out->height * out->width;
    REQUIRE(numbers_of(in) == numbers_of(out) && (in->index < 0 || before % after == 0), "the shape");
    return 1;
}

static int check_block(const Check *check, Op *op, const Value *in, const Value *out)
{
    POINT(op->integers, 1, "the block");
    int64_t block = op->integers[0];
    REQUIRE(within(block, 1, MOST_SIDE) && out->height * block <= in->height && out->width * block <= in->width, "the block");
    REQUIRE(block * block * in->channels == out->channels, "the channels");
    return 1;
}

static int check_pad(const Check *check, Op *op)
{
    POINT(op->integers, 1, "the padding of channels");
    REQUIRE(within(op->integers[0], -MOST_CHANNELS, MOST_CHANNELS), "the padding of channels");
    for (int side = 0; side < 4; side++)
        REQUIRE(within(op->pads[side], -MOST_SIDE, MOST_SIDE), "the padding");
    return 1;
}

static int check_index(Check *check, Op *op)
{
    const Plan *plan = check->plan;
    int64_t place = 2, length = 0, bound = 0;
    REQUIRE(within(op->index, 0, plan->index_count - 1) && !check->made[op->index], "its index");
    POINT(op->integers, 2, "its parts");
    int64_t times = op->integers[0], parts = op->integers[1];
    REQUIRE(within(times, 1, MOST_CHANNELS) && within(parts, 0, MOST_CHANNELS), "its parts");
    for (int64_t p = 0; p < parts; p++) {
        const int32_t *part = memory(check, (const uint8_t *)op->integers + 4 * place - (intptr_t)check->base, 3, 4, 4);
        REQUIRE(part && within(part[0], -1, plan->index_count - 1) && (part[0] < 0 || check->made[part[0]]), "a part");
        REQUIRE(within(part[2], 0, MOST_CHANNELS) && within(part[1], 0, MOST_CHANNELS), "a part");
        REQUIRE(memory(check, (const uint8_t *)part - (intptr_t)check->base, 3 + part[2], 4, 4), "a part");
        int64_t count = part[0] < 0 ? part[1] : plan->index_sizes[part[0]], most = part[0] < 0 ? part[1] : check->bounds[part[0]];
        if (part[0] < 0)
            count_channels(check, part[1]);
        for (int o = 0; o < part[2]; o++) {
            REQUIRE(within(part[3 + o], 0, MOST_CHANNELS), "an offset");
            bound = (most + part[3 + o]) * times > bound ? (most + part[3 + o]) * times : bound;
        }
        length += count * part[2];
        place += 3 + part[2];
    }
    REQUIRE(length * times <= plan->index_sizes[op->index] && bound <= 64 * (int64_t)MOST_CHANNELS, "the length of its index");
    check->made[op->index] = 1;
    check->bounds[op->index] = bound;
    return 1;
}

static int check_expand(const Check *check, Op *op, const Value *in, const Value *out)
{
    REQUIRE(same_map(in, out) && in->index >= 0 && out->index < 0, "the shape");
    if (op->bias)
        POINT(op->bias, out->channels, "the fill");
    return 1;
}

static int check_take(const Check *check, const Value *in, const Value *out)
{
    REQUIRE(same_map(in, out) && out->index >= 0 && in->index < 0 && reach(check, out) <= in->channels, "the channels");
    return 1;
}

static int check_kind(Check *check, Op *op, Gate *gate)
{
    const Value *in = check->plan->values + op->sources[0], *out = check->plan->values + op->output;
    switch (op->kind) {
    case CONV: return check_conv(check, op, gate, in, out);
    case DEPTHWISE: return check_depthwise(check, op, in, out);
    case DENSE: return check_dense(check, op, in, out);
    case SCALE: return check_scale(check, op, in, out);
    case POOL: return check_pool(check, op, in, out);
    case MEAN: return check_mean(check, op, in, out);
    case ACTIVATION: return alike(in, out) || wrong(check, "the shape");
    case LOCAL_RESPONSE:
        POINT(op->integers, 1, "the radius");
        REQUIRE(alike(in, out) && in->index < 0 && within(op->integers[0], 0, MOST_CHANNELS), "the radius");
        return 1;
    case ADD:
    case MUL: return check_combine(check, op, out);
    case CONCAT: return check_concat(check, op, out);
    case RESHAPE: return check_reshape(check, in, out);
    case SPACE_TO_DEPTH: return check_block(check, op, in, out);
    case PAD:
    case CROP: return check_pad(check, op);
    case EXPAND: return check_expand(check, op, in, out);
    case TAKE: return check_take(check, in, out);
    default: return wrong(check, "its kind");
    }
}

static int check_op(Check *check, Op *op, Gate *gates)
{
    const Plan *plan = check->plan;
    Gate *gate = NULL;
    REQUIRE(within(op->kind, CONV, TAKE), "its kind");
    REQUIRE(within(op->function, LINEAR, op->kind == ACTIVATION ? SOFTMAX : SOFTSIGN), "its function");
    REQUIRE(op->precision == FLOAT32 || op->kind == CONV || op->kind == DENSE, "the precision");
    if (op->kind == INDEX)
        return check_index(check, op);
    REQUIRE(within(op->source_count, 1, op->kind == ADD || op->kind == MUL || op->kind == CONCAT ? 1 << 16 : 1), "its sources");
    POINT(op->sources, op->source_count, "its sources");
    REQUIRE(within(op->output, 0, plan->value_count - 1), "its output");
    const Value *out = plan->values + op->output;
    for (int s = 0; s < op->source_count; s++) {
        int source = op->sources[s];
        REQUIRE(within(source, 0, plan->value_count - 1) && check->computed[source], "its sources");
        REQUIRE((op->kind == ACTIVATION && source == op->output) || !overlap(plan->values + source, out), "where its output lies");
    }
    if (op->gate) {
        REQUIRE(op->kind == CONV && within((int64_t)(intptr_t)op->gate, 1, check->gate_count), "its gate");
        gate = gates + (intptr_t)op->gate - 1;
        op->gate = gate;
    }
    if (!check_kind(check, op, gate))
        return 0;
    REQUIRE(out->index < 0 || check->made[out->index], "its index");
    check->computed[op->output] = 1;
    return 1;
}

static int check_ends(Check *check)
{
    const Plan *plan = check->plan;
    for (int o = 0; o < plan->output_count; o++)
        if (!within(plan->outputs[o], 0, plan->value_count - 1) || !check->computed[plan->outputs[o]])
            return problem("its output %d is never computed", o);
    for (int g = 0; g < plan->gated_count; g++) {
        int index = plan->gated[2 * g], width = plan->gated[2 * g + 1];
        if (!within(index, -1, plan->index_count - 1) || !within(width, 1, MOST_CHANNELS) || (index >= 0 && check->bounds[index] > width))
            return problem("its gate %d is broken", g);
    }
    check->plan->channels = (int32_t)check->channels;
    if (scratch_of(plan, 1) > MOST_NUMBERS || packed_of(plan) > 4 * MOST_NUMBERS)
        return problem("it asks for more than %lld numbers of memory", (long long)MOST_NUMBERS);
    return 1;
}

int plan_is_sound(Plan *plan, Op *ops, Gate *gates, int gate_count, const uint8_t *base, int64_t size)
{
    Check check = {.plan = plan, .gates = gates, .gate_count = gate_count, .base = base, .size = size};
    int sound = 0;
    check.computed = calloc((size_t)plan->value_count + 1, 1);
    check.made = calloc((size_t)plan->index_count + 1, 1);
    check.bounds = calloc((size_t)plan->index_count + 1, sizeof(int64_t));
    if (!check.computed || !check.made || !check.bounds)
        problem("no memory is left");
    else if (!within(plan->input, 0, plan->value_count - 1) || plan->output_count < 1)
        problem("it has no input or no output");
    else if (check_values(&check)) {
        check.computed[plan->input] = 1;
        sound = plan->values[plan->input].index < 0 || problem("its input is a slice");
        for (; sound && check.op < plan->op_count; check.op++)
            sound = check_op(&check, ops + check.op, gates);
        sound = sound && check_ends(&check);
    }
    free(check.computed);
    free(check.made);
    free(check.bounds);
    return sound;
}
