"""Encode and decode on arrays, integer-only on bit patterns, once for NumPy and jax.numpy.

The code is straight-line: no branch depends on data, so it jits, vmaps and lowers into a Pallas kernel as it is.
"""

from __future__ import annotations

from collections.abc import Callable

from formats import FloatSpec, Format, IntSpec, Nan, Overflow, Rounding, Saturation
from reference.array.carrier import Array, Carrier, Namespace, carry
from reference.array.conversion import Conversion, nan_code
from reference.array.rounding import round_shift, round_stochastic
from reference.array.wrap import encode_wrapping


def code_dtype(spec: Format, xp: Namespace) -> type:
    """The dtype that codes of a format come in: uint8, uint16 or uint32."""
    return xp.uint8 if spec.bits <= 8 else xp.uint16 if spec.bits <= 16 else xp.uint32


#: bits of a significand that binary32 carries beside a bit to round by
WIDEST = 23
_WIDEST_WRAPPED = 31


def _too_wide(conversion: Conversion) -> ValueError:
    """What is said of integer formats that the carriers here would round twice; floats are refused before."""
    return ValueError(
        f"{conversion.spec.name} has {conversion.spec.bits} bits; arrays encode integers of at most {WIDEST - 1} bits,"
        f" {_WIDEST_WRAPPED} under wrap; reference.exact takes every format"
    )


#: how magnitudes become codes: `round_magnitude`, or what equals it
Rounder = Callable[..., Array]


def round_magnitude(
    carrier: Carrier,
    precision: int,
    emin: int,
    conversion: Conversion,
    xp: Namespace,
    random_bits: Array | None,
    parity: int = 0,
) -> Array:
    """Magnitude codes rounded in unbounded range, uint32; a format counts from the binade below its ``2^emin``.

    ``parity`` is 1 where that count differs from the code by an odd number.
    """
    if precision > WIDEST:
        raise _too_wide(conversion)
    return round_aligned(carrier, precision, emin, conversion, xp, random_bits, parity)


def round_aligned(
    carrier: Carrier,
    precision: int,
    emin: int,
    conversion: Conversion,
    xp: Namespace,
    random_bits: Array | None,
    parity: int = 0,
) -> Array:
    """`round_magnitude` for callers who see to it that the carrier has the bits and that the codes fit 32."""
    significand, shift = align(carrier, precision, emin, conversion.rounding, xp)
    if random_bits is None:
        c = round_shift(significand, shift, conversion.rounding, xp, negative=carrier.negative, parity=parity)
    else:
        drawn = {"random_bits": random_bits, "random_bit_count": conversion.random_bit_count}
        c = round_stochastic(significand, shift, conversion.rounding, xp, **drawn)
    return c.astype(xp.uint32)


def encode(
    x: Array,
    conversion: Conversion,
    xp: Namespace,
    random_bits: Array | None = None,
    *,
    rounder: Rounder = round_magnitude,
) -> Array:
    """Codes of ``x``, rounded once from the exact value.

    ``x``: any shape, dtype as in `carrier.check_dtype`. ``random_bits``: unsigned integers of a shape that
    broadcasts with ``x``. See `reference.encode` for the meaning; arguments are taken as checked.
    """
    spec = conversion.spec
    if isinstance(spec, IntSpec):
        return _encode_int(x, conversion, spec, xp, random_bits, rounder)
    carrier = carry(x, xp, rounding=conversion.rounding)
    parity = int(not spec.has_zero and spec.precision == 1)
    c = rounder(carrier, spec.precision, spec.emin, conversion, xp, random_bits, parity)
    if not spec.has_zero:  # codes start at 2^emin, not one binade earlier; what rounds to less becomes the smallest
        first = c.dtype.type(1 << spec.fraction_bits)
        c = xp.maximum(c, first) - first
    return _saturate(c, carrier, conversion, spec, xp).astype(code_dtype(spec, xp))


def align(carrier: Carrier, precision: int, emin: int, rounding: Rounding, xp: Namespace) -> tuple[Array, Array]:
    """``(significand, shift)`` such that the magnitude code is ``significand / 2^shift``, unrounded.

    From ``2^emin`` on codes are consecutive, the fraction carrying into the exponent. So with the exponent field
    ``E`` clipped from above to that of ``2^emin``, ``magnitude - ((E - 1) << f)`` is the significand of subnormals
    (implicit bit and fraction) and the exponent and fraction of normals, and one shift serves both.
    """
    a, f = carrier.magnitude, carrier.fraction_bits
    word = a.dtype.type
    first = emin + carrier.bias  # exponent field of the smallest normal value
    constant = f - (precision - 1) + first
    implicit = word(1 << f)
    if first == 0:  # emin = -127: binary32's subnormals are twice as fine as this format's smallest binade
        significand = xp.where(a < implicit, a << word(1), a + implicit)
        return significand, xp.full_like(significand, constant)
    e = xp.minimum(a >> word(f), word(first))
    if rounding not in _NEAREST or first <= precision:  # else the false implicit bit of zero rounds away
        e = xp.maximum(e, word(1))
    return (a + implicit) - (e << word(f)), word(constant) - e


_NEAREST = (Rounding.NEAREST_TIES_TO_EVEN, Rounding.NEAREST_TIES_TO_AWAY, Rounding.TOWARD_ZERO)


def _saturate(c: Array, carrier: Carrier, conversion: Conversion, spec: FloatSpec, xp: Namespace) -> Array:
    """Final codes (uint32) of rounded magnitude codes: `formats.Saturation`, then sign and NaN."""
    negative, rounding, saturation = carrier.negative, conversion.rounding, conversion.saturation
    is_nan = carrier.magnitude > carrier.infinity
    none = saturation is Saturation.SAT_NONE
    over = None
    if none and spec.overflow is not Overflow.MAXIMUM:
        over = _overflows(c, carrier, rounding, spec, xp)
    elif saturation is Saturation.SAT_PROPAGATE and spec.has_infinity:
        over = carrier.magnitude == carrier.infinity
    c = xp.minimum(c, spec.max_code)
    if over is not None:
        if none and spec.overflow is Overflow.NAN:
            is_nan = is_nan | over
        else:
            c = xp.where(over, spec.max_code + 1, c)
    if not spec.signed:
        c, is_nan = _below_zero(c, is_nan, carrier, conversion, spec, xp)
    nan = nan_code(conversion)
    c = xp.where(is_nan, xp.uint32(nan & ~spec.sign_code), c)
    if not spec.signed:
        return c
    signed = negative if spec.has_negative_zero or not spec.has_zero else negative & (c != 0)
    signed = signed | is_nan if nan & spec.sign_code else signed ^ (signed & is_nan)
    return c | (signed.astype(xp.uint32) << (spec.bits - 1))


def _overflows(c: Array, carrier: Carrier, rounding: Rounding, spec: FloatSpec, xp: Namespace) -> Array:
    """Where SAT_NONE leaves the finite range: beyond the maximum, unless the mode stays there; and infinities."""
    beyond = c > spec.max_code
    infinite = carrier.magnitude == carrier.infinity
    match rounding:
        case Rounding.TOWARD_ZERO:
            return infinite
        case Rounding.TOWARD_POSITIVE:
            return infinite | (xp.where(carrier.negative, 0, c) > spec.max_code)
        case Rounding.TOWARD_NEGATIVE:
            return infinite | (beyond & carrier.negative)
        case Rounding.TO_ODD if spec.max_code % 2 == 1:
            return infinite
        case _:
            return beyond


def _below_zero(
    c: Array, is_nan: Array, carrier: Carrier, conversion: Conversion, spec: FloatSpec, xp: Namespace
) -> tuple[Array, Array]:
    """An unsigned format clamps what lies below it; under SAT_NONE that is NaN, if it has one."""
    below = carrier.negative & (carrier.magnitude != 0) if not spec.has_zero else carrier.negative & (c != 0)
    c = xp.where(carrier.negative, 0, c)
    if conversion.saturation is not Saturation.SAT_NONE or spec.nan is Nan.NONE:
        return c, is_nan
    if not spec.has_zero:
        below = below | (carrier.magnitude == 0)
    elif conversion.rounding in (Rounding.TOWARD_ZERO, Rounding.TOWARD_POSITIVE):
        below = carrier.negative & (carrier.magnitude == carrier.infinity)
    return c, is_nan | below


def binade(spec: IntSpec) -> tuple[int, int]:
    """Precision and emin of a float format whose subnormals are the integers of ``spec``."""
    return spec.bits + 1, spec.bits - spec.fraction_bits


def _encode_int(
    x: Array, conversion: Conversion, spec: IntSpec, xp: Namespace, random_bits: Array | None, rounder: Rounder
) -> Array:
    """Integers are the subnormals of a format whose first binade holds them all: quantum ``2^-fraction_bits``."""
    if conversion.saturation is Saturation.WRAP:
        if spec.bits > _WIDEST_WRAPPED:
            raise _too_wide(conversion)
        return encode_wrapping(x, conversion, spec, xp, random_bits).astype(code_dtype(spec, xp))
    precision, emin = binade(spec)
    carrier = carry(x, xp, rounding=conversion.rounding)
    is_nan = carrier.magnitude > carrier.infinity
    nan, mask = xp.uint32(nan_code(conversion)), xp.uint32((1 << spec.bits) - 1)
    if not spec.has_zero:
        code = (carrier.negative & (carrier.magnitude != 0)).astype(xp.uint32)
        return xp.where(is_nan, nan, code).astype(code_dtype(spec, xp))
    c = rounder(carrier, precision, emin, conversion, xp, random_bits)
    c = xp.minimum(c, xp.where(carrier.negative, xp.uint32(-spec.minimum), xp.uint32(spec.maximum)))
    c = xp.where(is_nan, nan, c)
    minus = (carrier.negative ^ (carrier.negative & is_nan)).astype(xp.uint32)
    return (((c ^ (xp.uint32(0) - minus)) + minus) & mask).astype(code_dtype(spec, xp))
