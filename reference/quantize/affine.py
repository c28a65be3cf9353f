"""Numbers to the grid of a format and back, through a scale; once for NumPy and jax.numpy.

The quotient ``x / s`` is rounded once, from its exact value, although it passes through binary32. A decision
threshold ``t`` of a format has at most ``p + 1`` significant bits, a scale ``p_s``; so ``t * s`` is a binary32 number
if ``p + 1 + p_s <= 24``. If ``x``, a binary32 number too, is not ``t * s``, it lies one unit in the last place away or
more, hence ``x / s`` lies more than half a unit away from ``t``, and its rounding to binary32 is still on its side of
``t``. With binary64, for wider formats, scales or numbers, the same holds at 53 bits.
"""

from __future__ import annotations

from formats import Format, IntSpec, NanRule
from reference.array import codec, decode
from reference.array.carrier import Array, Namespace
from reference.array.conversion import Conversion, conversion
from reference.quantize.recipe import Recipe
from reference.quantize.scale import Mapping, Parameters


def to_grid(x: Array, groups: Parameters, made: Recipe, xp: Namespace) -> tuple[Array, Array]:
    """Quotient ``(x - o) / s`` and the value it is rounded to, in units of ``s`` (with a zero point: of ``n - z``).

    ``x`` is float32 or float64 as `Recipe.working_dtype` says; the result has its dtype. The difference ``x - o`` is
    rounded to that dtype, where it does not fit; the quotient, then, once from its exact value to the format.
    """
    scale, shift = groups.scale.astype(x.dtype), groups.shift.astype(x.dtype)
    has_zero_point = made.mapping is Mapping.ZERO_POINT
    quotient = (x - shift if made.mapping.has_offset else x) / scale
    target = _wider(made.spec) if has_zero_point else made.spec
    value = decode.decode(codec.encode(quotient, request(made, target), xp), target, xp).astype(x.dtype)
    if has_zero_point:
        least, largest = made.bounds
        value = xp.clip(value, least - shift, largest - shift)
    return quotient, value


def from_grid(value: Array, groups: Parameters, made: Recipe) -> Array:
    """``s * value``, which is exact, plus the offset of an asymmetric float format."""
    product = groups.scale.astype(value.dtype) * value
    return product + groups.shift.astype(value.dtype) if made.mapping.has_offset else product


def request(made: Recipe, target: Format) -> Conversion:
    """The conversion to a format under the recipe's policy."""
    return conversion(target, rounding=made.rounding, saturation=made.saturation, nan=NanRule.ZERO)


def _wider(spec: Format) -> IntSpec:
    """Integers wide enough that clamping ``x / s`` to them changes nothing before the zero point is added."""
    assert isinstance(spec, IntSpec)
    high = 1 << (spec.bits + 1)
    return IntSpec(
        name=f"{spec.name}_wider",
        bits=spec.bits + 2,
        minimum=-high,
        maximum=high - 1,
        fraction_bits=spec.fraction_bits,
        source="the quotient of an integer format before its zero point is added",
    )
