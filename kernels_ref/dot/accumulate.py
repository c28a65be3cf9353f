"""Any summation on codes: ``c + a @ b``."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from formats import (
    ExactSum,
    FloatSpec,
    Format,
    FusedSteps,
    HalvedSteps,
    IntegerSum,
    PairwiseSum,
    PromotedSum,
    Rounding,
    SequentialSum,
    Summation,
)
from formats.dot import output
from formats.matrix_cores import ExactSteps, JoinedSteps, PairwiseSteps
from formats.results import FLOAT16
from kernels_ref.dot import integers
from kernels_ref.dot.exact import exact
from kernels_ref.dot.numbers import add, number, rounded
from kernels_ref.dot.ordered import Formats, pairwise, sequential
from kernels_ref.dot.parts import unpack
from kernels_ref.dot.steps import chain, split
from reference.array.dot.epilogue import nan_code


def accumulate(c: Array, a: Array, b: Array, rule: Summation, formats: Formats, random_bits: Array | None) -> Array:
    """Codes (uint32) of ``c + a @ b``: (..., M, N), (..., M, K), (..., K, N), and draws (K, ..., M, N)."""
    match rule:
        case ExactSum():
            return exact(c, a, b, rule, formats)
        case SequentialSum():
            return sequential(c, a, b, rule, formats, random_bits)
        case PairwiseSum():
            return pairwise(c, a, b, rule, formats)
        case FusedSteps():
            return chain(c, a, b, rule, *_floats(formats))
        case HalvedSteps():
            return _halved(c, a, b, rule, formats)
        case PromotedSum():
            return _restarted(c, a, b, rule.inner, rule.every, formats, random_bits)
        case IntegerSum():
            return integers.integer(c, a, b, rule, formats)
        case ExactSteps() | PairwiseSteps() | JoinedSteps():
            raise ValueError(f"{type(rule).__name__} (AMD's matrix cores) has no JAX executor; reference.matmul has it")


def joined(x: Array, y: Array, rule: Summation) -> Array:
    """Codes of the sums of two results of a summation, to nearest even in its output format."""
    if isinstance(rule, IntegerSum):
        return integers.joined(x, y, rule)
    spec = output(rule)
    assert isinstance(spec, FloatSpec)
    return add(x, y, spec, nan_code(rule, spec))


def _halved(c: Array, a: Array, b: Array, rule: HalvedSteps, formats: Formats) -> Array:
    """Instructions are chains of two steps from +0, added to ``c``: a restarted sum of float16 in another order."""
    every = 2 * rule.step.products
    short = -a.shape[-1] % every
    a, b = _padded(_widened(a, formats[0]), -1, short), _padded(_widened(b, formats[1]), -2, short)
    k = np.arange(a.shape[-1]).reshape(-1, every // 4, 4)
    order = np.stack([k[..., :2], k[..., 2:]], 1).reshape(-1)
    return _restarted(c, a[..., order], b[..., order, :], rule.step, every, (FLOAT16, FLOAT16), None)


def _padded(x: Array, axis: int, size: int) -> Array:
    widths = [(0, 0)] * x.ndim
    widths[axis] = (0, size)
    return jnp.pad(x, widths)  # pyright: ignore[reportUnknownMemberType]


def _widened(codes: Array, spec: Format) -> Array:
    """The float16 codes of the same values."""
    return rounded(number(unpack(codes, spec)), FLOAT16, Rounding.NEAREST_TIES_TO_EVEN)


def _restarted(
    c: Array, a: Array, b: Array, rule: Summation, every: int, formats: Formats, random_bits: Array | None
) -> Array:
    """Sums from +0 over ``every`` elements each, added to ``c`` in order; the last one may be short."""
    whole = a.shape[-1] // every * every

    def body(c: Array, x: tuple[Array, Array, Array | None]) -> tuple[Array, None]:
        left, right = jnp.moveaxis(x[0], 0, -1), jnp.moveaxis(x[1], 0, -2)
        return joined(c, accumulate(c & 0, left, right, rule, formats, x[2]), rule), None

    if whole:
        draws: Any = None if random_bits is None else random_bits[:whole].reshape(-1, every, *random_bits.shape[1:])
        parts = split(a[..., :whole], -1, every), split(b[..., :whole, :], -2, every), draws
        c = lax.scan(body, c, parts)[0]
    if whole < a.shape[-1]:
        rest = None if random_bits is None else random_bits[whole:]
        c = joined(c, accumulate(c & 0, a[..., whole:], b[..., whole:, :], rule, formats, rest), rule)
    return c


def _floats(formats: Formats) -> tuple[FloatSpec, FloatSpec]:
    a, b = formats
    assert isinstance(a, FloatSpec)
    assert isinstance(b, FloatSpec)
    return a, b
