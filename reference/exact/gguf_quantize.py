"""The judge: the gguf package's quantisers, one block at a time, every step rounded from its exact value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from formats import Rounding, Saturation
from formats.gguf.rules import Anchor, LeastErrorRule, ScaledRule, ToInteger, gguf_rule
from formats.gguf.types import gguf_type
from formats.results import FLOAT16, FLOAT32
from reference.exact.arithmetic import Policy
from reference.exact.codec import decode, encode
from reference.exact.gguf import Value, decode_number

_NEAREST: Policy = {"rounding": Rounding.NEAREST_TIES_TO_EVEN, "saturation": Saturation.SAT_NONE}
#: ln 2 to 30 digits, of which the last is rounded
_LN2 = Fraction(693147180559945309417232121458, 10**30)


def quantize_gguf(x: Sequence[float | Fraction], kind: str) -> dict[str, list[int]]:
    """The codes of one block of numbers, by field as `unpack_gguf` gives them.

    Definition: `formats.gguf.rules.ScaledRule` and `LeastErrorRule`. ``x``: as many numbers of binary32 as the type's
    block has elements. Raises ``KeyError`` (a type without a rule) or ``ValueError`` (another number of elements; one
    that is not finite or not of binary32; a block whose step divides beyond binary32's range).

    >>> quantize_gguf([1.0, -0.5, *[0.0] * 30], "Q8_0")["codes"][:2]
    [127, 192]
    """
    rule, spec = gguf_rule(kind), gguf_type(kind)
    if len(x) != spec.elements:
        raise ValueError(f"a block of {spec.name} has {spec.elements} elements, not {len(x)}")
    for index, value in enumerate(x):
        if not math.isfinite(value) or _binary32(Fraction(value)) != value:
            raise ValueError(f"x[{index}] = {value} is no finite number of binary32")
    return _least_error(x, rule) if isinstance(rule, LeastErrorRule) else _scaled(x, rule, kind)


def _scaled(x: Sequence[float | Fraction], rule: ScaledRule, kind: str) -> dict[str, list[int]]:
    low = min(x, key=lambda value: (value, math.copysign(1, value))) if rule.anchor is Anchor.RANGE else 0.0
    d = _binary32(_binary32(_anchor(x, rule.anchor)) / rule.divisor)
    reciprocal = _binary32(1 / d) if d else Fraction(0)
    if math.isinf(d) or math.isinf(reciprocal):
        raise ValueError(f"the scale {float(d)} of a block or its reciprocal is beyond binary32")
    integers = [_integer(_binary32(_binary32(Fraction(value) - Fraction(low)) * reciprocal), rule) for value in x]
    field = gguf_type(kind).codes
    codes = {"codes": [(integer ^ field.flip) % 2**field.width for integer in integers]}
    codes["scales"] = [_float16(d, negative=_is_negative(x, rule))]
    if rule.anchor is Anchor.RANGE:
        codes["shifts"] = [_float16(Fraction(low), negative=math.copysign(1, low) < 0)]
    return codes


def _anchor(x: Sequence[float | Fraction], anchor: Anchor) -> Fraction:
    if anchor is Anchor.RANGE:
        return Fraction(max(x)) - Fraction(min(x))
    extreme = Fraction(max(x, key=abs))
    return extreme if anchor is Anchor.EXTREME else abs(extreme)


def _is_negative(x: Sequence[float | Fraction], rule: ScaledRule) -> bool:
    """The sign of the scale, also where it is zero."""
    anchor = max(x, key=abs) if rule.anchor is Anchor.EXTREME else 0.0
    return (math.copysign(1, anchor) < 0) != (rule.divisor < 0)


def _integer(n: Value, rule: ScaledRule) -> int:
    if rule.to_integer is ToInteger.TRUNCATE:
        return min(math.trunc(_binary32(n + Fraction(rule.added))), rule.greatest)
    return math.floor(abs(n) + Fraction(1, 2)) * (-1 if n < 0 else 1)


def _least_error(x: Sequence[float | Fraction], rule: LeastErrorRule) -> dict[str, list[int]]:
    spec = gguf_type("MXFP4").spec
    largest = max(abs(Fraction(value)) for value in x)
    code = _floor_log2(largest) + rule.added if largest else 0
    if code < 0:
        raise ValueError(f"the largest magnitude {float(largest)} of a block needs the scale code {code}")
    scale = decode_number(code, spec.scale.format)
    products = [_binary32(scale * decode_number(c, spec.element)) for c in range(1 << spec.element.bits)]
    return {"codes": [_nearest(Fraction(value), products) for value in x], "scales": [code]}


def _nearest(value: Fraction, products: list[Value]) -> int:
    errors = [abs(product if math.isinf(product) else _binary32(product - value)) for product in products]
    return errors.index(min(errors))


def _floor_log2(value: Fraction) -> int:
    """The floor of the logarithm rounded to binary32: one more than that of the logarithm just below a power of two.

    Just below the integer ``floor + 1`` neighbours of binary32 differ by ``2 h``; the logarithm rounds to that integer
    where ``value / 2^(floor + 1) = 1 - t`` is above ``2^-h``. The series for ``2^-h`` is good to 80 bits, and ``t`` a
    multiple of ``2^-24``.
    """
    floor = value.numerator.bit_length() - value.denominator.bit_length()
    floor -= value < Fraction(2) ** floor
    if floor in (-1, 0):
        return floor  # binary32 is finest about 0 and below 1: nothing is carried
    distance = abs(floor + 1) if floor < 0 else floor
    z = Fraction(2) ** (distance.bit_length() - 1 - 24) * _LN2
    t = 1 - value / Fraction(2) ** (floor + 1)
    return floor + (t < z - z**2 / 2 + z**3 / 6 - z**4 / 24)


def _binary32(value: Value) -> Value:
    """The nearest number of binary32, ties to even; an infinity beyond its range."""
    rounded = decode(encode(value, FLOAT32, **_NEAREST), FLOAT32)
    return rounded if math.isinf(rounded) else Fraction(rounded)


def _float16(value: Value, *, negative: bool) -> int:
    """The code of float16; a zero has the sign that is given."""
    code = encode(abs(value), FLOAT16, **_NEAREST)
    return code | FLOAT16.sign_code if negative else code
