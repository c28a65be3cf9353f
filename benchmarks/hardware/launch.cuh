// Operands to the device, one launch, results back. Returns a cudaError_t.
#include <cstdint>

using uint16_t = std::uint16_t;
using uint32_t = std::uint32_t;
using uint64_t = std::uint64_t;

// Four neighbouring results as the accumulator registers of an instruction, and back.
__device__ inline void pack(const uint32_t (&cells)[4], uint32_t (&registers)[4])
{
    for (int i = 0; i < 4; i++) registers[i] = cells[i];
}
__device__ inline void unpack(const uint32_t (&registers)[4], uint32_t (&cells)[4])
{
    for (int i = 0; i < 4; i++) cells[i] = registers[i];
}
__device__ inline void pack(const uint16_t (&cells)[4], uint32_t (&registers)[2])
{
    for (int i = 0; i < 2; i++) registers[i] = cells[2 * i] | (uint32_t)cells[2 * i + 1] << 16;
}
__device__ inline void unpack(const uint32_t (&registers)[2], uint16_t (&cells)[4])
{
    for (int i = 0; i < 4; i++) cells[i] = (uint16_t)(registers[i / 2] >> 16 * (i % 2));
}

struct Buffer {
    void* data = nullptr;
    cudaError_t status;
    explicit Buffer(size_t bytes) { status = cudaMalloc(&data, bytes); }
    Buffer(const void* host, size_t bytes) : Buffer(bytes)
    {
        if (status == cudaSuccess) status = cudaMemcpy(data, host, bytes, cudaMemcpyHostToDevice);
    }
    ~Buffer() { cudaFree(data); }
};

template <class Cell>
int launch(void (*kernel)(const uint32_t*, const uint32_t*, const Cell*, Cell*, int, int), int threads, int tile_rows,
           const void* a, const void* b, const void* c, void* d, int batch, int rows, int columns, int words, int use_c)
{
    const size_t results = (size_t)batch * rows * columns * sizeof(Cell);
    Buffer left(a, (size_t)batch * rows * words * 4), right(b, (size_t)batch * columns * words * 4);
    Buffer start(c, results), result(results);
    for (const Buffer* buffer : {&left, &right, &start, &result})
        if (buffer->status != cudaSuccess) return buffer->status;
    kernel<<<dim3(batch, rows / tile_rows, columns / 8), threads>>>(
        (const uint32_t*)left.data, (const uint32_t*)right.data, (const Cell*)start.data, (Cell*)result.data, words, use_c);
    if (cudaError_t status = cudaGetLastError()) return status;
    return cudaMemcpy(d, result.data, results, cudaMemcpyDeviceToHost);
}

extern "C" const char* error_text(int status) { return cudaGetErrorString((cudaError_t)status); }
