"""The judge of TFLite's activation tables: functions to 300 bits, and one rounding to binary32 a step."""

from __future__ import annotations

from fractions import Fraction
from math import floor, isqrt

from formats.integer_only.activation_tables import Activation
from formats.integer_only.ibert_rules import LN2
from reference.exact.ibert import significant

#: fixed point: so many bits after the point
_BITS = 400
_UNIT = 1 << _BITS
#: to 50 decimals
PI = Fraction("3.14159265358979323846264338327950288419716939937511")


def int8_table(function: Activation, source: tuple[float, int], out: tuple[float, int]) -> list[int]:
    """256 entries, for scales and zero points.

    >>> int8_table(Activation.TANH, (1 / 16, 0), (1 / 128, 0))[128:132]
    [0, 8, 16, 24]
    """
    scale, inverse = _single(Fraction(source[0])), _single(1 / _single(Fraction(out[0])))
    values = [_single(evaluate(function, _single(scale * (q - source[1]))) * inverse) for q in range(-128, 128)]
    return [min(max(_rounded(value) + out[1], -128), 127) for value in values]


def xnnpack_elu_table(source: tuple[float, int], out: tuple[float, int]) -> list[int]:
    """256 entries of XNNPACK's ELU, for scales and zero points.

    >>> xnnpack_elu_table((0.5, 0), (1.0, 0))[128:134]
    [0, 0, 1, 2, 2, 2]
    """
    scale, inverse = _single(Fraction(source[0])), _single(1 / _single(Fraction(out[0])))
    values = [evaluate(Activation.ELU, _single(scale * (q - source[1]))) for q in range(-128, 128)]
    return [min(max(round(_single(_single(value * inverse) + out[1])), -128), 127) for value in values]


def int16_table(function: Activation, source: float, out: float) -> list[int]:
    """513 entries, for scales; zero points are 0.

    >>> int16_table(Activation.EXP, 1 / 8192, 1 / 512)[::256]
    [9, 512, 27951]
    """
    scale, unit = _single(Fraction(source)), _single(Fraction(out))
    low, high = _single(scale * -32768), _single(scale * 32767)
    step = _single(_single(high - low) / 512)
    inverse = _single(65536 / _single(_single(unit * 32767) - _single(unit * -32768)))
    points = [_single(low + _single(i * step)) for i in range(513)]
    values = [_single(evaluate(function, x) * inverse) for x in points]
    made: list[int] = []
    for i in range(512):
        first = _rounded(values[i])
        between = _rounded(_single(_single(values[i + 1] + first) / 2))
        middle = _rounded(_single(evaluate(function, _single(points[i] + step / 2)) * inverse))
        made.append(_clamped(first - _rounded(Fraction(between - middle, 2))))
    return [*made, _clamped(_rounded(_single(evaluate(function, high) * inverse)))]


def look_up16(q: int, table: list[int]) -> int:
    """One number of a table of 513.

    >>> look_up16(63, [0] * 257 + [128] * 256)
    63
    """
    place, rest = 256 + q // 128, q % 128
    return table[place] + floor(Fraction((table[place + 1] - table[place]) * rest, 128) + Fraction(1, 2))


def evaluate(function: Activation, x: Fraction) -> Fraction:
    """The function of a binary32 number, as `Activation` states it.

    >>> float(evaluate(Activation.LOGISTIC, Fraction(0)))
    0.5
    """
    match function:
        case Activation.LOGISTIC:
            return _single(1 / (1 + exp(-x)))
        case Activation.TANH:
            return _single(tanh(x))
        case Activation.EXP:
            return _single(exp(x))
        case Activation.ELU:
            return x if x >= 0 else _single(exp(x) - 1)
        case Activation.GELU:
            argument = _single(x * -_single(_root(Fraction(1, 2))))
            return _single(_single(x / 2) * _single(erfc(argument)))
        case Activation.GELU_TANH:
            cube = _single(_single(Fraction("0.044715")) * _single(_single(x * x) * x))
            inner = _single(_single(_root(2 / PI)) * _single(x + cube))
            return _single(_single(x / 2) * _single(1 + _single(tanh(inner))))


def exp(x: Fraction) -> Fraction:
    """``e^x``, to a relative error below 2^-150 for ``|x| <= 1000``: the series, after whole powers of two.

    >>> float(exp(Fraction(1)))
    2.718281828459045
    """
    power = round(x / Fraction(LN2))
    rest = floor((x - power * Fraction(LN2)) * _UNIT)
    total = term = _UNIT
    for n in range(1, 100):
        term = term * rest // _UNIT // n
        total += term
    return Fraction(total, _UNIT) * Fraction(2) ** power


def tanh(x: Fraction) -> Fraction:
    """The hyperbolic tangent.

    >>> float(tanh(Fraction(1, 2)))
    0.46211715726000974
    """
    if abs(x) > 100:
        return Fraction(1 if x > 0 else -1)
    power = exp(-2 * abs(x))
    return (1 if x >= 0 else -1) * (1 - power) / (1 + power)


def erfc(x: Fraction) -> Fraction:
    """``1 - erf(x)``, by the series of erf; beyond 10 it is below 2^-147, taken as 0 or 2.

    >>> float(erfc(Fraction(1)))
    0.15729920705028513
    """
    if abs(x) > 10:
        return Fraction(0 if x > 0 else 2)
    scaled = floor(x * _UNIT)
    square, power, total = scaled * scaled // _UNIT, scaled, 0
    for n in range(600):
        total += power // (2 * n + 1)
        power = -power * square // _UNIT // (n + 1)
    return 1 - Fraction(2 * total, _UNIT) / _root(PI)


def _root(number: Fraction) -> Fraction:
    return Fraction(isqrt(number.numerator * number.denominator << 400), number.denominator << 200)


def _single(number: Fraction) -> Fraction:
    return significant(number, 24)


def _rounded(number: Fraction) -> int:
    """Halves away from zero."""
    magnitude = floor(abs(number) + Fraction(1, 2))
    return magnitude if number >= 0 else -magnitude


def _clamped(entry: int) -> int:
    return min(max(entry, -(2**15)), 2**15 - 1)
