/* The engine: runs a plan on images, one image by all threads or an image a thread, for the processor at hand. */
#include "frame.h"
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef void (*Run)(Frame *, const float *);            /* one image through the plan of its frame */
void run_plain(Frame *, const float *);
#if defined(__x86_64__)
void run_avx2(Frame *, const float *);
void run_avx512(Frame *, const float *);
#endif
typedef struct Engine Engine;

typedef struct {                            /* instructions: what runs with them, and whether the processor has them */
    const char *name;
    Run run;
    const Multiplier *multiplier;
    int (*present)(void);
} Set;

static int always(void) { return 1; }

#if defined(__x86_64__)
#define HAS __builtin_cpu_supports

static int has_avx2(void) { return HAS("avx2") && HAS("fma"); }

static int has_avxvnni(void) { return has_avx2() && HAS("avxvnni"); }

static int has_avx512(void) { return has_avx2() && HAS("avx512f") && HAS("avx512vl") && HAS("avx512bw") && HAS("avx512dq"); }

static int has_vnni(void) { return has_avx512() && HAS("avx512vnni") && HAS("avx512vbmi2"); }

static int has_amx(void) { return has_vnni() && HAS("amx-tile") && HAS("amx-int8") && HAS("amx-bf16") && amx_allowed(); }
#endif

static const Set sets[] = {                 /* the best first */
#if defined(__x86_64__)
    {"amx", run_avx512, &dot_amx, has_amx},
    {"vnni", run_avx512, &dot_vnni, has_vnni},
    {"avx512", run_avx512, &dot_avx512, has_avx512},
    {"avxvnni", run_avx2, &dot_avxvnni, has_avxvnni},
    {"avx2", run_avx2, &dot_avx2, has_avx2},
#endif
    {"plain", run_plain, &dot_plain, always},
};

/* The best that the processor has, of those from `most` on. */
static const Set *chosen(const char *most)
{
    const Set *set = sets;
#if defined(__x86_64__)
    __builtin_cpu_init();
#endif
    while (most && strcmp(set->name, most) && set->present != always)
        set++;
    while (!set->present())
        set++;
    return set;
}

const char *mayo_instructions(const char *most) { return chosen(most)->name; }

/* Whether they multiply bfloat16. */
int mayo_has_bfloat16(const char *most) { return chosen(most)->multiplier->bfloat16; }

#define MACS_APART 16                       /* so that no two threads write to one line of a cache */

struct Engine {
    const Plan *plan;
    const Set *set;
    int threads;
    Team *team;
    Frame *frames;                          /* one a thread, made when first used */
    int64_t *macs;                          /* of each thread, MACS_APART numbers from the next */
    double *seconds;                        /* of each operation, where somebody asks; else NULL */
};

static float *numbers(int64_t count)
{
    void *memory = NULL;
    size_t bytes = (size_t)(count + SLACK) * sizeof(float);
    return posix_memalign(&memory, 64, bytes) ? NULL : memset(memory, 0, bytes);
}

static void drop(Frame *frame)
{
    free(frame->values);
    free(frame->scratch);
    free(frame->lost);
    free(frame->partial);
    free(frame->counts);
    free(frame->entries);
    frame->plan = NULL;
}

/* Memory for one image that `threads` compute, if it has none yet; 0 if none is left. */
static int ready(Frame *frame, const Plan *plan, int threads)
{
    if (frame->plan)
        return 1;
    int64_t channels = plan->channels + SLACK;
    frame->plan = plan;
    frame->threads = 1;
    frame->values = numbers(plan->values_size);
    frame->scratch = numbers(scratch_of(plan, threads));
    int64_t starts = (channels + ROWS + 15) / 16 * 16;
    frame->lost = (int *)numbers(16 + starts + packed_of(plan) / 4);
    frame->partial = numbers((2 * threads + 6) * channels);
    frame->counts = calloc((size_t)(plan->index_count + plan->indices_size + 1), sizeof(int32_t));
    frame->entries = malloc((size_t)(plan->index_count + 1) * sizeof(int32_t *));
    if (!frame->values || !frame->scratch || !frame->lost || !frame->partial || !frame->counts || !frame->entries) {
        drop(frame);
        return 0;
    }
    frame->starts = frame->lost + 16;
    frame->packed = (uint8_t *)(frame->starts + starts);
    frame->summary = frame->partial + threads * channels;
    frame->saliency = frame->summary + threads * channels;
    frame->hidden = frame->saliency + channels;
    frame->shift = frame->hidden + channels;
    frame->effect = frame->shift + channels;
    int32_t *entries = frame->counts + plan->index_count;
    for (int i = 0; i < plan->index_count; entries += plan->index_sizes[i++])
        frame->entries[i] = entries;
    return 1;
}

/* An engine for a plan, whose memory has to outlive it; NULL without memory. most: NULL, or no more than these instructions. */
Engine *mayo_open(const Plan *plan, const char *most, int threads)
{
    Engine *engine = malloc(sizeof *engine);
    if (!engine)
        return NULL;
    engine->plan = plan;
    engine->set = chosen(most);
    engine->threads = threads;
    engine->seconds = NULL;
    engine->team = team_open(threads);
    engine->frames = calloc((size_t)threads, sizeof(Frame));
    engine->macs = calloc((size_t)threads * MACS_APART, sizeof(int64_t));
    if (!engine->team || !engine->frames || !engine->macs) {
        if (engine->team)
            team_close(engine->team);
        free(engine->frames);
        free(engine->macs);
        free(engine);
        return NULL;
    }
    return engine;
}

void mayo_close(Engine *engine)
{
    for (int t = 0; t < engine->threads; t++)
        drop(engine->frames + t);
    team_close(engine->team);
    free(engine->frames);
    free(engine->macs);
    free(engine);
}

/* Multiply-accumulates since the engine was opened: of convolutions, gates and fully connected layers. */
int64_t mayo_macs(const Engine *engine)
{
    int64_t sum = 0;
    for (int t = 0; t < engine->threads; t++)
        sum += engine->macs[t * MACS_APART];
    return sum;
}

/* From now on `seconds` [op_count] grows by what each operation takes of an image that all threads compute; NULL ends that. */
void mayo_time(Engine *engine, double *seconds) { engine->seconds = seconds; }

/* The outputs, channels last, and which channels were active in each layer with a gate; `masks` holds zeros. */
static void report(const Frame *frame, int64_t image, float *const *outputs, uint8_t *masks)
{
    const Plan *plan = frame->plan;
    for (int o = 0; o < plan->output_count; o++) {
        const Value *value = plan->values + plan->outputs[o];
        int64_t pixels = (int64_t)value->height * value->width;
        const float *from = frame->values + value->place;
        float *to = outputs[o] + image * pixels * value->channels;
        int channels = channels_of(frame, value);           /* of a slice maybe fewer */
        for (int c = 0; c < value->channels; c++)
            for (int64_t p = 0; p < pixels; p++)
                to[p * value->channels + c] = *frame->lost ? NAN : c < channels ? from[c * pixels + p] : 0;
    }
    *frame->lost = 0;
    int64_t width = 0;
    for (int g = 0; g < plan->gated_count; g++)
        width += plan->gated[2 * g + 1];
    uint8_t *mask = masks + image * width;
    for (int g = 0; g < plan->gated_count; mask += plan->gated[2 * g++ + 1]) {
        int index = plan->gated[2 * g];
        if (index < 0)
            memset(mask, 1, (size_t)plan->gated[2 * g + 1]);
        for (int i = 0; index >= 0 && i < frame->counts[index]; i++)
            mask[frame->entries[index][i]] = 1;
    }
}

typedef struct {                            /* a call of mayo_run */
    Engine *engine;
    int64_t count;
    const float *images;
    float *const *outputs;
    uint8_t *masks;
    atomic_llong next;                      /* the image to take next, or, where all work on the same, that image */
    atomic_int failed;
} Batch;

/* What an image's frame needs of its engine. */
static void lend(Frame *frame, const Engine *engine, int thread)
{
    frame->macs = engine->macs + thread * MACS_APART;
    frame->multiplier = engine->set->multiplier;
    frame->team = engine->team;
}

static const float *image_of(const Batch *batch, int64_t image)
{
    const Value *input = batch->engine->plan->values + batch->engine->plan->input;
    return batch->images + image * (int64_t)input->height * input->width * input->channels;
}

/* A thread takes images until none is left. */
static void take_images(void *context, int thread)
{
    Batch *batch = context;
    Engine *engine = batch->engine;
    Frame *frame = engine->frames + thread;
    if (!ready(frame, engine->plan, engine->threads)) {
        atomic_store(&batch->failed, 1);
        return;
    }
    lend(frame, engine, thread);
    frame->seconds = engine->threads == 1 ? engine->seconds : NULL;
    for (int64_t i; (i = atomic_fetch_add(&batch->next, 1)) < batch->count;) {
        engine->set->run(frame, image_of(batch, i));
        report(frame, i, batch->outputs, batch->masks);
    }
}

/* A thread does its part of one image. */
static void share_image(void *context, int thread)
{
    Batch *batch = context;
    Engine *engine = batch->engine;
    Frame frame = engine->frames[0];
    lend(&frame, engine, thread);
    frame.seconds = engine->seconds;
    frame.thread = thread;
    frame.threads = engine->threads;
    engine->set->run(&frame, image_of(batch, atomic_load(&batch->next)));
}

/* images [count][height][width][channels] to outputs, each the same way, and masks [count][channels of layers with a gate]: 1 where active.

   0: done; 1: no memory, or no threads. Where there are enough images each thread takes some by itself, and nothing is shared. */
int mayo_run(Engine *engine, int64_t count, const float *images, float *const *outputs, uint8_t *masks)
{
    Batch batch = {.engine = engine, .count = count, .images = images, .outputs = outputs, .masks = masks};
    if (count >= engine->threads)
        return team_run(engine->team, take_images, &batch) || batch.failed;
    if (!ready(engine->frames, engine->plan, engine->threads))
        return 1;
    for (int64_t i = 0; i < count; i++) {
        atomic_store(&batch.next, i);
        if (team_run(engine->team, share_image, &batch))
            return 1;
        report(engine->frames, i, outputs, masks);
    }
    return 0;
}
