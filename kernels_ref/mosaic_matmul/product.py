"""The product of matrices around the kernel: tiles, special values, and what C the kernel cannot hold."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

import formats
from formats import Accumulator, FloatSpec, FusedSteps
from kernels_ref.codec import as_jax
from kernels_ref.dot.flow import choose
from kernels_ref.dot.parts import unpack
from kernels_ref.dot.specials import no_specials, specials
from kernels_ref.mosaic_matmul import layout, operands
from kernels_ref.mosaic_matmul.kernel import Variant, kernel, simulate
from kernels_ref.mosaic_matmul.operands import Table, look_up, table, weights_for
from kernels_ref.mosaic_matmul.step import KEPT

#: words of float32
INFINITY = 0x7F800000
MINUS_INFINITY = 0xFF800000
SIGN = 0x80000000
#: 2^64: C from here on swallows every product of two FP8 numbers
SWALLOWS = 0x5F800000


def matmul(
    a: ArrayLike,
    b: ArrayLike,
    c: ArrayLike | None = None,
    *,
    accumulator: str | Accumulator,
    variant: Variant | None = None,
    interpret: bool = False,
) -> Array:
    """`reference.matmul` of FP8 through Hopper's wgmma, as one Mosaic GPU kernel that uses no FP8 hardware.

    Every product is cut and added on its own, in float32 rounded downward; tensor cores only find the alignment
    exponents, as exponents of sums of powers of two.

    Arguments:
        a: (M, K) uint8 codes, K a multiple of 32; b: (K, N) uint8 codes; c: (M, N) uint32 words of float32, +0 if None.
        accumulator: ``hopper.wgmma.k32.f32.`` with any two of ``e4m3`` and ``e5m2``.
        variant: how the kernel is laid out.
        interpret: run the same program on NumPy lanes instead of a Hopper GPU, slowly; not under jit.

    Returns (M, N) uint32 words of float32. Works under jit. M and N are filled up to tiles of 64 x 128.

    Raises ``ImportError`` where Mosaic GPU is missing (it needs jax 0.11.2, so Python 3.12), ``TypeError`` for other
    dtypes, ``ValueError`` for other accumulators and shapes.

    >>> matmul([[0x38] * 32], [[0x38]] * 32, accumulator="hopper.wgmma.k32.f32.e4m3.e4m3", interpret=True) == 0x42000000
    Array([[ True]], dtype=bool)
    """
    found = _checked_accumulator(accumulator)
    left, right = _codes(a, "a", jnp.uint8), _codes(b, "b", jnp.uint8)
    start = None if c is None else _codes(c, "c", jnp.uint32)
    _check_shapes(left, right, start)
    chosen = variant or Variant()
    return (_product if interpret else _compiled)(left, right, start, found, chosen, interpret)


def _checked_accumulator(name: str | Accumulator) -> Accumulator:
    found = formats.accumulator(name)
    steps = found.summation
    known = (32, 13, 13, "float32")
    if not isinstance(steps, FusedSteps) or known != (
        steps.products, steps.fraction_bits, steps.kept_bits, steps.output.name
    ):  # fmt: skip
        raise ValueError(f"{found.name}: the kernel sums as hopper.wgmma.k32.f32.<a>.<b> only, of e4m3 and e5m2")
    return found


def _codes(x: ArrayLike, name: str, dtype: Any) -> Array:
    array = as_jax(np.asarray(x, dtype) if isinstance(x, list) else x)
    if array.dtype != dtype:
        raise TypeError(f"{name} has dtype {array.dtype.name}; it takes {jnp.dtype(dtype).name} codes")
    return array


def _check_shapes(a: Array, b: Array, c: Array | None) -> None:
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise ValueError(f"a {a.shape} and b {b.shape} must be (M, K) and (K, N)")
    if a.shape[1] == 0 or a.shape[1] % layout.DEPTH:
        raise ValueError(f"K={a.shape[1]} must be a multiple of {layout.DEPTH}")
    if c is not None and c.shape != (a.shape[0], b.shape[1]):
        raise ValueError(f"c {c.shape} must be (M, N) = {(a.shape[0], b.shape[1])}")


def _product(a: Array, b: Array, c: Array | None, accumulator: Accumulator, variant: Variant, interpret: bool) -> Array:
    a_format, b_format = _float(accumulator.a), _float(accumulator.b)
    weights = weights_for(a_format, b_format)
    a_table, b_table = table(a_format, weights, left=True), table(b_format, weights, left=False)
    (m, k), n = a.shape, b.shape[1]
    rows, columns = -(-m // layout.ROWS), -(-n // layout.COLUMNS)
    a_words = operands.left(_filled(a, rows * layout.ROWS, k), a_table)
    b_words = operands.right(_filled(b.T, columns * layout.COLUMNS, k), b_table)
    start = lax.full((m, n), 0, jnp.uint32) if c is None else _held(c)
    tiles = operands.to_tiles(_filled(_number(start), rows * layout.ROWS, columns * layout.COLUMNS))
    run: Callable[..., Any]
    if interpret:
        run = functools.partial(simulate, weights=weights, variant=variant)
    else:
        run = kernel(rows, columns, k // layout.DEPTH, weights, variant)
    result = operands.from_tiles(as_jax(run(a_words, b_words, tiles)))[:m, :n]
    words = lax.bitcast_convert_type(result, jnp.uint32)
    words = words if c is None else _untouched(words, a, b, c, a_table, b_table)
    return _special(words, a, b, c, a_format, b_format)


_compiled: Callable[..., Array] = jax.jit(_product, static_argnums=(3, 4, 5))  # pyright: ignore[reportUnknownMemberType]


def _float(fmt: Any) -> FloatSpec:
    assert isinstance(fmt, FloatSpec)
    return fmt


def _filled(x: Array, rows: int, columns: int) -> Array:
    edges = [(0, rows - x.shape[0], 0), (0, columns - x.shape[1], 0)]
    return lax.pad(x, x.dtype.type(0), edges)


def _number(words: Array) -> Array:
    return lax.bitcast_convert_type(words, jnp.float32)


def _cut(c: Array) -> Array:
    """C to 13 fraction bits, which any step does at least; never -0."""
    kept = c & jnp.uint32(KEPT)
    return jnp.where(kept == jnp.uint32(SIGN), jnp.uint32(0), kept)


def _magnitude(c: Array) -> Array:
    return c & jnp.uint32(0x7FFFFFFF)


def _held(c: Array) -> Array:
    """What the kernel starts from; C that swallows everything, and specials, are put in afterwards."""
    return jnp.where(_magnitude(c) >= SWALLOWS, jnp.uint32(0), _cut(c))


def _untouched(words: Array, a: Array, b: Array, c: Array, a_table: Table, b_table: Table) -> Array:
    """With a large C, or without a product that is not zero, C alone is the result."""
    alone = (_magnitude(c) >= SWALLOWS) | (_count(~look_up(a_table.zero, a), ~look_up(b_table.zero, b)) == 0)
    return jnp.where(alone, _cut(c), words)


def _special(words: Array, a: Array, b: Array, c: Array | None, a_format: FloatSpec, b_format: FloatSpec) -> Array:
    """NaN and infinities: those of any step are those of the result."""
    left, right = unpack(a.T, a_format), unpack(b, b_format)
    nan = left.nan.any(0)[:, None] | right.nan.any(0)[None, :]
    plus = minus = lax.full(nan.shape, False)
    if a_format.has_infinity or b_format.has_infinity:
        infinite = left.infinite.any() | right.infinite.any()
        bad, plus, minus = choose(infinite, lambda: specials(left, right), lambda: no_specials(nan.shape))
        nan = nan | bad
    if c is not None:
        nan = nan | (_magnitude(c) > INFINITY)
        plus, minus = plus | (c == INFINITY), minus | (c == jnp.uint32(MINUS_INFINITY))
    words = jnp.where(plus, jnp.uint32(INFINITY), jnp.where(minus, jnp.uint32(MINUS_INFINITY), words))
    return jnp.where(nan | (plus & minus), jnp.uint32(0x7FFFFFFF), words)


def _count(left: Array, right: Array) -> Array:
    """How often both hold along K; only whether it is 0 matters, so bfloat16 with float32 sums will do."""
    return jnp.matmul(left.astype(jnp.bfloat16), right.astype(jnp.bfloat16), preferred_element_type=jnp.float32)
