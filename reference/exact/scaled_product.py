"""The judge: one output of a product with quantised weights, by the steps of `formats.products.ScaledProduct`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction

import formats
from formats import FLOAT32, FloatSpec, Format, IntegerSum, IntSpec, Rounding, Saturation
from formats.products import Factor, ScaledProduct, Weight, scaled_product
from formats.products.record import value_format
from reference.exact.codec import decode, encode
from reference.exact.dot import dot
from reference.exact.integer_requantise import requantise
from reference.exact.terms import Value, is_infinite, is_nan, product, rounded_total

Number = Fraction | int | float
_RNE = Rounding.NEAREST_TIES_TO_EVEN
_HALF_BELOW, _HALF_ABOVE = Fraction(-513, 4), Fraction(255, 2)  # -128.25 and 127.5: beyond, QQQ's bytes are garbage


def scaled_dot(
    a: Sequence[int],
    w: Sequence[int],
    *,
    product: str | ScaledProduct,
    group_scales: Sequence[int] | None = None,
    zero_points: Sequence[int] | None = None,
    a_scales: Sequence[Number] | None = None,
    weight_scale: Number | None = None,
    token_scale: Number | None = None,
    tensor_scale: Number | None = None,
    multiplier: int | None = None,
    shift: int | None = None,
    cuts: Sequence[int] | None = None,
) -> int:
    """The code of one output: ``a`` and ``w`` hold K codes each of the formats of ``product``.

    ``group_scales`` and ``zero_points``: a code for each group (one zero point where there are no groups); the other
    scales: numbers that float32 holds. ``multiplier / 2^shift`` is the ratio of a requantiser. ``cuts``: where the
    parts of K begin and end, from 0 to at least K, multiples of the product's ``unit``; None is one part. What lies
    beyond K is zeros.

    Raises ``KeyError`` (unknown product), ``TypeError`` (arguments missing or without meaning), ``ValueError``
    (lengths, codes that do not fit, scales that are not finite, a weight that does not exist, cuts) and
    ``OverflowError`` (what the requantiser does not hold).

    >>> ones = [0x3F80] * 128  # of bfloat16
    >>> hex(scaled_dot(ones, [2] * 128, product="w4a16_g128", group_scales=[0x3F00]))  # 256 times 1/2
    '0x4300'
    """
    record = scaled_product(product)
    factors = {"weight_scale": weight_scale, "token_scale": token_scale, "tensor_scale": tensor_scale}
    _check_given(record, group_scales, zero_points, a_scales, factors, (multiplier, shift))
    if len(a) != len(w) or not a:
        raise ValueError(f"a has K={len(a)} codes and w {len(w)}; both need the same number, at least 1")
    bounds = _bounds(record, len(a), cuts)
    scales = _numbers(record.group_scale, group_scales, record, len(a))
    points = _numbers(record.zero_point, zero_points, record, len(a))
    v = [_weight(code, k, record, scales, points) for k, code in enumerate(w)]
    fill = [0] * (bounds[-1] - len(a))
    pairs = list(zip([*a, *fill], [*v, *fill], strict=True))
    factor_of = _sum_scales(record, scales, a_scales, bounds[-1], len(a))
    parts = [_part(pairs, start, stop, factor_of, record) for start, stop in itertools.pairwise(bounds)]
    total = parts[0]
    for part in parts[1:]:
        total = _add(total, part, record)
    if record.requantiser is not None:
        return _requantised(total, multiplier or 0, shift or 0, record)
    return _epilogue(total, factors, record)


def _check_given(
    record: ScaledProduct,
    group_scales: Sequence[int] | None,
    zero_points: Sequence[int] | None,
    a_scales: Sequence[Number] | None,
    factors: dict[str, Number | None],
    dyadic: tuple[int | None, int | None],
) -> None:
    wanted = {factor.value for factor in record.epilogue}
    stated = {
        "group_scales": (group_scales, record.group_scale is not None),
        "zero_points": (zero_points, record.zero_point is not None),
        "a_scales": (a_scales, record.a_grouped),
        "multiplier": (dyadic[0], record.requantiser is not None),
        "shift": (dyadic[1], record.requantiser is not None),
        **{name: (number, name in wanted) for name, number in factors.items()},
    }
    for name, (given, needed) in stated.items():
        if needed and given is None:
            raise TypeError(f"{record.name} needs {name}")
        if given is not None and not needed:
            raise TypeError(f"{name} means nothing for {record.name}")


def _bounds(record: ScaledProduct, length: int, cuts: Sequence[int] | None) -> list[int]:
    unit = record.unit
    bounds = [0, math.ceil(length / unit) * unit] if cuts is None else list(cuts)
    rising = all(start < stop for start, stop in itertools.pairwise(bounds))
    if len(bounds) < 2 or bounds[0] or bounds[-1] < length or not rising or any(cut % unit for cut in bounds):
        raise ValueError(f"cuts={bounds} must rise from 0 to at least K={length} in multiples of {unit}")
    return bounds


def _numbers(name: str | None, codes: Sequence[int] | None, record: ScaledProduct, length: int) -> list[Fraction]:
    """The values of what groups share, one for each group."""
    if name is None or codes is None:
        return []
    count = math.ceil(length / record.group) if record.group else 1
    if len(codes) != count:
        raise ValueError(f"{record.name} takes {count} codes of {name} for K={length}, not {len(codes)}")
    return [_finite(decode(code, value_format(name))) for code in codes]


def _finite(value: Value) -> Fraction:
    if is_nan(value) or is_infinite(value):
        raise ValueError(f"scales are finite numbers, not {value}")
    return Fraction(value)


def _weight(code: int, k: int, record: ScaledProduct, scales: list[Fraction], points: list[Fraction]) -> int:
    """The code of ``v * 2^-lowered``, in the format of ``a``."""
    value, group = decode(code, formats.get(record.w)), k // record.group if record.group else 0
    match record.weight:
        case Weight.DECODED:
            made = value
        case Weight.MINUS_ZERO_POINT:
            made = Fraction(value) - points[group]
        case Weight.SCALED:
            made = product(value, scales[group])
        case Weight.REQUANTISED:
            made = _requantised_weight(Fraction(value) * scales[group], record)
    spec = formats.get(record.a)
    if record.lowered:
        made = product(made, Fraction(1, 1 << record.lowered))
    found = encode(made, spec, rounding=_RNE, saturation=_saturation(spec))
    if decode(found, spec) != made and not is_nan(made):
        raise ValueError(f"{record.name}: a={spec.name!r} does not hold {made}, a weight of {record.w}")
    return found


def _requantised_weight(exact: Fraction, record: ScaledProduct) -> Fraction:
    if not _HALF_BELOW <= exact < _HALF_ABOVE:
        raise ValueError(f"{record.name}: a weight times its scale is {float(exact)}, outside of [-128.25, 127.5)")
    return Fraction(round(exact))  # half to even


def _saturation(spec: Format) -> Saturation:
    return Saturation.SAT_FINITE if isinstance(spec, IntSpec) else Saturation.SAT_NONE


def _sum_scales(
    record: ScaledProduct, scales: list[Fraction], a_scales: Sequence[Number] | None, filled: int, length: int
) -> list[Value]:
    """What the sums of each group are multiplied by; nothing where they are not, zero for groups beyond K."""
    if not record.scales_sums or record.group is None:
        return []
    found: list[Value] = list(scales)
    if a_scales is not None:
        if len(a_scales) != len(scales):
            raise ValueError(f"{record.name} takes {len(scales)} a_scales for K={length}, not {len(a_scales)}")
        pairs = zip(scales, a_scales, strict=True)
        found = [decode(_single(product(s, _float32("a_scales", t))), FLOAT32) for s, t in pairs]
    return found + [Fraction(0)] * (filled // record.group - len(found))


def _float32(name: str, number: Number) -> Value:
    exact = -0.0 if str(number) == "-0.0" else _finite(number if isinstance(number, float) else Fraction(number))
    if decode(_single(exact), FLOAT32) != exact:
        raise ValueError(f"{name}={number} is no float32 number")
    return exact


def _single(*terms: Value) -> int:
    """The float32 code of a sum; NaN has every bit below the sign."""
    return _rounded(terms, FLOAT32)


def _rounded(terms: Sequence[Value], spec: FloatSpec) -> int:
    code = rounded_total(terms, spec, _RNE)
    return spec.sign_code - 1 if is_nan(decode(code, spec)) else code


def _part(pairs: list[tuple[int, int]], start: int, stop: int, scales: list[Value], record: ScaledProduct) -> int:
    """The code of a part of K, in the accumulator's output."""
    if record.chain is None:
        return _chain(pairs[start:stop], record)
    y = 0
    for k in range(start, stop, record.chain):
        d = _chain(pairs[k : k + record.chain], record)
        if record.scales_sums:
            term = product(decode(d, FLOAT32), scales[k // (record.group or 1)])
            y = _single(decode(y, FLOAT32), term)
        else:
            y = _add(y, d, record)
    return y


def _chain(pairs: list[tuple[int, int]], record: ScaledProduct) -> int:
    filled = pairs + [(0, 0)] * (-len(pairs) % record.rule.k)
    found = dot([a for a, _ in filled], [v for _, v in filled], accumulator=record.accumulator)
    return _single(product(decode(found, FLOAT32), Fraction(1 << record.lowered))) if record.lowered else found


def _add(x: int, y: int, record: ScaledProduct) -> int:
    rule, spec = record.rule.summation, record.rule.output
    if isinstance(rule, IntegerSum):
        exact = Fraction(decode(x, spec)) + Fraction(decode(y, spec))
        return encode(exact, spec, rounding=_RNE, saturation=rule.saturation)
    return _single(decode(x, FLOAT32), decode(y, FLOAT32))


def _requantised(total: int, multiplier: int, shift: int, record: ScaledProduct) -> int:
    if not (0 <= multiplier < 1 << 31 and 0 <= shift <= 62):
        raise ValueError(f"multiplier={multiplier} must lie in [0, 2^31), shift={shift} in [0, 62]")
    out = formats.get(record.out)
    x = int(decode(total, record.rule.output))
    ratio = multiplier / (1 << shift)  # exact: 31 bits, and a power of two
    y = requantise(x, ratio, rule=record.requantiser or "", fmt=out)
    return y % (1 << out.bits)


def _epilogue(total: int, factors: dict[str, Number | None], record: ScaledProduct) -> int:
    y = _single(decode(total, record.rule.output))
    for factor in record.epilogue:
        y = _single(product(decode(y, FLOAT32), _factor(factor, factors)))
    out = value_format(record.out)
    assert isinstance(out, FloatSpec)
    return _rounded([decode(y, FLOAT32)], out)


def _factor(factor: Factor, factors: dict[str, Number | None]) -> Value:
    number = factors[factor.value]
    assert number is not None
    return _float32(factor.value, number)
