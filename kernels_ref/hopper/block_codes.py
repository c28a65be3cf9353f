"""Codes of the elements of blocks inside a kernel, from what the rule divides by or multiplies with."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array, lax

from formats import FloatSpec, IntSpec
from formats.block_formats.rule import NonFinite
from formats.block_formats.steps import Given
from kernels_ref.block_elements import Factor
from kernels_ref.hopper import block_numbers, element_nearest
from kernels_ref.hopper.block_numbers import Numbers
from kernels_ref.hopper.block_quotient import quotient, reciprocal
from kernels_ref.hopper.element_nearest import BIAS, FRACTION_BITS, number
from reference.array.block_request import BlockRequest, is_power_of_two, significant_bits
from reference.array.conversion import Conversion, nan_code

_LIFT = 2.0**100


def codes(bits: Array, numbers: Numbers, factor: Factor, made: BlockRequest) -> Array:
    """int32 codes of the patterns of a tile (blocks, size)."""
    spec, element = made.spec.element, made.element
    assert isinstance(element, Conversion)
    if NonFinite.NAN_SCALE not in (made.rule.nan_in_block, made.rule.infinity_in_block):
        return _finite(bits, numbers, factor, made) & (1 << spec.bits) - 1
    absent = numbers.codes == _nan_code(made)  # there all codes are that of NaN

    def spread(of_block: Array) -> Array:
        return across(of_block, bits.shape)

    found = _finite(bits & spread(absent.astype(jnp.int32) - 1), numbers, factor, made) & (1 << spec.bits) - 1
    of_nan = nan_code(element)
    return found | spread(absent.astype(jnp.int32) * of_nan) if of_nan else found


def across(of_block: Array, shape: tuple[int, ...]) -> Array:
    """Numbers of blocks, for each of their elements."""
    return lax.broadcast_in_dim(of_block, shape, (0,))  # pyright: ignore[reportUnknownMemberType]


def _finite(bits: Array, numbers: Numbers, factor: Factor, made: BlockRequest) -> Array:
    """int32 numbers whose lowest bits are the codes."""
    spec, real = made.spec.element, number(bits, jnp)
    if isinstance(spec, IntSpec):
        return element_nearest.integers(_over(real, numbers, factor, made).view(jnp.int32), spec, jnp)
    assert isinstance(spec, FloatSpec)
    quotients = _over(jnp.abs(real), numbers, factor, made).view(jnp.int32)  # as integers, which nothing is fused with
    found = element_nearest.counted(jnp.minimum(quotients, element_nearest.largest_pattern(spec)), spec, jnp)
    own = spec.sign_code - 1
    return (found & own) | ((bits >> (32 - spec.bits)) & ~own)


def _nan_code(made: BlockRequest) -> int:
    fmt = made.scale.spec
    assert isinstance(fmt, FloatSpec)
    return fmt.nan_code or 0


def _over(real: Array, numbers: Numbers, factor: Factor, made: BlockRequest) -> Array:
    """Quotients, or numbers on the same side of everything that decides."""

    def spread(of_block: Array) -> Array:
        return across(of_block, real.shape)

    if not factor.divides:
        return real * spread(numbers.value(factor.operand))
    if is_power_of_two(made.spec.scale.format) and factor.operand is Given.SCALE:
        half, rest = _powers(numbers.codes)
        return real * spread(half) * spread(rest)
    scale = numbers.value(factor.operand)
    lifted = (scale == 0) if block_numbers.may_be_zero(made) else None
    inverse = reciprocal(scale, jnp)
    if lifted is not None:  # everything but 0 is beyond all codes then
        real = real * spread(jnp.where(lifted, jnp.float32(_LIFT), jnp.float32(1)))
        inverse = jnp.where(lifted, jnp.float32(_LIFT), inverse)
        scale = jnp.where(lifted, jnp.float32(-1 / _LIFT), scale)
    return quotient(real, spread(scale), spread(inverse), significant_bits(made.spec.scale.format), jnp)


def _powers(codes: Array) -> tuple[Array, Array]:
    """Two numbers whose product is ``2^-E``, for codes of E8M0 scales: ``2^-127`` alone is no normal number."""
    exponent = codes.astype(jnp.int32) - BIAS
    half = exponent >> 1
    return _power(-half), _power(half - exponent)


def _power(exponent: Array) -> Array:
    return number((exponent + BIAS) << FRACTION_BITS, jnp)
