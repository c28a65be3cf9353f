"""Rounding for vector units, equal to the golden model's and faster where it can be: fewer shifts that differ by lane.

Ties to even
    The subnormals of a format are the multiples of one quantum ``2^q``, and so are all values of an integer format.
    The sum ``|x| + 2^(q + 23)`` in binary32 has that quantum as its unit in the last place, so that IEEE 754's own
    rounding, the same for every lane, does the work, and the pattern of the sum counts quanta. From ``2^emin`` on
    every lane drops the same bits. Nothing that compilers do to floating point can touch this: a flushed subnormal
    input is below half a quantum and rounds to zero either way, the sum is no subnormal, and there is no product to
    contract.

Stochastic
    With ``n`` random bits ``r``, the three modes are ``floor((T + r) / 2^n)``, where ``T`` counts ticks of ``2^-n``:
    rounded down (A), down with one bit more (B), or to even (C). The random bits need no alignment then.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from formats import IntSpec, Rounding
from reference.array import codec
from reference.array.carrier import Array, Carrier, Namespace
from reference.array.conversion import Conversion
from reference.array.rounding import round_shift

_FRACTION_BITS, _BIAS, _WIDTH = 23, 127, 32


def round_magnitude(
    carrier: Carrier,
    precision: int,
    emin: int,
    conversion: Conversion,
    xp: Namespace,
    random_bits: Array | None,
    parity: int = 0,
) -> Array:
    """`reference.array.codec.round_magnitude`, by other means where they give the same codes."""
    narrow = precision <= codec.WIDEST  # what is wider is refused
    if narrow and carrier.fraction_bits == _FRACTION_BITS and conversion.spec.has_zero and emin + _BIAS > 0:
        if conversion.rounding is Rounding.NEAREST_TIES_TO_EVEN and _has_anchor(emin - (precision - 1)):
            return _nearest(carrier, precision, emin, conversion, xp)
        if random_bits is not None and _ticks_fit(precision, conversion):
            return _stochastic(carrier, precision, emin, conversion, xp, random_bits)
    return codec.round_magnitude(carrier, precision, emin, conversion, xp, random_bits, parity)


def _has_anchor(quantum: int) -> bool:
    """Whether half of ``2^quantum`` and the number whose unit in the last place it is are normal in binary32."""
    return quantum - 1 > -_BIAS and quantum + _FRACTION_BITS < _BIAS


def _nearest(carrier: Carrier, precision: int, emin: int, conversion: Conversion, xp: Namespace) -> Array:
    a, anchor = carrier.magnitude, emin - (precision - 1) + _FRACTION_BITS
    total = a.view(xp.float32) + xp.float32(2.0**anchor)
    counted = total.view(xp.uint32) - ((anchor + _BIAS) << _FRACTION_BITS)
    if isinstance(conversion.spec, IntSpec):  # every value is a multiple of the quantum; larger sums saturate
        return counted
    first = (emin + _BIAS) << _FRACTION_BITS  # pattern of the smallest normal value
    a_code, drop = a - (first - (1 << _FRACTION_BITS)), _FRACTION_BITS - (precision - 1)
    dropped = (a_code + ((1 << (drop - 1)) - 1) + ((a_code >> drop) & 1)) >> drop
    return xp.where(a < first, counted, dropped)


def _ticks_fit(precision: int, conversion: Conversion) -> bool:
    """Whether every shift exceeds the bits of a tick, so that ticks are counted by a shift to the right."""
    return _FRACTION_BITS - (precision - 1) + _spare(conversion) > conversion.random_bit_count + 1


def _spare(conversion: Conversion) -> int:
    """Bits that a significand may move up: what is beyond an integer format counts as ``2^emin``; two stay free."""
    return _WIDTH - 2 - (_FRACTION_BITS + 1) if isinstance(conversion.spec, IntSpec) else 0


def _stochastic(
    carrier: Carrier, precision: int, emin: int, conversion: Conversion, xp: Namespace, random_bits: Array
) -> Array:
    spare = _spare(conversion)
    if spare:
        carrier = replace(carrier, magnitude=xp.minimum(carrier.magnitude, (emin + _BIAS) << _FRACTION_BITS))
    significand, shift = codec.align(carrier, precision, emin, conversion.rounding, xp)
    significand, shift = significand << spare, shift + spare
    r, n = random_bits.astype(xp.uint32), conversion.random_bit_count
    if conversion.rounding is Rounding.STOCHASTIC_B:
        r, n = 2 * r + 1, n + 1
    below: Any = shift - n
    if conversion.rounding is Rounding.STOCHASTIC_C:
        even = Rounding.NEAREST_TIES_TO_EVEN
        ticks = round_shift(significand, below, even, xp, negative=carrier.negative)
    else:
        ticks = significand >> xp.minimum(below, xp.uint32(_WIDTH - 1))
    return (ticks + r) >> n
