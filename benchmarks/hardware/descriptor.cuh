
// Shared memory of a wgmma operand without swizzle, K-major: core matrices of 8 rows x 16 bytes.
__device__ inline int core_word(int row, int word)
{
    const int core = row / $CORE_ROWS * $CORES + word / $CORE_WORDS;
    return core * $CORE_ROWS * $CORE_WORDS + row % $CORE_ROWS * $CORE_WORDS + word % $CORE_WORDS;
}

// Address, distance of K neighbours and of row neighbours, each in units of 16 bytes (PTX ISA 9.0, 9.7.15.5.1).
__device__ inline uint64_t descriptor(const uint32_t* tile)
{
    const uint64_t address = __cvta_generic_to_shared(tile), core = 4 * $CORE_ROWS * $CORE_WORDS;
    return (address & 0x3FFFF) / 16 | (core / 16) << 16 | ($CORES * core / 16) << 32;
}
