"""Families of floating-point operands: each fills a block of products with codes that aim at one habit of a unit.

All of a block's rows meet all of its columns, so what a family wants of a product it asks of rows and columns alike:
element ``k`` of every row and of every column has its place in a common plan.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import reference
from formats import FloatSpec
from kernels_ref.dot_operands.block import (
    Array,
    Block,
    Shape,
    at,
    codes,
    compose,
    exponents,
    fractions,
    powers,
    random_codes,
    signs,
)

NEAR = 30  #: binades around the largest product from which ``c`` is drawn
Floats = Block[FloatSpec]
Draw = Callable[[FloatSpec, Shape], Array]


def _each(block: Floats, draw: Draw) -> None:
    """Both operands by the same rule."""
    block.a, block.b = draw(block.a_format, block.a_shape), draw(block.b_format, block.b_shape)


def _planned(block: Floats, a: Array, b: Array, spread: int = 0) -> None:
    """Operands whose exponents are (items, k) plans, each element up to ``spread`` off; any fraction and sign."""
    block.a = at(block.rng, block.a_format, np.broadcast_to(a[:, None, :], block.a_shape), spread)
    block.b = at(block.rng, block.b_format, np.broadcast_to(b[:, :, None], block.b_shape), spread)


def _centres(block: Floats, margin: int) -> tuple[Array, Array]:
    """An exponent of each operand for every item, away from the ends of the range; (items, k), constant along k."""

    def centre(spec: FloatSpec) -> Array:
        low, high = max(spec.emin + margin, -14), min(spec.emax - margin, 15)
        return np.repeat(block.rng.integers(low, max(low, high) + 1, (block.items, 1)), block.k, axis=1)

    return centre(block.a_format), centre(block.b_format)


def mixed_c(block: Floats, *, zeros: float = 0.25, near: float = 0.6) -> Array:
    """Signed zeros, numbers within 2^+-30 of the largest product, and for the rest any code."""
    rng, out, shape = block.rng, block.output, block.c_shape
    top = exponents(block.a_format, block.a).max(2)[:, :, None] + exponents(block.b_format, block.b).max(1)[:, None, :]
    fraction = fractions(rng, out, shape) * block.chance(0.8, shape)
    sign, choice = signs(rng, out, shape), rng.random(shape)
    close = compose(out, sign, top + rng.integers(-NEAR, NEAR + 1, shape), fraction)
    return codes(out, np.select([choice < zeros, choice < zeros + near], [sign, close], random_codes(rng, out, shape)))


def bits(block: Floats) -> None:
    """Any codes."""
    _each(block, lambda spec, shape: random_codes(block.rng, spec, shape))
    block.c = mixed_c(block)


def normal(block: Floats) -> None:
    """Normally distributed, a scale for each item."""

    def draw(spec: FloatSpec, shape: Shape) -> Array:
        low, high = max(spec.emin, -8), max(0, min(spec.emax - 2, 8))
        scale = np.ldexp(1.0, block.rng.integers(low, high + 1, (block.items, 1, 1)))
        values = (block.rng.standard_normal(shape) * scale).astype(np.float32)
        return reference.encode(values, spec, rounding="nearest_ties_to_even", saturation="sat_finite")

    _each(block, draw)
    block.c = mixed_c(block)


def narrow_exponents(block: Floats) -> None:
    """All exponents of an operand within 2 of the item's own."""
    _planned(block, *_centres(block, 2), spread=2)
    block.c = mixed_c(block)


def wide_exponents(block: Floats) -> None:
    """Every exponent of the formats, each alike often."""
    _each(block, lambda spec, shape: at(block.rng, spec, block.rng.integers(spec.emin - 1, spec.emax + 1, shape)))
    block.c = mixed_c(block)


def cancelling_pairs(block: Floats) -> None:
    """Products 2i and 2i + 1 are opposite; what is left is one odd product in half of the items, ``c``, or nothing."""
    a, b = _centres(block, 4)
    _planned(block, a, b, spread=4)
    even = block.k // 2 * 2
    block.a[..., 1:even:2] = block.a[..., 0:even:2]
    block.b[:, 1:even:2] = block.b[:, 0:even:2] ^ block.b_format.sign_code
    odd = np.broadcast_to(a[:, :1] - 6, block.a_shape[:2])
    block.a[::2, :, 0] = at(block.rng, block.a_format, odd, 2)[::2]
    block.c = mixed_c(block, zeros=0.5, near=0.45)


def cancelling_c(block: Floats) -> None:
    """``c`` is the sum of the products rounded, with the other sign, up to two units off."""
    normal(block)
    out = block.output
    a, b = (
        reference.decode(*pair).astype(np.float64) for pair in ((block.a, block.a_format), (block.b, block.b_format))
    )
    total = np.matmul(a, b).astype(np.float32)
    rounded = (total.view(np.uint32) >> np.uint32(32 - out.bits)) if out.exponent_bits == 8 else _encoded(total, out)
    near = (rounded & (out.sign_code - 1)).astype(np.int64) + block.rng.integers(-2, 3, block.c_shape)
    block.c = codes(out, np.clip(near, 0, out.max_code) | (~rounded & out.sign_code))


def _encoded(values: Array, spec: FloatSpec) -> Array:
    return reference.encode(values, spec, rounding="nearest_ties_to_even", saturation="sat_finite")


def subnormals(block: Floats) -> None:
    """Operands are partly subnormal; a quarter of ``c`` is."""

    def draw(spec: FloatSpec, shape: Shape) -> Array:
        high = block.rng.integers(spec.emin, spec.emax + 1, (block.items, 1, 1))
        tiny = block.chance(block.rng.choice([0.1, 0.5, 0.95], (block.items, 1, 1)), shape)
        return at(block.rng, spec, np.where(tiny, spec.emin - 1, high))

    _each(block, draw)
    out, shape = block.output, block.c_shape
    subnormal = signs(block.rng, out, shape) | fractions(block.rng, out, shape)
    block.c = codes(out, np.where(block.chance(0.25, shape), subnormal, mixed_c(block)))


def zeros_and_extremes(block: Floats) -> None:
    """Signed zeros, the largest and the smallest numbers; zeros meet large numbers."""

    def draw(spec: FloatSpec, shape: Shape) -> Array:
        choices = [0, 0, 0, 0, spec.max_code, 1, 1 << spec.fraction_bits, spec.max_code >> 1]
        return codes(spec, block.rng.choice(choices, shape) | signs(block.rng, spec, shape))

    _each(block, draw)
    block.c = mixed_c(block, zeros=0.5, near=0.4)


def infinities_and_nan(block: Floats) -> None:
    """A few infinities, NaN and zeros among ordinary numbers; ``c`` now and then."""
    narrow_exponents(block)
    block.a = _with_specials(block, block.a_format, block.a, 0.5 / block.k)
    block.b = _with_specials(block, block.b_format, block.b, 0.5 / block.k)
    block.c = _with_specials(block, block.output, block.c, 0.06)


def _with_specials(block: Floats, spec: FloatSpec, given: Array, often: float) -> Array:
    top = (1 << spec.magnitude_bits) - 1
    infinity = top if spec.infinity_code is None else spec.infinity_code
    special = block.rng.choice([0, 0, infinity, infinity, infinity, top], given.shape)
    return np.where(block.chance(often, given.shape), codes(spec, special | signs(block.rng, spec, given.shape)), given)


def overflow(block: Floats) -> None:
    """The largest exponents, mostly of one sign; half of ``c`` near the end of the output's range."""
    out, shape = block.output, block.c_shape

    def draw(spec: FloatSpec, shape: Shape) -> Array:
        exponent = min(spec.emax, out.emax // 2 + 1) - block.rng.integers(0, 3, shape)
        often = block.rng.choice([0.0, 0.02, 0.5], (block.items, 1, 1))
        sign = np.where(block.chance(often, shape), np.uint32(spec.sign_code), np.uint32(0))
        return compose(spec, sign, exponent, fractions(block.rng, spec, shape))

    _each(block, draw)
    magnitude = out.max_code - block.rng.integers(0, 3 << out.fraction_bits, shape)
    large = codes(out, magnitude | signs(block.rng, out, shape))
    block.c = np.where(block.chance(0.5, shape), large, mixed_c(block))


def signed_zeros(block: Floats) -> None:
    """Nearly all operands and ``c`` are +0 or -0, the others the smallest numbers."""
    rng = block.rng
    _each(block, lambda spec, shape: codes(spec, block.chance(0.5 / block.k, shape) | signs(rng, spec, shape)))
    block.c = codes(block.output, block.chance(0.1, block.c_shape) | signs(rng, block.output, block.c_shape))


def underflow(block: Floats) -> None:
    """Products around and below the output's smallest numbers; ``c`` mostly zero."""
    out, spec = block.output, block.a_format
    middle, reach = (out.emin // 2, 20) if spec.emax > 40 else (0, spec.emax)
    a = block.rng.integers(middle - reach, middle + reach + 1, (block.items, block.k))
    target = out.emin + block.rng.integers(-out.fraction_bits - 12, 4, (block.items, 1))
    _planned(block, a, target - a, spread=2)
    block.c = mixed_c(block, zeros=0.75, near=0.25)


def full_significands(block: Floats) -> None:
    """The largest significands, equal exponents, mostly one sign: the largest sums of a step."""
    a, b = _centres(block, 1)
    _planned(block, a, b)
    positive = block.chance(0.75, (block.items, 1, 1))
    block.a, block.b = (
        np.where(positive, given & (spec.sign_code - 1), given) | ((1 << spec.fraction_bits) - 1) >> 1 << 1
        for spec, given in ((block.a_format, block.a), (block.b_format, block.b))
    )
    block.c = mixed_c(block)


def ties(block: Floats) -> None:
    """Powers of two whose sums lie half a unit in the last place from a number, or just beside that.

    Distances below the largest product that decide: the output's fraction bits, what a unit keeps below its largest
    exponent (13 and 23 to 25 bits), and their neighbours. One element in ten is no power of two.
    """
    kept, rng = block.output.fraction_bits, block.rng
    below = [0, 0, 1, kept, kept + 1, kept + 1, kept + 2, 13, 14, 15, 23, 24, 25, 26, 27, 28]
    drop = rng.choice(below, (block.items, block.k))
    a_top, b_top = _tops(block, block.a_format), _tops(block, block.b_format)
    first = np.minimum(drop, a_top - block.a_format.emin)
    plans = (
        np.broadcast_to((a_top - first)[:, None, :], block.a_shape),
        np.broadcast_to((b_top - drop + first)[:, :, None], block.b_shape),
    )
    block.a, block.b = (
        np.where(block.chance(0.1, plan.shape), at(rng, spec, plan), powers(rng, spec, plan))
        for spec, plan in zip((block.a_format, block.b_format), plans, strict=True)
    )
    block.c = mixed_c(block, zeros=0.4, near=0.6)


def _tops(block: Floats, spec: FloatSpec) -> Array:
    """Largest exponent of each item's operands; a third of the items reaches down to where results are subnormal."""
    lowest, highest = max(spec.emin, block.output.emin // 2 - 10), min(spec.emax, 14)
    top = block.rng.integers(0, highest + 1, (block.items, 1))
    deep = block.rng.integers(lowest, min(lowest + 16, highest) + 1, (block.items, 1))
    return np.where(np.arange(block.items)[:, None] % 3 == 2, deep, top)


def subnormal_ties(block: Floats) -> None:
    """Half a unit of a subnormal result, and a few powers of two so far below it that the least alignment cuts them."""
    rng, half = block.rng, block.output.emin - block.output.fraction_bits - 1
    target = half - rng.choice([*range(7, 11), *range(18, 29)], (block.items, block.k))
    target[:, 0] = half + rng.integers(0, 3, block.items)
    first = np.clip(target // 2, block.a_format.emin - block.a_format.fraction_bits, block.a_format.emax)
    present = [block.chance((3 / block.k) ** 0.5, shape) for shape in (block.a_shape, block.b_shape)]
    present[0][:, :, 0] = present[1][:, 0] = True
    block.a = powers(rng, block.a_format, np.broadcast_to(first[:, None, :], block.a_shape)) * present[0]
    block.b = powers(rng, block.b_format, np.broadcast_to((target - first)[:, :, None], block.b_shape)) * present[1]
    block.c = mixed_c(block, zeros=0.9, near=0.1)
