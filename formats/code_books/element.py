"""A narrow float format as the code-book of its values, so that a code-book's decision can round into it."""

from __future__ import annotations

import functools

from formats.code_books.book import CodebookSpec
from formats.floating import FloatSpec, Nan


@functools.cache
def element_book(spec: FloatSpec) -> CodebookSpec:
    """The values of a format of which every code is a number. Raises ``ValueError`` for other formats.

    >>> import formats
    >>> book = element_book(formats.get("float4_e2m1fn"))
    >>> book.numerators[:8], book.denominator, book.negative_zero
    ((0, 1, 2, 3, 4, 6, 8, 12), 2, 8)
    """
    every = spec.bits <= 8 and spec.max_code == (1 << spec.magnitude_bits) - 1 and spec.nan is not Nan.NEGATIVE_ZERO
    if not (every and spec.has_zero and spec.emin <= spec.fraction_bits):
        raise ValueError(f"{spec.name} is no float format of at most 8 bits whose codes are all numbers; e2m1 is one")
    magnitudes = [_magnitude(c, spec) for c in range(spec.max_code + 1)]
    return CodebookSpec(
        name=spec.name,
        bits=spec.bits,
        numerators=(*magnitudes, *(-m for m in magnitudes)) if spec.signed else tuple(magnitudes),
        denominator=1 << (spec.fraction_bits - spec.emin),
        negative_zero=spec.sign_code if spec.signed else None,
        source=spec.source,
    )


def _magnitude(c: int, spec: FloatSpec) -> int:
    """The value of a magnitude code in units of the smallest subnormal."""
    exponent, fraction = c >> spec.fraction_bits, c % (1 << spec.fraction_bits)
    return fraction if exponent == 0 else ((1 << spec.fraction_bits) + fraction) << (exponent - 1)
