"""Codes of bfloat16 numbers, two at a time: programs on words of two lanes (`element_lanes`).

Rounding
    is that of `element_nearest`, in bfloat16: its sum with the anchor ``2^(k-t+7)`` has the quantum ``2^(k-t)`` as its
    unit in the last place, and the fraction has room for the count of quanta and for the constant part of the code. A
    magnitude has 8 significant bits, so that the sum has at most 17 above what lies beyond every decision: rounded to
    binary32 first, it is rounded alike.

Exponents alone
    are codes of E8M0: the pattern's, rounded by an addition of half a binade, less one unit where the exponent is even.
    The least binade is subnormal in bfloat16, with half as many patterns: there ``m`` stands for ``2 m - 2^7``.

Missing numbers
    are the magnitudes above infinity's pattern, 0x7F80: with 0x7F added, their lane has its highest bit set.
"""

from __future__ import annotations

import math
import struct
from typing import Any

from formats import FloatSpec, Rounding, Saturation
from kernels_ref.hopper import element_nearest
from kernels_ref.hopper.element_lanes import Lanes
from kernels_ref.hopper.element_words import Program
from reference.array.conversion import Conversion, nan_code

#: of bfloat16
FRACTION_BITS, BIAS = 7, 127
#: of both lanes of a word, or of four bytes
MAGNITUDES, EXPONENTS, BOTH, BYTES = 0x7FFF7FFF, 0x7F807F80, 0x00010001, 0x01010101
#: what makes the patterns above infinity's negative
_ABOVE_INFINITY = 0x007F007F
#: bytes of two words of lanes: the lower ones, and the signs of the higher ones; the even lanes before the odd ones
_LOW, _SIGNS = 0x6420, 0xFDB9
_LOW_APART, _SIGNS_APART = 0x6240, 0xFBD9


def is_paired(spec: Any) -> bool:
    """Whether a format has codes of the form that `counted` and `in_bytes` make: signs, -0, and room in the anchor."""
    if not isinstance(spec, FloatSpec) or not spec.signed or not spec.has_negative_zero or spec.bits > 8:
        return False
    amid = element_nearest.lies_amid(spec) and spec.fraction_bits < FRACTION_BITS - 1
    return amid and _start(spec) + (2 << spec.fraction_bits) <= 1 << FRACTION_BITS


def is_exponent(spec: Any) -> bool:
    """Whether the codes of a format are the exponent fields of bfloat16, 2^-127 with the field 0, and NaN."""
    return isinstance(spec, FloatSpec) and (spec.precision, spec.bias, spec.max_code) == (1, BIAS, 2 * BIAS)


def is_short(request: Conversion) -> bool:
    """Whether `encoder` has a program for a request."""
    if is_exponent(request.spec):
        nearest = request.rounding is Rounding.NEAREST_TIES_TO_EVEN
        return nearest and request.saturation is Saturation.SAT_FINITE
    return element_nearest.is_short(request) and is_paired(request.spec)


def _start(spec: FloatSpec) -> int:
    """The constant part of a code, less what the exponent of its binade gives."""
    return -((spec.emin + BIAS) << spec.fraction_bits) % (1 << spec.magnitude_bits)


def counted(lanes: Lanes, magnitudes: Any, spec: FloatSpec) -> Any:
    """Lanes whose lowest ``spec.magnitude_bits`` bits are the codes of bfloat16 magnitudes; NaN is the largest."""
    drop = FRACTION_BITS - spec.fraction_bits
    held = lanes.lesser(magnitudes, lanes.word((element_nearest.largest_pattern(spec) >> 16) * BOTH))
    first = (spec.emin + BIAS) << FRACTION_BITS
    binade = lanes.greater(lanes.both(held, lanes.word(EXPONENTS)), lanes.word(first * BOTH))
    anchor = ((drop + BIAS) << FRACTION_BITS) | _start(spec)
    count = lanes.fma_bfloat16(binade, lanes.word(anchor * BOTH), held)
    return lanes.total(count, lanes.down(binade, drop))


def encoder(request: Conversion, *, packed: bool) -> Program:
    """Codes of numbers, a byte each, or, where ``packed``, a nibble each."""
    spec = request.spec
    assert isinstance(spec, FloatSpec)

    def steps(lanes: Lanes, words: list[Any], _: list[Any]) -> list[Any]:
        magnitudes = [lanes.both(word, lanes.word(MAGNITUDES)) for word in words]
        absent = [lanes.total(magnitude, lanes.word(_ABOVE_INFINITY)) for magnitude in magnitudes]
        missing = lanes.word(nan_code(request) * BYTES)
        if is_exponent(spec):
            codes = [_exponents(lanes, word) for word in words]
            return [lanes.chosen(_of_two(lanes, absent, _SIGNS), missing, _of_two(lanes, codes, _LOW))]
        codes = [counted(lanes, magnitude, spec) for magnitude in magnitudes]
        return [(in_nibbles if packed else in_bytes)(lanes, codes, words, spec, absent, missing)]

    return Program(steps, 4 if packed else 2, 1)


def _exponents(lanes: Lanes, word: Any) -> Any:
    """Lanes whose lower bytes are the exponents of numbers above 0, rounded, and 0 for others."""
    held = lanes.lesser(lanes.greater_signed(word, lanes.word((1 << 6) * BOTH)), lanes.word((254 << 7) * BOTH))
    twice = lanes.total(lanes.up(held, 1), lanes.word(-(1 << 7) * BOTH & 0xFFFFFFFF))
    held = lanes.lesser(held, twice)
    odd = lanes.both(lanes.down(held, 7), lanes.word(BOTH))
    return lanes.down(lanes.total(lanes.total(held, odd), lanes.word(0x3F * BOTH)), 7)


def in_bytes(
    lanes: Lanes, codes: list[Any], signs: list[Any], spec: FloatSpec, absent: list[Any] | None = None, missing: Any = 0
) -> Any:
    """Codes of two words, a byte each, with the signs of two others; ``missing`` where lanes of ``absent`` have one."""
    found = _signed(lanes, _of_two(lanes, codes, _LOW), _of_two(lanes, signs, _SIGNS), spec)
    if spec.bits < 8:
        found = lanes.both(found, lanes.word(((1 << spec.bits) - 1) * BYTES))
    return found if absent is None else lanes.chosen(_of_two(lanes, absent, _SIGNS), missing, found)


def in_nibbles(
    lanes: Lanes, codes: list[Any], signs: list[Any], spec: FloatSpec, absent: list[Any] | None = None, missing: Any = 0
) -> Any:
    """`in_bytes` for codes of four words, a nibble each, the first one low."""
    halves: list[Any] = []
    for i in (0, 2):
        signs_of = _of_two(lanes, signs[i:], _SIGNS_APART)
        found = _signed(lanes, _of_two(lanes, codes[i:], _LOW_APART), signs_of, spec)
        if absent is not None:
            found = lanes.chosen(_of_two(lanes, absent[i:], _SIGNS_APART), missing, found)
        halves.append(found)
    return paired(lanes, *halves)


def paired(lanes: Lanes, first: Any, second: Any) -> Any:
    """A word of nibbles, from bytes of the codes 0, 2, 1, 3 and of 4, 6, 5, 7, whatever is in their upper halves."""
    even, odd = lanes.picked(first, second, 0x5410), lanes.picked(first, second, 0x7632)
    return lanes.chosen(lanes.word(0x0F * BYTES), even, lanes.up(odd, 4))


def _of_two(lanes: Lanes, words: list[Any], selector: int) -> Any:
    return lanes.picked(words[0], words[1], selector)


def _signed(lanes: Lanes, codes: Any, signs: Any, spec: FloatSpec) -> Any:
    return lanes.chosen(lanes.word((spec.sign_code - 1) * BYTES), codes, signs)


def pieces(spec: FloatSpec) -> int:
    """Binades of a format, that of the subnormal numbers among the first: what `least_piece` takes the least of."""
    return spec.emax - spec.emin + 1


def least_piece(lanes: Lanes, quotient: Any, spec: FloatSpec) -> Any:
    """Words whose lower halves are codes of a float32 number times ``2^-(emax + 1)``, from 0 to 1; see `block_pairs`.

    With the quantum of binade ``k``, the code of ``q`` is ``round(q / 2^(k-t)) + (k - emin) 2^t``; with that of
    another binade this is never less. So the code is the least of them. (``u - d 2^t <= u 2^-d <= ...``: a chord of a
    convex function of ``d``; rounding keeps order, and even integers added before it or after it are the same.)
    """
    t, found = spec.fraction_bits, None
    for k in range(spec.emin, spec.emax + 1):
        scale, start = math.ldexp(1, spec.emax + 1 + t - k), (k - spec.emin) << t
        piece = lanes.fma(quotient, float_word(lanes, scale), float_word(lanes, 2.0**23 + start))
        found = piece if found is None else lanes.least(found, piece)
    return found


def float_word(lanes: Lanes, value: float) -> Any:
    """A float32 constant."""
    return lanes.word(int.from_bytes(struct.pack("<f", value), "little"))
