"""Blocks of bfloat16 numbers, two at a time: programs on words of two lanes, and how a kernel runs them.

A thread's words are masked and compared in lanes for the largest magnitude. From there to the codes there are three
ways, by what an element is divided by or multiplied with:

A power of two
    leaves a bfloat16 number a bfloat16 number, or one below 2^-126, beyond every decision. So the quotient, and its
    rounding (`element_pairs.counted`), are operations on two lanes.

A float32 number
    makes a product that is rounded to float32 first, held to the next power of two above the format by the same
    instruction. Its code is the least of a few sums (`element_pairs.least_piece`).

A scale of few bits, by an exact quotient, for integers
    Let ``S = s 2^b``, ``2^(B-1) <= s < 2^B``, and ``x = X 2^a`` with ``|X| < 2^8``. A tie is ``T / 2``, ``T`` odd. If
    ``x / S`` is none, it lies ``|2 X 2^a - T s 2^b| / (2 s 2^b)`` away from it: at least ``2^-(B+1)`` where
    ``2^b`` divides the numerator, and else ``|x / S| < 2^(8 + a - b - (B-1))`` is below 1/4 (``B >= 9``), far from all.
    A product with a reciprocal, a few units of 2^-23 off, is rounded to multiples of ``2^-(B+2)``: ties become ties
    again, and all else stays on its side by far. The second rounding, to integers, is that of ``x / S`` then. It all
    is done on ``(x / S - low) / (high - low)``, which one instruction holds to [0, 1], with limits a quarter beyond the
    codes.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from formats import FloatSpec, IntSpec
from formats.block_formats.rule import NonFinite
from formats.block_formats.steps import Given
from kernels_ref.block_elements import Factor
from kernels_ref.hopper import block_numbers, block_quotient, element_pairs, element_words
from kernels_ref.hopper.block_numbers import Numbers
from kernels_ref.hopper.element_lanes import Lanes
from kernels_ref.hopper.element_pairs import BOTH, BYTES, MAGNITUDES, float_word
from kernels_ref.hopper.element_words import Program
from kernels_ref.hopper.expand import MINUS_ZERO
from kernels_ref.hopper.traced import jnp
from reference.array.block_request import BlockRequest, is_power_of_two, significant_bits
from reference.array.conversion import Conversion, nan_code

_FEW_BINADES = 3
_NIBBLE = 4
_LIFT = 100  # an exponent: everything but 0, twice lifted, is beyond all codes
_INTEGER = 1.5 * 2.0**23
_UPPER = 0x3F800000  # 0 and 1
#: tiles of a thread block where a block takes many steps
_TURNS = 8
#: of what a float32 reciprocal and the steps behind it are off, in units of the quotient
_OFF = 2.0**-20


class Pairs(NamedTuple):
    """How the codes of a block come from its words."""

    program: Program
    #: what a block has one of each, int32, for the program
    rows: Callable[[Numbers], list[Any]]
    #: tiles that a thread block takes one after the other, each loaded ahead of the steps of the one before
    turns: int = 1


def pairs(made: BlockRequest, factor: Factor, packed: bool) -> Pairs | None:
    """The way for a request; None where there is none. Nibbles are two to a byte where ``packed``."""
    spec = made.spec.element
    nibbles = packed and spec.bits == _NIBBLE
    powers = is_power_of_two(made.spec.scale.format) and factor.operand is Given.SCALE and factor.divides
    if element_pairs.is_paired(spec) and powers:
        return _by_powers(made, nibbles)
    if not nibbles or NonFinite.NAN_SCALE in (made.rule.nan_in_block, made.rule.infinity_in_block):
        return None
    if element_pairs.is_paired(spec) and not factor.divides and _is_narrow(made):
        return _by_products(made, factor)
    if isinstance(spec, IntSpec) and factor.divides and _is_snapped(made, spec):
        return _by_quotients(made, spec, factor)
    return None


def _by_powers(made: BlockRequest, nibbles: bool) -> Pairs:
    spec, element = made.spec.element, made.element
    assert isinstance(spec, FloatSpec)
    assert isinstance(element, Conversion)
    missing = nan_code(element) * BYTES

    def steps(lanes: Lanes, words: list[Any], rows: list[Any]) -> list[Any]:
        power, *kept = rows
        magnitudes = [lanes.both(word, lanes.word(MAGNITUDES)) for word in words]
        quotients = [lanes.fma_bfloat16(x, power, lanes.word(MINUS_ZERO)) for x in magnitudes]
        codes = [element_pairs.counted(lanes, quotient, spec) for quotient in quotients]
        found = (element_pairs.in_nibbles if nibbles else element_pairs.in_bytes)(lanes, codes, words, spec)
        return [lanes.chosen(kept[0], found, lanes.word(missing)) if kept else found]

    def rows(numbers: Numbers) -> list[Any]:
        field = jnp.maximum((2 * element_pairs.BIAS - numbers.codes) << element_pairs.FRACTION_BITS, 1 << 6)  # 2^-127
        power = [field * BOTH]
        if NonFinite.NAN_SCALE not in (made.rule.nan_in_block, made.rule.infinity_in_block):
            return power
        fmt = made.scale.spec
        assert isinstance(fmt, FloatSpec)
        return [*power, -(numbers.codes != fmt.nan_code).astype(jnp.int32)]

    return Pairs(Program(steps, 4 if nibbles else 2, 1), rows)


def _is_narrow(made: BlockRequest) -> bool:
    """Whether an element has few binades, and factors are far from the ends of binary32."""
    spec, scale = made.spec.element, made.spec.scale.format
    assert isinstance(spec, FloatSpec)
    return element_pairs.pieces(spec) <= _FEW_BINADES and scale.bits <= 8 and block_numbers.is_moderate(made)


def _by_products(made: BlockRequest, factor: Factor) -> Pairs:
    spec = made.spec.element
    assert isinstance(spec, FloatSpec)

    def steps(lanes: Lanes, words: list[Any], rows: list[Any]) -> list[Any]:
        codes: list[Any] = []
        for word in words:
            products = [lanes.held_product(x, rows[0]) for x in _magnitudes(lanes, word)]
            low, high = (element_pairs.least_piece(lanes, product, spec) for product in products)
            codes.append(lanes.lesser(lanes.picked(low, high, 0x5410), lanes.word(spec.max_code * BOTH)))
        return [element_pairs.in_nibbles(lanes, codes, words, spec)]

    def rows(numbers: Numbers) -> list[Any]:
        value = numbers.value(factor.operand) * jnp.float32(math.ldexp(1, -spec.emax - 1))
        return [value.view(jnp.int32)]

    return Pairs(Program(steps, 4, 1), rows, turns=_TURNS)


def _is_snapped(made: BlockRequest, spec: IntSpec) -> bool:
    """Whether the errors of a product with a reciprocal are below half of a unit of the first rounding."""
    bits, scale = significant_bits(made.spec.scale.format), made.spec.scale.format
    most = max(-spec.minimum, spec.maximum) + 1
    signed = isinstance(scale, FloatSpec) and scale.emin - scale.fraction_bits > -60 and scale.emax < 60
    return spec.fraction_bits == 0 and signed and 9 <= bits <= 11 and most * _OFF < 2.0 ** -(bits + 3)


def _by_quotients(made: BlockRequest, spec: IntSpec, factor: Factor) -> Pairs:
    unit = 2.0 ** -(significant_bits(made.spec.scale.format) + 2)
    low, high = spec.minimum - 0.25, spec.maximum + 0.25
    offset = 1 << (spec.bits - 1) if spec.signed else 0
    anchor = 2.0**23 * 1.5 * unit

    def integer(lanes: Lanes, x: Any, inverse: Any) -> Any:
        """A word whose lowest bits are the code and the offset."""
        within = lanes.held_fma(x, inverse, float_word(lanes, -low / (high - low)))
        snapped = lanes.fma(within, float_word(lanes, high - low), float_word(lanes, anchor + low))
        return lanes.sum(snapped, float_word(lanes, _INTEGER - anchor + offset))

    def steps(lanes: Lanes, words: list[Any], rows: list[Any]) -> list[Any]:
        inverse, *lift = rows
        lifted = [lanes.fma_bfloat16(word, lift[0], lanes.word(MINUS_ZERO)) for word in words] if lift else words
        found = [[integer(lanes, x, inverse) for x in _numbers(lanes, word)] for word in lifted]
        bytes_ = [lanes.total(even, lanes.up(odd, _NIBBLE)) for even, odd in found]
        first, second = (lanes.picked(bytes_[i], bytes_[i + 1], 0x0040) for i in (0, 2))
        codes = lanes.picked(first, second, 0x5410)
        return [lanes.differ(codes, lanes.word(offset * 0x11 * BYTES)) if offset else codes]

    def rows(numbers: Numbers) -> list[Any]:
        scale = numbers.value(factor.operand)
        share = jnp.float32(1 / (high - low))
        if not block_numbers.may_be_zero(made):
            return [(block_quotient.reciprocal(scale, jnp) * share).view(jnp.int32)]
        inverse = jnp.where(scale == 0, jnp.float32(2.0**_LIFT), block_quotient.reciprocal(scale, jnp))
        lift = jnp.where(scale == 0, (element_pairs.BIAS + _LIFT) << 7, element_pairs.BIAS << 7) * BOTH
        return [(inverse * share).view(jnp.int32), lift]

    return Pairs(Program(steps, 4, 1), rows)


def _magnitudes(lanes: Lanes, word: Any) -> tuple[Any, Any]:
    """`_numbers`, of which the first may be negative; the second comes by a product, which takes no place of masks."""
    held = lanes.both(word, lanes.word(MAGNITUDES))
    return lanes.up(word, 16), lanes.fma_bfloat16(held, lanes.word(_UPPER), lanes.word(MINUS_ZERO))


def _numbers(lanes: Lanes, word: Any) -> tuple[Any, Any]:
    """The two numbers of a word as float32."""
    return lanes.up(word, 16), lanes.both(word, lanes.word(0xFFFF0000))


def largest(words: Any, layout: Any, *, interpret: bool) -> Any:
    """int32 patterns, as binary32, of the largest magnitudes of rows of words."""
    return element_words.folded(folded, words, layout, interpret=interpret)


def folded(lanes: Lanes, words: list[Any]) -> Any:
    """The pattern, as binary32, of the largest magnitude in words."""
    found = functools.reduce(lanes.greater, (lanes.both(word, lanes.word(MAGNITUDES)) for word in words))
    return lanes.greater(lanes.both(found, lanes.word(0xFFFF0000)), lanes.up(found, 16))
