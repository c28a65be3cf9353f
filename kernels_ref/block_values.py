"""Values of codes in blocks, in JAX: one exact product or quotient on bit patterns, rounded once.

All but the last factor of a value have few significant bits, so that a float32 product of significands in [1, 2) is
exact; the product with the last, whatever its bits, is known to its rounding error. Exponents add as integers.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from formats import FLOAT32, FloatSpec, IntSpec, Rounding, Saturation
from formats.block_formats.spec import BlockSpec, Coding, Form, Shift
from formats.code_books.book import CodebookSpec
from formats.operations import Operation
from formats.results import BFLOAT16, FLOAT16
from kernels_ref import block_binary32 as binary32
from kernels_ref.block_binary32 import BIAS, FRACTION, FRACTION_BITS, IMPLICIT, INFINITY, MAGNITUDE, NAN, ONE, SIGN
from kernels_ref.block_search import by_bits
from kernels_ref.block_view import blocked, expand, whole
from reference.array import arithmetic_rounding, block_grid, codebook, decode
from reference.array.arithmetic_numbers import Exact
from reference.array.arithmetic_words import Pair
from reference.array.block_request import significant_bits
from reference.array.conversion import conversion

#: the dtypes that values may be rounded to, and how other than float32
DTYPES: dict[str, FloatSpec | None] = {"float32": None, "bfloat16": BFLOAT16, "float16": FLOAT16}
_BITS = FRACTION_BITS + 1
_FEW = 16  # values that selections find faster than a look-up
_FAR = 100  # elements between 2^-100 and 2^100 and their products with significands are no subnormals


class Number(NamedTuple):
    """Patterns of zeros, normal numbers, infinities and NaNs, with an exponent beside them: times ``2^exponent``."""

    bits: Array
    exponent: Array | int = 0


class Exactly(NamedTuple):
    """Magnitudes for `binary32.rounded`, with signs; zeros, infinities and NaNs are ``special`` patterns, others -1."""

    sign: Array
    odd: Array
    exponent: Array
    special: Array


def refuse_wide(spec: BlockSpec) -> None:
    """``ValueError`` for a format whose values are more than one product of a number that binary32 holds."""

    def need(condition: bool, what: str) -> None:
        if not condition:
            raise ValueError(f"{spec.name}: {what} in JAX; reference.dequantize_blocks takes more")

    for part in (spec.element, spec.scale.format, *((spec.shift.format,) if spec.shift else ())):
        need(_is_binary32(part), f"values of {part.name} are no binary32 numbers, as they must be")
    first = significant_bits(spec.element) + significant_bits(spec.scale.format)
    if spec.scale.second is not None:
        need(first <= _BITS, f"elements times scales have {first} bits, at most {_BITS} are taken")
    if spec.shift is None:
        return
    need(spec.scale.second is None and spec.shift.second is None, "no second level is taken beside a shift")
    needed = [first]
    if spec.shift_kind is Shift.ZERO_POINT:
        needed.append(significant_bits(spec.scale.format) + significant_bits(spec.shift.format))
    need(max(needed) <= _BITS, f"terms have {max(needed)} bits, at most {_BITS} are taken")
    need(_reach(spec) < BIAS, f"terms reach beyond 2^{BIAS - 1}, which they must not")


def _is_binary32(spec: Coding) -> bool:
    if isinstance(spec, CodebookSpec):
        return significant_bits(spec) <= _BITS and spec.denominator & (spec.denominator - 1) == 0
    return decode.target(spec) is decode.BINARY32


def _reach(spec: BlockSpec) -> int:
    """An exponent that no product of an element, or zero point, with a scale exceeds, above 0 or below."""
    shift = spec.shift.format if spec.shift and spec.shift_kind is Shift.ZERO_POINT else spec.element
    return _exponents(spec.scale.format) + max(_exponents(spec.element), _exponents(shift))


def _exponents(spec: Coding) -> int:
    if isinstance(spec, FloatSpec):
        return max(spec.emax + 1, spec.fraction_bits - spec.emin)
    if isinstance(spec, IntSpec):
        return spec.bits + abs(spec.fraction_bits)
    return max(spec.denominator.bit_length(), *(abs(n).bit_length() for n in spec.numerators))


def dequantize(
    codes: Array, scales: Array, second: Array | None, shifts: Array | None, spec: BlockSpec, dtype: str
) -> Array:
    """Values in a dtype of `DTYPES`; arguments are taken as checked, see `reference.dequantize_blocks`."""

    def exactly(*parts: Array) -> Array:
        return _dequantize(*parts, spec=spec, dtype=dtype)

    parts = [part for part in (codes, scales, second, shifts) if part is not None]
    if (
        dtype != "float32"
        or spec.shift is not None
        or spec.scale.form is Form.DIVISOR
        or _exponents(spec.element) > _FAR
    ):
        return exactly(*parts)
    usual = functools.partial(_plainly, spec=spec)
    return lax.cond(  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        _are_usual(scales, second, spec), usual, exactly, *parts
    )


def _dequantize(codes: Array, scales: Array, third: Array | None = None, *, spec: BlockSpec, dtype: str) -> Array:
    """Values of any codes; ``third`` is what the format has beside scales."""
    second, shifts = (None, third) if spec.shift is not None else (third, None)
    block, element = spec.block, blocked(_patterns(codes, spec.element), spec.block)
    scale = expand(binary32.apart(_patterns(scales, spec.scale.format)), block)
    if spec.shift is not None and shifts is not None:
        subtracted = _subtracted(scale, expand(_patterns(shifts, spec.shift.format), block), spec.shift_kind)
        exact = _difference(binary32.calculate(Operation.MUL, element, scale), subtracted)
    elif second is None:
        exact = _product(_number(element, spec.element), scale, _exact_bits(spec))
    else:
        number = _times(_number(element, spec.element), scale)
        shared = expand(block_grid.spread_second(binary32.bits_of(second), spec.scale.per, scales.shape, jnp), block)
        exact = _quotient(number, shared) if spec.scale.form is Form.DIVISOR else _product(number, shared, _BITS + 1)
    return whole(_rounded(exact, dtype), block, codes.shape)


def _are_usual(scales: Array, second: Array | None, spec: BlockSpec) -> Array:
    """Whether no value is a subnormal, nor any number on the way there."""
    least = -_exponents(spec.element)
    last = _patterns(scales, spec.scale.format)
    if second is not None:
        least -= _exponents(spec.scale.format)
        last = binary32.bits_of(second)
    magnitude = last & MAGNITUDE
    normal = (magnitude == 0) | (magnitude >= (1 - least) << FRACTION_BITS)
    return normal.all() & (second is None or _exponents(spec.scale.format) < _FAR)


def _plainly(codes: Array, scales: Array, second: Array | None = None, *, spec: BlockSpec) -> Array:
    """float32 values where `_are_usual`: products, of which only the last is rounded."""
    element = binary32.number_of(blocked(_patterns(codes, spec.element), spec.block))
    values = element * expand(binary32.number_of(_patterns(scales, spec.scale.format)), spec.block)
    if second is not None:
        values = values * expand(block_grid.spread_second(second, spec.scale.per, scales.shape, jnp), spec.block)
    return whole(values, spec.block, codes.shape)


def _exact_bits(spec: BlockSpec) -> int:
    return significant_bits(spec.element) + significant_bits(spec.scale.format)


def _patterns(codes: Array, spec: Coding) -> Array:
    """int32 patterns of the values of codes."""
    if isinstance(spec, CodebookSpec):
        patterns = codebook.values(spec).view(np.int32).tolist()
        few = len(patterns) <= _FEW
        return by_bits(codes, patterns) if few else binary32.bits_of(codebook.decode(codes, spec, jnp))
    if spec == FLOAT32:
        bits = codes.astype(jnp.uint32).astype(jnp.int32)
        return jnp.where(bits & MAGNITUDE > INFINITY, NAN, bits)
    return binary32.bits_of(decode.decode(codes, spec, jnp))


def _number(bits: Array, spec: Coding) -> Number:
    """Elements, of which subnormals take an exponent beside them."""
    if _exponents(spec) < _FAR:
        return Number(bits)
    magnitude = bits & MAGNITUDE
    pattern = binary32.normalised(magnitude)
    subnormal = (magnitude < IMPLICIT) & (magnitude != 0)
    normal = jnp.where(subnormal, (pattern & FRACTION) | ONE | (bits & SIGN), bits)
    return Number(normal, jnp.where(subnormal, (pattern >> FRACTION_BITS) - BIAS, 0))


def _factor(bits: Array) -> tuple[Array, Array]:
    """A number in [1, 2) with a sign, or 0, infinity or NaN; and the exponent beside it."""
    magnitude = bits & MAGNITUDE
    pattern = binary32.normalised(magnitude)
    usual = (magnitude != 0) & (magnitude < INFINITY)
    significand = jnp.where(usual, (pattern & FRACTION) | ONE | (bits & SIGN), bits)
    return significand, jnp.where(usual, (pattern >> FRACTION_BITS) - BIAS, 0)


def _times(x: Number, bits: Array) -> Number:
    """A product of which binary32 holds the significand."""
    significand, exponent = _factor(bits)
    product = binary32.number_of(x.bits) * binary32.number_of(significand)
    return Number(binary32.bits_of(product), x.exponent + exponent)


def _product(x: Number, bits: Array, needed: int) -> Exactly:
    """``x`` times a number, of so many bits."""
    significand, _ = _factor(bits)
    near, exponent = _times(x, bits)
    kept, field = (near & FRACTION) | IMPLICIT, (near & MAGNITUDE) >> FRACTION_BITS
    odd = kept << binary32.ODD_BITS
    if needed > _BITS:
        carry = field - ((x.bits & MAGNITUDE) >> FRACTION_BITS)
        factors = ((x.bits & FRACTION) | IMPLICIT) * ((significand & FRACTION) | IMPLICIT)
        odd = odd + jnp.sign(factors - (kept << (FRACTION_BITS + carry)))  # exact, although modulo 2^32
    return Exactly(near & SIGN, odd, field + exponent, _special(near))


def _quotient(x: Number, bits: Array) -> Exactly:
    """``x`` over a number."""
    top = binary32.Wide(x.bits == 0, (x.bits & FRACTION) | IMPLICIT, (x.bits & MAGNITUDE) >> FRACTION_BITS)
    odd, exponent = binary32.quotient(top, binary32.wide(bits))
    significand, _ = _factor(bits)
    near = binary32.bits_of(binary32.number_of(x.bits) / binary32.number_of(significand))
    return Exactly((x.bits ^ bits) & SIGN, odd, exponent + x.exponent, _special(near))


def _special(bits: Array) -> Array:
    magnitude = bits & MAGNITUDE
    return jnp.where((magnitude == 0) | (magnitude >= INFINITY), magnitude, -1)


def _subtracted(scale: Array, shift: Array, kind: Shift | None) -> Array:
    """What is subtracted from the product of element and scale: patterns."""
    if kind is Shift.ZERO_POINT:
        return binary32.calculate(Operation.MUL, scale, shift)
    return shift ^ SIGN if kind is Shift.OFFSET else shift


def _difference(a: Array, b: Array) -> Exactly:
    rounded = binary32.calculate(Operation.SUB, a, b)
    sign, odd, exponent = binary32.difference(a, b)
    special = jnp.where(odd == 0, 0, -1)
    special = jnp.where(((a & MAGNITUDE) >= INFINITY) | ((b & MAGNITUDE) >= INFINITY), rounded & MAGNITUDE, special)
    return Exactly(jnp.where(special >= 0, rounded & SIGN, sign), odd, exponent, special)


def _rounded(x: Exactly, dtype: str) -> Array:
    narrow = DTYPES[dtype]
    if narrow is None:
        magnitude = jnp.where(x.special >= 0, x.special, binary32.rounded(x.odd, x.exponent))
        return binary32.number_of(jnp.where(magnitude > INFINITY, NAN, magnitude | x.sign))
    odd = jnp.where(x.special >= 0, 0, x.odd).astype(jnp.uint32)
    exact = Exact(
        nan=x.special > INFINITY,
        infinite=x.special == INFINITY,
        negative=x.sign < 0,
        significand=Pair(odd >> 31, odd),  # of 26 bits: the upper word is 0
        exponent=x.exponent - (BIAS + FRACTION_BITS + binary32.ODD_BITS),
    )
    nearest = conversion(narrow, rounding=Rounding.NEAREST_TIES_TO_EVEN, saturation=Saturation.SAT_NONE)
    codes = arithmetic_rounding.round_once(exact, nearest, jnp, None)
    return lax.bitcast_convert_type(codes, jnp.dtype(dtype))
