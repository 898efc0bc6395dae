/* What VBMI2 does at once: the numbers of a vector whose bits are set, side by side. */
static void gather(const uint8_t *row, int size, const int32_t *read, const uint64_t *active, int count, uint8_t *to)
{
    (void)read;
    for (int done = 0; done < count; active++) {
        int number = __builtin_popcountll(*active);
        if (size == 1)
            _mm512_storeu_si512(to, _mm512_maskz_compress_epi8(*active, _mm512_loadu_si512(row)));
        else {
            int low = __builtin_popcount((uint32_t)*active);
            _mm512_storeu_si512(to, _mm512_maskz_compress_epi16((uint32_t)*active, _mm512_loadu_si512(row)));
            _mm512_storeu_si512(to + 2 * low, _mm512_maskz_compress_epi16((uint32_t)(*active >> 32), _mm512_loadu_si512(row + 64)));
        }
        row += 64 * size;
        to += number * size;
        done += number;
    }
}
