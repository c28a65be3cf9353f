"""The judge of BitMoD: one group of weights at a time, every step rounded as its code rounds it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from formats import Format, get
from formats.code_books.book import CodebookSpec
from formats.code_books.named import bitmod_books
from formats.results import FLOAT32
from reference.exact.codebook import encode_codebook
from reference.exact.codec import decode, encode

Number = Fraction | float
_PRECISIONS: dict[str, Format] = {"float16": get("float16"), "float32": FLOAT32}


@dataclass(frozen=True, slots=True, kw_only=True)
class BitmodGroup:
    """One group: ``choice`` indexes `formats.bitmod_books`; a weight is ``numerators[code] * scale``."""

    choice: int
    codes: tuple[int, ...]
    scale: Fraction
    error: Number


def bitmod_group(weights: Sequence[float | Fraction], bits: int, *, precision: str) -> BitmodGroup:
    """The best of the four data types of ``bits`` (3 or 4) for a group, as BitMoD searches it.

    With ``round`` to ``precision`` and the book's numerators ``k`` (FP4 values doubled, as in the published code)::

        scale = clamp(round(max|w| / max|k|), round(1e-5), 10000)
        code  = nearest k to round(w / scale), ties to the lower
        error = round(mean of round(round(round(k * scale) - w)^2)), the mean in binary32 steps from left to right

    A type wins if its error is below those of the ones before, and below 1000. ``precision="float16"`` replays the
    published code (its order of summation is unverified; below 1 these sums are exact in any order); ``"float32"`` is
    the same in finer steps. Raises ``ValueError`` for weights that are not numbers of
    ``precision``, and where no error lies below 1000 (the published code leaves zeros there).

    >>> group = bitmod_group([-6.0, 1.0, 2.0, 4.0], 3, precision="float32")
    >>> group.choice, group.codes, group.scale
    (3, (4, 1, 2, 3), Fraction(1, 1))

    Source: BitMoD-HPCA-25 at e445a5f, quant_weight.py, ``search_datatype`` and ``quant_datatype``.
    """
    to_precision = _rounder(precision)
    exact = [Fraction(weight) for weight in weights]
    if not exact or any(to_precision(weight) != weight for weight in exact):
        raise ValueError(f"weights must be one or more numbers of {precision}: {list(weights)}")
    best: BitmodGroup | None = None
    for choice, book in enumerate(bitmod_books(bits)):
        tried = _try(exact, book, choice, to_precision)
        if tried.error < (1000 if best is None else best.error):
            best = tried
    if best is None:
        raise ValueError("no data type has an error below 1000: BitMoD's code leaves zeros there")
    return best


def _rounder(precision: str) -> Callable[[Number], Number]:
    if precision not in _PRECISIONS:
        raise ValueError(f"precision={precision!r} is not known; choose one of: {', '.join(_PRECISIONS)}")
    spec = _PRECISIONS[precision]

    def to_precision(value: Number) -> Number:
        rounded = decode(encode(value, spec, rounding="nearest_ties_to_even", saturation="sat_none"), spec)
        return rounded if rounded in (math.inf, -math.inf) else Fraction(rounded)

    return to_precision


def _try(
    weights: list[Fraction], book: CodebookSpec, choice: int, to_precision: Callable[[Number], Number]
) -> BitmodGroup:
    scale = Fraction(to_precision(max(map(abs, weights)) / max(map(abs, book.numerators))))
    scale = min(max(scale, Fraction(to_precision(Fraction(1, 100000)))), Fraction(10000))
    codes = tuple(_nearest(to_precision(weight / scale), book) for weight in weights)
    to_binary32, total = _rounder("float32"), Fraction(0)
    for code, weight in zip(codes, weights, strict=True):
        difference = to_precision(to_precision(book.numerators[code] * scale) - weight)
        total = to_binary32(total + to_precision(difference * difference))
    return BitmodGroup(choice=choice, codes=codes, scale=scale, error=to_precision(to_binary32(total / len(weights))))


def _nearest(x: Number, book: CodebookSpec) -> int:
    return encode_codebook(x / book.denominator, book, decision="lower")


def bitmod_scale_codes(scales: Sequence[float | Fraction], *, levels: int) -> list[int]:
    """Second level: the group scales of one channel as integers, ``round(scale * levels / max)``, once, ties to even.

    ``levels`` is 255 (the published code) or 127 (the paper's symmetric INT8): they disagree. A channel of zeros stays
    zero. Raises ``ValueError`` for other levels or a negative scale.

    >>> bitmod_scale_codes([0.0117, 0.0093, 0.0151, 0.0046], levels=255)
    [198, 157, 255, 78]

    Source: yc2367/BitMoD, quant_weight_double.py; that its quotients round in steps is not modelled.
    """
    if levels not in (127, 255):
        raise ValueError(f"levels={levels} is not known; choose one of: 127, 255")
    exact = [Fraction(scale) for scale in scales]
    if any(scale < 0 for scale in exact):
        raise ValueError(f"scales must not be negative: {list(scales)}")
    largest = max(exact, default=Fraction(0))
    return [round(scale * levels / largest) if largest else 0 for scale in exact]


def bitmod_mx_group(weights: Sequence[float | Fraction], bits: int) -> tuple[int, list[int]]:
    """The published code's "MX" baseline, which is not OCP's: ``(e, k)`` with weights ``k * 2^e * 2 / max|k|``.

    ``e = floor(log2 max|w|)``; ``k`` is the nearest value of the plain FP3 or doubled FP4 to ``w / 2^e`` divided by
    binary32's ``2 / max|k|``, rounded once to binary32, ties to the lower. Raises ``ValueError`` for a group of zeros
    (NaN in the published code) and for weights that are not binary16.

    >>> bitmod_mx_group([0.7001953125, -0.300048828125, 0.1099853515625, 0.0200042724609375], 4)
    (-1, [8, -4, 1, 0])

    Source: BitMoD-HPCA-25 at e445a5f, quant_weight.py, ``quant_mx``.
    """
    to_binary16, to_binary32 = _rounder("float16"), _rounder("float32")
    exact = [Fraction(weight) for weight in weights]
    if not any(exact) or any(to_binary16(weight) != weight for weight in exact):
        raise ValueError(f"weights must be numbers of float16, not all of them 0: {list(weights)}")
    largest = max(map(abs, exact))
    e = largest.numerator.bit_length() - largest.denominator.bit_length()  # the denominator is a power of two
    plain = sorted(set(bitmod_books(bits)[0].numerators) - {_ER_PLUS[bits]})
    step = to_binary32(Fraction(2, plain[-1]))
    shifted = [to_binary32(weight / Fraction(2) ** e / step) for weight in exact]
    return e, [min(plain, key=lambda k: (abs(k - x), k)) for x in shifted]


_ER_PLUS = {3: 3, 4: 10}


def bitmod_terms(value: Fraction | int) -> tuple[tuple[int, int], ...]:
    """The bit-serial terms ``(s, p)`` of a BitMoD value: it is the sum of ``(-1)^s * 2^p``, of at most two terms.

    The first is the leading one of the magnitude in fixed point ``I3 I2 I1 I0 . F0``, the second what remains. Raises
    ``ValueError`` for a magnitude above 8.5, one finer than halves, or with more than two ones.

    >>> bitmod_terms(Fraction(-3, 2)), bitmod_terms(8), bitmod_terms(0)
    (((1, 0), (1, -1)), ((0, 3),), ())

    Source: BitMoD (arXiv 2411.11745), section IV; the released ``decoder.v`` does otherwise and is no reference.
    """
    halves = abs(Fraction(value)) * 2
    ones = [place for place in range(4, -1, -1) if halves.denominator == 1 and int(halves) >> place & 1]
    if sum(1 << place for place in ones) != halves or len(ones) > 2:
        raise ValueError(f"{value} is no sum of two powers of 2 from 1/2 to 8")
    return tuple((int(value < 0), place - 1) for place in ones)


def booth_digits(integer: int, *, bits: int) -> tuple[int, ...]:
    """Radix-4 Booth digits in -2..2 of a two's complement integer, least significant first: the sum of ``d[i] * 4^i``.

    ``d[i] = b[2i-1] + b[2i] - 2 b[2i+1]`` with the bits ``b``, ``b[-1] = 0``; ``bits / 2`` digits. Raises
    ``ValueError`` for an odd number of bits or an integer outside them.

    >>> booth_digits(-77, bits=8), booth_digits(-128, bits=8)
    ((-1, 1, -1, -1), (0, 0, 0, -2))

    Source: A. D. Booth, 1951, in radix 4 (O. L. MacSorley, 1961); BitMoD, section IV, for INT8 and INT6.
    """
    if bits < 2 or bits % 2 or not -(1 << bits - 1) <= integer < 1 << bits - 1:
        raise ValueError(f"{integer} must fit bits={bits}, an even number")
    bit = [0, *((integer >> place) & 1 for place in range(bits))]
    return tuple(bit[i] + bit[i + 1] - 2 * bit[i + 2] for i in range(0, bits, 2))
