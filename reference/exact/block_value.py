"""The judge: the value of a code under the numbers of its block, from the definition in `formats.BlockSpec`."""

from __future__ import annotations

from fractions import Fraction

from formats.block_formats.spec import BlockSpec, Coding, Form, Level, Shift
from formats.code_books.book import CodebookSpec
from reference.exact.codebook import decode_codebook
from reference.exact.codec import decode
from reference.exact.declared_steps import Value

_NAN, _INF = float("nan"), float("inf")


def dequantize_code(
    code: int,
    spec: BlockSpec,
    *,
    scale: int,
    second: Value | None = None,
    shift: int | None = None,
    shift_second: Value | None = None,
) -> Value:
    """The exact value of an element's code under the codes of its block, by the definition in `formats.BlockSpec`.

    A Fraction, or a float for NaN, an infinity or -0; zeros and infinities multiply as in IEEE 754. Raises
    ``ValueError`` for a code that does not exist, and where a number of the format is missing.

    >>> from formats.block_formats.named import block
    >>> dequantize_code(7, block("mxfp4"), scale=0), dequantize_code(7, block("mxfp4"), scale=255)
    (Fraction(3, 85070591730234615865843651857942052864), nan)
    """
    number = decoded(code, spec.element)
    factor = product(decoded(scale, spec.scale.format), second, spec.scale)
    if number != number or factor != factor:
        return _NAN
    value = _times(number, factor)
    if spec.shift is None:
        return value
    if shift is None:
        raise ValueError(f"{spec.name} has a shift, but none is given")
    o = product(decoded(shift, spec.shift.format), shift_second, spec.shift)
    if o != o:
        return _NAN
    return _sum(value, offset(factor, o, spec))


def _times(x: Value, y: Value) -> Value:
    negative = (x < 0 or str(x) == "-0.0") != (y < 0 or str(y) == "-0.0")
    if abs(x) == _INF or abs(y) == _INF:
        return _NAN if x == 0 or y == 0 else (-_INF if negative else _INF)
    product = Fraction(x) * Fraction(y)
    return -0.0 if product == 0 and negative else product


def _sum(x: Value, y: Value) -> Value:
    if abs(x) == _INF or abs(y) == _INF:
        return float(x) + float(y) if abs(x) == abs(y) else (x if abs(x) == _INF else y)
    if x == 0 and y == 0:
        return -0.0 if str(x) == str(y) == "-0.0" else Fraction(0)
    return Fraction(x) + Fraction(y)


def decoded(code: int, fmt: Coding) -> Value:
    """The value of a code of a format or code-book."""
    return decode_codebook(code, fmt) if isinstance(fmt, CodebookSpec) else decode(code, fmt)


def product(scale: Value, second: Value | None, level: Level) -> Value:
    """A first-level number under its second-level one, exactly; over 0 it is infinite, and 0 is NaN."""
    if level.second is None:
        return scale
    if second is None:
        raise ValueError(f"{level.second.name}: the format has a second level, but no second-level number is given")
    if scale != scale or second != second:
        return _NAN
    if abs(scale) == _INF or abs(second) == _INF:
        raise ValueError(f"infinite numbers, {scale} and {second}, have no exact value")
    if second == 0 and level.form is Form.DIVISOR:
        return _NAN if scale == 0 else (_INF if scale > 0 else -_INF)
    if scale == 0:  # a zero keeps its sign under a positive number
        return _times(scale, second)
    return Fraction(scale) * Fraction(second) if level.form is Form.MULTIPLIER else Fraction(scale) / Fraction(second)


def offset(scale: Value, shift: Value, spec: BlockSpec) -> Value:
    """``o`` of ``S * n + o`` for a format with a shift: a zero point ``z`` is the offset ``-S * z``."""
    if spec.shift_kind is Shift.OFFSET:
        return shift
    if spec.shift_kind is Shift.SUBTRACTED:
        return -shift
    return -Fraction(scale) * Fraction(shift)
