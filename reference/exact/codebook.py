"""The judge: code-books, one number at a time."""

from __future__ import annotations

import functools
import math
from fractions import Fraction

from formats import NanRule, parse_enum
from formats.code_books.book import CodebookSpec
from formats.code_books.decision import Thresholds, Ties
from formats.code_books.decisions import decision as named_decision
from formats.code_books.named import codebook

Number = Fraction | int | float


def encode_codebook(
    value: Number,
    book: str | CodebookSpec,
    *,
    decision: Ties | Thresholds | str,
    nan: NanRule | str | None = None,
) -> int:
    """The code of ``value``, by the definition of `formats.Ties` or `formats.Thresholds`.

    A NaN becomes what 0 (``nan="zero"``), +infinity (``"maximum"``) or -infinity (``"minimum"``) becomes. Raises
    ``KeyError`` (unknown book), ``ValueError`` (unknown decision, NaN without a rule) or ``TypeError`` (not a number).

    >>> encode_codebook(Fraction(1, 3), "bitsandbytes_fp4", decision="lower"), encode_codebook(0.1, "nf4", decision="lower")
    (4, 8)
    """  # noqa: E501
    spec = codebook(book)
    chosen = named_decision(decision, spec)
    if not isinstance(value, (Fraction, int, float)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"value must be a Fraction, int or float, not {type(value).__name__}")
    if value != value:
        value = _stand_in(spec, nan)
    if isinstance(chosen, Thresholds):
        return chosen.codes[_passed(value, chosen)]
    return _nearest(value, spec, chosen)


def decode_codebook(code: int, book: str | CodebookSpec) -> Fraction | float:
    """The value of a code: a Fraction, or ``-0.0`` where the book has a -0.

    Raises ``KeyError`` (unknown book) or ``ValueError`` (a code that does not exist).

    >>> decode_codebook(3, "bitmod_fp3_er_plus"), decode_codebook(8, "bitsandbytes_fp4")
    (Fraction(4, 1), -0.0)
    """
    spec = codebook(book)
    value = spec.fraction(code)
    return -0.0 if code == spec.negative_zero else value


def _stand_in(spec: CodebookSpec, nan: NanRule | str | None) -> Number:
    if nan is None:
        rules = ", ".join(rule.value for rule in NanRule)
        raise ValueError(f"{spec.name} has no NaN; state nan= as one of: {rules}")
    rule = parse_enum(NanRule, nan, "nan")
    return {NanRule.ZERO: 0, NanRule.MAXIMUM: math.inf, NanRule.MINIMUM: -math.inf}[rule]


def _passed(value: Number, thresholds: Thresholds) -> int:
    """How many thresholds ``value`` passes; ``p / q`` against ``t / d`` is ``p * d`` against ``t * q``."""
    if value in (math.inf, -math.inf):
        return len(thresholds.numerators) if value > 0 else 0
    p, q = value.as_integer_ratio()
    p *= thresholds.denominator
    flags = zip(thresholds.numerators, thresholds.inclusive, strict=True)
    return sum(p >= t * q if inclusive else p > t * q for t, inclusive in flags)


def _nearest(value: Number, spec: CodebookSpec, ties: Ties) -> int:
    smallest_code, values = _sorted_values(spec)
    if value <= Fraction(values[0], spec.denominator):
        return smallest_code[values[0]]
    if value >= Fraction(values[-1], spec.denominator):
        return smallest_code[values[-1]]
    p, q = value.as_integer_ratio()
    distances = [abs(numerator * q - p * spec.denominator) for numerator in values]
    least = min(distances)
    index = distances.index(least)
    if distances[index + 1 :].count(least):
        index = _tie(index, values, ties)
    return smallest_code[values[index]]


@functools.lru_cache(maxsize=32)
def _sorted_values(spec: CodebookSpec) -> tuple[dict[int, int], list[int]]:
    """The smallest code of each numerator, and the numerators in order."""
    smallest_code: dict[int, int] = {}
    for code, numerator in enumerate(spec.numerators):
        smallest_code.setdefault(numerator, code)
    return smallest_code, sorted(smallest_code)


def _tie(lower: int, values: list[int], ties: Ties) -> int:
    """The index taken of two equally near ones, ``lower`` and ``lower + 1``."""
    upper = lower + 1
    upper_is_farther = abs(values[upper]) > abs(values[lower])
    opposite = values[upper] == -values[lower]
    takes_upper = {
        Ties.LOWER: False,
        Ties.UPPER: True,
        Ties.EVEN_INDEX: upper % 2 == 0,
        Ties.TOWARD_ZERO: opposite or not upper_is_farther,
        Ties.AWAY_FROM_ZERO: opposite or upper_is_farther,
    }
    return upper if takes_upper[ties] else lower
