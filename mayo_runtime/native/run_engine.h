/* What engine.c offers to load.c, and to Python for plans that were never in a file. */
#ifndef MAYO_RUN_ENGINE_H
#define MAYO_RUN_ENGINE_H
#include "engine.h"
#include "mayo.h"

typedef struct Engine Engine;

MAYO_API const char *engine_instructions(const char *most);
MAYO_API int engine_has_bfloat16(const char *most);
MAYO_API Engine *engine_open(const Plan *plan, const char *most, int threads);
MAYO_API void engine_close(Engine *engine);
MAYO_API int engine_threads(const Engine *engine);
MAYO_API int64_t engine_macs(const Engine *engine);
MAYO_API void engine_time(Engine *engine, double *seconds);
MAYO_API int engine_run(Engine *engine, int64_t count, const float *images, float *const *outputs, uint8_t *masks);

/* As mayo_run, of images of bytes with so many channels; where the preprocessing makes them fit, others than the network's. */
MAYO_API int run_images(MayoNetwork *network, int threads, int kind, const void *images, int64_t count, int32_t height, int32_t width,
                        int32_t channels, float *const *outputs, MayoReport *report);
#endif
