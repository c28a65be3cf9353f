
// D = A B + C by $instruction, one for each $step words of K; a warpgroup takes a tile of 64 x 8.
// a: (batch, rows, words), b: (batch, columns, words), c and d: (batch, rows, columns).
__global__ void ${symbol}_kernel(const uint32_t* a, const uint32_t* b, const $cell* c, $cell* d, int words, int use_c)
{
    __shared__ alignas(128) uint32_t left[64 * $step], right[8 * $step];
    const int warp = threadIdx.x / 32, g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    const size_t batch = blockIdx.x, rows = 64 * gridDim.y, columns = 8 * gridDim.z;
    const size_t row = batch * rows + 64 * blockIdx.y, column = 8 * blockIdx.z;
    a += row * words;
    b += (batch * columns + column) * words;
    c += (row + 16 * warp + g) * columns + column + 2 * t;
    d += (row + 16 * warp + g) * columns + column + 2 * t;
    $cell cells[4] = {$load_c};
    uint32_t r[$registers];
    pack(cells, r);
    for (int w = 0; w < words; w += $step) {
        for (int i = threadIdx.x; i < 64 * $step; i += blockDim.x)
            left[core_word(i / $step, i % $step)] = a[i / $step * words + w + i % $step];
        for (int i = threadIdx.x; i < 8 * $step; i += blockDim.x)
            right[core_word(i / $step, i % $step)] = b[i / $step * words + w + i % $step];
        asm volatile("fence.proxy.async;" ::: "memory");
        __syncthreads();
        asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
        asm volatile("{ .reg .pred keep; setp.ne.b32 keep, %$flag, 0; $instruction $operands; }"
                     : $results : "l"(descriptor(left)), "l"(descriptor(right)), "r"(use_c | w) : "memory");
        asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
        asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
        __syncthreads();
    }
    unpack(r, cells);
    $store_d
}

extern "C" int $symbol(const void* a, const void* b, const void* c, void* d, int batch, int rows, int columns, int words,
                       int use_c)
{
    return launch<$cell>(${symbol}_kernel, 128, 64, a, b, c, d, batch, rows, columns, words, use_c);
}
