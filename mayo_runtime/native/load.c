/* The functions of mayo.h: a file is mapped, looked at once, and run where it lies; its weights are not copied. */
#define _GNU_SOURCE
#include "mayo.h"
#include "file.h"
#include "run_engine.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CONTEXTS = 64, MOST_THREADS = 1024, MOST_COUNT = 1 << 20, AT_ONCE = 16 };
static const char MAGIC[8] = "MAYOFBS";

static _Thread_local char last_error[1024];

int problem(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(last_error, sizeof last_error, format, arguments);
    va_end(arguments);
    return 0;
}

const char *mayo_last_error(void) { return last_error; }

struct MayoNetwork {
    const uint8_t *file, *base;             /* all of the file; its program */
    int64_t size;                           /* of the file */
    const Program *program;
    Plan plan;
    Op *ops;
    Gate *gates;
    int32_t *identity;
    const char **texts;                     /* name, about, labels, layers */
    int32_t *layer_channels;
    int64_t *output_sizes;
    char *instructions;
    MayoDescription description;
    _Atomic(Engine *) contexts[CONTEXTS];   /* that no call uses now */
};

/* --- the file --- */

/* CRC-32, as zlib has it, of `size` bytes after others. */
static uint32_t sum_of(uint32_t tables[8][256], uint32_t sum, const uint8_t *bytes, int64_t size)
{
    sum = ~sum;
    for (; size >= 8; size -= 8, bytes += 8) {
        uint32_t low = sum ^ ((uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24);
        sum = tables[7][low & 255] ^ tables[6][low >> 8 & 255] ^ tables[5][low >> 16 & 255] ^ tables[4][low >> 24]
            ^ tables[3][bytes[4]] ^ tables[2][bytes[5]] ^ tables[1][bytes[6]] ^ tables[0][bytes[7]];
    }
    for (; size > 0; size--)
        sum = tables[0][(sum ^ *bytes++) & 255] ^ sum >> 8;
    return ~sum;
}

static void make_tables(uint32_t tables[8][256])
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t sum = i;
        for (int bit = 0; bit < 8; bit++)
            sum = sum >> 1 ^ (sum & 1 ? 0xedb88320u : 0);
        tables[0][i] = sum;
    }
    for (int t = 1; t < 8; t++)
        for (int i = 0; i < 256; i++)
            tables[t][i] = tables[0][tables[t - 1][i] & 255] ^ tables[t - 1][i] >> 8;
}

static int sum_is_right(const MayoNetwork *network)
{
    uint32_t tables[8][256], zero = 0, sum;
    int64_t place = (const uint8_t *)&network->program->sum - network->file;
    make_tables(tables);
    sum = sum_of(tables, 0, network->file, place);
    sum = sum_of(tables, sum, (const uint8_t *)&zero, 4);
    sum = sum_of(tables, sum, network->file + place + 4, network->size - place - 4);
    return sum == network->program->sum || problem("it is damaged: the checksum of its bytes is not the one that it holds");
}

static int map_file(MayoNetwork *network, const char *path)
{
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return problem("%s", strerror(errno));
    int regular = !fstat(file, &status) && S_ISREG(status.st_mode);
    network->size = regular ? (int64_t)status.st_size : 0;
    if (network->size) {
        void *memory = mmap(NULL, (size_t)network->size, PROT_READ, MAP_PRIVATE, file, 0);
        network->file = memory == MAP_FAILED ? NULL : memory;
    }
    close(file);
    if (!regular)
        return problem("it is no file");
    return network->file != NULL || problem(network->size ? "it cannot be mapped into memory" : "it is empty");
}

static int find_program(MayoNetwork *network)
{
    const union { uint16_t number; uint8_t first; } order = {1};
    uint64_t header = 0, size = (uint64_t)network->size;
    if (sizeof(void *) != 8 || !order.first)
        return problem("this library reads it on processors of 64 bits, little end first, only");
    if (size < 9 || network->file[8] != '{')
        return problem("it is no .mayo file");
    memcpy(&header, network->file, 8);
    if (header >= size || (header + 8) % ALIGNED || size - header - 8 < sizeof(Program))
        return problem("it is no .mayo file, or it was cut: its header of %llu bytes does not fit into %llu",
                       (unsigned long long)header, (unsigned long long)size);
    network->base = network->file + header + 8;
    network->program = (const Program *)network->base;
    const Program *program = network->program;
    if (memcmp(program->magic, MAGIC, sizeof MAGIC))
        return problem("it is no .mayo file: its first tensor is no program");
    if (program->version != VERSION)
        return problem("its format is version %u, and this library reads version %u; export the network anew, or take a newer library",
                       program->version, VERSION);
    if (program->size != size || program->start != header + 8)
        return problem("it was cut or added to: it has %llu bytes, and says that it has %llu", (unsigned long long)size,
                       (unsigned long long)program->size);
    return sum_is_right(network);
}

/* Where a table of the program lies; NULL where it is not all in the file. */
static const void *table(const MayoNetwork *network, int64_t offset, int64_t count, size_t each)
{
    int64_t size = network->file + network->size - network->base;
    if (count < 0 || count > MOST_COUNT || offset < (int64_t)sizeof(Program) || offset % 8 || offset > size)
        return NULL;
    return count > (size - offset) / (int64_t)each ? NULL : network->base + offset;
}

/* --- the network --- */

static void *copied(const void *memory, int64_t count, size_t each)
{
    void *copy = memory ? malloc((size_t)count * each + 1) : NULL;
    return copy ? memcpy(copy, memory, (size_t)count * each) : NULL;
}

static int read_plan(MayoNetwork *network)
{
    const Program *program = network->program;
    Plan *plan = &network->plan;
    const void *values = table(network, program->values, program->value_count, sizeof(Value));
    const void *index_sizes = table(network, program->index_sizes, program->index_count, 4);
    const void *outputs = table(network, program->outputs, program->output_count, 4);
    const void *gated = table(network, program->gated, 2 * (int64_t)program->gated_count, 4);
    const void *ops = table(network, program->ops, program->op_count, sizeof(Op));
    const void *gates = table(network, program->gates, program->gate_count, sizeof(Gate));
    if (!values || !index_sizes || !outputs || !gated || !ops || !gates)
        return problem("a table of its program does not lie in the file");
    network->ops = copied(ops, program->op_count, sizeof(Op));
    network->gates = copied(gates, program->gate_count, sizeof(Gate));
    if (!network->ops || !network->gates)
        return problem("no memory is left");
    *plan = (Plan){.values = values, .ops = network->ops, .index_sizes = index_sizes, .outputs = outputs, .gated = gated,
                   .values_size = program->values_size, .indices_size = program->indices_size, .value_count = program->value_count,
                   .op_count = program->op_count, .index_count = program->index_count, .input = program->input,
                   .output_count = program->output_count, .gated_count = program->gated_count};
    if (!plan_is_sound(plan, network->ops, network->gates, program->gate_count, network->base,
                       network->file + network->size - network->base))
        return 0;
    int count = plan->channels + 256;
    if (!(network->identity = malloc((size_t)count * sizeof(int32_t))))
        return problem("no memory is left");
    for (int i = 0; i < count; i++)
        network->identity[i] = i;
    plan->identity = network->identity;
    return 1;
}

/* Names and labels: one text after the other, each with a zero after it. */
static int read_texts(MayoNetwork *network)
{
    const Program *program = network->program;
    int64_t count = 2 + (int64_t)program->label_count + program->gated_count, size = program->text_size;
    const char *text = table(network, program->texts, 0, 1);
    if (program->label_count < 0 || program->label_count > MOST_COUNT || size < 0
        || !text || size > (int64_t)((const char *)network->file + network->size - text))
        return problem("its texts do not lie in the file");
    if (!(network->texts = calloc((size_t)count, sizeof(char *))))
        return problem("no memory is left");
    for (int64_t i = 0; i < count; i++) {
        const char *end = size > 0 ? memchr(text, 0, (size_t)size) : NULL;
        if (!end)
            return problem("it holds fewer texts than names and labels");
        network->texts[i] = text;
        size -= end + 1 - text;
        text = end + 1;
    }
    return 1;
}

static int describe(MayoNetwork *network)
{
    const Program *program = network->program;
    const Plan *plan = &network->plan;
    const Value *input = plan->values + plan->input;
    const Step *steps = table(network, program->steps, program->step_count, sizeof(Step));
    if (!steps)
        return problem("its preprocessing does not lie in the file");
    if (!steps_are_sound(steps, program->step_count, network->base, network->file + network->size - network->base, input->channels))
        return 0;
    network->layer_channels = calloc((size_t)plan->gated_count + 1, sizeof(int32_t));
    network->output_sizes = calloc((size_t)plan->output_count + 1, sizeof(int64_t));
    if (!network->layer_channels || !network->output_sizes)
        return problem("no memory is left");
    for (int g = 0; g < plan->gated_count; g++)
        network->layer_channels[g] = plan->gated[2 * g + 1];
    for (int o = 0; o < plan->output_count; o++) {
        const Value *value = plan->values + plan->outputs[o];
        network->output_sizes[o] = (int64_t)value->height * value->width * value->channels;
    }
    network->description = (MayoDescription){
        .name = network->texts[0], .about = network->texts[1], .labels = network->texts + 2,
        .layers = network->texts + 2 + program->label_count, .label_count = program->label_count, .layer_count = plan->gated_count,
        .height = input->height, .width = input->width, .channels = input->channels,
        .image_channels = takes_any_channels(steps, program->step_count) ? 0 : input->channels,
        .output_count = plan->output_count, .output_sizes = network->output_sizes, .layer_channels = network->layer_channels,
        .probabilities = program->probabilities};
    return 1;
}

static int choose_instructions(MayoNetwork *network, const char *wanted)
{
    const char *best = engine_instructions(wanted);
    if (wanted && strcmp(best, wanted))
        return problem("this processor, or this library, has no instructions `%s`; the best that it has is `%s`", wanted,
                       engine_instructions(NULL));
    for (int i = 0; i < network->plan.op_count; i++)
        if (network->ops[i].kind == CONV && network->ops[i].precision == BFLOAT16 && !engine_has_bfloat16(wanted))
            return problem("it multiplies bfloat16, for which %s has no instructions; export the network in float32 or int8",
                           wanted ? wanted : "this processor");
    network->instructions = copied(best, (int64_t)strlen(best) + 1, 1);
    network->description.instructions = network->instructions;
    return network->instructions != NULL || problem("no memory is left");
}

MayoNetwork *mayo_load(const char *path, const char *instructions)
{
    char reason[sizeof last_error];
    MayoNetwork *network = calloc(1, sizeof *network);
    if (!network) {
        problem("%s: no memory is left.", path);
        return NULL;
    }
    if (map_file(network, path) && find_program(network) && read_plan(network) && read_texts(network) && describe(network)
        && choose_instructions(network, instructions))
        return network;
    memcpy(reason, last_error, sizeof reason);
    problem("%.500s cannot be loaded: %.480s.", path, reason);
    mayo_free(network);
    return NULL;
}

void mayo_free(MayoNetwork *network)
{
    if (!network)
        return;
    for (int c = 0; c < CONTEXTS; c++) {
        Engine *engine = atomic_load(network->contexts + c);
        if (engine)
            engine_close(engine);
    }
    if (network->file)
        munmap((void *)(uintptr_t)network->file, (size_t)network->size);
    free(network->ops);
    free(network->gates);
    free(network->identity);
    free(network->texts);
    free(network->layer_channels);
    free(network->output_sizes);
    free(network->instructions);
    free(network);
}

const MayoDescription *mayo_describe(const MayoNetwork *network) { return &network->description; }

/* --- a run --- */

/* A context of so many threads that no other call uses. No lock: a process may fork while another thread holds one. */
static Engine *take_context(MayoNetwork *network, int threads)
{
    for (int c = 0; c < CONTEXTS; c++) {
        Engine *engine = atomic_exchange(network->contexts + c, NULL);
        if (engine && engine_threads(engine) == threads)
            return engine;
        Engine *none = NULL;
        if (engine && !atomic_compare_exchange_strong(network->contexts + c, &none, engine))
            engine_close(engine);
    }
    return engine_open(&network->plan, network->instructions, threads);
}

static void return_context(MayoNetwork *network, Engine *engine)
{
    for (int c = 0; c < CONTEXTS; c++) {
        Engine *none = NULL;
        if (atomic_compare_exchange_strong(network->contexts + c, &none, engine))
            return;
    }
    engine_close(engine);
}

typedef struct {                            /* what a call computes from */
    const MayoNetwork *network;
    Engine *engine;
    int kind;
    const void *images;
    Size size;
    float *const *outputs;
    uint8_t *masks;
    int64_t mask_width;
} Call;

/* Images from `first` on, at most AT_ONCE where they are bytes, which become floats in `floats`. */
static int run_some(const Call *call, int64_t first, int64_t count, float *floats, float **outputs)
{
    const MayoNetwork *network = call->network;
    const MayoDescription *description = &network->description;
    Size size = {description->height, description->width, description->channels};
    int64_t numbers = (int64_t)size.height * size.width * size.channels;
    int64_t bytes = (int64_t)call->size.height * call->size.width * call->size.channels;
    const float *images = (const float *)call->images + first * numbers;
    if (call->kind == MAYO_BYTES) {
        const Step *steps = (const Step *)(network->base + network->program->steps);
        for (int64_t i = 0; i < count; i++)
            if (!preprocess(steps, network->program->step_count, network->base, (const uint8_t *)call->images + (first + i) * bytes,
                            call->size, size, floats + i * numbers))
                return 0;
        images = floats;
    }
    for (int o = 0; o < description->output_count; o++)
        outputs[o] = call->outputs[o] + first * description->output_sizes[o];
    return !engine_run(call->engine, count, images, outputs, call->masks + first * call->mask_width)
        || problem("no memory is left, or no thread can be started");
}

static int run_all(const Call *call, int64_t count)
{
    const MayoDescription *description = &call->network->description;
    int64_t numbers = (int64_t)description->height * description->width * description->channels;
    int64_t at_once = call->kind == MAYO_FLOATS ? count : count < AT_ONCE ? count : AT_ONCE;
    float **outputs = malloc((size_t)description->output_count * sizeof *outputs);
    float *floats = call->kind == MAYO_BYTES ? malloc((size_t)(at_once * numbers) * sizeof(float) + 1) : NULL;
    int done = outputs && (floats || call->kind == MAYO_FLOATS) ? 1 : problem("no memory is left");
    for (int64_t first = 0; done && first < count; first += at_once)
        done = run_some(call, first, count - first < at_once ? count - first : at_once, floats, outputs);
    free(outputs);
    free(floats);
    return done;
}

static double milliseconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return 1e3 * (double)time.tv_sec + 1e-6 * (double)time.tv_nsec;
}

static int refuse_images(const MayoDescription *description, int kind, int64_t count, Size size)
{
    if (kind != MAYO_FLOATS && kind != MAYO_BYTES)
        return problem("images are MAYO_FLOATS or MAYO_BYTES, not %d.", kind);
    if (count < 0 || size.height < 1 || size.width < 1 || size.height > 1 << 16 || size.width > 1 << 16 || size.channels < 1)
        return problem("%lld images of %d x %d cannot be.", (long long)count, size.height, size.width);
    if (kind == MAYO_FLOATS && (size.height != description->height || size.width != description->width))
        return problem("the images are %d x %d, and the network reads %d x %d.", size.height, size.width, description->height,
                       description->width);
    return 1;
}

/* As mayo_run; channels: of images of bytes. */
int run_images(MayoNetwork *network, int threads, int kind, const void *images, int64_t count, int32_t height, int32_t width,
               int32_t channels, float *const *outputs, MayoReport *report)
{
    double start = milliseconds();
    Call call = {.network = network, .kind = kind, .images = images, .size = {height, width, channels}, .outputs = outputs};
    if (threads < 1 || threads > MOST_THREADS) {
        problem("threads is %d, expected 1 to %d.", threads, MOST_THREADS);
        return -1;
    }
    if (!refuse_images(&network->description, kind, count, call.size))
        return -1;
    for (int g = 0; g < network->plan.gated_count; g++)
        call.mask_width += network->layer_channels[g];
    size_t bytes = (size_t)(count * call.mask_width);
    uint8_t *own = report && report->masks ? NULL : malloc(bytes + 1);
    call.masks = own ? own : report && report->masks ? report->masks : NULL;
    call.engine = call.masks ? take_context(network, threads) : NULL;
    int done = call.engine != NULL || problem("no memory is left");
    if (done) {
        int64_t before = engine_macs(call.engine);
        memset(call.masks, 0, bytes);
        done = run_all(&call, count);
        if (report)
            report->macs = engine_macs(call.engine) - before;
        return_context(network, call.engine);
    }
    free(own);
    if (report)
        report->milliseconds = milliseconds() - start;
    return done ? 0 : -1;
}

int mayo_run(MayoNetwork *network, int threads, int kind, const void *images, int64_t count, int32_t height, int32_t width,
             float *const *outputs, MayoReport *report)
{
    return run_images(network, threads, kind, images, count, height, width, network->description.channels, outputs, report);
}
