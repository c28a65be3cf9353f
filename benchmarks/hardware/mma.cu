
// D = A B + C by $instruction, one for each $step words of K; a warp takes a tile of 16 x 8.
// a: (batch, rows, words), b: (batch, columns, words), c and d: (batch, rows, columns).
__global__ void ${symbol}_kernel(const uint32_t* a, const uint32_t* b, const $cell* c, $cell* d, int words, int use_c)
{
    const int g = threadIdx.x / 4, t = threadIdx.x % 4;
    const size_t batch = blockIdx.x, rows = 16 * gridDim.y, columns = 8 * gridDim.z;
    const size_t row = batch * rows + 16 * blockIdx.y + g, column = 8 * blockIdx.z;
    a += row * words + t;
    b += (batch * columns + column + g) * words + t;
    c += row * columns + column + 2 * t;
    d += row * columns + column + 2 * t;
    $cell cells[4] = {$load_c};
    if (!use_c) for ($cell& each : cells) each = 0;
    uint32_t r[$registers];
    pack(cells, r);
    for (int w = 0; w < words; w += $step)
        asm volatile("$instruction $operands;" : $results : $sources);
    unpack(r, cells);
    $store_d
}

extern "C" int $symbol(const void* a, const void* b, const void* c, void* d, int batch, int rows, int columns, int words,
                       int use_c)
{
    return launch<$cell>(${symbol}_kernel, 32, 16, a, b, c, d, batch, rows, columns, words, use_c);
}
