/* dot_rows.h for any processor. */
#define LANES 4
#define ACROSS 4
#define DEEP 2
#include "dot_rows.h"

static Words dot(Words sums, Words x, int32_t w)
{
    for (int byte = 0; byte < 4; byte++)
        sums += ((x >> (8 * byte)) & 255) * (int8_t)(w >> (8 * byte));
    return sums;
}

const Multiplier dot_plain = {0, multiply, gather, finish};
