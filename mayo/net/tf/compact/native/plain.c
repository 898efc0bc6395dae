/* run.h for any processor. */
#define LANES 4
#define VECTORS 2
#define SUMS 8
#define RUN run_plain
#include "run.h"
