/* The engine: runs a plan on images, one image by all threads or an image a thread, for the processor at hand. */
#include "frame.h"
#include <stdlib.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif
#ifndef _WIN32
#include <pthread.h>
#endif

typedef void (*Run)(Frame *, const float *);            /* one image through the plan of its frame */
void run_plain(Frame *, const float *);
#if defined(__x86_64__)
void run_avx2(Frame *, const float *);
void run_avx512(Frame *, const float *);
#endif
typedef struct Engine Engine;

/* "avx512", "avx2" or "plain": the best that the processor has, or less where `most` says so. */
static const char *chosen(const char *most)
{
#if defined(__x86_64__)
    int limit = !most ? 2 : !strcmp(most, "avx512") ? 2 : !strcmp(most, "avx2") ? 1 : 0;
    __builtin_cpu_init();
    if (limit > 1 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")
        && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq"))
        return "avx512";
    if (limit > 0 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return "avx2";
#endif
    (void)most;
    return "plain";
}

static Run runner(const char *name)
{
#if defined(__x86_64__)
    if (!strcmp(name, "avx512"))
        return run_avx512;
    if (!strcmp(name, "avx2"))
        return run_avx2;
#endif
    (void)name;
    return run_plain;
}

const char *mayo_instructions(const char *most) { return chosen(most); }

#define MACS_APART 16                       /* so that no two threads write to one line of a cache */

struct Engine {
    const Plan *plan;
    Run run;
    int threads;
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
    frame->scratch = numbers(scratch_of(plan));
    frame->partial = numbers((2 * threads + 6) * channels);
    frame->counts = calloc((size_t)(plan->index_count + plan->indices_size + 1), sizeof(int32_t));
    frame->entries = malloc((size_t)(plan->index_count + 1) * sizeof(int32_t *));
    if (!frame->values || !frame->scratch || !frame->partial || !frame->counts || !frame->entries) {
        drop(frame);
        return 0;
    }
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
#ifndef _OPENMP
    threads = 1;
#endif
    engine->plan = plan;
    engine->run = runner(chosen(most));
    engine->threads = threads;
    engine->seconds = NULL;
    engine->frames = calloc((size_t)threads, sizeof(Frame));
    engine->macs = calloc((size_t)threads * MACS_APART, sizeof(int64_t));
    if (!engine->frames || !engine->macs) {
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
        for (int c = 0; c < value->channels; c++)
            for (int64_t p = 0; p < pixels; p++)
                to[p * value->channels + c] = from[c * pixels + p];
    }
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

/* OpenMP's threads do not follow into a process that is forked, which would wait for them for ever: there one thread computes. */
static int has_threads, lost_threads;

#ifndef _WIN32
static void in_child(void)
{
    lost_threads = has_threads;
}

__attribute__((constructor)) static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, in_child);
}
#endif

/* images [count][height][width][channels] to outputs, each the same way, and masks [count][channels of layers with a gate]: 1 where active.

   0: done; 1: no memory. Where there are enough images each thread takes some by itself, and nothing is shared. */
int mayo_run(Engine *engine, int64_t count, const float *images, float *const *outputs, uint8_t *masks)
{
    const Plan *plan = engine->plan;
    const Value *input = plan->values + plan->input;
    int64_t size = (int64_t)input->height * input->width * input->channels;
    int threads = lost_threads ? 1 : engine->threads, alone = count >= threads, failed = 0;
    has_threads = 1;
    if (alone) {
        #pragma omp parallel num_threads(threads)
        {
            int thread = 0;
#ifdef _OPENMP
            thread = omp_get_thread_num();
#endif
            Frame *frame = engine->frames + thread;
            int able = ready(frame, plan, engine->threads);
            frame->macs = engine->macs + thread * MACS_APART;
            frame->seconds = engine->threads == 1 ? engine->seconds : NULL;
            if (!able) {
                #pragma omp atomic write
                failed = 1;
            }
            #pragma omp for schedule(dynamic)
            for (int64_t i = 0; i < count; i++)
                if (able) {
                    engine->run(frame, images + i * size);
                    report(frame, i, outputs, masks);
                }
        }
        return failed;
    }
    if (!ready(engine->frames, plan, engine->threads))
        return 1;
    for (int64_t i = 0; i < count; i++) {
        #pragma omp parallel num_threads(threads)
        {
            Frame frame = engine->frames[0];
#ifdef _OPENMP
            frame.thread = omp_get_thread_num();
            frame.threads = omp_get_num_threads();
#endif
            frame.macs = engine->macs + frame.thread * MACS_APART;
            frame.seconds = engine->seconds;
            engine->run(&frame, images + i * size);
        }
        report(engine->frames, i, outputs, masks);
    }
    return 0;
}
