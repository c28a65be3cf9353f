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


def wanted(a, columns, block, product):
    """A step of a chain; or a chain in each half of K and of the columns, with zeros beside."""
    if not columns.halved:
        first = block * CHUNK + STEP * product
        return a[:, first : first + STEP].T
    found, first = np.zeros((STEP, 2 * columns.tokens), np.uint8), block * CHUNK + 16 * product
    found[:16, : columns.tokens] = a[:, first : first + 16].T
    found[16:, columns.tokens :] = a[:, first + 64 : first + 80].T
    return found


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("tokens", range(8, FEW + 1, 8))
@pytest.mark.parametrize("halved", [False, True])
def test_an_instruction_has_what_its_weights_are_multiplied_by(tokens, depth, halved):
    columns = Columns(tokens=tokens, depth=depth, halved=halved)
    a = np.random.default_rng(tokens).integers(1, 256, (tokens, depth), dtype=np.uint8)
    memory = stored(a, columns)
    for block in range(depth // CHUNK):
        for product in range(PRODUCTS):
            got = operand(memory, columns, block, product)
            np.testing.assert_array_equal(got, wanted(a, columns, block, product))


def test_what_no_load_writes_is_read_as_zeros():
    """The check can fail: without them a chain has products of the other one's weights."""
    columns = Columns(tokens=8, depth=256, halved=True)
    memory = stored(np.ones((8, 256), np.uint8), columns)
    assert (memory == 0).sum() == memory.size // 3
    assert operand(np.where(memory == 0, 7, memory), columns, 1, 2).min() == 1
