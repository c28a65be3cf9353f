"""Elements of blocks at the speed of memory: quotients on exponent fields, for rules whose decisions allow it.

Narrow element formats decide between ``2^-100`` and ``2^100``, and where they decide by the nearest value, whatever is
less becomes what 0 does. So ``x * f`` is a sum of exponent fields, held within the normal range, and then one product
with the significand of ``f``, in [1, 2), which is rounded as that with ``f`` itself; no subnormal is met. The same goes
for ``x / f``.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from formats import FLOAT32, FloatSpec, IntSpec, Rounding, Saturation
from formats.block_formats.rule import NonFinite
from formats.block_formats.steps import Given, Operand, Step
from formats.operations import Operation
from kernels_ref import rounding as lanes
from kernels_ref.block_binary32 import (
    BIAS,
    FRACTION,
    FRACTION_BITS,
    INFINITY,
    MAGNITUDE,
    NAN,
    ONE,
    SIGN,
    bits_of,
    divided,
    normalised,
    not_broadcast,
    number_of,
)
from kernels_ref.block_search import by_magnitude
from kernels_ref.block_view import any_of, blocked, expand, whole
from reference.array import codebook
from reference.array.block_request import BlockRequest, is_power_of_two, significant_bits, threshold_bits, uses
from reference.array.carrier import Carrier
from reference.array.codebook import EncodeTable
from reference.array.codec import binade, code_dtype
from reference.array.conversion import Conversion, nan_code

_FAR = 100  # no decision lies beyond 2^100 or, but for 0, below 2^-100
_LARGEST = INFINITY - 1
_LEAST_FIELD = -22 << FRACTION_BITS  # of the smallest subnormal, as `normalised` has it
_LIFT = 149 << FRACTION_BITS  # brings every number but 0 to 1 and more, and 0 to 0
_TINY = 1 << FRACTION_BITS
_NEAREST = (Rounding.NEAREST_TIES_TO_EVEN, Rounding.NEAREST_TIES_TO_AWAY)


class Factor(NamedTuple):
    """What the elements of a block are multiplied with or divided by."""

    operand: Operand
    divides: bool
    #: whether the quotient is exact by its definition, so that 0 / 0 is 0
    exact: bool


def factor_of(made: BlockRequest) -> Factor | None:
    """The one factor of a rule's quotient; None where elements need more than `codes`."""
    rule, spec = made.rule, made.spec
    if spec.shift is not None or rule.nan_in_block is NonFinite.LARGEST_SCALE or not _decides_near_one(made.element):
        return None
    if spec.scale.second is not None and rule.nan_in_block is not NonFinite.REFUSE:
        return None  # the largest magnitude of a tensor is that of its numbers
    step = rule.quotient
    if step is None:
        narrow = threshold_bits(made) + significant_bits(spec.scale.format) <= FRACTION_BITS + 1
        return Factor(Given.SCALE, True, True) if narrow or is_power_of_two(spec.scale.format) else None
    if not isinstance(step, Step) or step.result != FLOAT32 or step.left is not Given.X or uses(step.right, Given.X):
        return None
    if step.operation not in (Operation.MUL, Operation.DIV):
        return None
    return Factor(step.right, step.operation is Operation.DIV, False)


def _decides_near_one(element: Conversion | EncodeTable) -> bool:
    """Whether all decisions are by nearness and far from the ends of binary32, and what lies beyond saturates."""
    if isinstance(element, EncodeTable):
        magnitudes = [key if key >= 0 else ~key for key in element.keys]
        return all(abs((m >> FRACTION_BITS) - BIAS) < _FAR for m in magnitudes)
    if element.rounding not in _NEAREST or element.saturation is not Saturation.SAT_FINITE:
        return False
    spec = element.spec
    if isinstance(spec, IntSpec):
        return spec.has_zero and abs(spec.fraction_bits) + spec.bits < _FAR and spec.bits < FRACTION_BITS
    return spec.has_zero and spec.signed and spec.fraction_bits - spec.emin < _FAR and spec.emax < _FAR


def codes(x: Array, grid: Array, factor: Factor, made: BlockRequest) -> Array:
    """Codes of the elements of a tensor by the factors of its blocks, a grid of patterns.

    The tensor goes into the branches as it is: XLA writes down whatever is made of it before.
    """
    block = made.spec.block

    def usual(x: Array, grid: Array) -> Array:
        bits, numbers = blocked(bits_of(x), block), expand(grid, block)
        return whole(_decided(_plainly(bits, numbers, factor, made), bits ^ numbers, made), block, x.shape)

    def any_(x: Array, grid: Array) -> Array:
        bits, numbers = blocked(bits_of(x), block), expand(grid, block)
        infinite = made.rule.infinity_in_block is NonFinite.LARGEST_SCALE
        quotient = _quotients(bits, numbers, factor, infinite=infinite)
        return whole(_decided(quotient, bits ^ numbers, made), block, x.shape)

    return lax.cond(  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        any_of(~_are_usual(grid & MAGNITUDE, factor, made)), any_, usual, x, grid
    )


def _are_usual(f: Array, factor: Factor, made: BlockRequest) -> Array:
    """Where an operation that takes subnormals for 0, and makes them 0, does not show in the codes."""
    least = _least_decision(made.element)
    if not factor.divides:
        lowest, highest = 1 - BIAS, BIAS - 2 + least
    else:
        lowest, highest = 1 - BIAS - least, BIAS - 1
    within = (f > (lowest + BIAS) << FRACTION_BITS) & (f < (highest + BIAS) << FRACTION_BITS)
    return within | (f > INFINITY)


def _least_decision(element: Conversion | EncodeTable) -> int:
    """An exponent ``e`` such that all numbers below ``2^e`` become what 0 does."""
    if isinstance(element, EncodeTable):
        return min((key if key >= 0 else ~key) >> FRACTION_BITS for key in element.keys) - BIAS
    spec = element.spec
    return (-spec.fraction_bits if isinstance(spec, IntSpec) else spec.emin - spec.fraction_bits) - 1


def _plainly(bits: Array, numbers: Array, factor: Factor, made: BlockRequest) -> Array:
    """Magnitudes of quotients by usual factors."""
    x, f = number_of(bits & MAGNITUDE), numbers & MAGNITUDE
    if not factor.divides:
        return bits_of(x * number_of(f))
    if is_power_of_two(made.spec.scale.format) and factor.operand is Given.SCALE:
        reciprocal = jnp.where(f > INFINITY, NAN, 2 * ONE - f)
        return bits_of(x * number_of(reciprocal))
    return bits_of(divided(x, number_of(not_broadcast(f, bits))))


def _decided(quotient: Array, sign: Array, made: BlockRequest) -> Array:
    """Codes of quotients: magnitude patterns with signs."""
    element = made.element
    if isinstance(element, EncodeTable):
        found = by_magnitude(quotient, sign, element)
        return codebook.encode(number_of(quotient | (sign & SIGN)), element, jnp) if found is None else found
    spec = element.spec
    carrier = Carrier(sign < 0, quotient.astype(jnp.uint32), FRACTION_BITS, BIAS, 2 * BIAS + 1)
    precision, emin = binade(spec) if isinstance(spec, IntSpec) else (spec.precision, spec.emin)
    magnitude = lanes.round_magnitude(carrier, precision, emin, element, jnp, None).astype(jnp.int32)
    code = _integer(magnitude, sign, spec) if isinstance(spec, IntSpec) else _float(magnitude, sign, spec)
    return jnp.where(quotient > INFINITY, nan_code(element), code).astype(code_dtype(spec, jnp))


def _float(magnitude: Array, sign: Array, spec: FloatSpec) -> Array:
    code, minus = jnp.minimum(magnitude, spec.max_code), (sign >> 31) & spec.sign_code
    return code | (minus if spec.has_negative_zero else jnp.where(code == 0, 0, minus))


def _integer(magnitude: Array, sign: Array, spec: IntSpec) -> Array:
    minus = sign >> 31
    n = jnp.minimum(magnitude, jnp.where(sign < 0, -spec.minimum, spec.maximum))
    return ((n ^ minus) - minus) & ((1 << spec.bits) - 1)


def _quotients(bits: Array, numbers: Array, factor: Factor, *, infinite: bool) -> Array:
    """Patterns of magnitudes that are decided as the quotients are."""
    up, most, significand = _of_block(numbers & MAGNITUDE, factor)
    magnitude = bits & MAGNITUDE
    top = jnp.maximum(jnp.minimum(normalised(magnitude), most), -up) + up
    if infinite:
        top = jnp.where(magnitude == INFINITY, INFINITY, top)
    if not factor.divides:
        quotient = number_of(top) * number_of(significand)
    else:
        quotient = divided(number_of(top), number_of(not_broadcast(significand, bits)))
    return bits_of(quotient) & MAGNITUDE  # processors give NaN either sign


def _of_block(f: Array, factor: Factor) -> tuple[Array, Array, Array]:
    """What is added to the patterns of elements, the most that these may be, and the significand to operate with.

    Where the quotient of all but 0 is infinite, numbers are lifted to 1 and more, and the operation does the rest.
    """
    pattern = jnp.maximum(normalised(f), _LEAST_FIELD)
    field = pattern & ~FRACTION
    up = ONE - field if factor.divides else field - ONE
    significand = jnp.where(f > INFINITY, NAN, (pattern & FRACTION) | ONE)
    if factor.divides:
        significand = jnp.where(f == INFINITY, INFINITY, jnp.where(f == 0, _TINY if factor.exact else 0, significand))
    else:
        significand = jnp.where(f == INFINITY, INFINITY, jnp.where(f == 0, 0, significand))
    up = jnp.where(f == (0 if factor.divides else INFINITY), _LIFT, up)
    return up, _LARGEST - jnp.maximum(up, 0), significand
