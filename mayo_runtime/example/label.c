/* Labels a raw image, bytes [height][width][channels], with the network of a .mayo file.

       make library
       cc -I mayo_runtime/native mayo_runtime/example/label.c build/library/libmayo.a -lm -pthread -o label
       ./label net.mayo image.raw 32 32 */
#include "mayo.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int complain(const char *what)
{
    fprintf(stderr, "%s\n", what);
    return 1;
}

/* The bytes of a file that is as long as an image; NULL if it is not. */
static unsigned char *read_image(const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    unsigned char *bytes = malloc(size + 1);
    size_t count = file && bytes ? fread(bytes, 1, size + 1, file) : 0;
    if (file)
        fclose(file);
    if (count == size)
        return bytes;
    free(bytes);
    return NULL;
}

/* The place of the largest number, and its share of the probability. */
static int64_t best(const float *outputs, int64_t count, int are_probabilities, double *probability)
{
    int64_t winner = 0;
    double sum = 0;
    for (int64_t i = 1; i < count; i++)
        winner = outputs[i] > outputs[winner] ? i : winner;
    for (int64_t i = 0; i < count; i++)
        sum += exp((double)outputs[i] - outputs[winner]);
    *probability = are_probabilities ? outputs[winner] : 1 / sum;
    return winner;
}

int main(int count, char **words)
{
    if (count != 5)
        return complain("label NETWORK.mayo IMAGE.raw HEIGHT WIDTH");
    MayoNetwork *network = mayo_load(words[1], NULL);
    if (!network)
        return complain(mayo_last_error());
    const MayoDescription *about = mayo_describe(network);
    int height = atoi(words[3]), width = atoi(words[4]), channels = about->image_channels ? about->image_channels : about->channels;
    if (height < 1 || width < 1 || about->output_count != 1)
        return complain("a height and a width from 1 up, and a network with one output, are expected");
    unsigned char *image = read_image(words[2], (size_t)height * (size_t)width * (size_t)channels);
    float *outputs = malloc((size_t)about->output_sizes[0] * sizeof(float));
    if (!image || !outputs)
        return complain("the image does not have height x width x channels bytes");
    if (mayo_run(network, 1, MAYO_BYTES, image, 1, height, width, &outputs, NULL))
        return complain(mayo_last_error());
    double probability;
    int64_t winner = best(outputs, about->output_sizes[0], about->probabilities, &probability);
    if (winner < about->label_count)
        printf("%s %.4f\n", about->labels[winner], probability);
    else
        printf("%lld %.4f\n", (long long)winner, probability);
    free(image);
    free(outputs);
    mayo_free(network);
    return 0;
}
