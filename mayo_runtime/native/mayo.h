/* Networks of .mayo files, which `my ... export` of the project Mayo/FBS writes, without Python: five functions.

       MayoNetwork *network = mayo_load("net.mayo", NULL);
       if (!network)
           puts(mayo_last_error());
       mayo_run(network, 1, MAYO_BYTES, image, 1, height, width, &outputs, NULL);
       mayo_free(network);

   Any number of threads may call with any networks, also with the same one: each call runs on a context of its own, which the network
   keeps for later calls. What is loaded before a fork may be used after it. The file has to stay as it is while it is loaded: whoever
   has a newer one writes it beside the old and renames it. */
#ifndef MAYO_H
#define MAYO_H
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MAYO_API __attribute__((visibility("default")))
#else
#define MAYO_API
#endif

typedef struct MayoNetwork MayoNetwork;

enum { MAYO_FLOATS, MAYO_BYTES };           /* images: float, as the network reads them; or uint8_t, as decoded, to be preprocessed */

typedef struct {                            /* all of it lives as long as the network */
    const char *name;
    int32_t height, width, channels;        /* of the images that the network reads */
    int32_t image_channels;                 /* of images of bytes: as many, or, where the preprocessing makes them fit, 0 for 1 or 3 */
    int32_t output_count;
    int32_t probabilities;                  /* whether the outputs are; else they are logits, whose softmax is */
    const int64_t *output_sizes;            /* numbers of each output, for an image */
    int32_t label_count, layer_count;
    const char *const *labels;              /* of the classes; none if label_count is 0 */
    const char *const *layers;              /* with a gate */
    const int32_t *layer_channels;          /* of each */
    const char *instructions;               /* that it runs with: amx, vnni, avx512, avxvnni, avx2 or plain */
    const char *about;                      /* JSON: shapes, preprocessing, where the network comes from */
} MayoDescription;

typedef struct {                            /* what a call took */
    uint8_t *masks;                         /* NULL, or memory of the caller: [count][channels of all layers]: 1 where active */
    int64_t macs;                           /* multiply-accumulates, of all images */
    double milliseconds;
} MayoReport;

/* The network of a file. instructions: NULL for the best that the processor has, or a name of those above. NULL: see mayo_last_error. */
MAYO_API MayoNetwork *mayo_load(const char *path, const char *instructions);

/* `count` images [count][height][width][channels] to the outputs, each [count][numbers]. threads: 1 and up, of this call.
   report: NULL, or what is filled in. 0: done; else see mayo_last_error. */
MAYO_API int mayo_run(MayoNetwork *network, int threads, int kind, const void *images, int64_t count, int32_t height, int32_t width,
                      float *const *outputs, MayoReport *report);

MAYO_API const MayoDescription *mayo_describe(const MayoNetwork *network);

/* A sentence: why the last call in this thread that failed did. */
MAYO_API const char *mayo_last_error(void);

/* NULL is no network, and nothing to free. No call with the network may be under way. */
MAYO_API void mayo_free(MayoNetwork *network);

#ifdef __cplusplus
}
#endif
#endif
