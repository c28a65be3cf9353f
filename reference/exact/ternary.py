"""The judge of ternary and binary quantisers: the records of `formats.ternary` on lists of Fractions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from formats import FLOAT32, get
from formats.ternary.activations import Arithmetic, ElasticQuantizer, TokenQuantizer, elastic_quantizer, token_quantizer
from formats.ternary.storage import TernaryBlock, ternary_block
from formats.ternary.weights import Decision, Guard, NoScale, WeightQuantizer, weight_quantizer
from reference.exact.codec import decode, encode

Number = Fraction | int | float
_HALF = Fraction(1, 2)


def rounded(value: Number, fmt: str = "float32") -> Fraction | float:
    """The number of binary32 (or ``"bfloat16"``, ``"float16"``) nearest to ``value``, ties to even; infinite beyond.

    >>> rounded(Fraction(1, 3)) == Fraction(11184811, 2**25)
    True
    """
    spec = FLOAT32 if fmt == "float32" else get(fmt)
    return decode(encode(value, spec, rounding="nearest_ties_to_even", saturation="sat_none"), spec)


def quantize_weights(
    rows: Sequence[Sequence[Number]], quantizer: str | WeightQuantizer
) -> tuple[list[list[int]], list[Fraction | float]]:
    """Codes, and the scale of each row, or one for the tensor; finite numbers of binary32, taken exactly.

    Definition: `formats.WeightQuantizer`.

    >>> quantize_weights([[3, -1, 1, -1]], "tbt_binary_code")
    ([[1, -1, 1, -1]], [Fraction(3, 2)])
    """
    made = weight_quantizer(quantizer)
    groups = list(rows) if made.by_row else [[w for row in rows for w in row]]
    decided = [_group([Fraction(w) for w in group], made) for group in groups]
    flat = [t for trits, _ in decided for t in trits]
    sizes = [len(row) for row in rows]
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return [flat[s : s + n] for s, n in zip(starts, sizes, strict=True)], [scale for _, scale in decided]


def _group(weights: list[Fraction], made: WeightQuantizer) -> tuple[list[int], Fraction | float]:
    d = weights
    if made.centred:
        mu = rounded(sum(weights, Fraction(0)) / len(weights))
        d = [Fraction(rounded(w - Fraction(mu))) for w in weights]
    statistic = sum(map(abs, d), Fraction(0)) / len(d)
    if made.stepwise:
        s = Fraction(rounded(statistic))
        s = s if made.factor == 1 else Fraction(rounded(s * Fraction(rounded(made.factor))))
    else:
        s = Fraction(rounded(made.factor * statistic))
    divisor, eps = s, Fraction(rounded(made.eps))
    if made.guard is Guard.ADDED:
        divisor = Fraction(rounded(s + eps))
    if made.guard is Guard.FLOOR:
        s = divisor = max(s, eps)
    trits, scale = _decided(d, s, divisor, made)
    if scale == 0:
        return [0] * len(d), math.nan if made.no_scale is NoScale.NAN else scale
    return trits, scale


def _decided(d: list[Fraction], s: Fraction, divisor: Fraction, made: WeightQuantizer) -> tuple[list[int], Fraction]:
    match made.decision:
        case Decision.SIGN:
            return [_sign(w) if w else made.sign_of_zero for w in d], s
        case Decision.ABOVE:
            chosen = [abs(w) for w in d if abs(w) > s]
            mean = Fraction(rounded(sum(chosen, Fraction(0)) / len(chosen))) if chosen else Fraction(0)
            return [_sign(w) if abs(w) > s else 0 for w in d], mean
        case Decision.QUOTIENT:
            return [_clipped(_half_even(w / divisor), -1, 1) if divisor else 0 for w in d], s
        case Decision.RECIPROCAL:
            inverse = Fraction(rounded(1 / divisor))
            trits = [_clipped(_integer(rounded(w * inverse)), -1, 1) for w in d]
            return trits, Fraction(rounded(1 / inverse))


def quantize_tokens(x: Sequence[Number], quantizer: str | TokenQuantizer) -> tuple[list[int], Fraction | float]:
    """Codes and scale of one token; finite numbers of binary32.

    Definition: `formats.TokenQuantizer`.

    >>> quantize_tokens([2, -1, Fraction(1, 2)], "bitnet_tokens_paper")
    ([128, -64, 32], Fraction(64, 1))
    """
    made, values = token_quantizer(quantizer), [Fraction(v) for v in x]
    fmt = "bfloat16" if made.arithmetic is Arithmetic.BFLOAT16 else "float32"
    g = max(*map(abs, values), Fraction(rounded(made.floor, fmt)))
    if g == 0:
        return [0] * len(values), math.inf
    s = rounded(made.levels / g, fmt)
    if made.arithmetic is Arithmetic.EXACT:
        codes = [_half_even(v * made.levels / g) for v in values]
    else:
        codes = [_integer(rounded(v * Fraction(s), fmt)) for v in values]
    return [_clipped(q, made.least, made.greatest) for q in codes], s


def bitnet_linear(codes: Sequence[int], trits: Sequence[int], scale: Number, gamma: Number) -> Fraction | float:
    """``RN(RN(RN(acc) / s) * gamma)`` with ``acc`` the sum of ``codes * trits``.

    >>> bitnet_linear([100, 50], [1, -1], 100, Fraction(1, 2))
    Fraction(1, 4)
    """
    accumulator = sum(q * t for q, t in zip(codes, trits, strict=True))
    quotient = rounded(Fraction(rounded(accumulator)) / Fraction(scale))
    return rounded(Fraction(quotient) * Fraction(gamma))


def elastic(
    x: Sequence[Number], alpha: Number, quantizer: str | ElasticQuantizer
) -> tuple[list[int], list[Fraction | float]]:
    """Codes and values of a tensor. Definition: `formats.ElasticQuantizer`.

    >>> elastic([3, -1, Fraction(1, 4)], 2, "tbt_signed_2bit_code")
    ([1, 0, 0], [Fraction(2, 1), Fraction(0, 1), Fraction(0, 1)])
    """
    made = elastic_quantizer(quantizer)
    a, v, shift = _elastic_parts(x, alpha, made)
    if made.by_sign:
        codes = [_sign(u) for u in v]
    else:
        codes = [
            _clipped(_integer(rounded(u / a)) if made.stepwise else _half_even(u / a), made.least, made.greatest)
            for u in v
        ]
    return codes, [rounded(a * q + shift) if made.from_least else a * q for q in codes]


def elastic_gradients(
    x: Sequence[Number], alpha: Number, gradient: Sequence[Number], quantizer: str | ElasticQuantizer
) -> tuple[list[Fraction], Fraction | float]:
    """Gradients of ``x`` and ``alpha``. Definition: `formats.ElasticQuantizer`.

    >>> elastic_gradients([3, -1, 1], 2, [1, 1, 1], "tbt_signed_2bit_paper")[0]
    [Fraction(1, 1), Fraction(1, 1), Fraction(1, 1)]
    """
    made = elastic_quantizer(quantizer)
    a, v, _ = _elastic_parts(x, alpha, made)
    g = [Fraction(part) for part in gradient]
    ratios = [Fraction(rounded(u / a)) for u in v]
    inside = [made.least <= r <= made.greatest for r in ratios]
    slopes = [Fraction(_slope(r, u, made)) for r, u in zip(ratios, v, strict=True)]
    h = _inverse_root(len(v) * made.greatest) if made.scaled_gradient else Fraction(1)
    terms = [Fraction(rounded(Fraction(rounded(c * part)) * h)) for c, part in zip(slopes, g, strict=True)]
    return [part if keep else Fraction(0) for part, keep in zip(g, inside, strict=True)], rounded(
        sum(terms, Fraction(0))
    )


def _slope(ratio: Fraction, value: Fraction, made: ElasticQuantizer) -> Number:
    if made.by_sign:
        return _sign(value)
    if ratio < made.least:
        return made.least
    return made.greatest if ratio > made.greatest else rounded(_half_even(ratio) - ratio)


def elastic_start(x: Sequence[Number], quantizer: str | ElasticQuantizer) -> Fraction | float:
    """The first ``alpha``. Definition: `formats.ElasticQuantizer`.

    >>> elastic_start([1, -3], "tbt_signed_2bit_code")
    Fraction(4, 1)
    """
    made = elastic_quantizer(quantizer)
    mean = sum((abs(Fraction(v)) for v in x), Fraction(0)) / len(x)
    root = Fraction(rounded(1 / _inverse_root(made.start_levels, bits=200)))
    return rounded(Fraction(rounded(made.start * mean)) / root)


def _elastic_parts(
    x: Sequence[Number], alpha: Number, made: ElasticQuantizer
) -> tuple[Fraction, list[Fraction], Fraction]:
    values, shift = [Fraction(v) for v in x], Fraction(0)
    if made.centred:
        shift = Fraction(rounded(sum(values, Fraction(0)) / len(values)))
    if made.from_least:
        shift = min(values)
    shifted = [Fraction(rounded(v - shift)) for v in values] if shift else values
    return max(Fraction(alpha), Fraction(rounded(made.floor))), shifted, shift


def _inverse_root(n: int, *, bits: int = 24) -> Fraction:
    """``n^(-1/2)``: rounded to binary32, or cut off far below it."""
    root = Fraction(math.isqrt((1 << 400) // n), 1 << 200)
    return root if bits > 24 else Fraction(rounded(root))


def quantize_block(x: Sequence[Number], block: str | TernaryBlock) -> tuple[list[int], Fraction | float]:
    """Trits and the stored scale of a GGUF block. Definition: `formats.TernaryBlock`.

    >>> quantize_block([3] + [1] * 255, "tq2_0")[1]
    Fraction(3, 1)
    """
    made, values = ternary_block(block), [Fraction(v) for v in x]
    if len(values) != made.elements:
        raise ValueError(f"{len(values)} elements are no block of {made.name}, which has {made.elements}")
    d = max(map(abs, values))
    inverse = Fraction(rounded(1 / d)) if d else Fraction(0)
    return [_half_away(Fraction(rounded(v * inverse))) for v in values], rounded(d, "float16")


def quantize_q8_k(x: Sequence[Number]) -> tuple[list[int], Fraction | float]:
    """Codes and scale of llama.cpp's activations: ``RN(x * RN(-127 / m))``, ``m`` the first of greatest magnitude.

    >>> quantize_q8_k([1, -2, Fraction(1, 2)] + [0] * 253)[0][:3]
    [64, -127, 32]
    """
    values = [Fraction(v) for v in x]
    extreme = max(values, key=abs)
    if not extreme:
        return [0] * len(values), Fraction(0)
    inverse = Fraction(rounded(Fraction(-127) / extreme))
    return [min(_integer(rounded(v * inverse)), 127) for v in values], rounded(1 / inverse)


def _integer(value: Fraction | float) -> int:
    return _half_even(Fraction(value))


def _half_even(value: Fraction) -> int:
    down = math.floor(value)
    rest = value - down
    return down + (rest > _HALF or (rest == _HALF and down % 2 == 1))


def _half_away(value: Fraction) -> int:
    return _sign(value) * math.floor(abs(value) + _HALF)


def _sign(value: Fraction) -> int:
    return (value > 0) - (value < 0)


def _clipped(value: int, least: int, greatest: int) -> int:
    return min(max(value, least), greatest)
