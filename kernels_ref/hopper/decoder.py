"""How the bits of a stored weight become a tensor core's operand, worked out from the formats' records.

A 32-bit word of a plane holds fields of ``b`` bits. The lanes of a register (two of 16 bits, or four of 8) get one
field each: the word is rotated and masked, and every bit of the field is where the operand wants it. For that the
bits of a code are stored apart: bit ``i`` of a field, wanted at place ``p_i`` of a lane, is kept at ``p_i - r`` modulo
the lane, and the rotations ``r`` are such that the fields fill the word. A sign ends up far from its exponent without
a second shift.
"""

from __future__ import annotations

import enum
import itertools
from dataclasses import dataclass, replace

import formats
from formats import FloatSpec, IntSpec
from formats.products import ScaledProduct, Weight

#: the unit that integers are given to the tensor core in, as a power of two: 2^-133 times the largest factor
LOWERED = 127 - 133
#: fraction bits, bits and bias of what a tensor core multiplies
_OPERANDS = {"bfloat16": (7, 16, 127), "float8_e4m3fn": (3, 8, 7)}


class Finish(enum.Enum):
    """What is done to the lanes once their bits are in place."""

    NOTHING = "nothing"
    MULTIPLY = "multiply"  #: bfloat16: times a power of two
    MULTIPLY_BY_SCALE = "multiply_by_scale"  #: bfloat16: times a power of two, then times the scale of the row
    SUBTRACT = "subtract"  #: bfloat16: the code as the number of subnormal steps, minus a constant or minus the row's
    REQUANTISE = "requantise"  #: float16: times the scale of the row, rounded to an integer


@dataclass(frozen=True, slots=True)
class Plane:
    """Fields of some bits of the codes."""

    bits: tuple[int, ...]  #: of the code, by index
    places: tuple[int, ...]  #: of a lane, one for each bit
    rotations: tuple[int, ...]  #: to the left; one for each field of a lane
    lane: int
    slides: bool = False  #: whether a field may lie further to the left, wherever it ends below bit 8

    def taken(self, rotation: int) -> tuple[int, int]:
        """By how much a word is rotated for a field, and how far to the left of ``places`` the field is then."""
        left = -rotation % 8 if self.slides else 0
        return (rotation + left) % 32, left

    @property
    def mask(self) -> int:
        """The places, in every lane of a word."""
        return sum(1 << (place + at) for place in self.places for at in range(0, 32, self.lane))


@dataclass(frozen=True, slots=True)
class Decoder:
    """From words to operands: ``value * 2^exponent`` of every weight."""

    planes: tuple[Plane, ...]
    lane: int  #: bits of the lanes that the fields are put in
    finish: Finish
    exponent: int = 0
    constant: int = 0  #: power of two of MULTIPLY, or the bits that SUBTRACT and REQUANTISE flip
    offset: int = 0  #: what they take off

    @property
    def bits(self) -> int:
        """Of a stored weight."""
        return sum(len(plane.bits) for plane in self.planes)


def decoder(product: ScaledProduct) -> Decoder:
    """The decoder of a product's weights.

    >>> import formats.products
    >>> found = decoder(formats.products.scaled_product("fp6_e3m2_e4m3"))
    >>> [(plane.bits, plane.places, plane.rotations) for plane in found.planes], found.exponent
    ([((0, 1, 2, 3), (1, 2, 3, 4), (0, 4)), ((4, 5), (5, 7), (0, 1, 4, 5))], -4)
    """
    spec = formats.get(product.w)
    if isinstance(spec, FloatSpec):
        return _of_float(spec, product)
    return _of_int(spec, product)


def _of_float(spec: FloatSpec, product: ScaledProduct) -> Decoder:
    """The magnitude keeps its bits; where its exponents' bias differs, the operand is off by a power of two."""
    fraction, lane, bias = _OPERANDS[product.a]
    start = fraction - spec.fraction_bits
    places = (*range(start, start + spec.magnitude_bits), lane - 1)
    planes, power = _planes(places, lane), bias - spec.bias
    if lane == 8:
        return Decoder(planes, lane, Finish.NOTHING, exponent=-power)
    scaled = product.weight is Weight.SCALED
    return Decoder(planes, lane, Finish.MULTIPLY_BY_SCALE if scaled else Finish.MULTIPLY, constant=power)


def _of_int(spec: IntSpec, product: ScaledProduct) -> Decoder:
    """For int8 the code comes into the top of the byte; for bfloat16 it is a count of subnormal steps.

    The patterns of bfloat16 up to 255 are the numbers ``pattern * 2^-133``: its subnormal numbers and those of the
    first exponent lie equally far apart. So a field that ends below bit 8 need not be moved: the one factor that makes
    it a number of the unit 2^-6 differs, ``2^127`` or less. Sums then count 2^-6 times.
    """
    if product.weight is Weight.REQUANTISED:
        sign = 1 << (spec.bits - 1)
        return Decoder(_sliding(spec.bits), 16, Finish.REQUANTISE, constant=sign, offset=sign)
    if product.a == "int8":
        places = tuple(range(8 - spec.bits, 8))
        return Decoder(_planes(places, 8), 8, Finish.NOTHING, exponent=8 - spec.bits)
    sign = 1 << (spec.bits - 1) if spec.signed else 0
    return Decoder(_sliding(spec.bits), 16, Finish.SUBTRACT, exponent=LOWERED, constant=sign, offset=sign)


def left_over(product: ScaledProduct) -> int:
    """The power of two that finished sums have too many: where activations are bfloat16, group scales take it.

    >>> from formats.products import scaled_product
    >>> [left_over(scaled_product(name)) for name in ("w4a16_g128", "w4a16_channel", "mxfp4_e4m3")]
    [0, -6, -6]
    """
    return 0 if product.scales_sums and product.a == "bfloat16" else decoder(product).exponent


def _sliding(bits: int) -> tuple[Plane, ...]:
    """Fields at every place of the lower byte, which slide; then those of the upper one."""
    first, *others = _planes(tuple(range(bits)), 16)
    if others:
        return first, *others
    rotations = tuple((byte - place) % 32 for byte in (0, 8) for place in range(0, 8, bits))
    return (replace(first, rotations=rotations, slides=True),)


def _planes(places: tuple[int, ...], lane: int) -> tuple[Plane, ...]:
    """The bits of a code in as few planes as rotations can fill, low bits first."""
    planes: list[Plane] = []
    first = 0
    while first < len(places):
        for width in (8, 4, 2, 1):
            some = places[first : first + width]
            rotations = _tiling(some, lane) if len(some) == width else None
            if rotations is not None:
                planes.append(Plane(tuple(range(first, first + width)), some, rotations, lane))
                first += width
                break
    return tuple(planes)


def _tiling(places: tuple[int, ...], lane: int) -> tuple[int, ...] | None:
    """Rotations that make shifted copies of ``places`` fill a lane, 0 among them; None if there are none."""

    def extend(rotations: tuple[int, ...], filled: frozenset[int]) -> tuple[int, ...] | None:
        if len(filled) == lane:
            return rotations
        gap = next(place for place in itertools.count() if place not in filled)
        for place in places:
            rotation = (place - gap) % lane
            copy = frozenset((p - rotation) % lane for p in places)
            if not copy & filled and (found := extend((*rotations, rotation), filled | copy)):
                return found
        return None

    found = extend((0,), frozenset(places))
    return None if found is None else tuple(sorted(found))
