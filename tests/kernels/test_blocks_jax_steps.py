"""binary32 operations under XLA against NumPy's: subnormals kept, divisions not replaced, every result rounded once."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from formats.operations import Operation
from kernels_ref.block_binary32 import calculate, difference_to_odd, quotient_to_odd
from reference.array import odd

NATIVE = {
    Operation.MUL: np.multiply,
    Operation.DIV: np.divide,
    Operation.SUB: np.subtract,
    Operation.MINIMUM: np.minimum,
    Operation.MAXIMUM: np.maximum,
}
EDGES = (
    0, 1, 2, 3, 0x400000, 0x7FFFFE, 0x7FFFFF, 0x800000, 0x800001, 0x33800000, 0x34000000, 0x3F7FFFFF, 0x3F800000,
    0x3F800001, 0x3FFFFFFF, 0x40000000, 0x4B000000, 0x4B800000, 0x7F000000, 0x7F7FFFFE, 0x7F7FFFFF, 0x7F800000,
    0x7FC00000,
)  # fmt: skip
COUNT = 1 << 18


def edge_pairs():
    edges = np.array([*EDGES, *(0x80000000 | edge for edge in EDGES)], np.uint32)
    return tuple(side.reshape(-1) for side in np.meshgrid(edges, edges))


def drawn_pairs(kind):
    """Patterns whose product, quotient or difference lies anywhere, near 1, or near the subnormals."""
    rng = np.random.default_rng(0)
    sign, field, fraction = (rng.integers(0, top, (2, COUNT)) for top in (2, 256, 1 << 23))
    fraction &= -1 << rng.integers(0, 23, (2, COUNT))
    near = rng.integers(-30, 31, COUNT)
    match kind:
        case "close":
            field[1] = field[0] + near
        case "tiny product":
            field[1] = 127 - field[0] + near
        case "tiny quotient":
            field[1] = field[0] + 127 + near
    x, y = (sign << 31 | field.clip(0, 255) << 23 | fraction).astype(np.uint32)
    return x, y


PAIRS = {
    "edges": edge_pairs,
    **{k: lambda k=k: drawn_pairs(k) for k in ("any", "close", "tiny product", "tiny quotient")},
}


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("operation", NATIVE)
def test_operations(operation, kind):
    a, b = PAIRS[kind]()
    with np.errstate(all="ignore"):
        due = NATIVE[operation](a.view(np.float32), b.view(np.float32))
    bits = np.where(np.isnan(due), 0x7FC00000, due.view(np.int32))
    if operation in (Operation.MINIMUM, Operation.MAXIMUM):  # NumPy leaves open which zero it takes
        zeros = (a | b) & 0x7FFFFFFF == 0
        lesser = (a | b if operation is Operation.MINIMUM else a & b).view(np.int32)
        bits = np.where(zeros, lesser, bits)
    run = jax.jit(lambda x, y: calculate(operation, x, y))
    np.testing.assert_array_equal(np.asarray(run(a.view(np.int32), b.view(np.int32))), bits)


@pytest.mark.parametrize("number", [3, 0x00000007, 0x40C00000, 0x3EAAAAAB, 0x7F7FFFFF])
def test_a_divisor_that_is_one_for_all_is_not_replaced_by_its_reciprocal(number):
    a, _ = drawn_pairs("any")
    divisor = np.int32(number)
    with np.errstate(all="ignore"):
        due = a.view(np.float32) / divisor.view(np.float32)
    bits = np.where(np.isnan(due), 0x7FC00000, due.view(np.int32))
    found = jax.jit(lambda x: calculate(Operation.DIV, x, divisor))(a.view(np.int32))
    np.testing.assert_array_equal(np.asarray(found), bits)


@pytest.mark.parametrize("kind", PAIRS)
def test_quotients_and_differences_rounded_to_odd(kind):
    a, b = (side[np.isfinite(side.view(np.float32))] for side in PAIRS[kind]())
    size = min(a.size, b.size)
    a, b = a[:size], b[:size]
    x, y = (side.view(np.float32).astype(np.float64) for side in (a, b))
    usual = (np.abs(x) > 0) & (np.abs(y) > 0)
    quotient = np.divide(x, y, where=usual, out=np.ones_like(x))
    for exact, run in ((quotient, quotient_to_odd), (odd.difference(x, y), difference_to_odd)):
        within = usual & (np.abs(exact) >= 2.0**-126) & (np.abs(exact) < 2.0**128)
        due = odd.to_float32(exact).view(np.int32)
        found = np.asarray(jax.jit(run)(a.view(np.int32), b.view(np.int32)))
        np.testing.assert_array_equal(found[within], due[within])


def test_other_operations_are_refused():
    one = np.int32([0x3F800000])
    with pytest.raises(ValueError, match="operation='add' is no step here"):
        calculate(Operation.ADD, one, one)
