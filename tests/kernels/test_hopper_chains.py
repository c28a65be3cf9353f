"""How the activations of short chains lie in shared memory, and what a matrix unit reads there by our descriptors."""

import numpy as np
import pytest

from kernels_ref.hopper.chains import FEW, PRODUCTS, STEP, Columns
from kernels_ref.hopper.fragments import CHUNK

DEPTHS = (128, 256, 512)


def stored(a, columns):
    """The bytes of a unit's activations (tokens, depth), as tiles and swizzles say."""
    if columns.halved:
        rows = np.zeros(columns.shape, np.uint8)
        for row, part in zip(columns.parts, np.split(a, len(columns.parts), axis=1), strict=True):
            rows[row] = part
        tiles = rows.reshape(len(rows), -1, 8, CHUNK // 2 // 16, 16).swapaxes(2, 3)
        return tiles.reshape(-1)
    flat = a.reshape(-1, 8, columns.depth // STEP, STEP).swapaxes(1, 2).reshape(-1)
    address = np.arange(flat.size)
    found = np.empty_like(flat)
    found[address ^ (address >> 7 & 1) << 4] = flat  # PTX ISA, 32-byte swizzle: bit 4 by bit 7
    return found


def operand(memory, columns, block, product):
    """What one instruction takes as B: (32, columns) of K and columns."""
    constant, n = columns.constant, columns.tokens << columns.halved
    along_k, along_tokens = (constant >> 16 & 0x3FFF) * 16, (constant >> 32 & 0x3FFF) * 16
    k, column = np.ix_(np.arange(STEP), np.arange(n))
    start = columns.offset(block, product) + column // 8 * along_tokens
    if constant >> 62 == 0:  # matrices of 8 rows of 16 bytes
        return memory[start + k // 16 * along_k + column % 8 * 16 + k % 16]
    assert constant >> 62 == 3
    address = start + column % 8 * STEP + k
    return memory[address ^ (address >> 7 & 1) << 4]


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("tokens", range(8, FEW + 1, 8))
def test_an_instruction_has_a_chain_in_each_half_and_zeros_beside(tokens, depth):
    columns = Columns(tokens=tokens, depth=depth, halved=True)
    a = np.random.default_rng(tokens).integers(1, 256, (tokens, depth), dtype=np.uint8)
    memory = stored(a, columns)
    for block in range(depth // CHUNK):
        for product in range(PRODUCTS):
            got = operand(memory, columns, block, product)
            want = np.zeros((STEP, 2 * tokens), np.uint8)
            first = block * CHUNK + 16 * product
            want[:16, :tokens] = a[:, first : first + 16].T
            want[16:, tokens:] = a[:, first + 64 : first + 80].T
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("tokens", range(8, FEW + 1, 8))
def test_an_instruction_has_the_step_of_its_chain(tokens, depth):
    columns = Columns(tokens=tokens, depth=depth, halved=False)
    a = np.random.default_rng(tokens).integers(0, 256, (tokens, depth), dtype=np.uint8)
    memory = stored(a, columns)
    for block in range(depth // CHUNK):
        for product in range(PRODUCTS):
            first = block * CHUNK + STEP * product
            np.testing.assert_array_equal(operand(memory, columns, block, product), a[:, first : first + STEP].T)


def test_what_no_load_writes_is_read_as_zeros():
    """The check can fail: without them a chain has products of the other one's weights."""
    columns = Columns(tokens=8, depth=256, halved=True)
    memory = stored(np.ones((8, 256), np.uint8), columns)
    assert (memory == 0).sum() == memory.size // 3
    assert operand(np.where(memory == 0, 7, memory), columns, 1, 2).min() == 1
