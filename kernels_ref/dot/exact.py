"""Exact sums: Kulisch's long accumulator, filled by products of matrices of digits.

Every operand is an integer multiple of its format's least value, and its digits to the base ``2^7`` are integers of
binary32. Digit i of ``a`` times digit j of ``b`` counts at place i + j. A product of two matrices of digits over at
most 1024 elements of K stays below ``2^24``, so that binary32 adds it exactly in any order. Places are int32, carries
come last. Only digits that occur are multiplied.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from formats import ExactSum, FloatSpec, Format, Rounding
from kernels_ref.dot.flow import choose, numbered, pick, repeat
from kernels_ref.dot.numbers import Number, rounded
from kernels_ref.dot.ordered import Formats
from kernels_ref.dot.parts import NOTHING, Parts, unpack
from kernels_ref.dot.rounding import Magnitude, normalise
from kernels_ref.dot.rows import by_rows
from kernels_ref.dot.specials import Specials, any_special, count, no_specials, specials
from kernels_ref.dot.steps import split

_DIGIT = 7
_MASK = (1 << _DIGIT) - 1
_STRETCH = 1024


def exact(c: Array, a: Array, b: Array, rule: ExactSum, formats: Formats) -> Array:
    """Codes of ``c + a @ b``, rounded once: (..., M, N), (..., M, K), (..., K, N) -> (..., M, N)."""
    return exact_sum(c, a, b, rule.output, formats, rule.rounding, lambda x: rounded(x, rule.output, rule.rounding))


def exact_sum(
    c: Array,
    a: Array,
    b: Array,
    output: Format,
    formats: Formats,
    rounding: Rounding,
    convert: Callable[[Number], Array],
) -> Array:
    """``convert`` of the exact sums; 57 leading bits of them, the last one sticky."""
    places = _Places(output, *formats, a.shape[-1])
    y = unpack(b, formats[1])
    rare = any_special(unpack(a, formats[0]), y)
    start = unpack(c, output)
    signs = jnp.any((start.significand == 0) & start.negative) | (rounding is Rounding.TOWARD_NEGATIVE)
    bounds = places.occurring(unpack(a, formats[0]), places.least_a), places.occurring(y, places.least_b)

    def some(c: Array, a: Array) -> Array:
        x, start = unpack(a, formats[0]), unpack(c, output)
        digits, negative = _carried(places.products(x, y, c.shape, *bounds), start, places)
        magnitude = _leading(digits, negative, places)
        flags = choose(rare, lambda: specials(*_k_first(x, y)), lambda: no_specials(c.shape))
        zeros = choose(signs, lambda: _alike(x, y, start, rounding), lambda: lax.full(c.shape, False))
        negative = jnp.where(magnitude.high == 0, zeros, negative)
        return convert(_with_specials(Number(negative, magnitude, start.nan, start.infinite), start, flags))

    return by_rows(some, c, a, 2 * places.count)


@dataclass(frozen=True)
class _Places:
    """Where digits count: place ``p`` is worth ``2^(base + 7 p)``."""

    output: Format
    a: Format
    b: Format
    length: int

    @property
    def least_a(self) -> int:
        return _least(self.a)

    @property
    def least_b(self) -> int:
        return _least(self.b)

    @property
    def first(self) -> int:
        """The place of a product of least values."""
        return max(0, math.ceil((self.least_a + self.least_b - _least(self.output)) / _DIGIT))

    @property
    def base(self) -> int:
        return self.least_a + self.least_b - _DIGIT * self.first

    @property
    def count(self) -> int:
        """How many places hold every sum and its sign."""
        top = max(_top(self.a) + _top(self.b) + self.length.bit_length(), _top(self.output)) + 2
        return math.ceil((top - self.base) / _DIGIT) + 1

    def occurring(self, p: Parts, least: int) -> tuple[Array, Array]:
        """The range of digits that are not all zero."""
        some, offset = p.significand != 0, p.exponent - least
        highest = offset + 31 - lax.clz(p.significand).astype(jnp.int32)
        return (
            jnp.min(jnp.where(some, offset, -NOTHING), initial=-NOTHING) // _DIGIT,
            jnp.max(jnp.where(some, highest, -_DIGIT), initial=-_DIGIT) // _DIGIT + 1,
        )

    def products(
        self, x: Parts, y: Parts, shape: tuple[int, ...], left: tuple[Array, Array], right: tuple[Array, Array]
    ) -> Array:
        """Sums of products of digits for each place: (places, ..., M, N), int32."""

        def stretch(sums: Array, parts: tuple[Parts, Parts]) -> tuple[Array, None]:
            a = _digits(parts[0], self.least_a, _width(self.a))
            b = _digits(parts[1], self.least_b, _width(self.b))

            def pair(i: Array, j: Array, sums: Array) -> Array:
                return sums.at[i + j + self.first].add(_dot(a[i], b[j]))

            def row(i: Array, sums: Array) -> Array:
                return repeat(right, lambda j, sums: pair(i, j, sums), sums)

            sums = repeat(left, row, sums)
            up = jnp.concatenate([sums[:1] & 0, sums[:-1] >> _DIGIT])
            return jnp.concatenate([sums[:-1] & _MASK, sums[-1:]]) + up, None  # the last place keeps the sign

        runs = _split(x, -1), _split(y, -2)
        return lax.scan(stretch, lax.full((self.count, *shape), 0, jnp.int32), runs)[0]


def _least(spec: Format) -> int:
    return spec.emin - spec.fraction_bits if isinstance(spec, FloatSpec) else -spec.fraction_bits


def _top(spec: Format) -> int:
    return spec.emax + 1 if isinstance(spec, FloatSpec) else spec.bits - spec.fraction_bits


def _width(spec: Format) -> int:
    """How many digits the format's values have."""
    return math.ceil((_top(spec) - _least(spec)) / _DIGIT)


def _split(p: Parts, axis: int) -> Parts:
    """Stretches of K: (stretches, K of each, ..., M or N); what fills the last one up is 0."""
    size = min(p.significand.shape[axis], _STRETCH)
    return Parts(*(split(part, axis, size) for part in p))


def _digits(p: Parts, least: int, width: int) -> Array:
    """Signed digits, the lowest first: (width, ...), float32."""
    place = numbered(width).reshape(-1, *(1,) * p.exponent.ndim)
    digits = _digit(p, least + _DIGIT * place).astype(jnp.float32)
    return jnp.where(p.negative, -digits, digits)


def _digit(p: Parts, exponent: Array) -> Array:
    """The digit of a magnitude that is worth ``2^exponent``, int32."""
    left = p.exponent - exponent
    moved = (p.significand << left.astype(jnp.uint32)) | (p.significand >> (-left).astype(jnp.uint32))
    return (moved & _MASK).astype(jnp.int32)


def _dot(a: Array, b: Array) -> Array:
    return jnp.einsum(  # pyright: ignore[reportUnknownMemberType]
        "k...m,k...n->...mn", a, b, precision=lax.Precision.HIGHEST
    ).astype(jnp.int32)


def _carried(sums: Array, start: Parts, places: _Places) -> tuple[Array, Array]:
    """``c`` and carries added: digits in two's complement, and whether their number is negative."""

    def place(carry: Array, x: tuple[Array, Array]) -> tuple[Array, Array]:
        own = _digit(start, places.base + _DIGIT * x[1])
        value = x[0] + carry + jnp.where(start.negative, -own, own)
        return value >> _DIGIT, value & _MASK

    carry, digits = lax.scan(place, sums[0] & 0, (sums, numbered(places.count)))
    return digits, carry < 0


class _Window(NamedTuple):
    """64 bits that end in the digit reached, the last one sticky; and what they were at the last digit not 0."""

    carry: Array
    high: Array
    low: Array
    leading: Magnitude


def _leading(digits: Array, negative: Array, places: _Places) -> Magnitude:
    """The leading bits of the magnitude of digits in two's complement."""

    def place(window: _Window, x: tuple[Array, Array]) -> tuple[_Window, None]:
        carry, high, low, old = window
        digit = jnp.where(negative, _MASK - x[0], x[0]).astype(jnp.uint32) + carry
        sticky = ((low & _MASK) != 0).astype(jnp.uint32)
        low = (low >> _DIGIT) | (high << (32 - _DIGIT)) | sticky
        high = (high >> _DIGIT) | (digit << (32 - _DIGIT))
        some, exponent = (digit & _MASK) != 0, places.base + _DIGIT * x[1] + (_DIGIT - 1)
        leading = pick(some, Magnitude(high, low, exponent), old)
        return _Window(digit >> _DIGIT, high, low, leading), None

    zero = digits[0].astype(jnp.uint32) & 0
    start = _Window(negative.astype(jnp.uint32), zero, zero, Magnitude(zero, zero, digits[0] & 0))
    steps = digits, numbered(places.count)
    return normalise(lax.scan(place, start, steps)[0].leading)


def _k_first(x: Parts, y: Parts) -> tuple[Parts, Parts]:
    return Parts(*(jnp.moveaxis(part, -1, 0) for part in x)), Parts(*(jnp.moveaxis(part, -2, 0) for part in y))


def _alike(x: Parts, y: Parts, start: Parts, rounding: Rounding) -> Array:
    """The sign of an exact zero: that of all terms where they are zeros of one sign, else that of the mode."""
    left, right = _k_first(x, y)
    length = left.negative.shape[0]

    def all_zero(negative: bool) -> Array:
        """Where all terms are zeros of the sign."""
        pairs: list[tuple[Array, Array]] = []
        for minus in (False, True):
            sign_a, sign_b = left.negative == minus, right.negative == (minus != negative)
            pairs += [(sign_a & left.zero, sign_b), (sign_a & ~left.zero, sign_b & right.zero)]
        return (count(*pairs) == length) & start.zero & (start.negative == negative)

    return ~all_zero(False) if rounding is Rounding.TOWARD_NEGATIVE else all_zero(True)


def _with_specials(x: Number, start: Parts, flags: Specials) -> Number:
    """The sum with infinite and NaN terms, those of ``c`` among them."""
    plus = flags.positive | (start.infinite & ~start.negative)
    minus = flags.negative | (start.infinite & start.negative)
    negative = jnp.where(plus | minus, minus, x.negative)
    return Number(negative, x.magnitude, x.nan | flags.nan | (plus & minus), plus | minus)
